"""Chains of plain layers that do what one layer does: the stages as modules.

Every axis of the kernel belongs to one stage, which alone has the layer's stride,
dilation and padding along it: maps along different axes commute, and what pads a
channel (zeros, or copies of its own entries) commutes with mixing channels where no
bias has been added. So the bias stands in the last stage.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ccsolve.errors import Unsupported
from ccsolve_torch.factoring.held_trains import Stage, TrainStage
from ccsolve_torch.factoring.train_map import train_map

Array = NDArray[Any]

LINEAR = nn.Linear
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)

# What code reads from a layer, to pad or to make another that fits.
_SPOKEN = (
    *("in_features", "out_features", "in_channels", "out_channels", "groups"),
    *("kernel_size", "stride", "padding", "dilation", "padding_mode"),
    "output_padding",
)


def weight_of(layer: nn.Module) -> Array:
    """Give the layer's weight as (groups, n, c, kernel...) in float64."""
    weight: Any = layer.weight
    return in_groups(layer, weight.detach().cpu().double().numpy())


def in_groups(layer: nn.Module, values: Array) -> Array:
    """Give a weight in the layout of the layer's own as (groups, n, c, kernel...)."""
    blocks = values.reshape(_groups(layer), -1, *values.shape[1:])
    return blocks.swapaxes(1, 2) if isinstance(layer, TRANSPOSED) else blocks


def laid_out(layer: nn.Module, weight: Array, like: Tensor) -> Tensor:
    """Give a weight (groups, n, c, kernel...) in the layout of the layer's own.

    Of the type, on the device and in the memory format of `like`.
    """
    blocks = weight.swapaxes(1, 2) if isinstance(layer, TRANSPOSED) else weight
    flat = np.ascontiguousarray(blocks).reshape(-1, *blocks.shape[2:])
    values = torch.from_numpy(flat).to(like)
    return values.contiguous(memory_format=_order(like))


def chain(layer: nn.Module, stages: Sequence[Stage]) -> nn.Module:
    """Give the chain as `nn.Sequential`, or the one layer if there is one stage.

    The stages are named by what they do: "project" to few channels, "filter" with the
    kernel (numbered where it is spread over several), "restore" all channels. Stages of
    cores become a `TrainMap`. The bias is the layer's own parameter; weights are
    trained where the layer's was.
    """
    parts = [_part(layer, stages, place) for place in range(len(stages))]
    whole = parts[0]
    if len(parts) > 1:
        names = _names(stages)
        whole = nn.Sequential()
        for name, part in zip(names, parts, strict=True):
            whole.add_module(name, part)
    return speaking(whole, layer).train(layer.training)


def speaking(whole: nn.Module, layer: nn.Module) -> nn.Module:
    """Give the chain, with the attributes in which the layer tells widths and geometry.

    Code reads them from its layers. What is no chain, or takes the place of no plain
    layer, is given back as it is.
    """
    if type(whole) is nn.Sequential and isinstance(
        layer, (LINEAR, *CONVOLUTIONS, *TRANSPOSED)
    ):
        for name in _SPOKEN:
            if hasattr(layer, name):
                setattr(whole, name, getattr(layer, name))
    return whole


def _names(stages: Sequence[Stage]) -> list[str]:
    filters = [place for place, stage in enumerate(stages) if _spatial(stage)]
    names = []
    for place in range(len(stages)):
        if place in filters:
            number = filters.index(place) if len(filters) > 1 else ""
            names.append(f"filter{number}")
        else:
            names.append("project" if place == 0 else "restore")
    return names


def _part(layer: nn.Module, stages: Sequence[Stage], place: int) -> nn.Module:
    """Give one stage; on "meta" first, so that no random number is drawn."""
    stage = stages[place]
    bias: Any = layer.bias if place == len(stages) - 1 else None
    if isinstance(stage, TrainStage):
        held: Any = layer.weight
        stride = _pointwise_stride(layer, stages, place)
        return train_map(stage.cores, stage.inputs, stride, bias, held)
    groups, n, c, *kernel = stage.shape
    given = {"bias": bias is not None, "device": "meta"}
    if isinstance(layer, LINEAR):
        part = LINEAR(c, n, **given)
    else:
        owned = [_owner(layer, stages, axis) == place for axis in range(len(kernel))]
        kind, geometry = _geometry(layer, kernel, owned)
        part = kind(groups * c, groups * n, tuple(kernel), **geometry, **given)
    whole: Any = layer.weight
    values = laid_out(part, stage, whole.detach())
    part.weight = nn.Parameter(values, whole.requires_grad)
    part.bias = bias
    return part


def _pointwise_stride(
    layer: Any, stages: Sequence[Stage], place: int
) -> tuple[int, ...]:
    """Give the strides of a stage of cores: the layer's, where the kernel is of 1.

    Unsupported where the layer does more there than stride.
    """
    axes = range(len(stages[place].shape) - 3)
    owned = [axis for axis in axes if _owner(layer, stages, axis) == place]
    if not owned:
        return (1,) * len(axes)
    padding = layer.padding
    padded = padding != "valid" and any(
        padding[axis] for axis in owned if not isinstance(padding, str)
    )
    if padded or isinstance(layer, TRANSPOSED):
        raise Unsupported(
            f"a kernel of one weight in a layer with padding {padding!r}, or "
            f"transposed, as a train: no map of channels does that; leave out its modes"
        )
    return tuple(layer.stride[axis] if axis in owned else 1 for axis in axes)


def _owner(layer: nn.Module, stages: Sequence[Stage], axis: int) -> int:
    """Give the stage that has the layer's geometry along the axis.

    Where the kernel has length 1 a stride comes first, so that less is left to do; a
    transposed convolution's stride, which adds positions, comes last.
    """
    long = [place for place, stage in enumerate(stages) if stage.shape[3 + axis] > 1]
    last = len(stages) - 1
    return long[0] if long else (last if isinstance(layer, TRANSPOSED) else 0)


def _geometry(layer: Any, kernel: Sequence[int], owned: Sequence[bool]) -> Any:
    """Give the class of a stage, and its arguments beside channels and kernel."""
    plain = not any(owned)
    transposed = isinstance(layer, TRANSPOSED) and not plain
    kinds = TRANSPOSED if transposed else CONVOLUTIONS
    given: dict[str, Any] = {
        "stride": _own(layer.stride, owned, 1),
        "dilation": _own(layer.dilation, owned, 1),
        "groups": layer.groups,
        "padding": layer.padding,
    }
    if not isinstance(layer.padding, str):
        given["padding"] = _own(layer.padding, owned, 0)
    elif plain:
        given["padding"] = 0
    if transposed:
        given["output_padding"] = _own(layer.output_padding, owned, 0)
    elif not plain:
        given["padding_mode"] = layer.padding_mode
    return kinds[len(kernel) - 1], given


def _own(values: Sequence[int], owned: Sequence[bool], neutral: int) -> tuple[int, ...]:
    pairs = zip(values, owned, strict=True)
    return tuple(value if own else neutral for value, own in pairs)


def _spatial(stage: Stage) -> bool:
    return any(length > 1 for length in stage.shape[3:])


def _order(weight: Tensor) -> torch.memory_format:
    """Give the order in which the weight lies in memory."""
    last = {4: torch.channels_last, 5: torch.channels_last_3d}.get(weight.ndim)
    if last and not weight.is_contiguous() and weight.is_contiguous(memory_format=last):
        return last
    return torch.contiguous_format


def _groups(layer: nn.Module) -> int:
    return int(getattr(layer, "groups", 1))
