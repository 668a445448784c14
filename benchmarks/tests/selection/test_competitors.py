"""Competitors are given the same program, each in its own form."""

from pathlib import Path

import numpy as np
import pytest

import ccsolve
from benchmarks.selection import (
    scorer,
)
from benchmarks.selection.competitors import dwave_tabu, highs, ours
from benchmarks.selection.competitors.answer import DoesNotFit, Terms
from benchmarks.selection.instances import catalogue
from benchmarks.selection.scorer import score
from benchmarks.tests.selection.samples import all_points


def test_our_methods_tell_when(folder: Path):
    small = catalogue.find("small", folder)
    found = ours.run(small.problem, Terms(1.0), method="auto")
    curve, _ = scorer.improvements(small, found.points)
    assert curve[-1][1] == pytest.approx(small.best_known)
    assert max(bound for _, bound in found.bounds) <= curve[-1][1] + 1e-9
    stopped = ours.run(small.problem, Terms(60.0, target=1e9), method="tabu")
    assert stopped.seconds < 10.0


def test_what_a_method_cannot_take_is_said():
    with pytest.raises(DoesNotFit, match="n <= 40"):
        large = catalogue.find("ccpz-60-s0", None).problem
        ours.run(large, Terms(1.0), method="enumerate_all")


def test_the_penalised_matrix_is_the_objective_plus_the_penalty(folder: Path):
    small = catalogue.find("small", folder)
    matrix, shift = dwave_tabu._penalised(small.problem, 1.0)
    upper = dwave_tabu._upper(matrix)
    assert not np.tril(upper, -1).any()
    for z in all_points(6):
        energy = z @ upper @ z + shift
        if z.sum() == small.count:
            assert energy == pytest.approx(score(small, z))
        else:
            assert energy > z @ small.S @ z


def test_repair_ends_at_the_cardinality(folder: Path):
    problem = catalogue.find("small", folder).problem
    for count in range(7):
        assert dwave_tabu._repaired(problem, np.arange(6) < count).sum() == problem.keep


@pytest.mark.parametrize("keep", [None, 0, 1, 3, 5, 6])
def test_the_linearisation_has_the_same_values(keep: int | None):
    rng = np.random.default_rng(1)
    S = rng.standard_normal((6, 6))
    problem = ccsolve.ChannelSelection(S + S.T, rng.standard_normal(6), keep=keep)
    rows, low, _ = highs._rows(problem)
    linear = np.diag(problem.dense()) + problem.q
    for z in all_points(6):
        if keep is None or z.sum() == keep:
            ends = np.reshape((low - rows[:, :6] @ z)[:12], (2, 6))
            least = ends.max(axis=0).sum() + linear @ z
            assert least == pytest.approx(problem.objective(z))
