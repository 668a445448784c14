"""Class-wise contributions: one mask per class of images, voted upon."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.problems.checks import real_number, whole_number
from ccsolve.statistics import Statistics
from ccsolve_torch.collecting.losses import PerSample
from ccsolve_torch.coupling.declaring import Declared
from ccsolve_torch.running.calls import Call, layer_calls
from ccsolve_torch.running.samples import Place, Samples, sample_places
from ccsolve_torch.running.spelling import spelled_out
from ccsolve_torch.running.state import Batch, Loader
from ccsolve_torch.scoring.scenes import Scene, alone, scene, scored

Masks = dict[str, Tensor]


def class_wise_scores(
    model: nn.Module,
    loader: Loader,
    stats: Statistics,
    *,
    epochs: int = 2,
    rate: float = 0.05,
    penalty: float = 1.0,
    share: float = 0.5,
    loss: str | PerSample = "cross_entropy",
    declared: Declared | None = None,
) -> Statistics:
    """Give the statistics with the score "class_wise": how many classes need a channel.

    Every channel has a mask m_k for each class k of images, 1 at first; the image's own
    class says which multiplies the channel where it is read. Masks are trained to
    minimise cross-entropy + λ·mean|m|; then each class votes for the channels of its
    largest masks among all groups. The score is the number of votes, and below one vote
    the mean mask.

    The idea is of Zhang et al., Carrying out CNN channel pruning in a white box (IEEE
    TNNLS 2022), whose equations could not be read: they train weights along with the
    masks; here the weights stay, steps are plain gradient steps, and λ and the step are
    in units of the masks' mean |gradient| at the start.

    Parameters
    ----------
    model, loader, stats, declared
        See `ablation_scores`; targets are class numbers (N,), outputs (N, K).
    epochs
        How often the samples are gone through; one step for each batch.
    rate
        Of the steps: by how much the mean mask moves in the first one, without λ.
    penalty
        λ, in units of the masks' mean |gradient| at the start.
    share
        Of all channels that each class votes for, in (0, 1].
    loss
        "cross_entropy" alone has classes.

    Raises
    ------
    Unsupported
        Another loss, several processes, or a model that mixes samples.
    InvalidProblem
        An option is malformed, or targets are no class numbers.
    """
    _check(epochs, rate, penalty, share, loss)
    with scene(model, loader, stats, loss, declared) as seen:
        masks = _trained(seen, epochs, rate, penalty)
        return scored(stats, "class_wise", _votes(masks, share))


def _check(
    epochs: int, rate: float, penalty: float, share: float, loss: str | PerSample
) -> None:
    whole_number("epochs", epochs, 1, 10**6)
    real_number("rate", rate, 0.0)
    real_number("penalty", penalty, 0.0)
    if not 0 < real_number("share", share, 0.0) <= 1:
        raise InvalidProblem(f"share = {share!r}; expected a number in (0, 1]")
    if loss != "cross_entropy":
        raise Unsupported(
            f"class_wise scores of the loss {loss!r:.60}, which has no classes; "
            f"expected 'cross_entropy'"
        )
    alone("class_wise")


def _trained(seen: Scene, epochs: int, rate: float, penalty: float) -> Masks:
    """Give every group's masks, (K, size)."""
    classes = _class_count(seen)
    masks = {
        name: torch.ones((classes, group.size), device=seen.device, requires_grad=True)
        for name, group in seen.graph.groups.items()
    }
    places, unit = _places(seen), 0.0
    for batch in seen.batches * epochs:
        steps = _gradients(seen, masks, batch, places)
        if unit == 0.0:
            unit = float(torch.cat([g.abs().flatten() for g in steps.values()]).mean())
        if unit == 0.0:
            continue
        with torch.no_grad():
            for name, mask in masks.items():
                pull = penalty * unit * mask.sign()
                mask -= (rate / unit) * (steps[name] + pull)
    return {name: mask.detach() for name, mask in masks.items()}


