"""Discrimination-aware scores: channels join in the order in which the loss asks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ccsolve.errors import Unsupported
from ccsolve.problems.checks import real_number, whole_number
from ccsolve.statistics import Statistics
from ccsolve_torch.collecting.losses import PerSample
from ccsolve_torch.coupling.declaring import Declared
from ccsolve_torch.graph import Coupling, Read
from ccsolve_torch.running.calls import Call, layer_calls
from ccsolve_torch.running.samples import Place
from ccsolve_torch.running.spelling import spelled_out
from ccsolve_torch.running.state import Batch, Loader
from ccsolve_torch.scoring.scenes import Scene, alone, scene, scored


def dcp_scores(
    model: nn.Module,
    loader: Loader,
    stats: Statistics,
    *,
    rounds: int = 4,
    steps: int = 4,
    lr: float = 0.01,
    weight: float = 1.0,
    loss: str | PerSample = "cross_entropy",
    declared: Declared | None = None,
) -> Statistics:
    """Give the statistics with the score "dcp": how early a channel was selected.

    Group by group, all channels are taken from the layers that read it. In every round
    those of the largest ‖∂L/∂W_j‖ come back with their weights, and the selected
    weights take some steps of gradient descent on

        L = ½ Σ over readers of ‖O - O'‖²/‖O‖² + weight · (the network's loss),

    O a reader's output in the whole network, O' its own now. The norm is Σ over outputs
    of the Euclidean norm over the kernel. The score is 1 for the channel that came
    first, and falls evenly to 1/size. The model's weights are given back.

    Zhuang et al., Discrimination-aware channel pruning, NeurIPS 2018. They add one
    channel at a time and heads for classification inside the network: a model that
    gives its heads' outputs, with a callable loss of them, has these. ‖O‖² makes the
    weight a pure number; theirs divides by the number of entries.

    Parameters
    ----------
    model, loader, stats, loss, declared
        See `ablation_scores`.
    rounds
        In how many rounds each group's channels come back.
    steps
        Steps of descent after each round, one batch each.
    lr
        Their rate, in units that make the first step of a round move the selected
        weights by this share of their norm.
    weight
        λ of the classification loss.

    Raises
    ------
    Unsupported
        In several processes, or for grouped convolutions that read a group.
    InvalidProblem
        The statistics are of another model, or an option is malformed.
    """
    whole_number("rounds", rounds, 1, 10**6)
    whole_number("steps", steps, 0, 10**6)
    real_number("lr", lr, 0.0)
    alone("dcp")
    descent = _Descent(rounds, steps, lr, real_number("weight", weight, 0.0))
    with scene(model, loader, stats, loss, declared) as seen:
        scores = {
            name: _scores(_selection(seen, group), descent)
            for name, group in seen.graph.groups.items()
        }
        return scored(stats, "dcp", scores)


@dataclass(frozen=True)
class _Descent:
    """How channels come back; see `dcp_scores`."""

    rounds: int
    steps: int
    lr: float
    weight: float


@dataclass(frozen=True, eq=False)
class _Reader:
    """The weight of a layer that reads a group, and as it was.

    `axis` is that of its input channels, `classes` gives the class of each.
    """

    weight: Tensor
    whole: Tensor
    axis: int
    classes: NDArray[np.int64]

    def channels(self, chosen: NDArray[np.bool_]) -> Tensor:
        """Give which input channels belong to the chosen classes, (C,) bool."""
        owned = (self.classes >= 0) & chosen[self.classes.clip(0)]
        return torch.from_numpy(owned).to(self.weight.device)

    @torch.no_grad()
    def write(self, chosen: NDArray[np.bool_], *, closed: bool) -> None:
        """Close the channels of the chosen classes, or bring them back as they were."""
        which = self.channels(chosen)
        back = self.whole.movedim(self.axis, 0)[which]
        rows = self.weight.detach().movedim(self.axis, 0)
        rows[which] = torch.zeros_like(back) if closed else back


@dataclass(frozen=True, eq=False)
class _Selection:
    """A group that is selected: its readers, and what they gave in the whole network.

    `outputs` are by batch and by call.
    """

    seen: Scene
    readers: dict[str, _Reader]
    outputs: list[dict[Place, Tensor]]
    selected: NDArray[np.bool_]

    def gradients(self, number: int, weight: float) -> list[Tensor]:
        """Give the gradients of L in the readers' weights, on one batch."""
        loss, found = _run(self.seen, list(self.readers), self.seen.batches[number])
        total = weight * loss
        for place, y in found.items():
            aim = self.outputs[number][place]
            least = torch.finfo(aim.dtype).tiny
            size = aim.square().sum().clamp(min=least)
            total = total + 0.5 * (aim - y).square().sum() / size
        weights = [reader.weight for reader in self.readers.values()]
        return list(torch.autograd.grad(total, weights, materialize_grads=True))


