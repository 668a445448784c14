"""Programs without fixings, and multipliers that are good for nothing."""

from collections.abc import Callable

import numpy as np
import pytest

from ccsolve import ChannelSelection, testing
from ccsolve.reductions.fixings import fix_variables
from ccsolve.solvers.selection.relaxing.duals import NO_CUTS, Cuts, Dual
from ccsolve.solvers.selection.relaxing.lifted import LiftedProgram


@pytest.fixture
def reduced() -> Callable[[str, int, int], ChannelSelection]:
    """Give a function of (family, n, seed): the program with its fixings taken out."""
    return _reduced


@pytest.fixture
def random_dual() -> Callable[[LiftedProgram, int], Dual]:
    """Give a function of (program, seed): multipliers of the right signs, no more."""
    return _random_dual


def _reduced(family: str, n: int, seed: int) -> ChannelSelection:
    return fix_variables(testing.problem(family, n, seed))[0]


def _random_cuts(program: LiftedProgram, rng: np.random.Generator) -> Cuts:
    if program.n < 3:
        return NO_CUTS
    chosen = [rng.choice(program.n, 3, replace=False) for _ in range(12)]
    kinds = rng.integers(0, 4, 12)
    return Cuts(kinds, np.array(chosen) + program.first, rng.exponential(1.0, 12))


def _random_dual(program: LiftedProgram, seed: int) -> Dual:
    """Draw multipliers of the right signs, good for nothing."""
    rng = np.random.default_rng(seed)
    N, size = program.C.shape[0], 10.0 ** rng.integers(-3, 3)
    S = np.zeros((N, N))
    inner = rng.exponential(1.0, (program.n, program.n)) * (
        rng.random((program.n, program.n)) < 0.5
    )
    S[program.first :, program.first :] = np.triu(inner, 1) + np.triu(inner, 1).T
    has_budget = float(program.has_budget)
    return Dual(
        y=size * rng.standard_normal(N),
        S=size * S,
        cuts=_random_cuts(program, rng),
        spend=has_budget * rng.exponential(1.0, N) * (np.arange(N) >= program.first),
        save=has_budget
        * rng.exponential(1.0, N + 1)
        * (np.arange(N + 1) >= program.first),
    )
