"""The least loss as a function of how many channels are kept."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ccsolve.linalg.sweeping import Sweep, sweep
from ccsolve.problems import ReconstructionSelection
from ccsolve.problems.checks import whole_number
from ccsolve.solvers.reconstruction.searching.descents import LEAST
from ccsolve.solvers.reconstruction.searching.removal import added, removed
from ccsolve.solvers.reconstruction.searching.swaps import descended
from ccsolve.solvers.reconstruction.searching.working_form import (
    WorkingForm,
    working_form,
)


class Curve(NamedTuple):
    """Losses (m,) and the channels kept (m, n) bool, one row for each count asked."""

    losses: np.ndarray
    choices: np.ndarray


def reconstruction_curve(
    problem: ReconstructionSelection,
    keeps: Sequence[int] | None = None,
    *,
    refine: bool = True,
) -> Curve:
    """Give a good choice and its loss for many counts; ``problem.keep`` plays no part.

    One greedy removal passes through all counts: O(d³) together. With ``refine`` each
    of its choices is compared with that of the next larger count less what is missed
    least, and the better one improved by swaps; then with that of the next smaller
    count and what it gains most by. So losses never rise with the count, are not above
    the greedy's, and no swap improves the choices before the way up.

    Losses are objectives to the rounding of the updates, about 1e-10 of the loss of
    keeping none; where the moments are nearly singular every choice is scored again.

    Parameters
    ----------
    keeps : counts within [0, n], in any order; 0..n by default.

    Raises
    ------
    InvalidProblem
        For a count that is none.
    """
    asked = range(problem.n + 1) if keeps is None else keeps
    counts = [whole_number("keeps", keep, 0, problem.n) for keep in asked]
    form = working_form(problem)
    found = dict(_greedy(problem, form, set(counts)))
    if refine:
        _improve_downwards(problem, form, found)
        _improve_upwards(problem, form, found)
    points = [found[keep] for keep in counts]
    choices = np.array([point.x for point in points], dtype=bool)
    return Curve(
        np.array([point.loss for point in points]),
        choices.reshape(len(counts), problem.n),
    )


class _Point(NamedTuple):
    x: np.ndarray
    loss: float


def _greedy(
    problem: ReconstructionSelection, form: WorkingForm, counts: set[int]
) -> Iterator[tuple[int, _Point]]:
    state = _swept(form, np.ones(problem.n, dtype=bool))
    for keep in sorted(counts, reverse=True):
        _exhaust(removed(state, keep))
        yield keep, _scored(problem, form, state)


def _improve_downwards(
    problem: ReconstructionSelection, form: WorkingForm, found: dict[int, _Point]
) -> None:
    state = _swept(form, np.ones(problem.n, dtype=bool))
    for keep in sorted(found, reverse=True):
        _exhaust(removed(state, keep))
        if found[keep].loss < _scored(problem, form, state).loss:
            _move_to(state, found[keep].x)
        least = max(problem.resolution, LEAST * abs(found[keep].loss))
        _exhaust(descended(state, least, "first"))
        found[keep] = _better(found[keep], _scored(problem, form, state))


def _improve_upwards(
    problem: ReconstructionSelection, form: WorkingForm, found: dict[int, _Point]
) -> None:
    counts = sorted(found)
    if not counts:
        return
    state = _swept(form, found[counts[0]].x)
    for keep in counts[1:]:
        _exhaust(added(state, keep))
        found[keep] = _better(found[keep], _scored(problem, form, state))
        _move_to(state, found[keep].x)


def _swept(form: WorkingForm, inside: np.ndarray) -> Sweep:
    return sweep(form.H, form.C, inside)


def _exhaust(changes: Iterable[float]) -> None:
    for _ in changes:
        pass


def _move_to(state: Sweep, x: np.ndarray) -> None:
    for block in np.flatnonzero(state.inside != x):
        state.move(int(block))


def _better(first: _Point, second: _Point) -> _Point:
    return second if second.loss < first.loss else first


def _scored(
    problem: ReconstructionSelection, form: WorkingForm, state: Sweep
) -> _Point:
    """Give the point with constant - ½tr(C_SᵀY_S), O(dr); scored again if ridged."""
    x = state.inside.copy()
    if form.H is not problem.form.H:
        return _Point(x, problem.objective(x))
    gains = (form.C * state.Y).sum(axis=1)
    gain = 0.5 * float(gains[np.repeat(x, problem.group)].sum())
    return _Point(x, problem.constant + problem.form.offset - gain)
