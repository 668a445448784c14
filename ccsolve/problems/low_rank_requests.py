"""What a low-rank fit is asked for, checked: modes, ranks, budget, costs."""

import math
import numbers
from collections.abc import Sequence, Sized
from typing import Any

import numpy as np

from ccsolve.errors import Infeasible, InvalidProblem
from ccsolve.problems.checks import frozen, real_array, real_number, whole_number
from ccsolve.problems.tensor_formats import (
    FORMATS,
    Modes,
    Ranks,
    bonds,
    fitting_ranks,
    full_ranks,
)

SMALLEST, LARGEST = 1e-60, 1e60
"""What the largest entry of a tensor may be, unless all are zero."""


def checked_tensor(tensor: Any) -> np.ndarray:
    """Give the tensor as a read-only array of float32 or float64 in C order.

    A copy, unless it is that already: large tensors need no second one.
    """
    try:
        given = np.asarray(tensor)
        if given.dtype.kind == "c":
            raise TypeError("it holds complex numbers")
        small = given.dtype == np.float32
        array = np.ascontiguousarray(given, dtype=np.float32 if small else np.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        # A RuntimeError is torch's, of a parameter that requires gradients.
        raise InvalidProblem(
            f"tensor is not an array of real numbers: {error}"
        ) from None
    if given.ndim == 0 or array.size == 0:
        raise InvalidProblem(
            f"tensor has shape {given.shape}; expected at least one axis and one entry"
        )
    if not is_narrow(checked_range(array) ** 2):
        array = widened(array)
    owned = not np.may_share_memory(array, given) or not given.flags.writeable
    return frozen(array if owned else array.copy())


def is_narrow(energy: float) -> bool:
    """Say whether float32 has the range for sums of such squares, and their squares."""
    return energy == 0 or 1e-16 <= energy <= 1e16


def widened(tensor: np.ndarray) -> np.ndarray:
    """Give the tensor in float64, read-only."""
    return frozen(tensor.astype(np.float64)) if tensor.dtype != np.float64 else tensor


def checked_range(array: np.ndarray) -> float:
    """Give the largest entry in size; InvalidProblem where it cannot be worked with."""
    low, high = float(array.min()), float(array.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InvalidProblem(
            "tensor holds NaN or infinite entries; every entry must be finite"
        )
    found = max(high, -low)
    if found and not SMALLEST <= found <= LARGEST:
        raise InvalidProblem(
            f"tensor has a largest entry of {found:g} in size; expected "
            f"{SMALLEST:g} to {LARGEST:g}, or all zeros; rescale it"
        )
    return found


def checked_modes(format: str, shape: tuple[int, ...], modes: Any) -> Modes:
    """Give the modes; by default the shape, of "svd" its first axis and the rest."""
    if format not in FORMATS:
        raise InvalidProblem(
            f"format = {format!r}; expected one of {', '.join(FORMATS)}"
        )
    size = math.prod(shape)
    if modes is None:
        return (shape[0], size // shape[0]) if format == "svd" else shape
    if not isinstance(modes, Sequence | np.ndarray) or isinstance(modes, str):
        raise InvalidProblem(f"modes = {modes!r}; expected a list of whole numbers")
    checked = tuple(whole_number("modes", mode, 1, size) for mode in modes)
    if math.prod(checked) != size or not checked:
        raise InvalidProblem(
            f"modes = {checked} multiply to {math.prod(checked)}; expected {size}, the "
            f"size of the tensor of shape {shape}"
        )
    if format == "svd" and len(checked) != 2:
        raise InvalidProblem(
            f"modes = {checked}; expected two for 'svd', those of rows and columns"
        )
    return checked


def checked_whole(format: str, modes: Modes, whole: Any, ranks: Any) -> Ranks:
    """Give the modes of a "tucker" core that are not compressed, ascending.

    By default those between the first and the last (Tucker-2), where two ranks or none
    are given.
    """
    d = len(modes)
    if whole is None:
        outer = ranks is None or (isinstance(ranks, Sized) and len(ranks) == 2)
        return tuple(range(1, d - 1)) if format == "tucker" and outer else ()
    if not isinstance(whole, Sequence | np.ndarray) or isinstance(whole, str):
        raise InvalidProblem(f"whole = {whole!r}; expected a list of modes from 0")
    if format != "tucker" and len(whole):
        raise InvalidProblem(
            f"whole = {whole!r} with format {format!r}; only 'tucker' has whole modes"
        )
    return tuple(sorted({whole_number("whole", mode, 0, d - 1) for mode in whole}))


def checked_ranks(format: str, modes: Modes, ranks: Any, whole: Ranks) -> Ranks:
    """Give one rank for each bond, none above what its neighbours leave room for.

    One number stands for all bonds and is clipped to their full ranks; one given for a
    bond must be within them.
    """
    full = ceilings(format, modes, whole)
    if isinstance(ranks, numbers.Integral) and not isinstance(ranks, bool):
        rank = whole_number("ranks", ranks, 1, 2**62)
        given = tuple(
            most if mode in whole else min(rank, most) for mode, most in enumerate(full)
        )
    else:
        given = _one_each(format, _completed(format, modes, ranks, full), full)
        _require_whole(modes, given, whole)
    return fitting_ranks(format, modes, given, whole)


def ceilings(format: str, modes: Modes, whole: Ranks) -> Ranks:
    """Give the largest rank of each bond; of a whole mode its size."""
    full = full_ranks(format, modes)
    return tuple(
        modes[mode] if mode in whole else most for mode, most in enumerate(full)
    )


def floors(format: str, modes: Modes, whole: Ranks) -> Ranks:
    """Give the least rank of each bond: 1, of a whole mode its size."""
    return tuple(
        modes[mode] if mode in whole else 1 for mode in range(bonds(format, modes))
    )


def _completed(format: str, modes: Modes, ranks: Any, full: Ranks) -> list[Any]:
    """Give a list of ranks; two of a "tucker" are those of its outer modes."""
    if not isinstance(ranks, Sequence | np.ndarray) or isinstance(ranks, str):
        raise InvalidProblem(
            f"ranks = {ranks!r}; expected one whole number or a list of them"
        )
    given = list(ranks)
    if format == "tucker" and len(given) == 2 < len(modes):
        return [given[0], *full[1:-1], given[1]]
    return given


def _one_each(format: str, given: list[Any], full: Ranks) -> Ranks:
    if len(given) != len(full):
        two = " (or two, of the outer modes)" if format == "tucker" else ""
        raise InvalidProblem(
            f"ranks has {len(given)} entries; expected {len(full)} for {format!r}{two}"
        )
    return tuple(
        whole_number(f"ranks[{bond}]", rank, 1, most)
        for bond, (rank, most) in enumerate(zip(given, full, strict=True))
    )


def _require_whole(modes: Modes, ranks: Ranks, whole: Ranks) -> None:
    for mode in whole:
        if ranks[mode] != modes[mode]:
            raise InvalidProblem(
                f"ranks[{mode}] = {ranks[mode]}, but mode {mode} is whole; expected "
                f"{modes[mode]}, or another list of whole modes"
            )


def checked_costs(count: int, costs: Any) -> np.ndarray:
    """Give what an entry of each factor costs, (count,); 1 by default."""
    if costs is None:
        return frozen(np.ones(count))
    array = real_array("costs", costs, (count,))
    if not (array > 0).all():
        raise InvalidProblem(
            f"costs has entries down to {array.min():g}; expected > 0, what one entry "
            "of each factor costs"
        )
    return array


def require_one(ranks: Any, tolerance: Any, budget: Any) -> None:
    """Raise InvalidProblem unless exactly one of the three is given."""
    named = {"ranks": ranks, "tolerance": tolerance, "budget": budget}
    given = [name for name, value in named.items() if value is not None]
    if len(given) != 1:
        raise InvalidProblem(
            f"given {' and '.join(given) or 'none'} of ranks, tolerance and budget; "
            "expected exactly one"
        )


def checked_tolerance(tolerance: Any) -> float:
    """Give the relative error allowed, in [0, 1)."""
    share = real_number("tolerance", tolerance, 0.0)
    if share >= 1:
        raise InvalidProblem(
            f"tolerance = {share:g}; expected a relative error in [0, 1): at 1 the "
            "zero tensor will do"
        )
    return share


def budget_limit(budget: Any, size: int, costs: np.ndarray) -> float:
    """Give the amount: an int is one, a float in (0, 1] that part of the tensor's."""
    if isinstance(budget, numbers.Integral) and not isinstance(budget, bool):
        return float(whole_number("budget", budget, 1, 2**62))
    share = real_number("budget", budget)
    if not 0 < share <= 1:
        raise InvalidProblem(
            f"budget = {budget!r}; expected a whole number (an amount) or a float in "
            "(0, 1] (a part of what the dense tensor costs)"
        )
    if costs.min() != costs.max():
        raise InvalidProblem(
            f"budget = {budget!r} with costs that differ between factors: what the "
            "dense tensor costs is not known; give the amount, a whole number"
        )
    # A share such as 0.3 is rounded: the product must not lose an entry by it.
    return math.floor(share * size * (1.0 + 1e-15)) * float(costs[0])


def require_affordable(least: float, limit: float, budget: Any) -> None:
    """Raise Infeasible where ranks of 1 cost more than the budget."""
    if least > limit:
        raise Infeasible(
            f"budget = {budget!r} allows {limit:g}, but ranks of 1 cost {least:g}; "
            "raise the budget to that or take fewer modes"
        )
