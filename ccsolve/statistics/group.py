"""One coupled group of channels and what was measured about removing them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import InvalidProblem, InvalidStatistics, MissingStatistics
from ccsolve.problems.checks import real_number
from ccsolve.problems.records import reduced
from ccsolve.statistics.arrays import (
    Array,
    check_count,
    check_flag,
    check_name,
    optional,
    symmetric,
    vectors,
)
from ccsolve.statistics.shrinkage import (
    best_intensity,
    block_noise,
    check_target,
    target_diagonal,
)

CURVATURES = ("ggn", "fisher")

# A group without arrays could claim any size; nobody has ten million channels.
_LARGEST = 10_000_000


@dataclass(frozen=True, eq=False)
class Group:
    """A coupled group: `size` channel classes, each kept or removed as a whole.

    Class i has a gate beta_i that multiplies every channel tied to it; beta_i = 1
    is the dense network and beta_i = 0 removes the class. All curvature is in the
    gates at beta = 1.

    Parameters
    ----------
    name, size
        The name of the group and its number of classes.
    ggn_rows
        (R, size) Gauss-Newton factor, H = ggn_rows^T ggn_rows; the 1/sqrt(samples)
        is inside. Row r of every group of a network is the same sample and the
        same sketch vector, so that blocks between groups follow from the rows.
    ggn
        (size, size) the block itself, where rows are not shipped.
    fisher_rows
        (N, size) gate gradients of each sample, divided by sqrt(N).
    fisher
        (size, size) the empirical-Fisher block itself.
    ggn_noise, fisher_noise
        (2,) expected squared errors of the block, estimated over the samples: of all
        its entries, and of its diagonal alone; see `intensity`.
    gradient
        (size,) mean of d loss / d beta_i, in the loss's unit per unit of gate.
    activation
        (size,) each: "mean", "mean_abs", "mean_square", "zero_fraction" (the share
        of exact zeros, APoZ) of the group's activations.
    scores
        (size,) each: importances that only runs of the network give; the larger,
        the more worth keeping.
    approximate
        Removal differs from masking by nature (a LayerNorm sees fewer channels).
    min_keep
        Fewest classes that may remain.
    """

    name: str
    size: int
    ggn_rows: Array | None = None
    ggn: Array | None = None
    fisher_rows: Array | None = None
    fisher: Array | None = None
    ggn_noise: Array | None = None
    fisher_noise: Array | None = None
    gradient: Array | None = None
    activation: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)
    approximate: bool = False
    min_keep: int = 1

    __reduce__ = reduced

    def __post_init__(self) -> None:
        """Check every part once; raise InvalidStatistics on the first misfit."""
        where = f"groups/{check_name(self.name, 'groups')}"
        size = check_count(self.size, f"{where}: size", 1, _LARGEST)
        parts = {
            "size": size,
            "ggn_rows": optional(self.ggn_rows, f"{where}/ggn_rows", (None, size)),
            "ggn": symmetric(self.ggn, f"{where}/ggn", size),
            "fisher_rows": optional(
                self.fisher_rows, f"{where}/fisher_rows", (None, size)
            ),
            "fisher": symmetric(self.fisher, f"{where}/fisher", size),
            "ggn_noise": _checked_noise(self.ggn_noise, f"{where}/ggn_noise"),
            "fisher_noise": _checked_noise(self.fisher_noise, f"{where}/fisher_noise"),
            "gradient": optional(self.gradient, f"{where}/gradient", (size,)),
            "activation": vectors(self.activation, f"{where}/activation", size),
            "scores": vectors(self.scores, f"{where}/scores", size),
            "approximate": check_flag(self.approximate, f"{where}: approximate"),
            "min_keep": check_count(self.min_keep, f"{where}: min_keep", 0, size),
        }
        for name, value in parts.items():
            object.__setattr__(self, name, value)

    def rows(self, curvature: str = "ggn") -> Array | None:
        """Give the (R, size) factor of the curvature, None where none is held."""
        return getattr(self, f"{_known(curvature)}_rows")

    def hessian(
        self,
        curvature: str = "ggn",
        *,
        shrinkage: float | str = 0.0,
        target: str = "diagonal",
    ) -> NDArray[np.float64]:
        """Give the (size, size) curvature of the loss in the gates, float64.

        From the rows where they are held, rows^T rows in O(R size^2), else the
        block made exactly symmetric; pulled to the target where `shrinkage` is not 0,
        see `intensity`. MissingStatistics if neither is held.
        """
        block = self._block(curvature)
        rho = self.intensity(curvature, shrinkage, target)
        if rho == 0:
            return block
        aim = np.diag(rho * target_diagonal(block.diagonal(), target))
        return (1 - rho) * block + aim

    def slope(self, first_order: float = 1.0) -> NDArray[np.float64]:
        """Give the (size,) gradient for a model that weighs it by `first_order`.

        Zeros at weight 0, where none is needed; MissingStatistics if none is held.
        """
        if first_order == 0:
            return np.zeros(self.size)
        if self.gradient is None:
            raise MissingStatistics(
                f"groups/{self.name}: no gradient was collected; collect it or give "
                "first_order=0"
            )
        return self.gradient.astype(np.float64)

    def intensity(
        self,
        curvature: str = "ggn",
        shrinkage: float | str = "auto",
        target: str = "diagonal",
    ) -> float:
        """Give how far to pull the block S to a target T: (1 - ρ)·S + ρ·T.

        A number from 0 to 1 is given back. "auto" makes the expected squared error
        least, as far as the samples tell: small where there are many of them, 1 where S
        says nothing that T does not. T is "diagonal", diag S: what channels do alone is
        left as it is; or "identity", μI with μ the mean of the diagonal, as Ledoit and
        Wolf have it.

        MissingStatistics if the noise was not collected (Fisher rows give it alone).
        """
        check_target(target)
        if shrinkage == "auto":
            noise = self._noise(_known(curvature))
            return best_intensity(self._block(curvature), noise, target)
        value = real_number("shrinkage", shrinkage, 0.0)
        if value > 1:
            raise InvalidProblem(f"shrinkage {value:g}; expected 0 to 1, or 'auto'")
        return value

    def _noise(self, curvature: str) -> Array:
        noise = getattr(self, f"{curvature}_noise")
        if noise is None and curvature == "fisher" and self.fisher_rows is not None:
            noise = block_noise(self.fisher_rows)
        if noise is None:
            raise MissingStatistics(
                f"groups/{self.name}: no {curvature}_noise was collected; collect "
                f"again, or give the shrinkage as a number"
            )
        return noise

    def _block(self, curvature: str) -> NDArray[np.float64]:
        rows, block = self.rows(curvature), getattr(self, curvature)
        if rows is not None:
            exact = rows.astype(np.float64, copy=False)
            return exact.T @ exact
        if block is None:
            raise MissingStatistics(
                f"groups/{self.name}: neither {curvature}_rows nor {curvature} was "
                f"collected; collect with curvature={curvature!r}"
            )
        exact = block.astype(np.float64)
        return 0.5 * (exact + exact.T)


def _checked_noise(value: Array | None, where: str) -> Array | None:
    noise = optional(value, where, (2,))
    if noise is not None and not 0 <= noise[1] <= noise[0]:
        raise InvalidStatistics(
            f"{where}: {noise.tolist()}; expected the error of all entries, and not "
            "more than it that of the diagonal"
        )
    return noise


def _known(curvature: str) -> str:
    if curvature not in CURVATURES:
        raise InvalidProblem(f"curvature {curvature!r}; expected 'ggn' or 'fisher'")
    return curvature
