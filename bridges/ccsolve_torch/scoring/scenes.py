"""What every score begins with: a network, its groups, samples that are read again."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.statistics import Statistics
from ccsolve_torch.collecting.differentiation import differentiated
from ccsolve_torch.collecting.losses import Loss, PerSample, as_loss
from ccsolve_torch.coupling.declaring import Declared
from ccsolve_torch.graph import Graph, trace
from ccsolve_torch.identity import fingerprint
from ccsolve_torch.running.precision import exactly
from ccsolve_torch.running.ranks import several
from ccsolve_torch.running.state import (
    Batch,
    Loader,
    batches,
    check_runs,
    checked_model,
    device_of,
    evaluating,
)

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Scene:
    """A network in evaluation mode, its coupling graph and all batches."""

    model: nn.Module
    graph: Graph
    batches: list[Batch]
    loss: Loss

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return device_of(self.model)

    @property
    def parameters(self) -> dict[str, Tensor]:
        """The model's parameters by all their names."""
        return dict(self.model.named_parameters(remove_duplicate=False))

    def losses(self, batch: Batch) -> Tensor:
        """Give the loss of every sample of a batch, (N,)."""
        inputs, targets = batch
        found = self.model(*inputs)
        with exactly(self.device):
            outputs, held, known = differentiated(
                found, targets, len(inputs[0]), self.loss
            )
            return known.values(outputs, held)


@contextmanager
def scene(
    model: nn.Module,
    loader: Loader,
    stats: Statistics,
    loss: str | PerSample,
    declared: Declared | None,
) -> Iterator[Scene]:
    """Give what is scored; the model is given back as it was.

    Raises
    ------
    InvalidProblem
        The statistics are of another network or of other groups, or a batch is
        malformed.
    """
    known = as_loss(loss)
    check_of(checked_model(model), stats)
    with torch.inference_mode(False), torch.enable_grad(), evaluating(model):
        held = list(batches(model, loader))
        check_runs(model, held[0][0])
        with exactly(device_of(model)):
            graph = trace(model, held[0][0], declared=declared)
        _check_groups(graph, stats)
        yield Scene(model, graph, held, known)


def alone(what: str) -> None:
    """Raise Unsupported in several processes, for scores that one of them trains."""
    if several():
        raise Unsupported(
            f"{what} scores in several processes, where each would train for itself; "
            f"score in one process and save the statistics"
        )


def check_of(model: nn.Module, stats: Statistics) -> None:
    """Raise InvalidProblem where the statistics are of another network."""
    found = fingerprint(model)
    if stats.fingerprint != found:
        raise InvalidProblem(
            f"stats: of the fingerprint {stats.fingerprint[:12]!r}, this model has "
            f"{found[:12]!r}; collect them on this model"
        )


def _check_groups(graph: Graph, stats: Statistics) -> None:
    sizes = {name: group.size for name, group in graph.groups.items()}
    held = {name: group.size for name, group in stats.groups.items()}
    if sizes != held:
        raise InvalidProblem(
            f"stats: groups {', '.join(held)[:100]}, the model has "
            f"{', '.join(sizes)[:100]}; give the `declared` that they were collected "
            f"with"
        )


def scored(stats: Statistics, name: str, scores: Mapping[str, Array]) -> Statistics:
    """Give the statistics with one more score in every group."""
    groups = {
        key: replace(
            group,
            scores={**group.scores, name: np.asarray(scores[key], dtype=np.float64)},
        )
        for key, group in stats.groups.items()
    }
    return replace(stats, groups=groups)
