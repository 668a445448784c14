"""Latency tables: never below what was measured, by classes gone."""

from typing import Any

import numpy as np
import pytest

from ccsolve.errors import InvalidProblem
from ccsolve.sensitivity import latency_table


def test_a_full_table_is_turned_round():
    table = latency_table([0.0, 1.0, 3.0, 4.0], 3)
    assert table.tolist() == [4, 3, 1, 0]


def test_noise_is_lifted_and_nothing_lowered():
    rng = np.random.default_rng(0)
    measured = np.linspace(1, 9, 33) + rng.uniform(0, 2, 33)
    table = latency_table(measured, 32)[::-1]
    assert (table >= measured).all()
    assert (np.diff(table) >= 0).all()
    assert set(table) <= set(measured)


def test_a_width_costs_what_the_next_measured_one_does():
    table = latency_table([5.0, 2.0], 8, widths=[8, 4])[::-1]
    assert table.tolist() == [2, 2, 2, 2, 2, 5, 5, 5, 5]
    assert latency_table([7.0], 2, widths=[2]).tolist() == [7, 7, 7]


@pytest.mark.parametrize(
    ("measured", "size", "widths", "message"),
    [
        ([1.0, 2.0], 2, None, r"measured has shape \(2,\); expected \(3,\)"),
        ([1.0, -2.0], 1, None, "measured has entries down to -2"),
        ([1.0, np.nan], 1, None, "measured holds 1 NaN"),
        ([1.0], 0, None, "size = 0; expected a whole number from 1"),
        ([1.0, 2.0], 4, [1, 2], "expected different whole numbers from 0 to 4, 4 am"),
        ([1.0, 2.0], 4, [4, 4], "expected different whole numbers"),
        ([1.0, 2.0], 4, [1.5, 4], "expected different whole numbers"),
        ([1.0, 2.0], 4, [-1, 4], "expected different whole numbers"),
        ([1.0, 2.0], 4, [4, 5], "expected different whole numbers"),
        ([], 4, [], r"widths = \[\]; expected different whole numbers"),
        ([1.0], 4, [2, 4], r"measured has shape \(1,\); expected \(2,\)"),
    ],
)
def test_bad_tables_are_refused(measured: Any, size: Any, widths: Any, message: str):
    with pytest.raises(InvalidProblem, match=message):
        latency_table(measured, size, widths)
