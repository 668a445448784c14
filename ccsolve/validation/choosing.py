"""Choose how the loss is modelled by what is measured on samples held out."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ccsolve.errors import InvalidProblem
from ccsolve.plans import Plan
from ccsolve.problems.checks import real_number, whole_number
from ccsolve.statistics import Statistics
from ccsolve.statistics.network_programs import absolute_limits
from ccsolve.validation.models import LossModel, loss_models
from ccsolve.validation.paths import (
    Found,
    Search,
    limits_along,
    path_of,
    point_of,
    program_of,
)
from ccsolve.validation.records import PathPoint, Validation

Array = NDArray[np.float64]
Measure = Callable[[Sequence[Plan]], ArrayLike]
"""From plans to how far each raises the loss: (P,) means, or (P, N) by sample."""

BY = ("loss", "rank", "error")

MOST_POINTS = 1000


def validate(
    stats: Statistics,
    measure: Measure,
    macs: float | None = None,
    params: float | None = None,
    *,
    latency: float | None = None,
    memory: float | None = None,
    models: Sequence[LossModel] | None = None,
    points: int = 4,
    by: str = "loss",
    repaired: Measure | None = None,
    method: str = "auto",
    time_limit: float = 5.0,
    seed: int = 0,
    **rules: Any,
) -> Validation:
    """Compare predicted with measured losses, and choose the model of the loss by them.

    Every model's program over the whole network is solved along budgets that fall
    geometrically from the dense network to the asked ones; all networks are measured;
    and every model predicts the loss of every network, also of those that others chose.
    Measure on samples that the network was not trained on: those that it was trained on
    it has learnt by heart, and their loss says little about removal. Test images that
    chose a model are no test of it any more.

    Parameters
    ----------
    stats
        Of calibration samples.
    measure
        From a list of plans to how far each raises the loss: (P,), or (P, N) sample by
        sample, which standard errors come from. The bridge has it:
        ``lambda plans: cct.measured_losses(model, plans, loader).rises``.
    macs, params, latency, memory
        What may remain at the end of the path, as `plan` takes it.
    models
        Default: `loss_models`.
    points
        Budgets of each path, besides the dense network.
    by
        What chooses: "loss", the least measured rise at the asked budgets; "rank", the
        best rank correlation over all networks; "error", the least error of the
        logarithm.
    repaired
        As `measure`, after a repair; for the record, and for `by` "loss" in its place.
    method, time_limit, seed
        Of `solve`, for each program.
    **rules
        multiple_of, min_keep and fixed, see `Statistics.network_program`.

    Raises
    ------
    InvalidProblem
        No models, no budget below what the dense network takes, an unknown `by`, or
        measurements of another shape or not finite.
    MissingStatistics
        A model needs what was not collected.
    """
    tried = tuple(models) if models is not None else loss_models(stats)
    asked = {"macs": macs, "params": params, "latency": latency, "memory": memory}
    limits = absolute_limits(stats, asked)
    _check(tried, limits, by)
    dense = {name: float(stats.cost().of(name)) for name in limits}
    limits = _binding_first(limits, dense)
    budgets = limits_along(
        dense, limits, whole_number("points", points, 1, MOST_POINTS)
    )
    search = Search(method, real_number("time_limit", time_limit, 0.0), seed)
    programs = [program_of(stats, dense, model, rules) for model in tried]
    found = [
        each
        for place, program in enumerate(programs)
        for each in path_of(
            stats, place, program, budgets, search, tried[place].options()
        )
    ]
    plans = [each.plan for each in found]
    rises = measured_by(measure, plans)
    after = None if repaired is None else measured_by(repaired, plans)
    masks = np.stack([point_of(plan) for plan in plans])
    predicted = np.array([[each.objective(z) for z in masks] for each in programs])
    return _validation(stats, tried, found, predicted, rises, after, by)


def _binding_first(
    limits: Mapping[str, float], dense: Mapping[str, float]
) -> dict[str, float]:
    """Give the limits, first one that takes something away: paths are along it."""
    ordered = dict(sorted(limits.items(), key=lambda one: one[1] >= dense[one[0]]))
    if all(limit >= dense[name] for name, limit in limits.items()):
        said = ", ".join(f"{name} = {limit:.0f}" for name, limit in limits.items())
        raise InvalidProblem(
            f"budgets {said}: the dense network keeps to them; expected one that is "
            "below what it takes"
        )
    return ordered


def measured_by(measure: Measure, plans: Sequence[Plan]) -> Array:
    """Give the rises (P, N), N = 1 for means; networks that are the same only once."""
    keys = [tuple(point_of(plan).astype(bool).tolist()) for plan in plans]
    first = {key: place for place, key in reversed(list(enumerate(keys)))}
    distinct = sorted(first.values())
    given = np.asarray(measure([plans[place] for place in distinct]), dtype=np.float64)
    values = given[:, None] if given.ndim == 1 else given
    if values.ndim != 2 or len(values) != len(distinct) or values.shape[1] < 1:
        raise InvalidProblem(
            f"measure gave shape {given.shape}; expected ({len(distinct)},) or "
            f"({len(distinct)}, N), a row for each plan"
        )
    if not np.isfinite(values).all():
        raise InvalidProblem("measure gave NaN or infinity; expected finite rises")
    row = {place: number for number, place in enumerate(distinct)}
    return values[[row[first[key]] for key in keys]]


def _validation(
    stats: Statistics,
    models: tuple[LossModel, ...],
    found: Sequence[Found],
    predicted: Array,
    rises: Array,
    after: Array | None,
    by: str,
) -> Validation:
    resource = next(iter(found[0].plan.asked))
    original = float(stats.cost().of(resource))
    points: list[PathPoint] = []
    columns: list[Array] = []
    for number, each in enumerate(found):
        if number == 0 or found[number - 1].model != each.model:
            points.append(_dense(each, original, after is not None))
            columns.append(np.zeros(len(models)))
        points.append(_point(each, resource, rises[number], _at(after, number)))
        columns.append(predicted[:, number])
    made = Validation(
        resource=resource,
        original=original,
        models=models,
        points=tuple(points),
        predictions=np.stack(columns, axis=1),
        behind=(),
        by=by,
        chosen=0,
        fingerprint=stats.fingerprint,
    )
    last = [
        max(k for k, each in enumerate(found) if each.model == place)
        for place in range(len(models))
    ]
    ends = (rises if after is None else after)[last]
    chosen = _chosen(made, ends, by)
    behind = tuple(_difference(end - ends[chosen]) for end in ends)
    return replace(made, chosen=chosen, behind=behind)


def _chosen(made: Validation, ends: Array, by: str) -> int:
    count = range(len(made.models))
    if by == "rank":
        return int(np.argmax([made.rank(place) for place in count]))
    if by == "error":
        return int(np.argmin([made.log_error(place) for place in count]))
    return int(ends.mean(axis=1).argmin())


def _dense(each: Found, original: float, repaired: bool) -> PathPoint:
    return PathPoint(
        model=each.model,
        remain=1.0,
        cost=original,
        predicted=0.0,
        bound=None,
        measured=0.0,
        error=0.0,
        repaired=0.0 if repaired else None,
        widths=dict(each.plan.sizes),
    )


def _point(each: Found, resource: str, rises: Array, after: Array | None) -> PathPoint:
    bound = each.solution.bound
    measured, error = _difference(rises)
    return PathPoint(
        model=each.model,
        remain=each.remain,
        cost=float(each.plan.achieved[resource]),
        predicted=each.solution.objective,
        bound=bound if math.isfinite(bound) else None,
        measured=measured,
        error=error,
        repaired=None if after is None else float(after.mean()),
        widths=each.plan.widths,
    )


def _difference(values: Array) -> tuple[float, float | None]:
    """Give the mean and its standard error, None from a single number."""
    if len(values) < 2:
        return float(values.mean()), None
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))


def _at(values: Array | None, place: int) -> Array | None:
    return None if values is None else values[place]


def _check(models: Sequence[LossModel], limits: Mapping[str, float], by: str) -> None:
    if not models:
        raise InvalidProblem("models: none; expected one at least, see loss_models")
    if not limits:
        raise InvalidProblem(
            "no budget; give one of macs, params, latency, memory: what may remain"
        )
    if by not in BY:
        raise InvalidProblem(f"by = {by!r}; expected one of {', '.join(BY)}")
