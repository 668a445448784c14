"""Z and U of one weight: the projection and the scaled dual, and their update."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
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

MOST_THREADS = 8


@dataclass(frozen=True, eq=False)
class Duals:
    """Z, one projection per group, and U, (groups, modes...), of one weight.

    `step` is ‖Z - Z_before‖, 0 at first.
    """

    near: tuple[Projected, ...]
    dual: Array
    step: float

    @property
    def aim(self) -> Array:
        """Z - U, what the penalty pulls the weight to."""
        return np.stack([one.tensor for one in self.near]) - self.dual


def first(target: Target, weight: Array) -> Duals:
    """Give Z = proj(W) and U = 0, as the published code begins."""
    tensors = target.tensors(weight)
    near = tuple(_cold(target, tensor) for tensor in tensors)
    return Duals(near, np.zeros_like(tensors), 0.0)


def advanced(target: Target, weight: Array, before: Duals) -> Duals:
    """Give Z <- proj(W + U) and U <- U + W - Z."""
    tensors = target.tensors(weight)
    aims = tensors + before.dual.astype(tensors.dtype, copy=False)
    near = tuple(
        _warm(target, aim, one) for aim, one in zip(aims, before.near, strict=True)
    )
    Z = np.stack([one.tensor for one in near])
    Z_before = np.stack([one.tensor for one in before.near])
    return Duals(near, aims - Z, float(np.linalg.norm(Z - Z_before)))


def nearest(target: Target, weight: Array) -> tuple[Projected, ...]:
    """Give the projection of every group of the weight, refined by half-sweeps."""
    return tuple(_refined(target, tensor) for tensor in target.tensors(weight))


def _cold(target: Target, tensor: Array) -> Projected:
    return project(tensor, target.space.format, target.space.ranks)


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
        name: target.weight(np.stack([one.tensor for one in near[name]]))
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
