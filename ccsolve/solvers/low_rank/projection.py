"""Projection of a tensor on those of low rank, cold or warm: the step of loops."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.problems.low_rank_requests import (
    checked_modes,
    checked_ranks,
    checked_whole,
)
from ccsolve.solvers.low_rank.projecting.forms import Form, cold, factors_of, warmed

SURE_CALLS = 20
"""Warm steps after which the next one starts anew, to see what they cannot."""

RISE = 1.02
"""A relative error that grows by more than this is a subspace that lost something."""

_CANCELLED = 1e-3
"""Below this part of the energy an error is taken from T - Z, not from energies."""


@dataclass(frozen=True, eq=False)
class Projected:
    """A tensor Z of low rank near another one, T.

    Attributes
    ----------
    tensor : Z, of the shape of the modes and T's type
    format, modes, ranks : what Z belongs to; ranks as they could be used
    error : ‖T - Z‖/‖T‖, 0 for T = 0
    floor : no tensor of these ranks has a smaller relative error, up to rounding; the
        largest tail of the unfoldings seen. 0 after a warm step, which sees none
    exact : made anew from T, not from the projection before
    age : warm steps since the last exact one
    form : how Z is held from step to step
    """

    tensor: np.ndarray
    format: str
    modes: tuple[int, ...]
    ranks: tuple[int, ...]
    error: float
    floor: float
    exact: bool
    age: int
    form: Form

    @property
    def factors(self) -> list[np.ndarray]:
        """Z as the factors of its format (see `LowRankFit`)."""
        return factors_of(self.form, self.modes, self.ranks)


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

    With ``warm``, the projection of a tensor near this one, it is half a sweep of
    alternating least squares from there, 4Nr for N entries. For the same tensor its
    error does not rise. It can only find what is not orthogonal to the old subspace;
    hence it starts anew after 20 steps, and where the relative error grew by 2 %.

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
    modes = checked_modes(format, T.shape, T.shape)
    whole = checked_whole(format, modes, None, ranks)
    used = checked_ranks(format, modes, ranks, whole)
    _check_out(T, out)
    size = _size(T)
    if size.scale != 1.0:
        return _scaled_back(T, size.scale, format, ranks, warm, out)
    if warm is not None:
        _check_warm(warm, format, modes, used, T.dtype)
        if warm.age < SURE_CALLS:
            step = _warm_step(T, size.energy, warm, out)
            if step.error <= RISE * warm.error + 10 * _eps(T):
                return step
    form, Z = cold(T, format, used, out)
    error = _error(T, Z, size.energy, form.energy)
    floor = math.sqrt(form.floor / size.energy) if size.energy else 0.0
    return Projected(Z, format, modes, used, error, min(floor, error), True, 0, form)


@dataclass(frozen=True)
class _Size:
    """‖T‖², and a scale other than 1 where its square would leave the type's range."""

    energy: float
    scale: float = 1.0


def _checked_tensor(tensor: Any) -> np.ndarray:
    T = np.asarray(tensor)
    if T.dtype.kind not in "fiub" or T.ndim == 0 or T.size == 0:
        raise InvalidProblem(
            f"tensor has type {T.dtype} and shape {T.shape}; expected real numbers, at "
            "least one axis and one entry"
        )
    kind = np.float32 if T.dtype == np.float32 else np.float64
    return np.ascontiguousarray(T, dtype=kind)


def _size(T: np.ndarray) -> _Size:
    flat = T.reshape(-1)
    with np.errstate(over="ignore"):
        energy = float(np.dot(flat, flat))
    limits = np.finfo(T.dtype)
    if limits.tiny**0.25 < energy < limits.max**0.25:
        return _Size(energy)
    largest = float(np.abs(flat).max())
    if not math.isfinite(largest):
        raise InvalidProblem(
            "tensor holds NaN or infinite entries; every entry must be finite"
        )
    return _Size(energy, largest) if largest else _Size(0.0)


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
    found = (warm.format, warm.modes, warm.ranks, warm.tensor.dtype)
    if found != (format, modes, ranks, dtype):
        raise InvalidProblem(
            f"warm is of {found[0]!r}, modes {found[1]}, ranks {found[2]} and type "
            f"{found[3]}; expected {format!r}, {modes}, {ranks} and {dtype}"
        )


def _warm_step(
    T: np.ndarray, energy: float, warm: Projected, out: np.ndarray | None
) -> Projected:
    form, Z = warmed(T, warm.form, out)
    return replace(
        warm,
        tensor=Z,
        error=_error(T, Z, energy, form.energy),
        floor=0.0,
        exact=False,
        age=warm.age + 1,
        form=form,
    )


def _scaled_back(
    T: np.ndarray,
    scale: float,
    format: str,
    ranks: int | Sequence[int],
    warm: Projected | None,
    out: np.ndarray | None,
) -> Projected:
    """Project T/scale where powers of ‖T‖ would leave the range of its type."""
    unit = project(T / T.dtype.type(scale), format, ranks, warm=warm)
    Z = np.multiply(unit.tensor, T.dtype.type(scale), out=out)
    return replace(unit, tensor=Z, form=replace(unit.form, scale=scale))


def _error(T: np.ndarray, Z: np.ndarray, energy: float, captured: float) -> float:
    """Give ‖T - Z‖/‖T‖, where ‖T - Z‖² = ‖T‖² - ‖Z‖² as Z is a projection of T."""
    if not energy:
        return 0.0
    left = 1.0 - captured / energy
    if left > _CANCELLED:
        return math.sqrt(left)
    rest = (T - Z).reshape(-1)
    return math.sqrt(float(np.dot(rest, rest)) / energy)


def _eps(T: np.ndarray) -> float:
    return float(np.finfo(T.dtype).eps)
