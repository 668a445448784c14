"""The input columns of a convolution or linear layer, at chosen output positions."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

CHUNK = 16_000_000
"""Numbers that one chunk of patches may hold: 64 MB in float32."""


def patches(module: nn.Module, x: Tensor, places: Tensor | None) -> Iterator[Tensor]:
    """Give the (rows, d) input columns of the layer, chunk by chunk of samples.

    Rows run over samples, then over `places`, flat indices of output positions
    (None for all). Columns are channel-major: channel, then kernel position.
    """
    if not is_convolution(module):
        rows = x.reshape(len(x), -1, x.shape[-1])
        yield (rows if places is None else rows[:, places]).flatten(0, 1)
        return
    padded, reads = _padded(module, x), _reads(module, x)
    reads = reads if places is None else reads[places.to(reads.device)]
    channels, (count, taps) = x.shape[1], reads.shape
    step = max(1, CHUNK // (count * taps * channels))
    for part in padded.flatten(2).split(step):
        columns = part[:, :, reads.reshape(-1)].unflatten(2, (count, taps))
        yield columns.transpose(1, 2).reshape(-1, channels * taps)


def outputs_at(module: nn.Module, y: Tensor, places: Tensor) -> Tensor:
    """Give the layer's (rows, n_out) outputs at the places, rows as in `patches`."""
    flat = y.flatten(2).transpose(1, 2) if is_convolution(module) else y
    return flat.reshape(len(y), -1, flat.shape[-1])[:, places].flatten(0, 1)


def position_count(module: nn.Module, y: Tensor) -> int:
    """Give the number of output positions per sample of an output of the layer."""
    channels = y.shape[1] if is_convolution(module) else y.shape[-1]
    return y.numel() // (len(y) * channels)


def drawn(count: int, wanted: int, generator: torch.Generator) -> Tensor:
    """Give `wanted` of `count` positions at random, all in order if they are fewer."""
    if wanted >= count:
        return torch.arange(count)
    return torch.randperm(count, generator=generator)[:wanted].sort().values


def is_convolution(module: nn.Module) -> bool:
    """Say whether the layer's channels stand behind the batch axis."""
    return hasattr(module, "kernel_size")


def _padded(module: nn.Module, x: Tensor) -> Tensor:
    """Pad as the layer does; it keeps the amounts in the order that `pad` reads."""
    amounts = list(module._reversed_padding_repeated_twice)  # pyright: ignore
    mode = str(module.padding_mode)
    return functional.pad(x, amounts, "constant" if mode == "zeros" else mode)


def _reads(module: nn.Module, x: Tensor) -> Tensor:
    """Give (positions, taps): the flat padded entries that each output reads."""
    amounts = list(module._reversed_padding_repeated_twice)  # pyright: ignore
    pairs = [amounts[i : i + 2] for i in range(0, len(amounts), 2)][::-1]
    sizes = [
        length + sum(pair) for length, pair in zip(x.shape[2:], pairs, strict=True)
    ]
    index = torch.arange(torch.Size(sizes).numel(), device=x.device).reshape(sizes)
    kernel, stride, dilation = module.kernel_size, module.stride, module.dilation
    for axis in range(len(sizes)):
        reach = dilation[axis] * (kernel[axis] - 1) + 1  # pyright: ignore
        windows = index.unfold(axis, reach, stride[axis])  # pyright: ignore
        index = windows[..., :: dilation[axis]]  # pyright: ignore
    return index.flatten(0, len(sizes) - 1).flatten(1)
