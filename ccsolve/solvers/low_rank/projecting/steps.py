"""Steps of the projection: cold or warm, scaled and watched."""

import math
from dataclasses import dataclass, replace

import numpy as np

from ccsolve.linalg.energy import distance_energy, energy
from ccsolve.problems.low_rank_requests import checked_range
from ccsolve.problems.tensor_formats import Modes, Ranks
from ccsolve.solvers.low_rank.projecting.forms import Form, cold, factors_of, warmed

SURE_CALLS = 20
"""Warm steps after which the next one starts anew, to see what they cannot."""

LOST = 0.02
"""A part of the captured energy whose loss in one step asks for an exact one."""

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
    captured : ‖T‖² - ‖T - Z‖², what warm steps are watched by
    exact : made from nothing, not from the projection before
    age : warm steps since T was last projected from nothing
    form : how Z is held from step to step
    """

    tensor: np.ndarray
    format: str
    modes: Modes
    ranks: Ranks
    error: float
    floor: float
    captured: float
    exact: bool
    age: int
    form: Form

    @property
    def factors(self) -> list[np.ndarray]:
        """Z as the factors of its format (see `LowRankFit`)."""
        return factors_of(self.form, self.modes, self.ranks)


def projected(
    T: np.ndarray,
    format: str,
    ranks: Ranks,
    warm: Projected | None = None,
    out: np.ndarray | None = None,
) -> Projected:
    """Give the projection of T, a checked C array of the modes' shape.

    Where a warm step may have lost something, T is projected from nothing, too, and the
    better of both is given.

    Raises
    ------
    InvalidProblem
        For NaN or infinite entries, and for sizes that squares have no room for.
    """
    whole, scale = _size(T)
    if scale != 1.0:
        return _scaled_back(T, scale, format, ranks, warm, out)
    if warm is None:
        return _cold_step(T, whole, format, ranks, out)
    step = _warm_step(T, whole, warm, out)
    if warm.age < SURE_CALLS and not _has_lost(step, warm):
        return step
    fresh = _cold_step(T, whole, format, ranks, None)
    if fresh.captured <= step.captured:
        return replace(step, age=0, floor=min(fresh.floor, step.error))
    if out is None:
        return fresh
    out[...] = fresh.tensor
    return replace(fresh, tensor=out)


def _size(T: np.ndarray) -> tuple[float, float]:
    """Give ‖T‖², and a scale, not 1 where powers of it would leave the type's range."""
    with np.errstate(over="ignore"):
        whole = energy(T)
    limits = np.finfo(T.dtype)
    if limits.tiny**0.25 < whole < limits.max**0.25:
        return whole, 1.0
    largest = checked_range(T)
    return (whole, largest) if largest else (0.0, 1.0)


def _cold_step(
    T: np.ndarray, whole: float, format: str, ranks: Ranks, out: np.ndarray | None
) -> Projected:
    form, Z = cold(T, format, ranks, out)
    error = _error(T, Z, whole, form.energy)
    floor = min(error, math.sqrt(form.floor / whole)) if whole else 0.0
    captured = whole * (1.0 - error**2)
    return Projected(Z, format, T.shape, ranks, error, floor, captured, True, 0, form)


def _warm_step(
    T: np.ndarray, whole: float, warm: Projected, out: np.ndarray | None
) -> Projected:
    form, Z = warmed(T, whole, warm.form, out)
    error = _error(T, Z, whole, form.energy)
    return replace(
        warm,
        tensor=Z,
        error=error,
        floor=0.0,
        captured=whole * (1.0 - error**2),
        exact=False,
        age=warm.age + 1,
        form=form,
    )


def _has_lost(step: Projected, warm: Projected) -> bool:
    """Say whether less is captured, not only because T became smaller or noisier."""
    kept = 1.0 - LOST
    part, before = 1.0 - step.error**2, 1.0 - warm.error**2
    return step.captured < kept * warm.captured and part < kept * before


def _scaled_back(
    T: np.ndarray,
    scale: float,
    format: str,
    ranks: Ranks,
    warm: Projected | None,
    out: np.ndarray | None,
) -> Projected:
    """Project T/scale, and give its projection times the scale."""
    if warm is not None:
        warm = replace(warm, captured=warm.captured / scale**2)
    unit = projected(T / T.dtype.type(scale), format, ranks, warm)
    Z = np.multiply(unit.tensor, T.dtype.type(scale), out=out)
    form = replace(unit.form, scale=scale)
    return replace(unit, tensor=Z, captured=unit.captured * scale**2, form=form)


def _error(T: np.ndarray, Z: np.ndarray, whole: float, captured: float) -> float:
    """Give ‖T - Z‖/‖T‖, where ‖T - Z‖² = ‖T‖² - ‖Z‖² as Z is a projection of T."""
    if not whole:
        return 0.0
    left = 1.0 - captured / whole
    if left > _CANCELLED:
        return math.sqrt(left)
    return math.sqrt(distance_energy(T, Z) / whole)
