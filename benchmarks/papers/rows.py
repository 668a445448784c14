"""Rows: one JSON line per smaller network and stage, with every image's outcome."""

from dataclasses import dataclass

from benchmarks.papers.jobs import Job
from benchmarks.pruning.rows import percent_right
from benchmarks.pruning.scoring import Bits, unpacked


@dataclass(frozen=True)
class Row:
    """What one job gave.

    `statistics` and `calibration` count the training images behind the plan and the
    repair; `steps` and `epochs` the training with labels; `macs` and `params` are what
    remains, of `dense_macs` and `dense_params`; seconds are of all that made the
    network, and of its training; `right` holds the images' outcomes
    (`benchmarks.pruning.scoring.packed`).
    """

    network: str
    point: str
    method: str
    stage: str
    seed: int
    statistics: int
    calibration: int
    steps: int
    epochs: int
    images: int
    right: str
    macs: float
    params: float
    dense_macs: float
    dense_params: float
    made_seconds: float
    trained_seconds: float
    versions: dict[str, str]
    machine: str

    @property
    def job(self) -> Job:
        """The job it answers."""
        return Job(self.network, self.point, self.method, self.stage, self.seed)

    def outcomes(self) -> Bits:
        """Give of every test image whether it was right."""
        return unpacked(self.right, self.images)

    def accuracy(self, *, reported: bool) -> float:
        """Give the per cent right of the reported images, or of all."""
        return percent_right(self.outcomes(), reported=reported)

    @property
    def removed(self) -> tuple[float, float]:
        """Per cent of the MACs and of the parameters that went."""
        return (
            100.0 * (1.0 - self.macs / self.dense_macs),
            100.0 * (1.0 - self.params / self.dense_params),
        )
