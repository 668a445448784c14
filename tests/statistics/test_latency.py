"""Latency tables: steps upwards, planes above, files, and what they refuse."""

import itertools
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsolve import Statistics
from ccsolve.errors import InvalidFile, InvalidStatistics, MissingStatistics
from ccsolve.statistics import Bytes, LatencyTable, Memory, cost_tables
from ccsolve.statistics.container import read_container, write_container
from ccsolve.statistics.generate import random_chain
from ccsolve.statistics.planes import plane_above

STATS = random_chain((6, 8, 5))
SIZES = {name: group.size for name, group in STATS.groups.items()}


def table(name: str, inputs: dict[str, int], outputs: dict[str, int]) -> LatencyTable:
    """Draw a table on grids of three points."""
    rng = np.random.default_rng(len(name))
    grids = []
    for side in (inputs, outputs):
        most = sum(count * SIZES[group] for group, count in side.items())
        grids.append(sorted({most // 3, most // 2, most}))
    times = rng.uniform(1, 9, [len(grid) for grid in grids])
    return LatencyTable(name, times, inputs, outputs, *map(np.array, grids))


TABLES = (
    table("one", {}, {"conv1": 1}),
    table("two", {"conv1": 1}, {"conv2": 2}),
    table("square", {"conv2": 1}, {"conv2": 1}),
    table("joined", {"conv1": 1, "conv2": 1}, {"conv2": 1}),
    table("last", {"conv1": 3, "conv3": 4}, {}),
    LatencyTable("rest", np.array([[2.5]])),
)
THREE = table("three", {"conv1": 1, "conv2": 2}, {"conv3": 1})


def test_between_grid_points_the_next_one_upwards_counts():
    found = LatencyTable(
        "t",
        np.array([[1.0, 2.0], [3.0, 4.0]]),
        {"conv1": 2},
        {"conv2": 1},
        np.array([4, 12]),
        np.array([3, 8]),
    )
    for k, h in itertools.product(range(7), range(9)):
        expected = found.microseconds[int(2 * k > 4), int(h > 3)]
        assert found.at({"conv1": k, "conv2": h}) == expected


def test_the_networks_latency_is_the_sum_of_its_tables():
    stats = STATS.with_latency((*TABLES, THREE))
    widths = {"conv1": 3, "conv2": 4, "conv3": 5}
    assert stats.cost(widths).latency == pytest.approx(
        sum(item.at(widths) for item in stats.latency)
    )
    assert stats.cost().macs == STATS.cost().macs


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_cost_tables_add_up_to_the_latency(data: st.DataObject):
    stats = STATS.with_latency((*TABLES, THREE))
    grids = {
        name: data.draw(
            st.lists(st.integers(0, size), min_size=1, max_size=3, unique=True)
        )
        for name, size in SIZES.items()
    }
    tables = cost_tables(stats, ["latency", "macs"], grids)
    for places in itertools.product(*(range(len(grid)) for grid in grids.values())):
        at = dict(zip(grids, places, strict=True))
        cost = stats.cost({name: grids[name][place] for name, place in at.items()})
        np.testing.assert_allclose(
            tables.at(at), [cost.of("latency"), cost.macs], 1e-12
        )


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_a_plane_is_above_its_points_and_touches_one(
    rows: int, columns: int, seed: int
):
    rng = np.random.default_rng(seed)
    x, y = (np.cumsum(rng.integers(1, 50, count)) for count in (rows, columns))
    t = rng.uniform(1, 100, (rows, columns))
    p, q, r, s = plane_above(x, y, t)
    excess = p + q * x[:, None] + r * y + s * x[:, None] * y - t
    assert min(p, q, r, s) >= 0 and excess.min() >= 0
    assert excess.min() <= 1e-6 * t.max()


def test_three_groups_count_by_a_plane_that_is_never_too_fast():
    whole = LatencyTable(
        "t",
        THREE.microseconds,
        {"conv1": 1},
        {"conv2": 1},
        THREE.read,
        THREE.made,
    )
    for widths in itertools.product(*(range(size + 1) for size in SIZES.values())):
        a, b, c = widths
        told = THREE.at({"conv1": a, "conv2": b, "conv3": c})
        assert told >= whole.at({"conv1": a + 2 * b, "conv2": c}) - 1e-9


def test_rising_is_the_smallest_table_above_that_never_falls():
    rising = TABLES[1].rising()
    times = TABLES[1].microseconds
    expected = [
        [times[: i + 1, : j + 1].max() for j in range(times.shape[1])]
        for i in range(times.shape[0])
    ]
    np.testing.assert_array_equal(rising.microseconds, expected)
    stats = STATS.with_latency(TABLES, rising=True)
    np.testing.assert_array_equal(stats.latency[1].microseconds, expected)


def test_files_hold_the_tables(tmp_path: Path):
    stats = STATS.with_latency((*TABLES, THREE))
    stats.save(tmp_path / "a.safetensors")
    back = Statistics.load(tmp_path / "a.safetensors")
    assert back.cost({"conv1": 2}) == stats.cost({"conv1": 2})
    for mine, other in zip(stats.latency, back.latency, strict=True):
        assert (mine.name, mine.inputs, mine.outputs) == (
            other.name,
            other.inputs,
            other.outputs,
        )
        np.testing.assert_array_equal(mine.read, other.read)
        np.testing.assert_array_equal(mine.microseconds, other.microseconds)


def test_statistics_with_tables_and_memory_are_pickled_with_their_checks():
    stats = replace(
        STATS.with_latency((*TABLES, THREE)),
        memory=Memory((Bytes(("conv1",), 4),), ((Bytes((), 8),),)),
    )
    back = pickle.loads(pickle.dumps(stats))
    assert back.cost({"conv2": 3}) == stats.cost({"conv2": 3})
    assert not back.latency[0].microseconds.flags.writeable


def test_files_of_schema_1_are_read(tmp_path: Path):
    STATS.save(tmp_path / "a.safetensors")
    manifest, tensors = read_container(tmp_path / "a.safetensors")
    older = {k: v for k, v in manifest.items() if k not in ("latency", "memory")}
    write_container(tmp_path / "b.safetensors", {**older, "schema": 1}, tensors)
    assert Statistics.load(tmp_path / "b.safetensors").cost() == STATS.cost()


def test_a_file_without_a_tables_tensor_is_refused(tmp_path: Path):
    STATS.with_latency(TABLES).save(tmp_path / "a.safetensors")
    manifest, tensors = read_container(tmp_path / "a.safetensors")
    del tensors["latency/two/read"]
    write_container(tmp_path / "a.safetensors", manifest, tensors)
    with pytest.raises(InvalidFile, match="latency/two/read: no such tensor"):
        Statistics.load(tmp_path / "a.safetensors")


def test_without_tables_latency_is_missing_and_says_how_to_have_it():
    assert STATS.cost().latency is None
    with pytest.raises(MissingStatistics, match="with_latency"):
        STATS.cost().of("latency")
    with pytest.raises(MissingStatistics, match="no latency"):
        cost_tables(STATS, ["latency"], {})


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"microseconds": [[1.0, np.nan]]}, "NaN"),
        ({"microseconds": [[1.0, 0.0]]}, "times > 0"),
        ({"microseconds": [[1.0]]}, "shape"),
        ({"made": [8, 4]}, "rising"),
        ({"made": [-1, 8]}, "rising"),
        ({"made": [4.0, 8.0]}, "vector of integers"),
        ({"made": []}, "vector of integers"),
        ({"read": [1, 2], "microseconds": np.ones((2, 2))}, "no group is named"),
        ({"outputs": {"conv2": 0}}, "conv2"),
        ({"name": "a/b"}, "name"),
    ],
)
def test_bad_tables_are_refused(parts: dict[str, object], message: str):
    sound = {
        "name": "t",
        "microseconds": np.ones((1, 2)),
        "outputs": {"conv2": 1},
        "made": [4, 8],
    }
    with pytest.raises(InvalidStatistics, match=message):
        LatencyTable(**{**sound, **parts})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ([LatencyTable("t", np.ones((1, 1)), {"x": 1})], "no group 'x'"),
        ([TABLES[0], TABLES[0]], "stands twice"),
        (
            [LatencyTable("t", np.ones((1, 1)), {"conv2": 1}, read=np.array([7]))],
            "below the dense",
        ),
    ],
)
def test_tables_that_do_not_fit_the_network_are_refused(
    tables: list[LatencyTable], message: str
):
    with pytest.raises(InvalidStatistics, match=message):
        STATS.with_latency(tables)
