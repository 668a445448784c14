"""The log of ties and what it is solved into."""

import numpy as np
import pytest

from ccsolve_torch.coupling.links import Links

pytestmark = pytest.mark.torch


def classes(links: Links, ids: np.ndarray) -> list[int]:
    """Give the classes of the atoms, numbered by first sight."""
    found = links.solve().classes[ids].ravel().tolist()
    return [list(dict.fromkeys(found)).index(number) for number in found]


def test_ties_are_transitive() -> None:
    links = Links()
    a, b, c = (links.axis(name, 0, 3) for name in "abc")
    links.tie(a, b, "")
    links.tie(b[::-1], c, "")
    assert classes(links, np.stack([a, b, c])) == [0, 1, 2, 0, 1, 2, 2, 1, 0]


def test_an_axis_has_the_same_atoms_whenever_it_is_asked_for() -> None:
    links = Links()
    assert np.array_equal(links.axis("w", 1, 4), links.axis("w", 1, 4))
    assert not set(links.axis("w", 1, 4)) & set(links.axis("w", 0, 4))


def test_what_meets_no_channel_is_frozen_with_the_first_reason() -> None:
    links = Links()
    a = links.axis("a", 0, 3)
    links.tie(a, np.array([0, 0, a[2]]), "here")
    links.freeze(a[:1], "later")
    solved = links.solve()
    assert set(solved.classes[a[:2]].tolist()) == set(solved.frozen)
    assert (
        solved.frozen[int(solved.classes[a[0]])]
        == "meets entries that are no channels in here"
    )


def test_a_rectangle_shrinks_along_its_inner_axis() -> None:
    links = Links()
    table = links.axis("a", 0, 6).reshape(2, 3)
    links.rectangle(table, frozenset(), "")
    assert classes(links, table) == [0, 1, 2, 0, 1, 2]


def test_an_axis_that_stays_whole_leaves_the_other_to_shrink() -> None:
    links = Links()
    table = links.axis("a", 0, 6).reshape(2, 3)
    links.rectangle(table, frozenset([1]), "")
    assert classes(links, table) == [0, 0, 0, 1, 1, 1]


def test_rows_that_go_together_already_are_a_rectangle() -> None:
    links = Links()
    table = links.axis("a", 0, 6).reshape(2, 3)
    links.tie_along(table, 1, "")
    links.rectangle(table, frozenset(), "")
    links.rectangle(table.T, frozenset(), "")
    assert classes(links, table) == [0, 0, 0, 1, 1, 1]


def test_one_axis_that_stays_whole_is_frozen() -> None:
    links = Links()
    a = links.axis("a", 0, 3)
    links.rectangle(a, frozenset([0]), "select", ", picked")
    assert set(links.solve().frozen.values()) == {"is read by select, picked"}


def test_heads_that_a_score_spans_go_as_a_whole() -> None:
    links = Links()
    values, scores = links.axis("v", 0, 6).reshape(2, 3), links.axis("q", 0, 2)
    links.rectangle(values, frozenset(), "")
    links.span(values, scores[:, None], "")
    links.bear("q", scores)
    assert classes(links, values) == [0, 0, 0, 1, 1, 1]


def test_what_all_heads_share_stays_where_whole_heads_go() -> None:
    links = Links()
    queries, shared = links.axis("q", 0, 6).reshape(2, 3), links.axis("k", 0, 3)
    links.tie_along(queries, 1, "")
    links.span(queries, shared[None], "is shared")
    solved = links.solve()
    assert set(solved.frozen) == set(solved.classes[shared].tolist())
    assert classes(links, queries) == [0, 0, 0, 1, 1, 1]


def test_only_what_parts_along_the_axis_is_altered() -> None:
    links = Links()
    table = links.axis("a", 0, 6).reshape(2, 3)
    links.tie_along(table, 1, "")
    links.alter(table, frozenset([1]), "a norm")
    assert links.solve().altered == {}
    links.alter(table, frozenset([0]), "a norm")
    assert set(links.solve().altered.values()) == {"a norm"}
