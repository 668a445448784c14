"""Measured latency tables: what they speak of, what they add up to, what is refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import ccsolve_torch as cct
from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.statistics import Group, Statistics
from ccsolve_torch import timing
from ccsolve_torch.running.inside import inside
from tests.bridges.zoo import CASES
from tests.bridges.zoo.cutting import traced

pytestmark = pytest.mark.torch

WHOLE = 5e4


def statistics(name: str) -> Statistics:
    graph = traced(name)[1]
    groups = {key: Group(key, item.size) for key, item in graph.groups.items()}
    return Statistics(groups, operations=graph.operations, meta={"kept": 1})


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Count entries instead of time: a run takes what its output holds."""
    keys: list[Any] = []

    def microseconds(self: Any, key: Any, make: Any) -> float:
        if key not in self.known:
            keys.append(key)
            self.known[key] = float(make()().numel())
        return self.known[key]

    monkeypatch.setattr("ccsolve_torch.timing.Clock.microseconds", microseconds)
    monkeypatch.setattr(timing, "inside", lambda *_, **__: (WHOLE, {}))
    return keys


def measure(name: str, **options: Any) -> Statistics:
    model = traced(name)[0]
    options = {"multiple_of": 2, "widths": 3, "seconds": 0.1, **options}
    return cct.measure_latency(
        model, statistics(name), CASES[name].inputs(4), **options
    )


@pytest.mark.parametrize("name", ["ResNet", "MobileNetV2", "DenseNet", "ResNeXt"])
def test_tables_speak_of_the_groups_of_their_operations(name: str, counted: Any):
    stats = measure(name)
    operations = {item.name: item for item in stats.operations}
    *tables, rest = stats.latency
    assert rest.name == "all else" and not rest.groups
    for table in tables:
        named = {g for term in operations[table.name].terms for g in term.groups}
        assert set(table.groups) == named
        assert len(table.read) <= 3 and len(table.made) <= 3


def test_a_layers_table_holds_its_time_at_every_point(counted: Any):
    stats = measure("ResNet")
    table = next(item for item in stats.latency if item.name == "conv2d_1")
    # Three by three, padded, on 8 x 8 positions of 4 samples.
    expected = np.broadcast_to(4 * 64 * table.made, table.microseconds.shape)
    np.testing.assert_array_equal(table.microseconds, expected)
    (group,) = table.outputs
    assert table.made[-1] == stats.groups[group].size


def test_the_dense_network_takes_what_was_measured_of_it(counted: Any):
    stats = measure("ResNet")
    assert stats.cost().latency == pytest.approx(WHOLE)
    assert stats.meta["latency"]["whole"] == WHOLE and stats.meta["kept"] == 1
    half = {name: group.size // 2 for name, group in stats.groups.items()}
    assert stats.cost(half).of("latency") < WHOLE


def test_layers_that_overlap_are_scaled_to_the_whole(
    counted: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(timing, "inside", lambda *_, **__: (7.0, {}))
    stats = measure("ResNet")
    assert stats.cost().latency == pytest.approx(7.0)
    assert all(table.groups for table in stats.latency)


def test_layers_take_what_they_take_inside(
    counted: Any, monkeypatch: pytest.MonkeyPatch
):
    plain = measure("CalledTwice")
    graph = traced("CalledTwice")[1]
    twice = [call for call in graph.flow.calls if call.weight == "conv.weight"]
    found = {(call.weight, place): 10.0 + place for place, call in enumerate(twice)}
    monkeypatch.setattr(timing, "inside", lambda *_, **__: (WHOLE, found))
    stats = measure("CalledTwice")
    assert len(twice) == 2
    for place, call in enumerate(twice):
        mine, before = (
            next(table for table in each.latency if table.name == call.node.name)
            for each in (stats, plain)
        )
        assert mine.microseconds[-1, -1] == pytest.approx(10.0 + place)
        np.testing.assert_allclose(
            mine.microseconds / mine.microseconds[-1, -1],
            before.microseconds / before.microseconds[-1, -1],
        )


def test_layers_alike_are_measured_once(counted: list[Any]):
    measure("ResNet")
    assert len(counted) == len(set(counted))


def test_the_clock_and_the_passes_measure_something():
    stats = measure("ResNet", widths=2)
    assert stats.cost().of("latency") == pytest.approx(stats.meta["latency"]["whole"])
    assert stats.meta["latency"]["batch"] == 4
    for table in stats.latency:
        times = table.microseconds
        assert (np.diff(times, axis=0) >= 0).all() and (np.diff(times) >= 0).all()


def test_layers_inside_are_found_by_weight_and_call():
    model, x = CASES["CalledTwice"].model(), CASES["CalledTwice"].inputs(2)
    weights = [name for name in dict(model.named_parameters()) if "weight" in name]
    with torch.no_grad():
        whole, layers = inside(model, x, weights, seconds=0.01)
    assert ("conv.weight", 1) in layers and whole > 0
    assert all(took > 0 for took in layers.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"multiple_of": 0}, "multiple_of 0"),
        ({"widths": 1}, "widths 1"),
        ({"widths": 2.5}, "widths 2.5"),
        ({"seconds": 0}, "seconds 0"),
        ({"seconds": float("inf")}, "seconds inf"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(InvalidProblem, match=message):
        measure("ResNet", **options)


def test_statistics_of_another_network_are_refused():
    model = traced("ResNet")[0]
    stats = statistics("ResNet")
    first = next(iter(stats.groups))
    fewer = {name: item for name, item in stats.groups.items() if name != first}
    with pytest.raises(InvalidProblem, match=f"group '{first}' has no classes there"):
        cct.measure_latency(
            model,
            replace(stats, groups=fewer, operations=()),
            CASES["ResNet"].inputs(2),
        )


def test_networks_without_layers_to_measure_are_refused():
    with pytest.raises(Unsupported, match="nothing to measure"):
        measure("Einsums")
