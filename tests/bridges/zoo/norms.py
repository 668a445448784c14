"""Norms: those that treat channels alone, and those that mix their statistics."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.bridges.zoo.case import shown


class Normed(nn.Module):
    """Two convolutions of 16 channels with a norm in between."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.a, self.norm = nn.Conv2d(3, 16, 3, padding=1), norm
        self.b, self.c = nn.Conv2d(16, 12, 3), nn.Conv2d(12, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.norm(self.a(x)), inplace=True)
        return self.c(functional.relu(self.b(x))).mean((-2, -1))


@shown({"a.weight": 4, "norm.weight": 4, "b.weight": 12})
class GroupNormed(Normed):
    """Whole groups go: the statistics of the others stay what they are."""

    def __init__(self) -> None:
        super().__init__(nn.GroupNorm(4, 16))


@shown({"a.weight": 16, "norm.weight": 16, "b.weight": 12}, approximate=("a.weight",))
class OneGroup(Normed):
    """All channels share their statistics."""

    def __init__(self) -> None:
        super().__init__(nn.GroupNorm(1, 16))


@shown({"a.weight": 16, "norm.weight": 16, "b.weight": 12})
class InstanceNormed(Normed):
    def __init__(self) -> None:
        super().__init__(nn.InstanceNorm2d(16, affine=True))


@shown({"a.weight": 16, "norm.running_var": 16, "b.weight": 12})
class InstanceTracked(Normed):
    def __init__(self) -> None:
        super().__init__(nn.InstanceNorm2d(16, track_running_stats=True))


@shown({"a.weight": 16, "b.weight": 12})
class InstanceByGroups(Normed):
    """Group norm with a group for each channel."""

    def __init__(self) -> None:
        super().__init__(nn.GroupNorm(16, 16))


class FirstAxisNorm(nn.Module):
    """Layer norm over axis 1, by hand, as ConvNeXt was published."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(1, keepdim=True)
        square = (x - mean).pow(2).mean(1, keepdim=True)
        x = (x - mean) / torch.sqrt(square + 1e-6)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


@shown({"a.weight": 16, "norm.weight": 16, "b.weight": 12}, approximate=("a.weight",))
class LayerNormByHand(Normed):
    def __init__(self) -> None:
        super().__init__(FirstAxisNorm(16))


class RootMeanSquare(nn.Module):
    """The norm of language models, by hand."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        kept = x.dtype
        x = x.to(torch.float32)
        scale = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5)
        return self.weight * (x * scale).to(kept)


@shown(
    {"embed.weight": 12, "norm.weight": 12, "up.weight": 20, "down.weight": 12},
    approximate=("embed.weight",),
    shapes=((5, 3),),
)
class RootMeanSquareNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm = nn.Linear(3, 12), RootMeanSquare(12)
        self.up, self.down = nn.Linear(12, 20), nn.Linear(20, 12)
        self.last, self.head = nn.RMSNorm(12), nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        x = x + self.down(functional.gelu(self.up(self.norm(x))))
        return self.head(self.last(x))


@shown({"a.weight": 16, "scale": 16, "b.weight": 12, "shift@1": 16})
class BufferScaled(nn.Module):
    """Buffers and parameters that multiply and shift channels."""

    scale: Tensor
    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 16, 3), nn.Conv2d(16, 12, 3)
        self.register_buffer("scale", torch.ones(16))
        self.register_buffer("mean", torch.ones(1, 3, 1, 1))
        self.shift = nn.Parameter(torch.zeros(1, 16, 1, 1))
        self.c = nn.Conv2d(12, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a((x - self.mean) / 2)
        x = x * self.scale.view(1, -1, 1, 1) + self.shift
        return self.c(torch.tanh(self.b(x)))
