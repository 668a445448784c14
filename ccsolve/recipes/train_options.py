"""Trains over factors of the channels: their modes, their ranks and what these lose."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.bonds import modes_of
from ccsolve.errors import InvalidProblem
from ccsolve.problems.checks import whole_number
from ccsolve.problems.tensorisation import balanced_modes
from ccsolve.recipes.chain_options import factor_with
from ccsolve.recipes.chains import Chainable
from ccsolve.recipes.rank_grids import Ranks, offered, raised

Array = NDArray[np.float64]
Shape = tuple[int, ...]
Modes = int | Mapping[str, Sequence[int]]


def modes_by(chains: Mapping[str, Chainable], modes: Modes | None) -> dict[str, Shape]:
    """Give the modes of the trains by layer, outputs, kernel, inputs, as of `Factor`.

    A number is how many modes the outputs have, and the inputs, as equal as they can
    be; layers of groups have none. Layers with nothing to split have none, nor those
    that a mapping does not name. InvalidProblem for modes that do not multiply to the
    shape of the layer's weight, layers that are not known, or have groups, or are
    transposed with a kernel of length 1.
    """
    if modes is None:
        return {}
    if isinstance(modes, Mapping):
        return {name: _given(name, some, chains) for name, some in modes.items()}
    count = whole_number("modes", modes, 1, 64)
    found = {n: _balanced(one.shape, count) for n, one in chains.items()}
    return {
        name: some
        for name, some in found.items()
        if chains[name].groups == 1
        and not _upsampling(chains[name])
        and len(some) > len(_balanced(chains[name].shape, 1))
    }


def _balanced(shape: Shape, count: int) -> Shape:
    size = prod(shape[2:])
    outs, ins = (
        tuple(m for m in balanced_modes(width, count) if m > 1) or (1,)
        for width in shape[:2]
    )
    return (*outs, *((size,) if size > 1 else ()), *ins)


def _given(name: str, modes: Any, chains: Mapping[str, Chainable]) -> Shape:
    if name not in chains:
        raise InvalidProblem(
            f"modes names {name!r}, which is no layer that can be a chain; expected "
            f"among {', '.join(chains)[:200]}"
        )
    where, chain = f"modes[{name!r}]", chains[name]
    if chain.groups > 1:
        raise InvalidProblem(
            f"{where}: a convolution of {chain.groups} groups; expected one group"
        )
    if _upsampling(chain):
        raise InvalidProblem(
            f"{where}: a transposed convolution whose kernel has a length of 1, where "
            f"no map of channels can add positions; leave it out"
        )
    factor = factor_with(where, modes)
    return tuple(m for part in modes_of(factor, chain.shape, where) for m in part)


def _upsampling(chain: Chainable) -> bool:
    return chain.transposed and 1 in chain.shape[2:]


def bond_tails(weight: Array, modes: Sequence[int]) -> list[Array]:
    """Give, for every bond, the least ‖W - Z‖² at ranks 0, 1, ... of that bond alone.

    One spectrum of the shorter side of each unfolding. The sum of the tails at the
    ranks of all bonds is what the train of truncated bonds loses at most, the largest
    one what any train loses at least (Oseledets 2011).
    """
    n, c, *_ = weight.shape
    tensor = np.moveaxis(weight.reshape(n, c, -1), 1, -1).astype(np.float64)
    found = []
    for place in range(1, len(modes)):
        matrix = tensor.reshape(prod(modes[:place]), -1)
        short = matrix if len(matrix) <= matrix.shape[1] else matrix.T
        values = np.maximum(np.linalg.eigvalsh(short @ short.T), 0.0)
        # Nothing is lost at the full rank: what is left of it is rounding.
        found.append(np.concatenate([np.cumsum(values)[::-1], [0.0]]))
    return found


def train_options(
    weight: Array, modes: Shape, multiple_of: int, min_keep: int
) -> tuple[Ranks, Array]:
    """Give ranks (K, bonds) on offer, and the share of ‖W‖² that they lose at most.

    A grid, and the ranks that are met from 1 on as bond after bond is raised by one,
    each time that of the largest fall of the loss per weight added to the cores.
    """
    tails = bond_tails(weight, modes)
    path = raised(_risen(tails, modes), modes, multiple_of, min_keep)
    grid = offered(modes, multiple_of, min_keep)
    ranks = np.unique(np.concatenate([grid, path]), axis=0)
    return ranks, losses_at(tails, ranks)


def _risen(tails: Sequence[Array], modes: Shape) -> Ranks:
    sizes = np.array(modes)
    bonds = np.ones(len(modes) + 1, dtype=np.int64)
    path = [bonds[1:-1].copy()]
    while True:
        inner = bonds[1:-1]
        room = np.minimum(sizes[:-1] * bonds[:-2], sizes[1:] * bonds[2:])
        free = np.flatnonzero(inner < room).tolist()
        if not free:
            return np.array(path)
        added = sizes[:-1] * bonds[:-2] + sizes[1:] * bonds[2:]
        falls = [tails[b][inner[b]] - tails[b][inner[b] + 1] for b in free]
        inner[free[np.argmax(np.array(falls) / added[free])]] += 1
        path.append(inner.copy())


def losses_at(tails: Sequence[Array], ranks: Ranks) -> Array:
    """Give the share of ‖W‖² that trains of these ranks (K, bonds) lose at most."""
    worth = tails[0][0]
    total = sum(tail[ranks[:, bond]] for bond, tail in enumerate(tails))
    return np.minimum(total / worth, 1.0) if worth > 0 else np.zeros(len(ranks))
