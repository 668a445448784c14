"""Copies of problems, statistics and plans: equal, and protected like the original."""

import copy
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import ccsolve
from ccsolve import data


def records() -> dict[str, Any]:
    stats = ccsolve.Statistics.load(data.path("digits_resnet"))
    Q = np.diag([3.0, 1.0, 2.0])
    return {
        "dense": ccsolve.ChannelSelection(Q, keep=2, cost=np.ones(3), budget=2.5),
        "factored": ccsolve.ChannelSelection(factor=Q, fixed=[-1, 1, -1]),
        "statistics": stats,
        "plan": ccsolve.plan(stats, macs=0.5, recipe="uniform"),
        "solution": ccsolve.solve(ccsolve.ChannelSelection(Q, keep=2)),
    }


def pickled(record: Any) -> Any:
    return pickle.loads(pickle.dumps(record))


def assert_same(copied: Any, original: Any) -> None:
    assert type(copied) is type(original)
    if isinstance(original, np.ndarray):
        np.testing.assert_array_equal(copied, original)
    elif isinstance(original, Mapping):
        assert list(copied) == list(original)
        for name, value in original.items():
            assert_same(copied[name], value)
    elif hasattr(original, "__dataclass_fields__"):
        for name in original.__dataclass_fields__:
            assert_same(getattr(copied, name), getattr(original, name))
    else:
        assert copied == original or copied is original or copied != copied


@pytest.mark.parametrize("again", [copy.deepcopy, pickled])
def test_copies_are_equal(again: Any):
    for record in records().values():
        assert_same(again(record), record)


@pytest.mark.parametrize("again", [copy.deepcopy, pickled])
@pytest.mark.parametrize("name", ["dense", "factored"])
def test_copied_problems_are_read_only(again: Any, name: str):
    for array in again(records()[name]).arrays():
        assert not array.flags.writeable
