"""Auxiliary classifiers of a network: attached, trained while it stays, and used."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ccsolve.errors import InvalidProblem
from ccsolve_torch.collecting.accumulation import Join
from ccsolve_torch.collecting.differentiation import differentiated
from ccsolve_torch.collecting.losses import Loss
from ccsolve_torch.heads.auxiliary import Auxiliary
from ccsolve_torch.heads.classifier import Classifier, Moments
from ccsolve_torch.heads.joining import check_outputs, joined
from ccsolve_torch.heads.places import features, listening, named, spread
from ccsolve_torch.running.precision import exactly
from ccsolve_torch.running.ranks import alike
from ccsolve_torch.running.state import (
    Loader,
    batches,
    device_of,
    evaluating,
    first_inputs,
)


@dataclass(frozen=True, eq=False)
class Heads:
    """Trained classifiers, by the names of the modules whose outputs they read.

    `losses` are the mean losses of each in the last reading of the loader.
    """

    classifiers: nn.ModuleList
    names: tuple[str, ...]
    weights: tuple[float, ...]
    losses: tuple[float, ...]
    loss: Loss

    def record(self) -> dict[str, Any]:
        """Give what the statistics say of them."""
        return {
            "at": list(self.names),
            "weights": list(self.weights),
            "losses": list(self.losses),
        }

    def join(
        self, heard: Mapping[str, Any], outputs: Tensor, loss: Loss
    ) -> tuple[Tensor, Loss]:
        """Give the outputs with the classifiers' beside them, and the loss of all."""
        outputs = check_outputs(outputs, loss, self.loss)
        read = features(heard, self.names, len(outputs))
        beside = [
            classifier(part)
            for classifier, part in zip(self.classifiers, read, strict=True)
        ]
        return joined(outputs, beside, loss, self.weights)


def trained_heads(
    model: nn.Module,
    loader: Loader,
    layers: Collection[str],
    loss: Loss,
    auxiliary: Auxiliary,
    seed: int,
) -> Heads:
    """Give classifiers that are trained on what the model, as it stands, gives them.

    The model runs in evaluation mode and without gradients, once per reading of the
    loader and once more for the classifiers' means; it is given back as it was. The
    same seed and loader give the same classifiers. Of several processes the first
    one's serve all.

    Parameters
    ----------
    layers
        Names of the modules that count as layers, for places that are spread.
    """
    if isinstance(loader, Iterator):
        raise InvalidProblem(
            f"loader: {type(loader).__name__} is an iterator, empty after one reading; "
            f"auxiliary classifiers are trained on it first: expected a DataLoader or "
            f"a list"
        )
    inputs = first_inputs(model, loader)
    if isinstance(auxiliary.at, int):
        names = spread(model, layers, inputs, auxiliary.at)
    else:
        names = named(model, auxiliary.at)
    with evaluating(model), exactly(device_of(model)):
        torch.manual_seed(seed)
        course = _Course(model, loader, loss, names)
        classifiers = course.begun(auxiliary.axis)
        losses = course.run(classifiers, auxiliary.epochs, auxiliary.lr)
    alike(classifiers)
    return Heads(
        classifiers.requires_grad_(False), names, auxiliary.weights(), losses, loss
    )


@contextmanager
def joining(model: nn.Module, heads: Heads | None) -> Iterator[Join | None]:
    """Give what puts the losses together after every pass of the model."""
    if heads is None:
        yield None
        return
    with listening(model, heads.names) as heard:
        yield partial(heads.join, heard)


def _classifier(head: nn.Module) -> Classifier:
    assert isinstance(head, Classifier)
    return head


@dataclass(frozen=True, eq=False)
class _Course:
    """What classifiers are trained on."""

    model: nn.Module
    loader: Loader
    loss: Loss
    names: tuple[str, ...]

    def begun(self, axis: int | None) -> nn.ModuleList:
        """Give classifiers that have seen means and variances."""
        _, read, outputs, _ = next(self.passes())
        classifiers = nn.ModuleList(
            Classifier.reading(part, outputs.shape[1], axis) for part in read
        )
        moments = [Moments() for _ in classifiers]
        for _, read, _, _ in self.passes():
            for head, found, part in zip(classifiers, moments, read, strict=True):
                found.add(_classifier(head).by_position(part))
        for head, found in zip(classifiers, moments, strict=True):
            _classifier(head).normalise(found)
        return classifiers

    def run(
        self, classifiers: nn.ModuleList, epochs: int, lr: float
    ) -> tuple[float, ...]:
        """Train them all at once; give their mean losses in the last reading."""
        optimiser = torch.optim.Adam(classifiers.parameters(), lr=lr)
        totals, samples = torch.zeros(len(self.names)), 0
        for _ in range(epochs):
            totals, samples = torch.zeros(len(self.names)), 0
            for count, read, _, targets in self.passes():
                with torch.enable_grad():
                    losses = self._losses(classifiers, read, targets)
                    optimiser.zero_grad()
                    losses.sum().backward()
                optimiser.step()
                totals += count * losses.detach().cpu()
                samples += count
        if not bool(totals.isfinite().all()):
            raise InvalidProblem(
                f"auxiliary: the classifiers' mean losses are "
                f"{(totals / samples).tolist()}; expected finite ones, give a smaller "
                f"lr than {lr:g}"
            )
        return tuple((totals / samples).tolist())

    def _losses(
        self, classifiers: nn.ModuleList, read: list[Tensor], targets: Any
    ) -> Tensor:
        """Give every classifier's mean loss."""
        return torch.stack(
            [
                self.loss.values(head(part), targets).mean()
                for head, part in zip(classifiers, read, strict=True)
            ]
        )

    def passes(self) -> Iterator[tuple[int, list[Tensor], Tensor, Any]]:
        """Give, by batch: samples, what is read, the model's outputs, the targets."""
        for inputs, targets in batches(self.model, self.loader):
            count = len(inputs[0])
            with torch.no_grad(), listening(self.model, self.names) as heard:
                found = self.model(*inputs)
                outputs, held, known = differentiated(found, targets, count, self.loss)
            check_outputs(outputs, known, self.loss)
            yield count, features(heard, self.names, count), outputs, held
