"""What is asked of Collaborative Compression, checked."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.problems.checks import real_number
from ccsolve.recipes.compression.curves import PATHS, UNITS
from ccsolve.recipes.compression.lookahead import EXACT, FAST
from ccsolve.recipes.compression.metrics import (
    AUTO,
    GRADIENT,
    METRICS,
    REFIT,
    strongest,
)
from ccsolve.recipes.compression.prices import TOP, WEIGHTED
from ccsolve.recipes.compression.sites import left_out
from ccsolve.statistics import Statistics
from ccsolve.statistics.cost import COUNTED

SMOOTH, GRID = "smooth", "exact"

_CHOICES = {
    "lookahead": (FAST, EXACT),
    "allocation": (SMOOTH, GRID),
    "curves": (UNITS, PATHS),
    "truncation": (TOP, WEIGHTED),
}


@dataclass(frozen=True)
class Asked:
    """The options of `ccsolve.recipes.cc.plan`."""

    allocation: str
    lookahead: str
    gamma: float
    batch: float
    curves: str
    normalised: bool
    weighted: bool
    cap: float
    truncation: str
    slip: bool
    leave_out: list[str]
    levels: int | None
    multiple_of: int
    rank_multiple: int
    min_keep: int
    fixed: dict[str, int]
    metric: str
    seed: int


def metric_of(
    stats: Statistics,
    metric: str,
    allocation: str,
    leave_out: Collection[str] | None,
) -> str:
    """Give the metric that is meant: "auto" is the paper's where its rates are."""
    if metric not in METRICS:
        raise Unsupported(f"metric {metric!r}; expected one of {', '.join(METRICS)}")
    if metric == REFIT and allocation != GRID:
        raise Unsupported(
            f"metric {metric!r} with allocation {allocation!r}, whose scores take "
            f"losses weight by weight; give allocation={GRID!r}, or metric='curvature'"
        )
    if metric != AUTO:
        return metric
    left = left_out(stats, leave_out)
    taken = [name for name in stats.layers if name not in left]
    return strongest(stats, taken) if allocation == GRID else GRADIENT


def level(options: Mapping[str, Any]) -> str:
    """Give what has to be collected of layers: "moments" beyond the paper's metric."""
    metric = options.get("metric", AUTO)
    paper = metric == GRADIENT or (metric == AUTO and options.get("allocation") != GRID)
    return "gradients" if paper else "moments"


def check(limits: Mapping[str, float], asked: Asked) -> None:
    """Raise Unsupported for budgets that chains have no model of, and other choices."""
    for name in limits:
        if name not in COUNTED:
            raise Unsupported(
                f"recipe 'cc' with a budget on {name}; expected "
                f"{' or '.join(COUNTED)}, which chains are counted in"
            )
    for name, choices in _CHOICES.items():
        value = getattr(asked, name)
        if value not in choices:
            raise Unsupported(f"{name} {value!r}; expected one of {', '.join(choices)}")


def flag(name: str, value: Any) -> bool:
    """Give a truth value; InvalidProblem for what only counts as one."""
    if not isinstance(value, bool | np.bool_):
        raise InvalidProblem(
            f"{name} = {value!r}; expected True or False, true or false in --set"
        )
    return bool(value)


def share(name: str, value: Any) -> float:
    """Give a number in (0, 1]; InvalidProblem otherwise."""
    number = real_number(name, value, 0.0)
    if not 0.0 < number <= 1.0:
        raise InvalidProblem(f"{name} = {value!r}; expected a share in (0, 1]")
    return number
