"""Widths by one threshold: against every threshold, and what is put back after it."""

import itertools

import numpy as np
import pytest

from ccsolve.recipes.steps import fits
from ccsolve.recipes.threshold import threshold_widths
from ccsolve.statistics import Statistics
from ccsolve.statistics.generate import random_chain

STATS = random_chain((12, 10, 14))
SIZES = {name: group.size for name, group in STATS.groups.items()}

Scores = dict[str, np.ndarray]


def tied_scores(seed: int) -> Scores:
    rng = np.random.default_rng(seed)
    return {name: rng.integers(1, 6, size) / 4 for name, size in SIZES.items()}


def by_hand(
    stats: Statistics, scores: Scores, limits: dict[str, float], step: int
) -> dict[str, int]:
    """Try every threshold from below, then every step from the best mean down."""
    levels = (*np.unique(np.concatenate(list(scores.values()))), np.inf)
    starts = (reaching(scores, level, step) for level in levels)
    widths = next(start for start in starts if fits(stats, limits, start))
    closed: set[str] = set()
    while steps := sorted(following(scores, widths, closed, step)):
        _, _, name, wider = steps[0]
        if fits(stats, limits, widths | {name: wider}):
            widths = widths | {name: wider}
        else:
            closed.add(name)
    return widths


def reaching(scores: Scores, level: float, step: int) -> dict[str, int]:
    counts = {name: int((values >= level).sum()) for name, values in scores.items()}
    return {
        name: count if count == len(scores[name]) else max(step, count // step * step)
        for name, count in counts.items()
    }


def following(scores: Scores, widths: dict[str, int], closed: set[str], step: int):
    for place, (name, values) in enumerate(scores.items()):
        wider = min((widths[name] // step + 1) * step, len(values))
        if widths[name] < len(values) and name not in closed:
            mean = float(np.sort(values)[::-1][widths[name] : wider].mean())
            yield -mean, place, name, wider


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("part", [0.3, 0.55, 0.8])
def test_the_least_threshold_that_fits_then_the_best_means(seed: int, part: float):
    scores, limits = tied_scores(seed), {"macs": part * STATS.cost().macs}
    expected = by_hand(STATS, scores, limits, 1)
    assert threshold_widths(STATS, limits, scores) == expected


def test_steps_of_unlike_lengths_compare_by_their_means():
    # With multiples of 8 most last steps are of 1 or 2 classes: sums would favour the
    # long ones, in a few of these networks.
    stats, parts = random_chain((9, 17, 25, 10)), (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    sizes = {name: group.size for name, group in stats.groups.items()}
    for seed, part in itertools.product(range(40), parts):
        rng = np.random.default_rng(seed)
        scores = {name: 10 ** rng.uniform(-1, 1, size) for name, size in sizes.items()}
        limits = {"macs": part * stats.cost().macs}
        expected = by_hand(stats, scores, limits, 8)
        assert threshold_widths(stats, limits, scores, multiple_of=8) == expected
