"""Layers whose few filters are means of many, which are trained.

Lin et al., "Training compact CNNs for image classification using dynamic-coded filter
fusion".
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)

_RUN: dict[int, Any] = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}
_GEOMETRY = ("kernel_size", "stride", "padding", "dilation", "padding_mode")

# What code reads from a layer besides.
_SPOKEN = ("in_channels", "out_channels", "in_features", "out_features", "groups")


class FusedFilters(nn.Module):
    """A convolution or linear layer of weight P·W: m fused filters of n that are held.

    W (n, c, kernel...) and the biases (n,) are trained; P (m, n) is a buffer, through
    which gradients pass to all n filters, and none to P itself. What the layer costs to
    run is what m filters cost, and m·n·c·Π kernel multiplications to fuse them, once
    per forward pass.

    Parameters
    ----------
    like
        The layer of m outputs that it stands for: a convolution of one group, or a
        linear layer.
    filters
        n >= m. P begins with the first m filters as they are, the weights as torch
        draws them.
    """

    matrix: Tensor
    kept: Tensor
    stride: tuple[int, ...]
    padding: tuple[int, ...] | str
    dilation: tuple[int, ...]
    padding_mode: str

    def __init__(self, like: Any, filters: int) -> None:
        super().__init__()
        self.outputs, inputs, *kernel = like.weight.shape
        self.axes = len(kernel)
        for name in (*_GEOMETRY, *_SPOKEN):
            if hasattr(like, name):
                setattr(self, name, getattr(like, name))
        self._around = tuple(getattr(like, "_reversed_padding_repeated_twice", ()))
        made = {"dtype": like.weight.dtype, "device": like.weight.device}
        self.filters = nn.Parameter(torch.empty(filters, inputs, *kernel, **made))
        biased = like.bias is not None
        self.biases = nn.Parameter(torch.empty(filters, **made)) if biased else None
        self.register_buffer("matrix", torch.eye(self.outputs, filters, **made))
        places = torch.arange(self.outputs, device=made["device"])
        self.register_buffer("kept", places)
        self.reset_parameters()
        self.train(like.training)

    @property
    def weight(self) -> Tensor:
        """P·W (m, c, kernel...), as torch's layer holds it."""
        fused = self.matrix @ self.filters.flatten(1)
        return fused.reshape(self.outputs, *self.filters.shape[1:])

    @property
    def bias(self) -> Tensor | None:
        """P·b (m,), None without biases."""
        return None if self.biases is None else self.matrix @ self.biases

    def reset_parameters(self) -> None:
        """Draw filters and biases anew as torch's layers do, to train from scratch."""
        nn.init.kaiming_uniform_(self.filters, a=5**0.5)
        if self.biases is not None:
            bound = self.filters[0].numel() ** -0.5
            nn.init.uniform_(self.biases, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """Give what torch's layer of the fused weight and bias gives."""
        if self.axes == 0:
            return functional.linear(x, self.weight, self.bias)
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            x = functional.pad(x, self._around, mode=self.padding_mode)  # pyright: ignore
            padding = 0
        geometry = self.stride, padding, self.dilation
        return _RUN[self.axes](x, self.weight, self.bias, *geometry)

    def extra_repr(self) -> str:
        """Give the arguments that matter."""
        return (
            f"{self.filters.shape[1]}, {self.outputs}, "
            f"kernel_size={tuple(self.filters.shape[2:])}, "
            f"fused of {len(self.filters)} filters"
        )


def plain_layer(fused: FusedFilters) -> nn.Module:
    """Give torch's layer of the fused weight and bias."""
    inputs, biased = fused.filters.shape[1], fused.biases is not None
    given: dict[str, Any] = {"bias": biased, "device": "meta"}
    if fused.axes == 0:
        plain: Any = nn.Linear(inputs, fused.outputs, **given)
    else:
        kind = CONVOLUTIONS[fused.axes - 1]
        given |= {name: getattr(fused, name) for name in _GEOMETRY}
        plain = kind(inputs, fused.outputs, **given)
    trained = fused.filters.requires_grad
    plain.weight = nn.Parameter(fused.weight.detach(), trained)
    if fused.bias is not None:
        plain.bias = nn.Parameter(fused.bias.detach(), trained)
    return plain.train(fused.training)
