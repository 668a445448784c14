"""RateAllocation as named arrays: the stacked tables, and one array for each pair."""

import re

import numpy as np

from ccsolve.errors import InvalidFile
from ccsolve.io.fields import Arrays, refuse_rest, take_array
from ccsolve.problems.allocation import RateAllocation
from ccsolve.problems.option_tables import Edge

_PAIRS = ("pair_costs", "pair_losses")
_NAME = re.compile(r"(?P<kind>pair_costs|pair_losses)/(?P<low>\d+)-(?P<high>\d+)")


def allocation_arrays(problem: RateAllocation) -> Arrays:
    """Give the arrays that hold the problem: losses (N,), costs (N, B), offsets, ..."""
    arrays = {
        "losses": problem.flat_losses,
        "costs": problem.flat_costs,
        "offsets": problem.offsets,
        "budgets": problem.budgets,
    }
    for kind in _PAIRS:
        for (low, high), table in getattr(problem, kind).items():
            arrays[f"{kind}/{low}-{high}"] = table
    return arrays


def allocation_of(arrays: Arrays, where: str) -> RateAllocation:
    """Give the problem that the arrays hold; the problem's own checks apply."""
    losses = _required(arrays, "losses", where, 1)
    costs = _required(arrays, "costs", where, 2)
    cuts = _cuts(_required(arrays, "offsets", where, 1), len(losses), where)
    budgets = _required(arrays, "budgets", where, 1)
    pairs = {kind: _pairs(arrays, kind, where) for kind in _PAIRS}
    refuse_rest(arrays, where)
    return RateAllocation(
        np.split(losses, cuts),
        np.split(costs, cuts),
        budgets,
        pairs["pair_costs"],
        pair_losses=pairs["pair_losses"],
    )


def _required(arrays: Arrays, key: str, where: str, axes: int) -> np.ndarray:
    array = take_array(arrays, key, where, axes)
    if array is None:
        raise InvalidFile(f"{where}: no array {key!r}; every RateAllocation has one")
    return array


def _cuts(offsets: np.ndarray, options: int, where: str) -> np.ndarray:
    """Give where the tables are cut into layers."""
    whole = offsets.dtype.kind in "iu" and len(offsets) >= 2
    if not whole or offsets[0] != 0 or offsets[-1] != options or _falls(offsets):
        raise InvalidFile(
            f"{where}: offsets do not cut {options} options into layers; expected "
            "whole numbers that rise from 0 to that"
        )
    return offsets[1:-1].astype(np.int64)


def _falls(offsets: np.ndarray) -> bool:
    return bool((offsets[1:] < offsets[:-1]).any())


def _pairs(arrays: Arrays, kind: str, where: str) -> dict[Edge, np.ndarray]:
    found = {}
    for key in list(arrays):
        name = _NAME.fullmatch(key)
        if name is not None and name["kind"] == kind:
            table = take_array(arrays, key, where)
            found[int(name["low"]), int(name["high"])] = table
    return found
