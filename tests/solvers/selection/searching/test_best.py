"""The best point among the steps that pass by."""

import math

import numpy as np

from ccsolve.iterate import Step
from ccsolve.solvers.selection.searching.best import Best

X, Y = np.ones(6, bool), np.zeros(6, bool)


def test_steps_are_seen_as_they_pass():
    best, steps = Best(), [Step(X, 2.0), Step(bound=1.0), Step(Y, 1.5), Step(X, 1.7)]

    def source():
        yield from steps
        return "the end"

    def outer():
        ended.append((yield from best.watch(source())))

    ended: list[str] = []
    assert list(outer()) == steps and ended == ["the end"]
    assert best.objective == 1.5 and best.x is Y


def test_an_equal_point_is_no_better():
    best = Best()
    assert best.x is None and best.objective == math.inf
    for step in (Step(X, 1.0), Step(Y, 1.0), Step()):
        assert best.seen(step) is step
    assert best.x is X


def test_steps_are_taken_one_by_one():
    """What comes after a step may depend on it having been seen."""
    best = Best()

    def source():
        yield Step(X, 3.0)
        yield Step(Y, best.objective - 1)

    assert [step.objective for step in best.watch(source())] == [3.0, 2.0]
    assert best.x is Y
