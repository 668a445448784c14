"""What was done to a model, taken down on it."""

from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from ccsolve_torch.bundling.recording import recorded
from ccsolve_torch.coupling.costs import count
from ccsolve_torch.factoring.factor_report import FactorReport
from ccsolve_torch.report import Report


def take_down(model: nn.Module, small: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Record what was done to the model, and bring the reports it has up to date."""
    small.surgery = recorded(model, small, {}, inputs)  # pyright: ignore
    reports = {"report": Report, "factor_report": FactorReport}
    for name, kind in reports.items():
        value: Any = getattr(small, name, None)
        if isinstance(value, kind):
            setattr(small, name, replace(value, achieved=count(small, inputs)))
