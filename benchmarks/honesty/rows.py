"""Rows: one JSON line per smaller network, predicted and measured."""

from dataclasses import dataclass
from typing import Any

from benchmarks.pruning.scoring import Bits, unpacked


@dataclass(frozen=True)
class Job:
    """One smaller network: `removed` per cent of the MACs go, chosen by a model.

    The statistics are of images of the `source`: "trained" or "unseen".
    """

    network: str
    seed: int
    source: str
    model: str
    removed: int


@dataclass(frozen=True)
class Row:
    """What a job gave.

    Rises are of the mean cross-entropy, above the dense network's on the same images:
    `seen_rise` on the images that the statistics are of, `rise` on test images, both as
    the network was cut, and `repaired_rise` on test images after least squares.
    `error` and `repaired_error` are standard errors over test images. `right` and
    `repaired_right` hold the test images' outcomes (`pruning.scoring.packed`).
    `predictions` are what every model of the same run says of this network, its own
    among them; `shrinkage` is the intensity that "auto" stands for, a mean over groups
    for blocks.
    """

    network: str
    seed: int
    source: str
    model: str
    removed: int
    calibration: int
    images: int
    fields: dict[str, Any]
    shrinkage: float
    predictions: dict[str, float]
    predicted: float
    removed_macs: float
    widths: dict[str, int]
    dense_loss: float
    seen_dense_loss: float
    seen_rise: float
    seen_error: float
    rise: float
    error: float
    right: str
    repaired_rise: float
    repaired_error: float
    repaired_right: str
    versions: dict[str, str]

    @property
    def job(self) -> Job:
        """The job it answers."""
        return Job(self.network, self.seed, self.source, self.model, self.removed)

    def outcomes(self, *, repaired: bool) -> Bits:
        """Give of every test image whether it was right."""
        return unpacked(self.repaired_right if repaired else self.right, self.images)

    def accuracy(self, *, repaired: bool) -> float:
        """Give the per cent right of the test images."""
        return 100.0 * float(self.outcomes(repaired=repaired).mean())
