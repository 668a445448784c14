"""Noise of an estimated block, and the intensity that makes its error least."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf_shrinkage

from ccsolve.errors import InvalidProblem, InvalidStatistics, MissingStatistics
from ccsolve.statistics import Group, Statistics
from ccsolve.statistics.shrinkage import block_noise

SIZE = 6


def drawn(samples: int, each: int = 1, seed: int = 0) -> NDArray[np.float64]:
    """Give factor rows, `each` per sample, of correlated channels."""
    rng = np.random.default_rng(seed)
    mixing = np.eye(SIZE) + 0.5 * np.eye(SIZE, k=1)
    rows = rng.standard_normal((samples * each, SIZE)) @ mixing + 0.2
    return rows / samples**0.5


def by_hand(
    rows: NDArray[np.float64], each: int, target: str
) -> tuple[float, NDArray[np.float64]]:
    """Give intensity and noise from the blocks of the samples, one by one."""
    samples = len(rows) // each
    blocks = [samples * part.T @ part for part in np.split(rows, samples)]
    mean = np.mean(blocks, axis=0)
    errors = [np.square(block - mean) for block in blocks]
    variance = np.sum(errors, axis=0) / samples**2
    noise = np.array([variance.sum(), np.trace(variance)])
    if target == "diagonal":
        aim, error = np.diag(np.diag(mean)), noise[0] - noise[1]
    else:
        aim, error = np.trace(mean) / SIZE * np.eye(SIZE), noise[0]
    return min(1.0, error / np.square(mean - aim).sum()), noise


@pytest.mark.parametrize("target", ["diagonal", "identity"])
@pytest.mark.parametrize("each", [1, 3])
def test_intensity_is_that_of_the_samples_one_by_one(each: int, target: str) -> None:
    rows = drawn(40, each)
    expected, noise = by_hand(rows, each, target)
    np.testing.assert_allclose(block_noise(rows, each), noise)
    group = Group("g", SIZE, ggn_rows=rows, ggn_noise=noise)
    assert 0 < expected < 1
    assert group.intensity("ggn", "auto", target) == pytest.approx(expected)


def test_identity_is_the_estimate_of_ledoit_and_wolf() -> None:
    rows = drawn(30)
    expected = ledoit_wolf_shrinkage(rows * 30**0.5, assume_centered=True)
    group = Group("g", SIZE, fisher_rows=rows)
    assert group.intensity("fisher", target="identity") == pytest.approx(expected)


@pytest.mark.parametrize("target", ["diagonal", "identity"])
def test_few_samples_are_pulled_more_and_gain_by_it(target: str) -> None:
    truth = (drawn(200_000).T @ drawn(200_000)).round(2)
    pulls, gains = [], []
    for samples in (8, 2_000):
        errors = []
        for seed in range(20):
            rows = drawn(samples, seed=seed + 1)
            block = rows.T @ rows
            group = Group("g", SIZE, fisher_rows=rows)
            rho = group.intensity("fisher", "auto", target)
            aim = np.diag(np.diag(block))
            if target == "identity":
                aim = np.trace(block) / SIZE * np.eye(SIZE)
            pulled = (1 - rho) * block + rho * aim
            errors.append([np.square(m - truth).sum() for m in (pulled, block)])
        pulls.append(rho)
        gains.append(np.mean(errors, axis=0))
    assert pulls[0] > 5 * pulls[1]
    assert gains[0][0] < 0.9 * gains[0][1]


@pytest.mark.parametrize("target", ["diagonal", "identity"])
@pytest.mark.parametrize("samples", [3, 50])
def test_the_program_is_of_the_pulled_block(samples: int, target: str) -> None:
    rows = drawn(samples)
    group = Group("g", SIZE, ggn_rows=rows, ggn_noise=block_noise(rows))
    stats = Statistics({"g": group})
    rho, block = group.intensity("ggn", "auto", target), group.hessian()
    aim = np.diag(np.diag(block))
    if target == "identity":
        aim = np.trace(block) / SIZE * np.eye(SIZE)
    expected = (1 - rho) * block + rho * aim
    np.testing.assert_allclose(group.hessian(shrinkage="auto", target=target), expected)
    for given in ("auto", rho):
        program = stats.channel_selection(
            "g", 3, first_order=0, shrinkage=given, target=target
        )
        assert program.is_factored == (samples < SIZE)
        x = np.array([1, 0, 1, 1, 0, 0], dtype=bool)
        removed = ~x
        loss = 0.5 * removed @ expected @ removed
        assert program.objective(x) == pytest.approx(loss)


def test_a_diagonal_block_needs_no_pull() -> None:
    block = np.diag([1.0, 2.0])
    group = Group("g", 2, ggn=block, ggn_noise=np.array([0.5, 0.1]))
    assert group.intensity() == 0.0


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        ([1.0], "expected"),
        ([-1.0, 0.0], "not more"),
        ([1.0, 2.0], "not more"),
        ([1.0, np.nan], "NaN"),
    ],
)
def test_bad_noise_is_refused(noise: Any, message: str) -> None:
    with pytest.raises(InvalidStatistics, match=message):
        Group("g", 2, ggn_noise=noise)


def test_what_is_missing_or_unknown_is_named() -> None:
    group = Group("g", SIZE, ggn_rows=drawn(9))
    with pytest.raises(MissingStatistics, match="no ggn_noise"):
        group.intensity()
    stats = Statistics({"g": Group("g", SIZE, fisher_rows=drawn(9))})
    for options, message in (
        ({"shrinkage": 1.5}, r"shrinkage 1\.5"),
        ({"shrinkage": -0.1}, "shrinkage"),
        ({"shrinkage": "best"}, "shrinkage"),
        ({"shrinkage": "auto", "target": "zero"}, "diagonal or identity"),
    ):
        given: Any = options
        with pytest.raises(InvalidProblem, match=message):
            stats.channel_selection("g", 3, curvature="fisher", first_order=0, **given)
