"""Records as JSON and back, by their declared types."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ccsolve.errors import InvalidFile
from ccsolve_torch.typed_json import as_json, from_json

pytestmark = pytest.mark.torch


@dataclass(frozen=True)
class Inner:
    name: str
    pair: tuple[str, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class Outer:
    count: int
    share: float
    whole: bool
    parts: tuple[Inner, ...]
    entries: NDArray[np.int64]
    held: Mapping[str, NDArray[np.float64]]
    either: int | str | None
    anything: Any = None
    later: dict[str, float] = field(default_factory=dict)


def outer(**changes: Any) -> Outer:
    fields: dict[str, Any] = {
        "count": 3,
        "share": 0.5,
        "whole": True,
        "parts": (Inner("a", ("x", (1, 2))), Inner("b", ("y", ()))),
        "entries": np.array([1, 5]),
        "held": {"w": np.array([0.5, 2.0])},
        "either": "text",
        "anything": {"deep": [1, None]},
    }
    return Outer(**{**fields, **changes})


def through(record: Outer) -> Outer:
    return from_json(Outer, json.loads(json.dumps(as_json(record))), "file")


def test_records_come_back_as_they_were() -> None:
    before, after = outer(), through(outer())
    assert after.parts == before.parts and after.anything == before.anything
    assert (after.count, after.share, after.whole, after.either) == (
        (before.count, before.share, before.whole, before.either)
    )
    assert after.entries.dtype == np.int64 and np.array_equal(after.entries, [1, 5])
    assert np.array_equal(after.held["w"], before.held["w"])
    assert as_json(after) == as_json(before)


@pytest.mark.parametrize("either", [None, 4, "four"])
def test_unions_keep_the_kind(either: Any) -> None:
    assert through(outer(either=either)).either == either


def test_nothing_is_no_number_where_a_number_belongs() -> None:
    value = {**as_json(outer()), "share": None}
    assert math.isnan(from_json(Outer, value, "file").share)


def test_empty_arrays_keep_their_type() -> None:
    found = through(outer(entries=np.array([], dtype=np.int64), parts=()))
    assert found.entries.dtype == np.int64 and found.entries.shape == (0,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 1.5}, r"file.count: 1.5; expected int"),
        ({"count": True}, "expected int"),
        ({"share": "much"}, "expected float"),
        ({"whole": 1}, "expected bool"),
        ({"parts": {}}, "file.parts: {}; expected a list"),
        ({"parts": [{"name": "a"}]}, r"file.parts\[0\]: fields missing .'pair'."),
        ({"parts": [{"name": "a", "pair": ["x"]}]}, "2 entries"),
        ({"parts": [3]}, "an object"),
        ({"entries": [[1], [2, 3]]}, "ragged"),
        ({"entries": [1.5]}, "int64"),
        ({"entries": 3}, "a list of numbers"),
        ({"held": []}, "an object"),
        ({"held": {"w": ["a"]}}, "file.held.w"),
        ({"either": 1.5}, "file.either"),
        ({"extra": 1}, "unknown .'extra'."),
    ],
)
def test_what_does_not_fit_is_told_by_field(change: Any, message: str) -> None:
    with pytest.raises(InvalidFile, match=message):
        from_json(Outer, {**as_json(outer()), **change}, "file")


def test_fields_with_defaults_may_be_absent() -> None:
    value = as_json(outer())
    del value["later"]
    assert from_json(Outer, value, "file").later == {}
    del value["count"]
    with pytest.raises(InvalidFile, match=r"missing .'count'."):
        from_json(Outer, value, "file")
