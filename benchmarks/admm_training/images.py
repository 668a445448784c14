"""Random batches of training images, cropped and flipped."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.cifar10 import normalised

PADDING = 4


def drawn_batches(
    images: Tensor, labels: Tensor, count: int, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Give all images, uint8, once: shuffled by the seed into `count` batches.

    Each is shifted and perhaps flipped (`cropped`), and normalised.
    """
    rng = np.random.default_rng(seed)
    for taken in np.array_split(rng.permutation(len(labels)), count):
        pictures = cropped(images.numpy()[taken], rng)
        yield normalised(torch.from_numpy(pictures)), labels[taken]


def cropped(pictures: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Give pictures (N, C, H, W) shifted by up to 4 pixels, every other one flipped.

    Outside is black; which are flipped is drawn.
    """
    count, colours, height, width = pictures.shape
    wide = np.pad(pictures, [(0, 0), (0, 0), *[(PADDING, PADDING)] * 2])
    top, left = rng.integers(0, 2 * PADDING + 1, size=(2, count, 1))
    rows, columns = top + np.arange(height), left + np.arange(width)
    columns = np.where(rng.random((count, 1)) < 0.5, columns[:, ::-1], columns)
    which = np.arange(count).reshape(-1, 1, 1, 1)
    colour = np.arange(colours).reshape(1, -1, 1, 1)
    return wide[which, colour, rows[:, None, :, None], columns[:, None, None, :]]
