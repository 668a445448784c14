"""The curvature over all groups: its shrinkage, and the intensity by samples."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ccsolve import Statistics
from ccsolve.errors import InvalidProblem, MissingStatistics
from ccsolve.statistics import Group
from ccsolve.statistics.generate import random_chain
from ccsolve.statistics.whole_curvature import whole_intensity

SIZES = (3, 4)
TARGETS = ("groups", "diagonal", "identity")


def drawn(samples: int, each: int = 1, *, joined: bool = True) -> list[NDArray[Any]]:
    """Give the rows of two groups, whose channels go together or not."""
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((samples * each, sum(SIZES)))
    if joined:
        rows += 0.8 * rng.standard_normal((samples * each, 1))
    return np.split(rows / samples**0.5, [SIZES[0]], axis=1)


def statistics(rows: list[NDArray[Any]], samples: int) -> Statistics:
    groups = {
        name: Group(name, own.shape[1], ggn_rows=own)
        for name, own in zip("ab", rows, strict=True)
    }
    return Statistics(groups=groups, samples=samples)


def shared(matrix: NDArray[Any], target: str) -> NDArray[Any]:
    """Give T from S."""
    labels = np.repeat([0, 1], SIZES)
    if target == "groups":
        return np.where(labels[:, None] == labels, matrix, 0.0)
    found = np.diag(matrix).copy()
    if target == "identity":
        for g in (0, 1):
            found[labels == g] = found[labels == g].mean()
    return np.diag(found)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("samples", "each"), [(30, 1), (12, 2), (5, 1)])
def test_the_intensity_is_that_of_the_samples_one_by_one(
    target: str, samples: int, each: int
) -> None:
    rows = drawn(samples, each)
    factor = np.concatenate(rows, axis=1)
    blocks = [samples * part.T @ part for part in np.split(factor, samples)]
    mean = np.mean(blocks, axis=0)
    errors = [np.square(block - mean) for block in blocks]
    variance = np.sum(errors, axis=0) / samples**2
    if target == "identity":
        noise = variance.sum()
    else:
        noise = (variance - shared(variance, target)).sum()
    expected = min(1.0, noise / np.square(mean - shared(mean, target)).sum())
    assert whole_intensity(rows, each, target) == pytest.approx(expected)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("samples", [30, 5])
@pytest.mark.parametrize("shrinkage", [0.3, "auto"])
def test_the_program_has_the_pulled_curvature(
    target: str, samples: int, shrinkage: Any
) -> None:
    rows = drawn(samples)
    stats, factor = statistics(rows, samples), np.concatenate(rows, axis=1)
    rho = whole_intensity(rows, 1, target) if shrinkage == "auto" else shrinkage
    S = factor.T @ factor
    H = (1 - rho) * S + rho * shared(S, target) + 0.1 * np.eye(len(S))
    program = stats.network_program(
        cross=True, shrinkage=shrinkage, target=target, damping=0.1, first_order=0.0
    )
    for z in np.random.default_rng(0).integers(0, 2, (10, program.n)):
        u = 1.0 - z
        assert program.objective(z) == pytest.approx(0.5 * u @ H @ u, abs=1e-12)


def test_noise_alone_is_pulled_away_and_many_samples_are_not() -> None:
    few = whole_intensity(drawn(6, joined=False), 1, "groups")
    many = whole_intensity(drawn(5000), 1, "groups")
    assert few > 0.5
    assert many < 0.01


def test_shrinking_all_the_way_to_the_groups_is_the_program_without_them() -> None:
    stats = random_chain((5, 6))
    whole = stats.network_program(cross=True, shrinkage=1.0, target="groups")
    apart = stats.network_program()
    for z in np.random.default_rng(0).integers(0, 2, (5, whole.n)):
        assert whole.objective(z) == pytest.approx(apart.objective(z), abs=1e-9)


def test_rows_that_are_no_whole_samples_are_refused() -> None:
    stats = replace(statistics(drawn(9), 9), samples=4)
    with pytest.raises(MissingStatistics, match="9 rows of 4 samples: not as many"):
        stats.network_program(cross=True, shrinkage="auto", first_order=0.0)


def test_without_rows_it_says_which_group_has_none() -> None:
    stats = statistics(drawn(9), 9)
    bare = replace(stats.groups["b"], ggn_rows=None)
    stats = replace(stats, groups={**stats.groups, "b": bare})
    with pytest.raises(MissingStatistics, match="groups/b: no ggn_rows"):
        stats.network_program(cross=True, first_order=0.0)


def test_another_target_is_refused() -> None:
    with pytest.raises(InvalidProblem, match="target 'layers'; expected diagonal or"):
        random_chain().network_program(cross=True, target="layers")
