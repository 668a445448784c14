"""Which repair a smaller network gets, and whether it is kept."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import nn

from ccsolve.errors import InvalidProblem
from ccsolve_torch.gates import Keep
from ccsolve_torch.graph import Graph
from ccsolve_torch.repairing.calibration import Calibration, parted
from ccsolve_torch.repairing.pairs import Settings
from ccsolve_torch.repairing.recalibration import has_statistics, measure
from ccsolve_torch.repairing.repair import Refit, refitted
from ccsolve_torch.repairing.waists import Waist
from ccsolve_torch.repairing.yardstick import Yardstick
from ccsolve_torch.running.ranks import alike
from ccsolve_torch.running.state import Loader

REPAIRS = ("none", "recalibrate", "least_squares")

_NONE: Mapping[str, Waist] = MappingProxyType({})

HELD_BACK = 0.2
"""Share of the calibration samples that say whether a repair helped, and share of
the others by which the fits choose."""


@dataclass(frozen=True)
class Repair:
    """What was done to repair a smaller network, and what it brought.

    Parameters
    ----------
    asked
        "none", "recalibrate" or "least_squares".
    done
        The repairs that were kept, in their order.
    distances
        Squared distance of the outputs to those of the dense network, relative to
        their spread, on samples that no repair has seen (on all where they are fewer
        than five): after "cut", and after each repair that was tried, kept or not.
        Where layers became chains after a repair: after "chains", and the repairs that
        were tried on those.
        Where a model was trained: after "cut" and when it was "trained", which may have
        seen the samples.
    refits
        One per layer that least squares fitted.
    unfitted
        Weights that lost inputs and were not fitted: their layers are no plain
        convolutions or linear layers, or could not be seen at work.
    """

    asked: str
    done: tuple[str, ...] = ()
    distances: Mapping[str, float] = field(default_factory=dict)
    refits: tuple[Refit, ...] = ()
    unfitted: tuple[str, ...] = ()


def checked_repair(repair: str | None, calibration: Loader | None) -> str:
    """Give the repair to make: the named one, or what the calibration allows."""
    if repair is None:
        return "none" if calibration is None else "least_squares"
    if repair not in REPAIRS:
        raise InvalidProblem(f"repair {repair!r}; expected {', '.join(REPAIRS)}")
    if repair != "none" and calibration is None:
        raise InvalidProblem(
            f"repair {repair!r} needs calibration=, a loader of samples"
        )
    return repair


def repaired(
    small: nn.Module,
    dense: nn.Module,
    graph: Graph,
    keep: Keep,
    mode: str,
    loader: Loader | None,
    seed: int,
    waists: Mapping[str, Waist] = _NONE,
) -> Repair:
    """Repair the smaller network in place; keep what lowers the distance to `dense`.

    Batch norms are measured again after least squares too: that helps some networks
    and harms others (ResNet-56 on CIFAR-10: 4 points lost), so the held-back samples
    decide.
    """
    if mode == "none" or loader is None:
        return Repair(mode)
    calibration = Calibration.of(small, loader, HELD_BACK)
    # The fits choose by samples of their own: those that judge them stay unseen.
    fitted_to = parted(calibration.fitting, HELD_BACK)
    judges = calibration.held_back or calibration.fitting
    trial = _Trial(small, Yardstick.of(dense, judges))
    trial.distances["cut"] = trial.best = trial.yardstick.distance(small)
    if waists:
        # The cut network has no bottlenecks yet: what has them is not held against it.
        trial.best = math.inf
    refits: list[Refit] = []
    if mode == "least_squares":
        settings = Settings(seed=seed)

        def fit() -> None:
            refits.extend(
                refitted(small, dense, graph, keep, fitted_to, None, settings, waists)
            )

        trial.attempt("least_squares", fit)
    if has_statistics(small):
        trial.attempt("recalibrate", lambda: measure(small, calibration.fitting))
    alike(small)
    left = _unfitted(graph, keep, refits) if mode == "least_squares" else ()
    if "least_squares" not in trial.done:
        refits.clear()
    return Repair(mode, tuple(trial.done), trial.distances, tuple(refits), left)


def with_chains_between(first: Repair, second: Repair) -> Repair:
    """Give the record of a repair, of chains made then, and of a repair of those."""
    names = {"cut": "chains"}
    later = {
        names.get(name, f"{name} of chains"): distance
        for name, distance in second.distances.items()
    }
    return Repair(
        first.asked,
        (*first.done, *(f"{name} of chains" for name in second.done)),
        {**first.distances, **later},
        (*first.refits, *second.refits),
        tuple(weight for weight in second.unfitted if weight in first.unfitted),
    )


def trained(
    small: nn.Module, cut: nn.Module, dense: nn.Module, asked: str, loader: Loader
) -> Repair:
    """Say how far a trained network is from the dense one, and how far its cut was."""
    calibration = Calibration.of(small, loader, HELD_BACK)
    yardstick = Yardstick.of(dense, calibration.held_back or calibration.fitting)
    distances = {
        name: yardstick.distance(model)
        for name, model in (("cut", cut), ("trained", small))
    }
    return Repair(asked, ("trained",), distances)


def _unfitted(graph: Graph, keep: Keep, refits: list[Refit]) -> tuple[str, ...]:
    narrowed = {
        read.weight: None
        for name, group in graph.groups.items()
        if len(keep[name]) < group.size
        for read in group.reads
    }
    layers = {name: site.weight for name, site in graph.layers.items()}
    fitted = {layers.get(fit.layer, fit.layer) for fit in refits}
    return tuple(weight for weight in narrowed if weight not in fitted)


@dataclass
class _Trial:
    """A model, how far it is from the dense one, and what has been done to it."""

    model: nn.Module
    yardstick: Yardstick
    best: float = math.inf
    done: list[str] = field(default_factory=list)
    distances: dict[str, float] = field(default_factory=dict)

    def attempt(self, name: str, change: Callable[[], None]) -> None:
        """Change the model; take that back if the distance does not fall."""
        tensors = (*self.model.parameters(), *self.model.buffers())
        before = [tensor.detach().clone() for tensor in tensors]
        change()
        self.distances[name] = found = self.yardstick.distance(self.model)
        if found < self.best:
            self.best = found
            self.done.append(name)
            return
        with torch.no_grad():
            for tensor, value in zip(tensors, before, strict=True):
                tensor.copy_(value)
