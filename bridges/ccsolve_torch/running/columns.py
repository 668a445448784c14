"""The linear regression that a call of a layer is: columns, outputs and weights.

Convolutions, transposed ones and linear maps, grouped or not, all are y = W x at every
output position, with W one matrix per weight group.
"""

from collections.abc import Iterator
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ccsolve_torch.running.calls import Call

Places = Tensor

ROWS = ("linear", "columns")
"""Kinds that map rows: "columns" has the weight transposed, inputs first."""

CHUNK = 16_000_000
"""Numbers that one chunk of columns may hold: 64 MB in float32."""


def kind_of(call: Call, weight: Tensor) -> str | None:
    """Give the call's kind, "linear" or "columns" for a product of rows and a matrix.

    None for other products. A product is recognised by what it gives for its input and
    for zeros.
    """
    if call.kind == "linear" or call.kind.startswith("conv"):
        return call.kind
    if weight.ndim != 2 or call.axis != call.x.ndim - 1:
        return None
    shift = call.run(torch.zeros_like(call.x))
    rows = shift.reshape(-1, shift.shape[-1])
    if not torch.equal(rows, rows[:1].expand_as(rows)):
        return None  # what is added is no bias
    y = call.run(call.x)
    for kind, matrix in (("columns", weight), ("linear", weight.T)):
        if (*call.x.shape[:-1], matrix.shape[1]) == y.shape:
            if call.x.shape[-1] == len(matrix):
                error = call.x @ matrix + rows[0] - y
                if bool(error.norm() < 0.01 * y.norm()):
                    return kind
    return None


def position_count(call: Call, y: Tensor) -> int:
    """Give the number of places that `y`, the output of the call, can be drawn at.

    For a convolution output positions, the same for all samples; for a linear map the
    rows of all samples.
    """
    if call.kind in ROWS:
        return y.numel() // y.shape[-1]
    return prod(y.shape[2:])


def drawn(count: int, wanted: int | None, generator: torch.Generator) -> Tensor:
    """Give `wanted` of `count` places at random, in order; all where they are fewer."""
    if wanted is None or wanted >= count:
        return torch.arange(count)
    device = generator.device
    order = torch.randperm(count, generator=generator, device=device)
    return order[:wanted].sort().values


def outputs_at(call: Call, y: Tensor, places: Places) -> Tensor:
    """Give the (rows, n_out) outputs at the places, as a copy."""
    if call.kind in ROWS:
        return y.reshape(-1, y.shape[-1])[places]
    return y.flatten(2)[:, :, places].transpose(1, 2).flatten(0, 1)


def inputs_at(call: Call, weight: Tensor, places: Places) -> Iterator[Tensor]:
    """Give the (groups, rows, d) input columns at the places, chunk by chunk.

    Rows as in `outputs_at`. Columns are channel-major: channel of the weight group,
    then kernel position.
    """
    if call.kind in ROWS:
        yield call.x.reshape(1, -1, call.x.shape[-1])[:, places]
        return
    x, stride, dilation = _as_convolution(call, weight)
    reads = _reads(x.shape[2:], weight.shape[2:], stride, dilation)
    reads = reads[places.cpu()].to(x.device)
    groups = int(call.settings.get("groups", 1))
    step = max(1, CHUNK // max(1, reads.numel() * x.shape[1]))
    for part in x.flatten(2).split(step):
        columns = part[:, :, reads.reshape(-1)]
        columns = columns.unflatten(2, reads.shape).unflatten(1, (groups, -1))
        # (samples, groups, channels, places, taps) -> (groups, samples, places, ...)
        yield columns.permute(1, 0, 3, 2, 4).flatten(3).flatten(1, 2)


def as_matrices(weight: Tensor, kind: str, groups: int) -> Tensor:
    """Give the weight as (groups, n_out / groups, d), columns as in `inputs_at`."""
    if kind == "columns":
        return weight.T[None]
    if not kind.startswith("conv_transpose"):
        return weight.unflatten(0, (groups, -1)).flatten(2)
    spatial = list(range(2, weight.ndim))
    turned = weight.unflatten(0, (groups, -1)).transpose(1, 2)
    return turned.flip([axis + 1 for axis in spatial]).flatten(2)


def as_weight(matrices: Tensor, like: Tensor, kind: str) -> Tensor:
    """Give the matrices of `as_matrices` back in the shape of the weight `like`."""
    if kind == "columns":
        return matrices[0].T
    if not kind.startswith("conv_transpose"):
        return matrices.flatten(0, 1).reshape(like.shape)
    kernel = like.shape[2:]
    turned = matrices.unflatten(2, (-1, *kernel)).transpose(1, 2).flatten(0, 1)
    return turned.flip(list(range(2, like.ndim)))


def _as_convolution(
    call: Call, weight: Tensor
) -> tuple[Tensor, tuple[int, ...], tuple[int, ...]]:
    """Give padded input, stride and dilation of the plain convolution that this is."""
    kernel = weight.shape[2:]
    stride, dilation = (
        _each(call.settings.get(name, 1), kernel) for name in ("stride", "dilation")
    )
    padding = call.settings.get("padding", 0)
    if not call.kind.startswith("conv_transpose"):
        amounts = _padding(padding, kernel, dilation)
        return functional.pad(call.x, amounts), stride, dilation
    extra = _each(call.settings.get("output_padding", 0), kernel)
    sides = [
        (step * (length - 1) - pad, step * (length - 1) - pad + more)
        for length, step, pad, more in zip(
            kernel, dilation, _each(padding, kernel), extra, strict=True
        )
    ]
    amounts = [amount for pair in reversed(sides) for amount in pair]
    stuffed = functional.pad(_stuffed(call.x, stride), amounts)
    return stuffed, (1,) * len(kernel), dilation


def _stuffed(x: Tensor, stride: tuple[int, ...]) -> Tensor:
    """Put stride - 1 zeros between neighbours."""
    lengths = [
        (length - 1) * step + 1
        for length, step in zip(x.shape[2:], stride, strict=True)
    ]
    wide = x.new_zeros(*x.shape[:2], *lengths)
    wide[(..., *(slice(None, None, step) for step in stride))] = x
    return wide


def _reads(
    sizes: torch.Size,
    kernel: torch.Size,
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Tensor:
    """Give (positions, taps): the flat entries that each output position reads."""
    index = torch.arange(prod(sizes)).reshape(sizes)
    for axis, length in enumerate(kernel):
        reach = dilation[axis] * (length - 1) + 1
        index = index.unfold(axis, reach, stride[axis])[..., :: dilation[axis]]
    return index.flatten(0, len(sizes) - 1).flatten(1)


def _padding(padding: Any, kernel: torch.Size, dilation: tuple[int, ...]) -> list[int]:
    """Give the amounts as `pad` reads them: last axis first, both sides."""
    if padding == "valid":
        padding = 0
    if padding == "same":  # the odd one goes behind
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        sides = [(total // 2, total - total // 2) for total in totals]
    else:
        sides = [(pad, pad) for pad in _each(padding, kernel)]
    return [amount for pair in reversed(sides) for amount in pair]


def _each(value: Any, kernel: torch.Size) -> tuple[int, ...]:
    """Give one number per axis: a single one stands for all."""
    if isinstance(value, int):
        return (value,) * len(kernel)
    values = tuple(int(item) for item in value)
    return values * len(kernel) if len(values) == 1 else values
