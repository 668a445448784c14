"""Which auxiliary classifiers a network gets, and how they are trained."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ccsolve.errors import InvalidProblem
from ccsolve.problems.checks import real_number, whole_number

MOST = 1_000

MOST_EPOCHS = 100_000


@dataclass(frozen=True)
class Auxiliary:
    """Auxiliary classifiers: L = L_final + Σ_k η_k·L_k.

    Parameters
    ----------
    at
        Names of the modules whose outputs they read; or how many, spread evenly over
        the depth of the network, at the ends of modules of two or more layers where it
        has such blocks.
    weight
        η, of all of them or one for each; above 0.
    epochs, lr
        Readings of the loader, and the learning rate of Adam, while they are trained.
    axis
        Of the channels in those outputs. Default: the last of three, else the one
        behind the samples.
    """

    at: int | tuple[str, ...] = 2
    weight: float | tuple[float, ...] = 1.0
    epochs: int = 5
    lr: float = 1e-2
    axis: int | None = None

    def __post_init__(self) -> None:
        """Check every field; InvalidProblem on the first misfit."""
        if isinstance(self.at, str) or not isinstance(self.at, int | Sequence):
            raise InvalidProblem(
                f"auxiliary: at = {self.at!r:.80}; expected the names of modules, or "
                f"how many classifiers"
            )
        if isinstance(self.at, Sequence):
            object.__setattr__(self, "at", _names(self.at))
        else:
            whole_number("auxiliary: at", self.at, 1, MOST)
        whole_number("auxiliary: epochs", self.epochs, 1, MOST_EPOCHS)
        _positive("auxiliary: lr", self.lr)
        object.__setattr__(self, "weight", self._weight())
        if self.axis is not None:
            whole_number("auxiliary: axis", self.axis, -MOST, MOST)

    def weights(self) -> tuple[float, ...]:
        """Give η of every classifier."""
        count = self.at if isinstance(self.at, int) else len(self.at)
        if isinstance(self.weight, tuple):
            return self.weight
        return (self.weight,) * count

    def _weight(self) -> float | tuple[float, ...]:
        if not isinstance(self.weight, Sequence):
            return _positive("auxiliary: weight", self.weight)
        count = self.at if isinstance(self.at, int) else len(self.at)
        if len(self.weight) != count:
            raise InvalidProblem(
                f"auxiliary: {len(self.weight)} weights for {count} classifiers; "
                f"expected one for each, or one number for all"
            )
        return tuple(_positive("auxiliary: weight", value) for value in self.weight)


def as_auxiliary(value: Any) -> Auxiliary | None:
    """Give what was asked for: a number, names of modules, all of it, or nothing."""
    if value is None or isinstance(value, Auxiliary):
        return value
    return Auxiliary(at=value)


def _names(at: Sequence[Any]) -> tuple[str, ...]:
    if not at or not all(isinstance(name, str) for name in at):
        raise InvalidProblem(
            f"auxiliary: at = {at!r:.80}; expected one or more names of modules"
        )
    if len(set(at)) != len(at):
        raise InvalidProblem(f"auxiliary: at = {at!r:.80}; expected every name once")
    return tuple(at)


def _positive(name: str, value: Any) -> float:
    number = real_number(name, value, 0.0)
    if not 0 < number < math.inf:
        raise InvalidProblem(f"{name} = {value!r}; expected a finite number > 0")
    return number
