"""The programs that competitors run on, by a name that says all: family, size, seed."""

import re
from dataclasses import dataclass

import numpy as np

from ccsolve.problems import RateAllocation, SmoothRateAllocation
from ccsolve.problems.generate_allocation import netlike, pisinger

SHARES = (0.3, 0.6)
"""Of the budgets, by even and odd seeds."""

FRONT = 50

_NAME = re.compile(
    r"(?P<family>net|strong|weak|front|smooth)-(?P<layers>\d+)x(?P<options>\d+)"
    r"-B(?P<budgets>\d)-s(?P<seed>\d+)"
)


@dataclass(frozen=True, eq=False)
class Instance:
    """A program; a front has budgets besides."""

    name: str
    problem: RateAllocation | SmoothRateAllocation
    budgets: np.ndarray

    def tiny(self) -> RateAllocation:
        """Give a small program of the same kind, to warm up on."""
        assert isinstance(self.problem, RateAllocation)
        return netlike(5, 16, len(self.problem.budgets), seed=0)


def find(name: str) -> Instance:
    """Make the instance of a name such as "net-50x100-B3-s7"."""
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise ValueError(f"instance {name!r}; expected such as net-50x100-B3-s7")
    family, layers, options, budgets, seed = (
        parts["family"],
        *(int(parts[key]) for key in ("layers", "options", "budgets", "seed")),
    )
    if family == "smooth":
        return Instance(name, smooth(layers, seed), np.zeros(0))
    if family in ("strong", "weak"):
        problem = pisinger(family, layers, options, budgets, seed)
        return Instance(name, problem, problem.budgets)
    problem = netlike(layers, options, budgets, seed, SHARES[seed % 2])
    if family == "net":
        return Instance(name, problem, problem.budgets)
    low, high = (netlike(layers, options, 1, seed, s).budgets[0] for s in (0.02, 1.0))
    return Instance(name, problem, np.linspace(low, high, FRONT))


def smooth(layers: int, seed: int) -> SmoothRateAllocation:
    """Give curves as fitted on normalised losses, and half of the MACs to remove."""
    rng = np.random.default_rng(seed)
    rate = rng.uniform(2.0, 12.0, layers)
    scale = np.exp(-rate) * rng.uniform(0.5, 1.5, layers)
    size = 1e7 * rng.lognormal(0.0, 1.0, layers)
    return SmoothRateAllocation(scale, rate, size, remove=0.5 * float(size.sum()))
