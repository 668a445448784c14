"""Residual blocks: every way to a shortcut."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.bridges.zoo.case import shown


class Basic(nn.Module):
    """Two convolutions and a shortcut; the sum is made in place."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outer)
        self.relu = nn.ReLU(inplace=True)

    def shortcut(self, x: Tensor) -> Tensor:
        return x

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return self.relu(out)


class Projected(Basic):
    """A 1x1 convolution in the shortcut."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__(inner, outer, stride)
        self.downsample = nn.Sequential(
            nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer)
        )

    def shortcut(self, x: Tensor) -> Tensor:
        return self.downsample(x)


class Padded(Basic):
    """Option A: every other position, zero channels on both sides."""

    def shortcut(self, x: Tensor) -> Tensor:
        pad = (self.conv1.out_channels - x.shape[1]) // 2
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, pad, pad), "constant", 0)


class PaddedBehind(Basic):
    """Option A with zero channels behind, by a written number of them."""

    def shortcut(self, x: Tensor) -> Tensor:
        return functional.pad(functional.avg_pool2d(x, 2), [0, 0, 0, 0, 0, 8])


class Doubled(Basic):
    """The shortcut of the first Torch code: channels beside themselves times zero."""

    def shortcut(self, x: Tensor) -> Tensor:
        x = functional.avg_pool2d(x, 1, 2)
        return torch.cat((x, x.mul(0)), 1)


class Residual(nn.Module):
    """A stem of 8 channels, blocks, a second stage of 16, a classifier."""

    def __init__(self, wider: type[Basic]) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, 1, 1), nn.BatchNorm2d(8)
        self.layer1 = Basic(8, 8, 1)
        self.layer2 = nn.Sequential(wider(8, 16, 2), Basic(16, 16, 1))
        self.fc = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(functional.relu(self.norm(self.stem(x)))))
        return self.fc(functional.adaptive_avg_pool2d(x, 1).flatten(1))


INNER = {"stem.weight": 8, "layer1.conv1.weight": 8, "layer2.0.conv1.weight": 16}


@shown({**INNER, "layer2.1.bn2.weight": 16, "fc.weight@1": 16})
class ResNet(Residual):
    def __init__(self) -> None:
        super().__init__(Projected)


@shown({**INNER, "layer2.1.bn2.weight": (8, 8), "fc.weight@1": (8, 8)})
class OptionA(Residual):
    """The channels that meet zeros stay: the code says how many they are."""

    def __init__(self) -> None:
        super().__init__(Padded)


@shown({**INNER, "layer2.1.conv2.weight": (8, 8)})
class OptionABehind(Residual):
    def __init__(self) -> None:
        super().__init__(PaddedBehind)


@shown({**INNER, "layer2.1.conv2.weight": 8})
class TimesZero(Residual):
    """A channel of the first stage goes with two of the second."""

    def __init__(self) -> None:
        super().__init__(Doubled)


class Aggregated(nn.Module):
    """A block with grouped convolution."""

    def __init__(self, outer: int, inner: int, groups: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(outer, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, 1, 1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, outer, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        return x + self.conv3(functional.relu(self.bn2(self.conv2(y))))


@shown({"stem.weight": 8, "block.conv1.weight": 4, "block.conv2.weight": 4})
class ResNeXt(nn.Module):
    """A group of the grouped convolution goes as a whole."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block = nn.Conv2d(3, 8, 3), Aggregated(8, 16, 4)
        self.head = nn.Conv2d(8, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(functional.relu(self.block(self.stem(x))))


@shown({"a.weight": 3, "grouped.weight": 3, "b.weight": 8}, shapes=((2, 12),))
class Grouped(nn.Module):
    """Groups with more outputs than inputs, in one axis."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv1d(2, 6, 3)
        self.grouped = nn.Conv1d(6, 12, 3, groups=3)
        self.b, self.c = nn.Conv1d(12, 8, 1), nn.Conv1d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.relu(self.b(torch.relu(self.grouped(self.a(x))))))


@shown({"a.weight": 6, "depth.weight": 6, "depth.bias": 6, "point.weight": 10})
class Multiplier(nn.Module):
    """Depthwise with two outputs for every input."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.depth = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 12, 3, groups=6)
        self.norm, self.point = nn.BatchNorm2d(12), nn.Conv2d(12, 10, 1)
        self.c = nn.Conv2d(10, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu6(self.norm(self.depth(self.a(x))))
        return self.c(functional.relu6(self.point(x)))


@shown({"a.weight": 8, "b.weight": 8, "gate.weight": 8, "gamma": 8})
class Highway(nn.Module):
    """A stream that is gated, scaled by a layer scale, and added with a factor."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, padding=1)
        self.gate, self.c = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 4, 1)
        self.gamma = nn.Parameter(1e-1 * torch.ones((8, 1, 1)))
        self.weights = nn.Parameter(torch.ones(2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        g, w = torch.sigmoid(self.gate(x)), functional.relu(self.weights)
        y = x * (1 - g) + g.mul(self.gamma * self.b(x))
        y = torch.add(w[0] * y, x, alpha=0.5) / (w.sum() + 1e-4)
        return self.c(torch.maximum(y, x).clamp(min=-3))
