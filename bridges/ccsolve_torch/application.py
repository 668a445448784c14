"""From a model and a plan to a smaller model that is checked, repaired and measured."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ccsolve.errors import InvalidProblem, WrongAnswer
from ccsolve.plans import Plan
from ccsolve.recipes.admm_plans import RECIPE as ADMM
from ccsolve.statistics import Cost, Statistics
from ccsolve.statistics.cost import cost_at
from ccsolve_torch.bundling.recording import recorded
from ccsolve_torch.certificate import certificate
from ccsolve_torch.coupling.costs import count
from ccsolve_torch.coupling.declaring import Declared
from ccsolve_torch.factoring.admm_weights import admm_weights
from ccsolve_torch.factoring.factor_report import FactoredLayer
from ccsolve_torch.factoring.input_moments import measured_moments
from ccsolve_torch.gates import Keep
from ccsolve_torch.graph import Graph, trace
from ccsolve_torch.identity import fingerprint
from ccsolve_torch.layers import with_chains
from ccsolve_torch.linear_conv import combined_for_plan
from ccsolve_torch.repairing.around_chains import (
    Way,
    is_cut,
    repaired_early,
    repaired_late,
)
from ccsolve_torch.repairing.repairing import checked_repair
from ccsolve_torch.report import Report, checked_names
from ccsolve_torch.running.footprint import footprint
from ccsolve_torch.running.latency import measured
from ccsolve_torch.running.ranks import failing_together
from ccsolve_torch.running.state import (
    Inputs,
    Loader,
    as_inputs,
    checked_model,
    device_of,
)
from ccsolve_torch.surgery import (
    checked_keep,
    kept_entries,
    remove_channels,
)


@torch.inference_mode(False)
def apply(
    model: nn.Module,
    plan: Plan,
    example_inputs: Inputs,
    *,
    calibration: Loader | None = None,
    repair: str | None = None,
    statistics: Statistics | None = None,
    declared: Declared | None = None,
    check_fingerprint: bool = True,
    timed: bool = True,
    seed: int = 0,
) -> nn.Module:
    """Give a new, smaller model that keeps what the plan keeps; `model` stays as it is.

    The result is an ordinary module of the same class with narrower layers, in the
    modes of `model`, on its device, with a `Report` as its attribute `report`. Before
    any repair it is compared with `model` under closed gates, on the example inputs.

    Parameters
    ----------
    model
        The model that the plan's statistics were collected on. Forward hooks that it
        has are copied with it.
    plan
        Made by `ccsolve.plan`, or any `ccsolve.Plan` over groups of `trace`.
    example_inputs
        A tensor or tuple of tensors, samples along axis 0, of the size that the
        statistics were collected at; the checks and measurements run on all of them.
    calibration
        Samples (inputs, targets) for the repair, and for the fits of the plan's factors
        (see `factorise`; of the recipe "admm_tt" by ADMM, see `admm_weights`) and
        primary filters; targets are not used. Read once, with these twice.
    repair
        "least_squares" (the default with `calibration`): fit the layers that lost
        inputs, see `fit_next_layers`, then measure batch norms again. "recalibrate":
        batch norms alone. "none". What does not bring the outputs on held-back
        samples nearer to those of `model` is taken back. Of a plan that cuts channels
        and makes chains, the layers are fitted before they become chains, too.
    statistics
        Those that the plan was made from. A plan of the recipe "joint" then has its
        bottlenecks fitted by what errors in their outputs cost the loss; without, all
        outputs count alike.
    declared
        What `trace` and `collect` were given.
    check_fingerprint
        Refuse a plan that was made for other weights.
    timed
        Measure both models' forward passes, for about a second.
    seed
        For what the repair draws.

    Raises
    ------
    InvalidProblem
        The plan is for another model, input size or statistics, the options
        contradict, or the model is a wrapper (`nn.DataParallel`) or has no weights
        (device meta).
    WrongAnswer
        The smaller model is not the model with closed gates, or misses the budget.
    """
    checked_names(checked_model(model))
    _check_plan(plan)
    if check_fingerprint:
        _check_fingerprint(model, plan)
    _check_statistics(statistics, plan, check_fingerprint)
    inputs = tuple(value.to(device_of(model)) for value in as_inputs(example_inputs))
    mode = checked_repair(repair, calibration)
    order = Order(inputs, calibration, mode, timed, seed, statistics)
    with failing_together():
        start = time.perf_counter()
        graph = trace(model, inputs, declared=declared)
        seconds = {"graph": time.perf_counter() - start}
        return carried_out(model, graph, plan, order, seconds)


@dataclass(frozen=True, eq=False)
class Order:
    """How a plan is applied; see `apply`. Inputs are on the model's device."""

    inputs: tuple[Tensor, ...]
    calibration: Loader | None
    repair: str
    timed: bool
    seed: int
    statistics: Statistics | None = None


