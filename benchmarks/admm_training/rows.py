"""Rows: one JSON line per epoch of an arm, with every test image's outcome."""

from dataclasses import dataclass

from benchmarks.pruning.scoring import Bits, unpacked

CHOSEN_ON = 2000
"""Test images 0 to this one (excluded) chose settings; the rest is reported."""

ARMS = ("dense", "direct", "ADMM")


@dataclass(frozen=True)
class Settings:
    """How an arm is trained.

    Parameters
    ----------
    epochs, finetune
        With ADMM, and in factors after it; the other arms take the sum.
    updates
        Of ADMM in every epoch.
    lr
        Of the first step; it falls along one half cosine to 0 over all epochs.
    pull
        ρ·lr/(1 - momentum)·steps between updates: what the penalty alone takes off the
        logarithm of the distance from one update to the next, at the first rate.
    images
        Training images of an epoch, the first ones.
    """

    epochs: int = 4
    finetune: int = 2
    updates: int = 4
    lr: float = 0.02
    pull: float = 1.0
    batch: int = 64
    momentum: float = 0.9
    decay: float = 1e-4
    images: int = 50_000
    fewer: float = 2.8
    metric: str = "inputs"

    @property
    def total(self) -> int:
        """Epochs of every arm."""
        return self.epochs + self.finetune

    @property
    def steps(self) -> int:
        """Steps of one epoch."""
        return max(1, round(self.images / self.batch))

    @property
    def rho(self) -> float:
        """The penalty parameter ρ that pulls so."""
        steps = self.steps / self.updates
        return self.pull * (1 - self.momentum) / (self.lr * steps)


@dataclass(frozen=True)
class Row:
    """One epoch, 0 for the start.

    `loss` is the mean of what was minimised; `distance`, `primal` and `dual` are the
    largest of all layers (`ccsolve_torch.ADMM.report`), relative to ‖W‖. `right` holds
    the test images' outcomes (`scoring.packed`) of the network that is trained,
    `projected` those of the chains that it would be decomposed to now, batch norms
    recalibrated.
    """

    arm: str
    epoch: int
    chains: bool
    settings: dict[str, float | int | str]
    params: float
    macs: float
    loss: float | None
    distance: float | None
    primal: float | None
    dual: float | None
    right: str
    projected: str | None
    tests: int
    seconds: float
    versions: dict[str, str]

    @property
    def key(self) -> tuple[object, ...]:
        """What it answers."""
        return (self.arm, self.epoch, tuple(sorted(self.settings.items())))

    def outcomes(self) -> Bits:
        """Give of every test image whether it was right."""
        return unpacked(self.right, self.tests)

    def accuracy(self, first: int = 0, last: int | None = None) -> float:
        """Give the per cent right of the images from `first` to `last`, excluded."""
        return percent(self.outcomes()[first:last])

    def projected_accuracy(self, first: int = 0, last: int | None = None) -> float:
        """Give the same of the decomposed network."""
        assert self.projected is not None
        return percent(unpacked(self.projected, self.tests)[first:last])


def percent(bits: Bits) -> float:
    """Give the per cent that is true."""
    return 100.0 * float(bits.mean())
