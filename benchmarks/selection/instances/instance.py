"""One program, as raw data for the scorer and as a problem for the solvers."""

import math
from dataclasses import dataclass

import numpy as np

import ccsolve


@dataclass(frozen=True, eq=False)
class Instance:
    """Minimise uᵀSu + cᵀu over binary u, |u| = count and aᵀu <= b where they are given.

    Attributes
    ----------
    name, family : what it is called and what it is reported with.
    S : (n, n); c : (n,).
    count : the number of ones, None without a cardinality.
    a : (n,) or None; b : the budget.
    removed : whether u marks what is removed; otherwise what is kept.
    best_known, proven : published, nan where nothing is.
    room : what a value may exceed the best known by and still be that value.
    problem : the same program over the kept channels, for whoever solves it.
    """

    name: str
    family: str
    S: np.ndarray
    c: np.ndarray
    problem: ccsolve.ChannelSelection
    count: int | None = None
    a: np.ndarray | None = None
    b: float = math.inf
    removed: bool = False
    best_known: float = math.nan
    proven: bool = False
    room: float = 0.0
