"""The losses of components, next to their plain numpy twin."""

import numpy as np

from ccsolve.kernels.unit_losses import lose_component


def twin(
    lost: np.ndarray,
    squared: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    gone: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Give what is lost, and by channel."""
    lost = lost + np.outer(left, right)
    by_channel = (squared * lost**2).reshape(len(lost), gone.size, -1).sum(axis=(0, 2))
    return lost, np.where(gone, 0.0, by_channel)


def test_a_pass_is_its_twin():
    rng = np.random.default_rng(0)
    for n, c, width in ((4, 3, 9), (1, 1, 1), (5, 2, 1), (3, 4, 2)):
        lost, squared = rng.standard_normal((n, c * width)), rng.random((n, c * width))
        left, right = rng.standard_normal(n), rng.standard_normal(c * width)
        gone = rng.random(c) < 0.4
        expected, by_channel = twin(lost, squared, left, right, gone)
        alone = np.full(c, 7.0)
        lose_component(lost, squared, left, right, gone, alone)
        np.testing.assert_allclose(alone, by_channel)
        columns = np.repeat(~gone, width)
        np.testing.assert_allclose(lost[:, columns], expected[:, columns])


def test_what_channels_that_are_gone_hold_is_left_alone():
    lost, gone = np.zeros((2, 4)), np.array([True, False])
    lose_component(lost, np.ones((2, 4)), np.ones(2), np.ones(4), gone, np.zeros(2))
    assert (lost == [[0, 0, 1, 1], [0, 0, 1, 1]]).all()
