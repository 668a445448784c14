"""Z and U of one weight: the projection and the scaled dual, and their update."""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from os import cpu_count
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ccsolve.solvers.low_rank.projection import Projected, project
from ccsolve_torch.splitting.targets import Target

Array = NDArray[Any]
Result = TypeVar("Result")

SWEEPS = 4
"""Half-sweeps that refine the projection which weights are read from."""

SETTLED = 2e-3
"""A half-sweep that lowers the error by no more than this part has followed."""

RISE = 1.02
"""An error this much above the lowest of late may be that of subspaces that missed
directions."""

MOST_THREADS = 8


@dataclass(frozen=True, eq=False)
class Duals:
    """Z, a projection per group of one weight, and U, an array of the modes per group.

    `step` is ‖Z - Z_before‖, 0 at first; `lowest` the lowest relative error of each
    projection since it was last made from nothing.
    """

    near: tuple[Projected, ...]
    dual: tuple[Array, ...]
    step: float
    lowest: tuple[float, ...]


def first(target: Target, tensors: Sequence[Array]) -> Duals:
    """Give Z = proj(W) and U = 0, as the published code begins."""
    near = tuple(_cold(target, tensor) for tensor in tensors)
    zeros = tuple(np.zeros_like(tensor) for tensor in tensors)
    return Duals(near, zeros, 0.0, tuple(one.error for one in near))


def advanced(target: Target, tensors: Sequence[Array], before: Duals) -> Duals:
    """Give Z <- proj(W + U) and U <- U + W - Z; `tensors` become the new U."""
    near, lowest, moved = [], [], 0.0
    groups = zip(tensors, before.dual, before.near, before.lowest, strict=True)
    for tensor, dual, last, least in groups:
        tensor += dual
        now = _followed(target, tensor, last, least)
        off = (now.tensor - last.tensor).ravel()
        moved += float(np.dot(off, off))
        tensor -= now.tensor
        near.append(now)
        lowest.append(now.error if now.exact else min(now.error, least))
    return Duals(tuple(near), tuple(tensors), math.sqrt(moved), tuple(lowest))


def nearest(target: Target, tensors: Sequence[Array]) -> tuple[Projected, ...]:
    """Give the projection of every group of the weight, refined by half-sweeps."""
    return tuple(_refined(target, tensor) for tensor in tensors)


def _cold(target: Target, tensor: Array) -> Projected:
    return project(tensor, target.space.format, target.space.ranks)


def _followed(
    target: Target, aim: Array, before: Projected, lowest: float
) -> Projected:
    """Give a projection as near as one from nothing, by half-sweeps where they do.

    W + U moves far while training has not yet answered to U. Then subspaces turn faster
    than half-sweeps follow, and the second one still gains; or U grows orthogonally to
    them, which no half-sweep sees, but the error does.
    """
    one = _warm(target, aim, before)
    if one.exact:
        return one
    two = _warm(target, aim, one)
    settled = one.error - two.error <= SETTLED * one.error
    if two.exact or (settled and two.error <= RISE * lowest):
        return two
    anew = _cold(target, aim)
    return anew if anew.error < two.error else replace(two, exact=True, age=0)


def _warm(target: Target, aim: Array, before: Projected) -> Projected:
    # A model may have been given another precision since.
    if before.tensor.dtype != aim.dtype:
        return _cold(target, aim)
    return project(aim, target.space.format, target.space.ranks, warm=before)


def _refined(target: Target, tensor: Array) -> Projected:
    best = now = _cold(target, tensor)
    for _ in range(SWEEPS):
        now = _warm(target, tensor, now)
        best = now if now.error < best.error else best
    return best


def whole_weights(
    targets: Mapping[str, Target], near: Mapping[str, tuple[Projected, ...]]
) -> dict[str, Array]:
    """Give projections as weights in the layers' own layouts."""
    return {
        name: target.weight([one.tensor for one in near[name]])
        for name, target in targets.items()
    }


def begun(
    work: Callable[[str], Result], sizes: Mapping[str, int], threads: int | None
) -> dict[str, Future[Result]]:
    """Begin work(name) for every name in threads, the largest first; give futures.

    Products of matrices release Python's lock. The threads end with the work.
    """
    count = threads or min(MOST_THREADS, cpu_count() or 1)
    pool = ThreadPoolExecutor(min(count, len(sizes)), "ccsolve-admm")
    order = sorted(sizes, key=lambda name: -sizes[name])
    futures = {name: pool.submit(work, name) for name in order}
    pool.shutdown(wait=False)
    return {name: futures[name] for name in sizes}
