"""The bonds of a factored weight: how many there are, and the ranks they can have.

Shapes are of one group of a convolution: n output channels, c input channels, kernel.
"""

import math
from collections.abc import Sequence
from itertools import accumulate, product
from operator import mul

from ccsolve.errors import InvalidProblem
from ccsolve.factors import Factor
from ccsolve.problems.tensor_formats import fitting_ranks, full_ranks


def ranks_of(factor: Factor, shape: Sequence[int], where: str) -> tuple[int, ...]:
    """Give the ranks as integers that the weight can have, one for each bond.

    A rank above what the other ranks leave room for is lowered to that.
    InvalidProblem, with `where` in its message, for a rank above the full rank of its
    bond, for another number of ranks, and for modes of another weight.
    """
    n, c, *kernel = shape
    size = math.prod(kernel)
    if factor.format == "svd":
        return _whole(factor, [_matrix_rank(factor, shape, where)], where)
    if factor.format == "tucker":
        left, right = _whole(factor, [min(n, c * size), min(c, n * size)], where)
        left = min(left, right * size)
        return left, min(right, left * size)
    modes = [mode for part in modes_of(factor, shape, where) for mode in part]
    if factor.format == "tr":
        full = full_ranks("tr", tuple(modes))
        return fitting_ranks("tr", tuple(modes), _whole(factor, list(full), where))
    products, total = list(accumulate(modes, mul)), n * c * size
    wanted = _whole(factor, [min(p, total // p) for p in products[:-1]], where)
    ranks = [1]
    for mode, rank in zip(modes, wanted, strict=False):
        ranks.append(min(rank, ranks[-1] * mode))
    return tuple(ranks[1:])


def modes_of(
    factor: Factor, shape: Sequence[int], where: str = "factor"
) -> tuple[tuple[int, ...], ...]:
    """Give the modes of a train or ring: of outputs, of the kernel, of inputs.

    A kernel of one weight has no mode, unless one is asked for. InvalidProblem where
    the modes do not multiply to the shape.
    """
    n, c, *kernel = shape
    size, modes = math.prod(kernel), factor.modes
    if not modes:
        return (n,), ((size,) if size > 1 else ()), (c,)
    known = [(size,), tuple(kernel), *([()] if size == 1 else [])]
    # Modes of 1 next to the kernel may be of either side: as few as can be go along.
    for first, behind in product(_counts(modes, n), _counts(modes[::-1], c)):
        last = len(modes) - behind
        if first <= last and modes[first:last] in known:
            return modes[:first], modes[first:last], modes[last:]
    raise InvalidProblem(
        f"{where}: modes {modes} of a weight {tuple(shape)}; expected factors of "
        f"{n}, then {size} or {tuple(kernel)}, then factors of {c}"
    )


def _matrix_rank(factor: Factor, shape: Sequence[int], where: str) -> int:
    n, c, *kernel = shape
    if factor.split == "channel":
        return min(n, c * math.prod(kernel))
    if len(kernel) < 2:
        raise InvalidProblem(
            f"{where}: split 'spatial' of a weight with {len(kernel)} kernel axes; "
            "expected two or more, or split 'channel'"
        )
    return min(n * math.prod(kernel[1:]), c * kernel[0])


def _whole(factor: Factor, full: list[int], where: str) -> tuple[int, ...]:
    """Give one integer rank per bond, given the largest of each."""
    alone = len(factor.ranks) == 1
    given = factor.ranks * (len(full) if alone else 1)
    if len(given) != len(full):
        raise InvalidProblem(
            f"{where}: {len(given)} ranks {given} of format {factor.format!r}; "
            f"expected 1 or {len(full)}, at most {tuple(full)}"
        )
    ranks = []
    for rank, most in zip(given, full, strict=True):
        if isinstance(rank, int) and rank > (max(full) if alone else most):
            raise InvalidProblem(
                f"{where}: rank {rank} of ranks {given}; expected at most {tuple(full)}"
            )
        # A part like 0.29 of 100 must not lose a rank to rounding.
        part = max(1, math.floor(rank * most * (1 + 1e-12)))
        ranks.append(min(rank, most) if isinstance(rank, int) else part)
    return tuple(ranks)


def _counts(modes: Sequence[int], size: int) -> list[int]:
    """Give how many of the first modes have the product `size`, each number of them."""
    reached = enumerate(accumulate(modes, mul), 1)
    return [count for count, found in reached if found == size]
