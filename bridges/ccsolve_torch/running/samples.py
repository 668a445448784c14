"""Where the samples of a batch stand in what a layer reads.

Backward passes give every sample's own derivatives as long as samples do not see each
other, and as long as it is known where each stands: along the first axis mostly, along
the second in models that put time first, and in blocks of several rows per sample where
windows or tokens are folded into the batch axis.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ccsolve.errors import Unsupported
from ccsolve_torch.running.calls import Call, layer_calls

Place = tuple[str, int]
"""A call of a layer: the name of its weight, and which call of the pass it is."""

# Share of a change in one sample that rounding may show in another.
_LEAK = 1e-2


@dataclass(frozen=True)
class Samples:
    """Where samples stand: `axis` has (sample, part) entries, or (part, sample).

    With `axis` None all entries are of one sample.
    """

    axis: int | None = 0
    inner: bool = False

    def sums(self, value: Tensor, channels: int, count: int) -> Tensor:
        """Give (count, C): `value` summed by sample and entry of its channel axis."""
        kept = {channels} if self.axis is None else {channels, self.axis}
        rest = [axis for axis in range(value.ndim) if axis not in kept]
        summed = value.sum(dim=rest) if rest else value
        if self.axis is None:
            return summed[None]
        rows = summed if self.axis < channels else summed.T
        if len(rows) == count:
            return rows
        split = (-1, count) if self.inner else (count, -1)
        return rows.unflatten(0, split).sum(dim=0 if self.inner else 1)


@torch.no_grad()
def sample_places(
    model: nn.Module, weights: Iterable[str], inputs: tuple[Tensor, ...]
) -> Mapping[Place, Samples]:
    """Give where the samples stand in what every call of the layers reads.

    Found by running the model on two samples and again with the second one replaced by
    the first: what changes belongs to the second.

    Raises
    ------
    Unsupported
        Samples of a batch see each other, or a layer reads what is of no sample.
    """
    names = list(weights)
    other = _other(inputs)
    if other is None:
        return {place: Samples(None) for place in _read(model, names, inputs)}
    before = _read(model, names, _two(inputs, other))
    after = _read(model, names, _two(inputs, 0))
    return {
        place: _found(place[0], call, (call.x - after[place].x).abs().double())
        for place, call in before.items()
    }


def _other(inputs: tuple[Tensor, ...]) -> int | None:
    """Give a sample unlike the first, any where all are alike, None where one is all.

    The last one differs as well as any: sorted data have their classes far apart.
    """
    count = len(inputs[0])
    if count < 2:
        return None
    unlike = torch.zeros(count, dtype=torch.bool, device=inputs[0].device)
    for x in (x for x in inputs if _of_samples(x, count)):
        unlike |= (x != x[:1]).reshape(count, -1).any(dim=1)
    differs = torch.nonzero(unlike).flatten().tolist()
    return differs[-1] if differs else count - 1


def _two(inputs: tuple[Tensor, ...], other: int) -> tuple[Tensor, ...]:
    """Give the first sample and another; what has no entry for each goes with both."""
    count = len(inputs[0])
    return tuple(
        torch.stack([x[0], x[other]]) if _of_samples(x, count) else x for x in inputs
    )


def _of_samples(x: Tensor, count: int) -> bool:
    return x.ndim > 0 and len(x) == count


def _read(
    model: nn.Module, names: list[str], inputs: tuple[Tensor, ...]
) -> dict[Place, Call]:
    found: dict[Place, Call] = {}

    def keep(call: Call) -> None:
        found[call.weight, call.index] = call

    with layer_calls(model, names, before=keep):
        model(*inputs)
    return found


def _found(name: str, call: Call, change: Tensor) -> Samples:
    """Give the first axis whose second half, or odd entries, hold all the change."""
    total = float(change.sum())
    for axis in range(change.ndim):
        if axis == call.axis or change.shape[axis] % 2:
            continue
        along = change.sum(dim=[i for i in range(change.ndim) if i != axis])
        halves = ((False, along.unflatten(0, (2, -1))[0]), (True, along[0::2]))
        for inner, unchanged in halves:
            if float(unchanged.sum()) <= _LEAK * total:
                return Samples(axis, inner)
    if total == 0:
        raise Unsupported(
            f"{name}: what the layer reads, shape {tuple(call.x.shape)}, is of no "
            f"sample; declare that its channels stay: Declared(ignore=[...])"
        )
    raise Unsupported(
        f"{name}: what the layer reads of one sample depends on others of the batch; "
        f"expected samples that do not see each other (a batch norm without running "
        f"statistics? a model whose samples stand along another axis?)"
    )
