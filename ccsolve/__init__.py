"""Compression decisions of neural networks, solved as mathematical programs.

State a decision as a problem, solve it, and read how far from the best possible answer
it is::

    problem = ccsolve.ChannelSelection(Q, q, keep=32)
    solution = ccsolve.solve(problem)
    solution.x, solution.objective, solution.bound, solution.gap

Importing the package loads numpy alone; what needs more is imported when first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from ccsolve import errors
from ccsolve.api import methods, pick, solve
from ccsolve.iterate import Progress
from ccsolve.problems import (
    ChannelSelection,
    LowRankFit,
    NetworkSelection,
    RateAllocation,
    ReconstructionSelection,
    SmoothRateAllocation,
    WidthBudget,
    WidthTable,
)
from ccsolve.solution import Claim, Solution, Stop, merge, verify

if TYPE_CHECKING:
    from ccsolve.batch import solve_all
    from ccsolve.factors import Factor
    from ccsolve.fronts import Front
    from ccsolve.io import read, write
    from ccsolve.io.cvxpy_models import to_cvxpy
    from ccsolve.io.dimod_models import from_bqm, from_cqm, to_bqm, to_cqm
    from ccsolve.planning import plan
    from ccsolve.plans import Plan
    from ccsolve.statistics import Statistics
    from ccsolve.tracing import pareto
    from ccsolve.validation import LossModel, Validation, loss_models, validate

__version__ = "0.1.0"

__all__ = [
    "ChannelSelection",
    "Claim",
    "Factor",
    "Front",
    "LossModel",
    "LowRankFit",
    "NetworkSelection",
    "Plan",
    "Progress",
    "RateAllocation",
    "ReconstructionSelection",
    "SmoothRateAllocation",
    "Solution",
    "Statistics",
    "Stop",
    "Validation",
    "WidthBudget",
    "WidthTable",
    "errors",
    "from_bqm",
    "from_cqm",
    "loss_models",
    "merge",
    "methods",
    "pareto",
    "pick",
    "plan",
    "read",
    "solve",
    "solve_all",
    "to_bqm",
    "to_cqm",
    "to_cvxpy",
    "validate",
    "verify",
    "write",
]

_LAZY = {
    "Factor": "ccsolve.factors",
    "Front": "ccsolve.fronts",
    "LossModel": "ccsolve.validation",
    "Plan": "ccsolve.plans",
    "Statistics": "ccsolve.statistics",
    "Validation": "ccsolve.validation",
    "from_bqm": "ccsolve.io.dimod_models",
    "from_cqm": "ccsolve.io.dimod_models",
    "loss_models": "ccsolve.validation",
    "pareto": "ccsolve.tracing",
    "plan": "ccsolve.planning",
    "read": "ccsolve.io",
    "solve_all": "ccsolve.batch",
    "to_bqm": "ccsolve.io.dimod_models",
    "to_cqm": "ccsolve.io.dimod_models",
    "to_cvxpy": "ccsolve.io.cvxpy_models",
    "validate": "ccsolve.validation",
    "write": "ccsolve.io",
}


def __getattr__(name: str) -> Any:
    """Import a public name's module when the name is first used."""
    if name not in _LAZY:
        raise AttributeError(f"module 'ccsolve' has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