def carried_out(
    model: nn.Module,
    graph: Graph,
    plan: Plan,
    order: Order,
    seconds: Mapping[str, float],
) -> nn.Module:
    """Do what `apply` does, with a graph; `seconds` go into the report."""
    inputs, watch = order.inputs, _Stopwatch(dict(seconds))
    way = Way(order.repair, order.calibration, order.seed)
    keep = checked_keep(graph, plan.keep)
    dense = cost_at(graph.operations, _widths(checked_keep(graph, {})))
    _check_original(plan, dense)
    with watch("surgery"):
        small = remove_channels(model, graph, keep)
        proof = certificate(model, small, graph, keep, inputs)
        achieved = _checked_cost(small, graph, keep, inputs)
    with watch("repair"):
        early = repaired_early(small, model, graph, keep, plan, way, order.statistics)
    with watch("surgery"):
        small, factored, achieved = _with_chains(small, plan, order, achieved)
        if plan.primary:
            combined_for_plan(small, plan.primary, order.calibration, order.seed)
            achieved = count(small, order.inputs)
        _check_budgets(plan, achieved)
    with watch("repair"):
        outcome = repaired_late(small, model, graph, keep, plan, way, early)
    with watch("measurement"):
        spaces = footprint(model, inputs), footprint(small, inputs)
        times = measured(model, small, inputs) if order.timed else None
    small.report = Report(  # pyright: ignore[reportArgumentType]
        recipe=plan.recipe,
        original=dense,
        asked=plan.asked,
        achieved=achieved,
        equivalence=proof.exact,
        approximation=proof.approximate,
        approximate=proof.reasons,
        repair=outcome,
        factored=factored,
        memory=spaces,
        latency=times,
        kept=keep,
        frozen=dict(graph.frozen),
        seconds=watch.spent,
        # Of chains alone there is nothing that gates would have to show.
        masking=proof.masking if is_cut(graph, keep) else None,
        planned=plan.achieved,
    )
    cut = kept_entries(graph, keep)
    small.surgery = recorded(model, small, cut, inputs)  # pyright: ignore
    return small


def _with_chains(
    small: nn.Module, plan: Plan, order: Order, achieved: Cost
) -> tuple[nn.Module, tuple[FactoredLayer, ...], Cost]:
    """Make the chains that the plan asks for; give them, and what results costs."""
    layers: tuple[FactoredLayer, ...] = ()
    if plan.factors:
        moments, weights = {}, None
        if order.calibration is not None and plan.recipe == ADMM:
            weights = admm_weights(small, plan.factors, order.calibration)
        elif order.calibration is not None:
            moments = measured_moments(small, plan.factors, order.calibration)
        small, layers, _ = with_chains(
            small, plan.factors, order.inputs, moments, weights
        )
        achieved = count(small, order.inputs)
    return small, layers, achieved


@dataclass
class _Stopwatch:
    """Seconds by phase."""

    spent: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start
        self.spent[phase] = self.spent.get(phase, 0.0) + seconds


def _check_plan(plan: Any) -> None:
    if not isinstance(plan, Plan):
        raise InvalidProblem(
            f"plan: {type(plan).__name__}; expected a ccsolve.Plan, which ccsolve.plan "
            f"makes"
        )


def _check_fingerprint(model: nn.Module, plan: Plan) -> None:
    found = fingerprint(model)
    if plan.fingerprint != found:
        raise InvalidProblem(
            f"plan: made for the fingerprint {plan.fingerprint[:12]!r}, this model has "
            f"{found[:12]!r}; collect and plan again, or give "
            f"check_fingerprint=False to use the plan for other weights"
        )


def _check_statistics(given: Statistics | None, plan: Plan, strict: bool) -> None:
    if given is None:
        return
    if not isinstance(given, Statistics):
        raise InvalidProblem(
            f"statistics: a {type(given).__name__}; expected the Statistics that the "
            f"plan was made from, or None"
        )
    if strict and given.fingerprint != plan.fingerprint:
        raise InvalidProblem(
            f"statistics: of the fingerprint {given.fingerprint[:12]!r}, the plan was "
            f"made for {plan.fingerprint[:12]!r}; give those that it was made from"
        )


def _check_original(plan: Plan, dense: Cost) -> None:
    for name, amount in dense.known().items():
        if plan.original.get(name, amount) != amount:
            raise InvalidProblem(
                f"plan: made for a model of {plan.original[name]:,.0f} {name}, this "
                f"one has {amount:,.0f}; give the model, and example_inputs of "
                f"the size, that the statistics were collected at"
            )


def _checked_cost(small: nn.Module, graph: Graph, keep: Keep, inputs: Inputs) -> Cost:
    """Give the counted cost of the smaller model, after comparing it with the plan."""
    counted, predicted = count(small, inputs), cost_at(graph.operations, _widths(keep))
    if counted != predicted:
        raise WrongAnswer(f"the smaller model costs {counted}, expected {predicted}")
    return counted


def _check_budgets(plan: Plan, counted: Cost) -> None:
    for name, amount in counted.known().items():
        if amount > (asked := plan.asked.get(name, math.inf)):
            raise WrongAnswer(
                f"the smaller model has {amount:,.0f} {name}, asked were at most "
                f"{asked:,.0f}: the plan keeps more than it says"
            )


def _widths(keep: Keep) -> dict[str, int]:
    return {name: len(classes) for name, classes in keep.items()}
