"""Projection of a tensor on those of low rank, cold or warm: the step of loops."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.problems.low_rank_requests import (
    checked_modes,
    checked_ranks,
    checked_whole,
)
from ccsolve.problems.tensor_formats import Modes, Ranks
from ccsolve.solvers.low_rank.projecting.steps import Projected, projected

__all__ = ["Projected", "project"]


def project(
    tensor: np.ndarray,
    format: str,
    ranks: int | Sequence[int],
    *,
    warm: Projected | None = None,
    out: np.ndarray | None = None,
) -> Projected:
    """Give a tensor of low rank near ``tensor``, whose shape is its modes.

    Cold, it is the truncated SVD ("svd", the nearest), the TT-SVD ("tt"), the
    sequentially truncated HOSVD ("tucker") or the TR-SVD ("tr"), of Gram matrices, with
    bonds of full rank merged away. The first three are within √(number of bonds) of the
    nearest, and `Projected.floor` says what none can be below; "tr" has no such bound.

    With ``warm``, the projection of a tensor near this one, it is alternating least
    squares from there: one to three half sweeps, 2Nr each for N entries, while they
    gain, and 2Nr for Z. For the same tensor the error does not rise. It can only find
    what is not orthogonal to the old subspace; hence every 21st step, and where the
    captured energy fell by 2 %, both by itself and as a part of ‖T‖², the projection is
    made from nothing as well, and the better one given.

    Parameters
    ----------
    tensor : float32 or float64 of the modes' shape; others become float64
    format : "svd" (two modes), "tucker", "tt" or "tr"
    ranks : as of `LowRankFit`
    warm : of the same format, modes, ranks and type
    out : C array of the tensor's shape and type, to hold Z

    Raises
    ------
    InvalidProblem
        For NaN, ranks that the modes do not have, or another ``warm`` or ``out``.
    """
    T = _checked_tensor(tensor)
    used = _used_ranks(format, T.shape, _hashable(ranks))
    _check_out(T, out)
    if warm is not None:
        _check_warm(warm, format, T.shape, used, T.dtype)
    return projected(T, format, used, warm, out)


def _hashable(ranks: Any) -> Any:
    """Give ranks as what can be looked up; what cannot is no rank, as text."""
    listed = tuple(ranks) if isinstance(ranks, Sequence | np.ndarray) else ranks
    try:
        hash(listed)
    except TypeError:
        return repr(ranks)
    return listed


@functools.lru_cache(maxsize=4096, typed=True)
def _used_ranks(format: str, shape: Modes, ranks: Any) -> Ranks:
    """Check a request; loops make the same again and again."""
    modes = checked_modes(format, shape, shape)
    whole = checked_whole(format, modes, None, ranks)
    return checked_ranks(format, modes, ranks, whole)


def _checked_tensor(tensor: Any) -> np.ndarray:
    try:
        T = np.asarray(tensor)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidProblem(f"tensor is not an array: {error}") from None
    if T.dtype.kind not in "fiub" or T.ndim == 0 or T.size == 0:
        raise InvalidProblem(
            f"tensor has type {T.dtype} and shape {T.shape}; expected real numbers, at "
            "least one axis and one entry"
        )
    kind = np.float32 if T.dtype == np.float32 else np.float64
    return np.ascontiguousarray(T, dtype=kind)


def _check_out(T: np.ndarray, out: np.ndarray | None) -> None:
    if out is None:
        return
    if out.shape != T.shape or out.dtype != T.dtype or not out.flags.c_contiguous:
        raise InvalidProblem(
            f"out has shape {out.shape} and type {out.dtype}; expected a C array of "
            f"shape {T.shape} and type {T.dtype}"
        )


def _check_warm(
    warm: Projected,
    format: str,
    modes: tuple[int, ...],
    ranks: tuple[int, ...],
    dtype: np.dtype,
) -> None:
    if not isinstance(warm, Projected):
        raise InvalidProblem(
            f"warm is a {type(warm).__name__}; expected what `project` gave"
        )
    found = (warm.format, warm.modes, warm.ranks, warm.tensor.dtype)
    if found != (format, modes, ranks, dtype):
        raise InvalidProblem(
            f"warm is of {found[0]!r}, modes {found[1]}, ranks {found[2]} and type "
            f"{found[3]}; expected {format!r}, {modes}, {ranks} and {dtype}"
        )
