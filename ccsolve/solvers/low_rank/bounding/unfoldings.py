"""The tails of a fit's cuts, in its norm."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ccsolve.linalg.rounding import gamma
from ccsolve.linalg.spectrum import frobenius_norm
from ccsolve.problems import LowRankFit
from ccsolve.problems.mode_covariance import ModeBlock, whitened
from ccsolve.solvers.low_rank.bounding.cuts import Cut
from ccsolve.solvers.low_rank.bounding.minorants import minorants
from ccsolve.solvers.low_rank.bounding.spectra import tails


@dataclass(frozen=True)
class CutLosses:
    """What bounding one cut's rank costs at least, for every rank.

    Attributes
    ----------
    found : (R + 1,) ½ the tails, as computed; where a covariance is cut, an estimate,
        in units that make rank 0 cost ½‖T C^½‖².
    proven : (R + 1,) no tensor of that rank is nearer, rounding included.
    """

    found: np.ndarray
    proven: np.ndarray

    def at(self, rank: int) -> float:
        """Give what is proven of a rank."""
        return float(self.proven[min(rank, len(self.proven) - 1)])

    def rank_within(self, loss: float) -> int:
        """Give the least rank, at least 1, with no more than that proven loss."""
        within = np.flatnonzero(self.proven <= loss)
        # Rounding leaves nothing proven of the full rank, so that there is one.
        return max(1, int(within[0]))


def losses_of(problem: LowRankFit, cut: Cut) -> CutLosses:
    """Give ½ the tails of a cut's unfolding, whitened by the covariances beside it.

    Covariances whose modes are all on one side whiten: C = C₁ ⊗ C₂ gives ‖(T - Z)C^½‖ =
    ‖C₁^½(T - Z)C₂^½‖ with the rank of Z not raised. Of one that is cut, what it is at
    least does, a multiple of a Kronecker product: of every one of `minorants`, of which
    each rank has the best.
    """
    side, across = set(cut.side), across_of(problem, cut)
    beside = [block for block in problem.blocks if block not in across]
    if not across:
        found, proven = tails(*_unfolding(problem, beside, side))
        return CutLosses(0.5 * found, 0.5 * proven)
    # One matrix acts on all the trailing modes: no second one can be cut.
    (block,) = across
    curves = []
    for share, parts in minorants(block, problem.modes, side):
        found, proven = tails(*_unfolding(problem, [*beside, *parts], side))
        curves.append((found, 0.5 * share * proven))
    found = curves[0][0]
    scale = problem.energy / found[0] if found[0] else 0.5
    return CutLosses(scale * found, np.max([proven for _, proven in curves], axis=0))


def across_of(problem: LowRankFit, cut: Cut) -> list[ModeBlock]:
    """Give the covariances through whose modes the cut goes, one at most."""
    side = set(cut.side)
    return [b for b in problem.blocks if _modes(b) & side and _modes(b) - side]


def _modes(block: ModeBlock) -> set[int]:
    return set(range(block.start, block.stop))


def _unfolding(
    problem: LowRankFit, blocks: list[ModeBlock], side: set[int]
) -> tuple[np.ndarray, float]:
    """Give the whitened unfolding with rows of the side, and its rounding error.

    Without covariances it is the tensor's own entries, in their type.
    """
    values, error = problem.tensor, 0.0
    if blocks:
        error = whitening_error(values, blocks)
        values = whitened(values.astype(np.float64), problem.modes, blocks)
    first, merged = [], 0
    for axis in range(values.ndim):
        first.append(axis + merged in side)
        merged += next(
            (b.stop - b.start - 1 for b in blocks if b.start == axis + merged), 0
        )
    axes = np.argsort(np.logical_not(first), kind="stable")
    rows = int(np.prod([values.shape[axis] for axis in axes[: sum(first)]]))
    return values.transpose(axes).reshape(rows, -1), error


def whitening_error(tensor: np.ndarray, blocks: Sequence[ModeBlock]) -> float:
    """Give ‖fl(T·roots) - T·roots‖_F at most, by γ of every product's terms."""
    if not blocks:
        return 0.0
    size, terms = frobenius_norm(tensor.astype(np.float64)), 0
    for block in blocks:
        size *= frobenius_norm(block.root)
        terms += len(block.root) + 1
    return 1.1 * gamma(terms) * size
