"""Rows: one JSON line per smaller network, with every image's outcome."""

from dataclasses import dataclass

from benchmarks.pruning.jobs import Job
from benchmarks.pruning.scoring import Bits, unpacked

CHOSEN_ON = 2000
"""Test images 0 to this one (excluded) may choose settings; the rest is reported."""


def percent_right(outcomes: Bits, *, reported: bool) -> float:
    """Give the per cent right of the reported images, or of all."""
    return 100.0 * float(outcomes[CHOSEN_ON if reported else 0 :].mean())


@dataclass(frozen=True)
class Row:
    """What one job gave.

    `macs` and `params` are what remains, `dense_macs` what the network had; `right`
    holds the images' outcomes (`scoring.packed`); seconds are of the choice and of
    `ccsolve_torch.apply` with its repair. `widths`, `loss` and `price` are the plan's:
    what remains of each group, the predicted loss and what a further MAC would take
    off it; None where nobody wrote them down or no program was solved.
    """

    network: str
    removed: int
    choice: str
    repair: str
    seed: int
    calibration: int
    images: int
    right: str
    macs: float
    params: float
    dense_macs: float
    choice_seconds: float
    apply_seconds: float
    versions: dict[str, str]
    machine: str
    widths: dict[str, int] | None = None
    loss: float | None = None
    price: float | None = None

    @property
    def job(self) -> Job:
        """The job it answers."""
        return Job(self.network, self.removed, self.choice, self.repair, self.seed)

    def outcomes(self) -> Bits:
        """Give of every test image whether it was right."""
        return unpacked(self.right, self.images)

    def accuracy(self, *, reported: bool) -> float:
        """Give the per cent right of the reported images, or of all."""
        return percent_right(self.outcomes(), reported=reported)

    @property
    def removed_macs(self) -> float:
        """Per cent of the MACs that went."""
        return 100.0 * (1.0 - self.macs / self.dense_macs)