def _run(
    seen: Scene, weights: list[str], batch: Batch
) -> tuple[Tensor, dict[Place, Tensor]]:
    """Give the mean loss, and what the layers gave, of the model as it is."""
    found: dict[Place, Tensor] = {}

    def after(call: Call, y: Tensor) -> None:
        # Later code may write into what the layer gave.
        found[call.weight, call.index] = y.clone()

    with spelled_out(seen.model), layer_calls(seen.model, weights, after=after):
        return seen.losses(batch).mean(), found


def _selection(seen: Scene, group: Coupling) -> _Selection:
    held = seen.parameters
    readers = {}
    for read in group.reads:
        weight = held[read.weight]
        axis = _input_axis(group, read)
        readers[read.weight] = _Reader(
            weight, weight.detach().clone(), axis, read.classes
        )
    with torch.no_grad():
        outputs = [_run(seen, list(readers), batch)[1] for batch in seen.batches]
    return _Selection(seen, readers, outputs, np.zeros(group.size, dtype=bool))


def _input_axis(group: Coupling, read: Read) -> int:
    axes = [
        slot.axis
        for slot in group.slots
        if slot.tensor == read.weight and np.array_equal(slot.classes, read.classes)
    ]
    if not axes:
        raise Unsupported(
            f"{read.weight}: dcp scores of a grouped convolution, whose weight has no "
            f"axis of all input channels; take another score"
        )
    # A layer that writes what it reads has both; inputs stand behind outputs.
    return max(axes)


def _scores(group: _Selection, descent: _Descent) -> NDArray[np.float64]:
    size = len(group.selected)
    order: list[int] = []
    with _given_back(group):
        for reader in group.readers.values():
            reader.write(~group.selected, closed=True)
        for part in np.array_split(np.arange(size), min(descent.rounds, size)):
            norms = np.where(group.selected, -np.inf, _norms(group, descent.weight))
            best = np.argsort(-norms, kind="stable")[: len(part)]
            order.extend(best.tolist())
            _select(group, best)
            if len(order) < size:
                _descend(group, descent)
    scores = np.empty(size)
    scores[order] = 1.0 - np.arange(size) / size
    return scores


@contextmanager
def _given_back(group: _Selection) -> Iterator[None]:
    """Let the readers' weights be trained inside; give them back as they were."""
    flags = [
        (item.weight, item.weight.requires_grad) for item in group.readers.values()
    ]
    try:
        for weight, _ in flags:
            weight.requires_grad_(True)
        yield
    finally:
        for reader in group.readers.values():
            reader.weight.detach().copy_(reader.whole)
        for weight, flag in flags:
            weight.requires_grad_(flag)


def _select(group: _Selection, best: NDArray[np.int64]) -> None:
    group.selected[best] = True
    chosen = np.isin(np.arange(len(group.selected)), best)
    for reader in group.readers.values():
        reader.write(chosen, closed=False)


def _norms(group: _Selection, weight: float) -> NDArray[np.float64]:
    """Give Σ over the readers' outputs of ‖∂L/∂W‖ over the kernel, by class."""
    count = len(group.seen.batches)
    every = [group.gradients(number, weight) for number in range(count)]
    norms = np.zeros(len(group.selected))
    for reader, *parts in zip(group.readers.values(), *every, strict=True):
        mean = torch.stack(parts).mean(dim=0).movedim(reader.axis, 0)
        values = mean.flatten(2).norm(dim=2) if mean.ndim > 2 else mean.abs()
        by_channel = values.double().sum(dim=1).cpu().numpy()
        owned = reader.classes >= 0
        np.add.at(norms, reader.classes[owned], by_channel[owned])
    return norms


def _descend(group: _Selection, descent: _Descent) -> None:
    """Take steps on the selected channels; the first gives the length of all."""
    rates: list[float] = []
    for step in range(descent.steps):
        number = step % len(group.seen.batches)
        found = group.gradients(number, descent.weight)
        with torch.no_grad():
            moved = [
                _on_selected(reader, gradient, group.selected)
                for reader, gradient in zip(group.readers.values(), found, strict=True)
            ]
            rates = rates or [
                descent.lr * float(reader.weight.norm()) / max(float(g.norm()), 1e-30)
                for reader, g in zip(group.readers.values(), moved, strict=True)
            ]
            for reader, g, rate in zip(
                group.readers.values(), moved, rates, strict=True
            ):
                reader.weight.sub_(rate * g)


def _on_selected(
    reader: _Reader, gradient: Tensor, selected: NDArray[np.bool_]
) -> Tensor:
    """Give the gradient, 0 at the channels of classes that are still closed."""
    kept = gradient.clone()
    kept.movedim(reader.axis, 0)[reader.channels(~selected)] = 0.0
    return kept
