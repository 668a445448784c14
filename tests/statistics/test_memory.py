"""Memory: the weights and the largest step, and tables of every step."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsolve import Statistics
from ccsolve.errors import InvalidFile, InvalidStatistics, MissingStatistics
from ccsolve.statistics import Bytes, Group, Memory, memory_tables
from ccsolve.statistics.container import read_container, write_container
from ccsolve.statistics.generate import random_chain
from ccsolve.statistics.memory import undominated

GROUPS = {"a": Group("a", 4), "b": Group("b", 3)}
MEMORY = Memory(
    weights=(Bytes(("a", "b"), 36), Bytes((), 40)),
    steps=(
        (Bytes(("a",), 100), Bytes((), 12)),
        (Bytes(("a",), 20), Bytes(("b",), 90)),
        (Bytes(("b", "b"), 30),),
    ),
)
STATS = Statistics(GROUPS, memory=MEMORY)
EVERY = [*itertools.product(range(5), range(4))]


@pytest.mark.parametrize(("a", "b"), EVERY)
def test_memory_is_the_weights_and_the_largest_step(a: int, b: int):
    peak = max(100 * a + 12, 20 * a + 90 * b, 30 * b * b)
    found = STATS.cost({"a": a, "b": b}).memory
    assert found == 36 * a * b + 40 + peak and isinstance(found, int)


def test_tables_of_all_steps_have_the_memory_as_their_largest_sum():
    grids = {"a": range(5), "b": range(4)}
    tables = memory_tables(STATS, grids)
    for a, b in EVERY:
        found = tables.at({"a": a, "b": b}).max()
        assert found == STATS.cost({"a": a, "b": b}).memory


parts = st.builds(
    Bytes,
    st.lists(st.sampled_from(["a", "b"]), max_size=2).map(tuple),
    st.integers(0, 9),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(parts, max_size=4).map(tuple), max_size=6))
def test_dominated_steps_are_never_the_peak(steps: list[tuple[Bytes, ...]]):
    fewer = undominated(steps)
    assert len(fewer) <= len(steps)
    for a, b in EVERY:
        widths = {"a": a, "b": b}
        assert Memory((), fewer).at(widths) == Memory((), tuple(steps)).at(widths)


def test_of_equal_steps_one_stays():
    step = (Bytes(("a",), 3),)
    assert undominated([step, (Bytes(("a",), 2),), step]) == (step,)


def test_files_hold_the_memory(tmp_path: Path):
    STATS.save(tmp_path / "a.safetensors")
    assert Statistics.load(tmp_path / "a.safetensors").memory == MEMORY


@pytest.mark.parametrize(
    ("memory", "message"),
    [
        (3, "expected dict"),
        ({"weights": []}, "no field 'steps'"),
        ({"weights": [{"groups": [], "bytes": -1}], "steps": []}, "count -1"),
        ({"weights": [{"groups": ["c"], "bytes": 1}], "steps": []}, "no group 'c'"),
    ],
)
def test_bad_memory_in_a_file_is_refused(tmp_path: Path, memory: object, message: str):
    path = tmp_path / "a.safetensors"
    STATS.save(path)
    manifest, tensors = read_container(path)
    write_container(path, {**manifest, "memory": memory}, tensors)
    with pytest.raises(InvalidFile, match=message):
        Statistics.load(path)


@pytest.mark.parametrize("count", [-1, np.nan, np.inf, True, "1"])
def test_bad_counts_are_refused(count: float):
    with pytest.raises(InvalidStatistics, match="memory: count"):
        Bytes((), count)


def test_parts_of_three_groups_are_refused():
    with pytest.raises(InvalidStatistics, match="0, 1 or 2"):
        Bytes(("a", "b", "c"), 1)


def test_without_steps_memory_is_missing_and_says_how_to_have_it():
    stats = random_chain((3, 2))
    assert stats.cost().memory is None
    with pytest.raises(MissingStatistics, match="collect"):
        stats.cost().of("memory")
    with pytest.raises(MissingStatistics, match="no memory"):
        memory_tables(stats, {})
