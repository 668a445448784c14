"""When bounds are taken: what takes longer than the time left is left out."""

import pytest

from ccsolve import LowRankFit, solve
from ccsolve.problems.generate_low_rank import moments, weights
from ccsolve.solvers.low_rank import answers


def test_large_spectra_are_left_out_where_time_is_short(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(answers, "QUICK", 3)
    monkeypatch.setattr(answers, "SPEED", 1.0)
    problem = LowRankFit(weights((6, 9)), "svd", ranks=2)
    assert solve(problem, time_limit=10.0).bound == 0
    assert solve(problem, time_limit=None).gap <= 1e-6


def test_a_cut_through_a_covariance_counts_what_its_bounds_take(
    monkeypatch: pytest.MonkeyPatch,
):
    """Its unfolding is small, the covariance is not: last, and only with the time."""
    tensor, across = weights((12, 4, 3)), moments(12)
    monkeypatch.setattr(answers, "QUICK", 11)
    monkeypatch.setattr(answers, "SPEED", 1e3)
    plain = LowRankFit(tensor, "tt", ranks=2)
    mixed = LowRankFit(tensor, "tt", ranks=2, covariance=across)
    assert solve(plain, time_limit=10.0).bound > 0
    assert solve(mixed, time_limit=10.0).bound == 0
    assert solve(mixed, time_limit=None).bound > 0
