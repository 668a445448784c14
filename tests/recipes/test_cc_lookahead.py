"""The look-ahead of Collaborative Compression against its definition."""

import itertools

import numpy as np
import pytest

from ccsolve.recipes.compression.lookahead import EXACT, FAST, scores
from ccsolve.recipes.compression.running import Running
from ccsolve.recipes.compression.sites import Array, Site, sites_of
from ccsolve.statistics import Statistics
from ccsolve.statistics.generate import random_chain
from tests.recipes.cc_networks import mixed

GAMMA = 0.9


def network(name: str) -> Statistics:
    return mixed() if name == "mixed" else random_chain((6, 8, 5))


def all_sites() -> list[tuple[str, int]]:
    return [
        (name, place)
        for name in ("mixed", "chain")
        for place in range(len(sites_of(network(name))))
    ]


class Definition:
    """Scores by removing every unit, and then every unit that is left, in turn."""

    def __init__(self, state: Running) -> None:
        self.site, self.state = state.site, state

    def loss(self, weights: list[Array]) -> float:
        return sum(
            float(np.sum(part.squared * (weight - part.weight) ** 2))
            for part, weight in zip(self.site.parts, weights, strict=True)
        )

    def without(self, weights: list[Array], unit: int) -> list[Array]:
        return [
            np.where(part.unit == unit, 0.0, weight)
            for part, weight in zip(self.site.parts, weights, strict=True)
        ]

    def components(self, weight: Array, count: int) -> list[Array]:
        u, s, vt = np.linalg.svd(weight, full_matrices=False)
        return [s[k] * np.outer(u[:, k], vt[k]) for k in range(count)]

    def mean_loss(self, weights: list[Array], gone: set[int], left: list[int]) -> float:
        """Give the mean loss when one more unit goes."""
        found = [
            self.loss(self.without(weights, unit))
            for unit in range(self.site.classes)
            if unit not in gone
        ]
        for place, count in enumerate(left):
            for component in self.components(weights[place], count):
                fewer = list(weights)
                fewer[place] = weights[place] - component
                found.append(self.loss(fewer))
        return float(np.mean(found)) if found else self.loss(weights)

    def scores(self) -> tuple[list[float], list[list[float]]]:
        state, gone = self.state, set(np.flatnonzero(self.state.gone).tolist())
        of_classes = []
        for unit in range(self.site.classes):
            weights = self.without(state.weights, unit)
            ahead = self.mean_loss(weights, gone | {unit}, state.left)
            of_classes.append(
                np.inf if unit in gone else self.loss(weights) + GAMMA * ahead
            )
        of_parts = []
        for place, count in enumerate(state.left):
            of_parts.append([])
            for component in self.components(state.weights[place], count):
                weights, left = list(state.weights), list(state.left)
                weights[place] = weights[place] - component
                left[place] -= 1
                ahead = self.mean_loss(weights, gone, left)
                of_parts[-1].append(self.loss(weights) + GAMMA * ahead)
        return of_classes, of_parts


def states(site: Site) -> list[Running]:
    """Give a site whole, and after units of both kinds have gone."""
    whole, cut = Running.start(site), Running.start(site)
    for unit in range(0, site.classes - 1, 3):
        cut.lose_class(unit)
    for place, parts in enumerate(cut.components()):
        for k in range(0, cut.left[place] - 1, 2):
            cut.lose_component(place, parts, k)
    return [whole, cut]


@pytest.mark.parametrize(("name", "place"), all_sites())
def test_exact_is_the_mean_over_all_units_left(name: str, place: int):
    for state in states(sites_of(network(name))[place]):
        found = scores(state, state.components(), GAMMA, EXACT)
        classes, parts = Definition(state).scores()
        np.testing.assert_allclose(found.classes, classes, rtol=1e-10)
        for ours, theirs in zip(found.components, parts, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10)


@pytest.mark.parametrize(("name", "place"), all_sites())
def test_fast_is_exact_for_components_and_near_for_channels(name: str, place: int):
    for state in states(sites_of(network(name))[place]):
        components = state.components()
        exact, fast = (scores(state, components, GAMMA, kind) for kind in (EXACT, FAST))
        for one, other in zip(exact.components, fast.components, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12)
        left = np.isfinite(exact.classes)
        assert (left == np.isfinite(fast.classes)).all()
        np.testing.assert_allclose(
            fast.classes[left], exact.classes[left], rtol=0.1 * GAMMA
        )


def test_without_a_look_ahead_the_loss_alone_counts():
    for site in sites_of(mixed()):
        state = Running.start(site)
        components = state.components()
        found = scores(state, components, 0.0)
        for unit in range(site.classes):
            other = Running.start(site)
            other.lose_class(unit)
            assert found.classes[unit] == pytest.approx(other.loss)
        for place, parts in enumerate(components):
            for k in range(parts.left.shape[1]):
                other = Running.start(site)
                other.lose_component(place, parts, k)
                assert found.components[place][k] == pytest.approx(other.loss)


def test_the_last_unit_has_nothing_to_look_at():
    (site,) = [site for site in sites_of(mixed()) if site.classes == 0][:1]
    state = Running.start(site)
    (components,) = state.components()
    for k in range(1, components.left.shape[1]):
        state.lose_component(0, components, k)
    assert state.remaining == 1
    (found,) = scores(state, state.components(), GAMMA).components
    whole = float(np.sum(site.parts[0].squared * site.parts[0].weight ** 2))
    assert found == pytest.approx((1 + GAMMA) * whole)


def test_sites_cover_the_ways_of_sharing():
    sites = sites_of(mixed())
    kinds = [([p.name for p in site.parts], list(site.sizes)) for site in sites]
    assert kinds == [
        (["left", "right"], ["a", "b"]),
        (["grouped"], ["c"]),
        (["wide"], []),
    ]
    for one, other in itertools.combinations(sites, 2):
        assert not set(one.sizes) & set(other.sizes)