def _gradients(
    seen: Scene, masks: Masks, batch: Batch, places: dict[Place, Samples]
) -> Masks:
    """Give the gradient of the sum of the losses in the masks, class by class.

    Each over the number of samples of its class: a class of few counts as much.
    """
    inputs, targets = batch
    with _masked(seen, masks, targets, places):
        outputs = seen.model(*inputs)
    losses = functional.cross_entropy(outputs.float(), targets, reduction="none")
    counts = torch.bincount(targets, minlength=outputs.shape[1])
    total = (losses / counts[targets]).sum()
    found = torch.autograd.grad(total, list(masks.values()), materialize_grads=True)
    return dict(zip(masks, found, strict=True))


@contextmanager
def _masked(
    seen: Scene, masks: Masks, targets: Tensor, places: dict[Place, Samples]
) -> Iterator[None]:
    """Run the model once with each sample's channels times its class's masks."""
    reads = _reads(seen)

    def gate(call: Call) -> Tensor:
        place = places.get((call.weight, call.index)) or places[call.weight, 0]
        channels = call.x.shape[call.axis]
        own = call.x.new_ones((len(targets), channels))
        for name, classes in reads[call.weight]:
            held = torch.from_numpy(classes >= 0).to(seen.device)
            order = torch.from_numpy(classes.clip(0)).to(seen.device)
            own = torch.where(held, masks[name][targets][:, order].to(own), own)
        return call.x * _spread(own, call, place)

    with spelled_out(seen.model), layer_calls(seen.model, reads, before=gate):
        yield


def _spread(own: Tensor, call: Call, place: Samples) -> Tensor:
    """Give the (N, C) factors in the shape of what the layer reads."""
    if place.axis is None:
        raise Unsupported(
            f"{call.weight}: class_wise scores cannot tell the samples apart in what "
            f"this layer reads; give two different samples in the first batch"
        )
    length = call.x.shape[place.axis]
    parts = length // len(own)
    rows = own.repeat(parts, 1) if place.inner else own.repeat_interleave(parts, 0)
    shape = [1] * call.x.ndim
    shape[place.axis], shape[call.axis] = length, own.shape[1]
    return (rows if place.axis < call.axis else rows.T).reshape(shape)


def _reads(seen: Scene) -> dict[str, list[tuple[str, np.ndarray]]]:
    reads: dict[str, list[tuple[str, np.ndarray]]] = {}
    for name, group in seen.graph.groups.items():
        for read in group.reads:
            reads.setdefault(read.weight, []).append((name, read.classes))
    return reads


def _places(seen: Scene) -> dict[Place, Samples]:
    with spelled_out(seen.model):
        return dict(sample_places(seen.model, _reads(seen), seen.batches[0][0]))


def _class_count(seen: Scene) -> int:
    inputs, targets = seen.batches[0]
    with torch.no_grad():
        outputs = seen.model(*inputs)
    sound = isinstance(outputs, Tensor) and outputs.ndim == 2
    if not sound or targets.ndim != 1 or targets.is_floating_point():
        raise InvalidProblem(
            f"class_wise scores: targets of shape {tuple(targets.shape)}; expected "
            f"outputs (N, K) and class numbers (N,)"
        )
    return outputs.shape[1]


def _votes(masks: Masks, share: float) -> dict[str, np.ndarray]:
    """Give the votes, and the mean mask brought below one vote."""
    every = torch.cat(list(masks.values()), dim=1)
    chosen = max(1, round(share * every.shape[1]))
    best = every.argsort(dim=1, descending=True, stable=True)[:, :chosen]
    votes = torch.zeros_like(every).scatter_(1, best, 1.0).sum(dim=0)
    mean = every.mean(dim=0)
    spread = float(mean.max() - mean.min())
    below = (mean - mean.min()) / (2 * spread) if spread > 0 else torch.zeros_like(mean)
    parts = (votes + below).split([mask.shape[1] for mask in masks.values()])
    return {
        name: part.double().cpu().numpy()
        for name, part in zip(masks, parts, strict=True)
    }
