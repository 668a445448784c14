"""Budgets on networks of the zoo: kept, and nothing can come back within them."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

import ccsolve
import ccsolve_torch as cct
from ccsolve.problems.network import NetworkSelection
from ccsolve.recipes.steps import admissible_steps
from ccsolve.statistics import Statistics
from ccsolve_torch import timing
from tests.bridges.zoo import CASES
from tests.bridges.zoo.cutting import traced
from tests.recipes.joint_networks import decided, network

pytestmark = pytest.mark.torch

NETS = ("ResNet", "DenseNet", "MobileNetV2", "VisionClassic")
SAMPLES, MULTIPLE = 16, 2

nets = pytest.mark.parametrize("name", NETS)
# Some recipes take moments of all layers, and depthwise convolutions have none.
DENSE = [name for name in NETS if name != "MobileNetV2"]
dense_nets = pytest.mark.parametrize("name", DENSE)
budgets = pytest.mark.parametrize(
    "kinds", [("macs",), ("params",), ("latency",), ("macs", "params")], ids="-".join
)


@cache
def statistics(name: str) -> Statistics:
    """Give statistics with tables in which a layer takes what its output holds.

    They have the form of measured ones, and are the same on every machine.
    """
    model, x = traced(name)[0], CASES[name].inputs(SAMPLES)
    labels = torch.arange(SAMPLES) % 4
    stats = cct.collect(model, [(*x, labels)], layers="moments")

    def microseconds(clock: Any, key: Any, make: Any) -> float:
        return float(make()().numel())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ccsolve_torch.timing.Clock.microseconds", microseconds)
        patch.setattr(timing, "inside", lambda *_, **__: (2e4, {}))
        grid = {"multiple_of": MULTIPLE, "widths": 4, "seconds": 0.1}
        return cct.measure_latency(model, stats, CASES[name].inputs(2), **grid)


def held(name: str) -> dict[str, int]:
    """Give what stays whole: of the transformer all but its feed-forward blocks."""
    groups = statistics(name).groups if name == "VisionClassic" else {}
    return {key: one.size for key, one in groups.items() if "mlp" not in key}


def steps_of(name: str) -> dict[str, list[int]]:
    return admissible_steps(statistics(name), MULTIPLE, 1, held(name))


def amounts(name: str, kinds: Sequence[str]) -> dict[str, int]:
    """Give what may remain: in the middle between the narrowest and the dense cost."""
    stats = statistics(name)
    least = stats.cost({group: steps[0] for group, steps in steps_of(name).items()})
    return {kind: int(least.of(kind) + stats.cost().of(kind)) // 2 for kind in kinds}


def fits(name: str, widths: Mapping[str, int], asked: Mapping[str, float]) -> bool:
    cost = statistics(name).cost(widths)
    return all(cost.of(kind) <= limit for kind, limit in asked.items())


def wider(name: str, widths: Mapping[str, int]) -> list[dict[str, int]]:
    """Give the widths with one step of a group put back, for every group."""
    steps = steps_of(name)
    return [
        {**widths, group: min(step for step in steps[group] if step > width)}
        for group, width in widths.items()
        if width < steps[group][-1]
    ]


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        *itertools.product(NETS, ["ccp", "network"]),
        *itertools.product(DENSE, ["allocated"]),
    ],
)
@budgets
def test_plans_keep_budgets_and_have_no_room_left(
    name: str, kinds: tuple[str, ...], recipe: str
):
    asked = amounts(name, kinds)
    rules: dict[str, Any] = {"multiple_of": MULTIPLE, "fixed": held(name)}
    # The quickest: what is put back is the recipe's.
    rules |= {"method": "greedy"} if recipe == "network" else {}
    plan = ccsolve.plan(statistics(name), recipe=recipe, **rules, **asked)
    assert dict(plan.asked) == asked and fits(name, plan.widths, asked)
    assert all(plan.achieved[kind] <= asked[kind] for kind in kinds)
    more = wider(name, plan.widths)
    assert more and not any(fits(name, each, asked) for each in more)


@pytest.mark.parametrize("kinds", [("macs",), ("params",)], ids="-".join)
@dense_nets
def test_joint_keeps_budgets_and_gains_by_nothing_put_back(
    name: str, kinds: tuple[str, ...]
):
    asked, stats = amounts(name, kinds), statistics(name)
    rules: dict[str, Any] = {"multiple_of": MULTIPLE, "fixed": held(name)}
    plan = ccsolve.plan(stats, recipe="joint", levels=4, **rules, **asked)
    net, found = network(stats, **rules), decided(plan)
    assert dict(plan.asked) == asked and net.fits(asked, found)
    assert dict(plan.achieved) == net.cost(found)
    for each in wider(name, plan.widths):
        back = net.sound(each, found.ranks)
        assert not net.fits(asked, back) or net.loss(back) > net.loss(found)


def with_step(
    program: NetworkSelection,
    z: Any,
    before: Mapping[str, int],
    more: Mapping[str, int],
) -> Iterator[Any]:
    """Give the points with channels put back in the one group that is wider."""
    (place,) = (i for i, name in enumerate(before) if more[name] > before[name])
    removed = [i for i in program.members[place] if not z[i]]
    by = sum(more.values()) - sum(before.values())
    for back in itertools.combinations(removed, by):
        point = z.copy()
        point[list(back)] = True
        yield point


@budgets
@nets
def test_a_program_keeps_budgets_and_gains_by_nothing_put_back(
    name: str, kinds: tuple[str, ...]
):
    asked, stats = amounts(name, kinds), statistics(name)
    fixed = {group: np.ones(size, int) for group, size in held(name).items()}
    program = stats.network_program(multiple_of=MULTIPLE, fixed=fixed, **asked)
    z = ccsolve.solve(program, "local_search", time_limit=None, step_limit=60).x
    widths = dict(zip(stats.groups, map(int, program.widths_of(z)), strict=True))
    assert widths != {group: one.size for group, one in stats.groups.items()}
    assert fits(name, widths, asked)
    least = program.objective(z) - program.resolution
    for more in wider(name, widths):
        if fits(name, more, asked):
            points = with_step(program, z, widths, more)
            assert all(program.objective(point) >= least for point in points)
