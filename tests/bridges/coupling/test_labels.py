"""Atoms of values: reshapes on small arrays equal reshapes of the full ones."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsolve_torch.coupling.labels import blocks, packed, placed, reshaped, varying

pytestmark = pytest.mark.torch


@st.composite
def reshapes(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Give two shapes of the same product."""
    factors = draw(st.lists(st.integers(1, 3), min_size=1, max_size=5))

    def merged() -> tuple[int, ...]:
        cuts = sorted(draw(st.sets(st.integers(0, len(factors)), max_size=4)))
        edges = [0, *cuts, len(factors)]
        return tuple(int(np.prod(factors[a:b])) for a, b in pairwise(edges))

    return merged(), merged()


@given(reshapes(), st.data())
def test_a_reshape_of_atoms_is_that_of_the_full_array(pair, data) -> None:
    before, after = pair
    axes = data.draw(st.sets(st.integers(0, len(before) - 1)))
    shape = [n if axis in axes else 1 for axis, n in enumerate(before)]
    ids = np.arange(1, 1 + int(np.prod(shape))).reshape(shape)
    full = np.broadcast_to(ids, before).reshape(after)
    assert np.array_equal(np.broadcast_to(reshaped(ids, before, after), after), full)


@given(reshapes())
def test_blocks_have_equal_products_and_cover_all_axes(pair) -> None:
    before, after = pair
    found = list(blocks(before, after))
    for old, new in found:
        assert np.prod([before[a] for a in old]) == np.prod([after[a] for a in new])
    assert [axis for old, _ in found for axis in old] == list(range(len(before)))
    assert [axis for _, new in found for axis in new] == list(range(len(after)))


def test_a_reshape_does_not_write_out_what_is_constant() -> None:
    (ids,) = placed(np.arange(1, 5), 1, 4)
    kept = reshaped(ids, (2, 4, 100, 100), (2, 2, 2, 10_000))
    assert kept.shape == (1, 2, 2, 1)


def test_constant_axes_and_arrays_without_channels_are_left_out() -> None:
    twice = np.array([[1, 1], [2, 2]])
    (kept,) = packed([twice, np.zeros((2, 1), int), np.array([[7]])])
    assert kept.shape == (2, 1)
    assert varying(kept) == {0}
