"""The scorer agrees with the problems, and keeps improvements alone."""

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.selection import (
    scorer,
)
from benchmarks.selection.competitors.answer import Answer
from benchmarks.selection.instances import catalogue
from benchmarks.selection.scorer import score
from benchmarks.tests.selection.samples import NAMES, all_points


def test_the_scorer_agrees_with_the_problems(folder: Path):
    for instance in (catalogue.find(name, folder) for name in NAMES):
        for z in all_points(6):
            if instance.problem.violation(z) > 0:
                assert score(instance, z) == math.inf
            else:
                expected = instance.problem.objective(z)
                assert score(instance, z) == pytest.approx(expected, abs=1e-4)


def test_the_scorer_takes_no_fraction_and_no_other_shape(folder: Path):
    small = catalogue.find("small", folder)
    assert score(small, np.full(6, 0.5)) == math.inf
    assert score(small, np.ones(3)) == math.inf


def test_only_improvements_are_kept(folder: Path):
    small = catalogue.find("small", folder)
    points = [z for z in all_points(6) if z.sum() == 3]
    timed = [(float(at), z) for at, z in enumerate(points)]
    curve, best = scorer.improvements(small, [*timed[::-1], (0.5, np.ones(6))])
    values = [value for _, value in curve]
    assert values == sorted(values, reverse=True) and len(set(values)) == len(values)
    assert best is not None and values[-1] == min(score(small, z) for z in points)


def test_an_answer_without_points_has_no_value(folder: Path):
    small = catalogue.find("small", folder)
    assert scorer.improvements(small, Answer().points) == ([], None)
