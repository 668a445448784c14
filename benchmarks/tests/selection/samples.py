"""What the tests of the selection benchmark are made of."""

import itertools
from dataclasses import replace

import numpy as np

from ccsolve.bench.runs import Run

NAMES = ["small", "again", "budget", "ggn_00"]


def all_points(n: int) -> list[np.ndarray]:
    return [np.array(bits) for bits in itertools.product((0, 1), repeat=n)]


def some_run(**fields: object) -> Run:
    key = ("gaps", "one", "made-up n=8", 8, 4, "ours", 0, 1.0)
    return replace(Run(*key), **fields)  # pyright: ignore[reportArgumentType]
