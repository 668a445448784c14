"""Plans made by hand."""

from typing import Any

from torch import nn

import ccsolve_torch as cct
from ccsolve import Plan


def every_other(model: nn.Module, x: Any, **more: Any) -> Plan:
    """Give a plan that keeps every other class of every group."""
    sizes = {name: group.size for name, group in cct.trace(model, x).groups.items()}
    return Plan(
        recipe="by hand",
        keep={name: list(range(0, size, 2)) for name, size in sizes.items()},
        sizes=sizes,
        fingerprint=cct.fingerprint(model),
        **more,
    )
