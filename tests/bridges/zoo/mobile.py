"""Networks for small devices: depthwise convolutions, squeeze-excite, shuffles."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.bridges.zoo.case import shown


class Inverted(nn.Module):
    """Expansion, depthwise convolution, projection without activation."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        hidden = 2 * inner
        self.use_res_connect = stride == 1 and inner == outer
        self.conv = nn.Sequential(
            nn.Conv2d(inner, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(inplace=True),
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(inplace=True),
            nn.Conv2d(hidden, outer, 1, bias=False),
            nn.BatchNorm2d(outer),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


@shown(
    {
        "features.0.weight": 6,
        "features.1.conv.0.weight": 12,
        "features.1.conv.3.weight": 12,
        "features.2.conv.6.weight": 8,
        "classifier.weight@1": 8,
    }
)
class MobileNetV2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 3, 2, 1), Inverted(6, 6, 1), Inverted(6, 8, 2)
        )
        self.classifier = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean([2, 3]))


class SqueezeConv(nn.Module):
    """Squeeze-excite of 1x1 convolutions, with the hard sigmoid written out."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce, self.expand = (
            nn.Conv2d(width, inner, 1),
            nn.Conv2d(inner, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.expand(functional.relu(self.reduce(self.pool(x)), inplace=True))
        return x * (functional.relu6(y + 3) / 6)


class SqueezeLinear(nn.Module):
    """Squeeze-excite of linear layers, with views there and back."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(width, inner, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(inner, width, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        b, c, _, _ = x.size()
        y = self.avg_pool(x).view(b, c)
        return x * self.fc(y).view(b, c, 1, 1).expand_as(x)


@shown(
    {
        "expand.weight": 12,
        "depth.weight": 12,
        "se.expand.weight": 12,
        "se.reduce.weight": 5,
        "project.weight": 6,
        "stem.weight": 6,
    }
)
class MobileNetV3(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.expand = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 12, 1, bias=False)
        self.norm = nn.BatchNorm2d(12, eps=0.001, momentum=0.01)
        self.depth = nn.Conv2d(12, 12, 5, padding=2, groups=12)
        self.se, self.project = SqueezeConv(12, 5), nn.Conv2d(12, 6, 1)
        self.head = nn.Conv2d(6, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.hardswish(self.stem(x))
        y = functional.hardswish(self.norm(self.expand(x)))
        y = self.project(self.se(self.depth(y)))
        return self.head(x + y).mean((2, 3))


@shown({"a.weight": 8, "se.fc.0.weight": 3, "se.fc.2.weight": 8, "b.weight": 10})
class SqueezeExcite(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.se = nn.Conv2d(3, 8, 3), SqueezeLinear(8, 3)
        self.b, self.c = nn.Conv2d(8, 10, 3), nn.Conv2d(10, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(functional.relu_(self.b(self.se(self.a(x)))))


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Interleave the groups of channels."""
    batch, channels, height, width = x.size()
    x = x.view(batch, groups, channels // groups, height, width)
    x = torch.transpose(x, 1, 2).contiguous()
    return x.view(batch, channels, height, width)


class ShuffleUnit(nn.Module):
    """Half of the channels pass by, the others through a branch; then shuffle."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.branch2 = nn.Sequential(
            nn.Conv2d(half, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, half, 3, 1, 1, groups=half, bias=False),
            nn.BatchNorm2d(half),
            nn.Conv2d(half, half, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        x1, x2 = x.chunk(2, dim=1)
        return channel_shuffle(torch.cat((x1, self.branch2(x2)), dim=1), 2)


@shown(
    {
        "unit.branch2.0.weight": 8,
        "unit.branch2.3.weight": 8,
        "last.weight": 10,
        "stem.weight": 8,
        "unit.branch2.5.weight": 8,
    }
)
class ShuffleNetV2(nn.Module):
    """Both halves of the stem stay of one length."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.unit = nn.Conv2d(3, 16, 3, 2, 1), ShuffleUnit(16)
        self.last, self.fc = nn.Conv2d(16, 10, 1), nn.Linear(10, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.last(self.unit(self.stem(x))))
        return self.fc(x.mean([2, 3]))


@shown({"a.weight": 4, "b.weight": 9})
class ShuffledByView(nn.Module):
    """The groups of a shuffle stay of one length: classes of three channels."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 12, 3), nn.Conv2d(12, 9, 3)
        self.c = nn.Conv2d(9, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.relu(self.b(channel_shuffle(torch.relu(self.a(x)), 3))))


@shown({"a.weight": 4, "b.weight": 9})
class ShuffledByModule(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.shuffle = nn.Conv2d(3, 12, 3), nn.ChannelShuffle(3)
        self.b, self.c = nn.Conv2d(12, 9, 3), nn.Conv2d(9, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.relu(self.b(self.shuffle(torch.relu(self.a(x))))))


@shown({"fc.weight": 10})
class ShuffleNetV1(nn.Module):
    """Grouped convolutions around a shuffle: all groups hang together."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 8, 1, groups=1, bias=False)
        self.b = nn.Conv2d(8, 8, 3, 1, 1, groups=2)
        self.c = nn.Conv2d(8, 8, 1, groups=2)
        self.fc, self.out = nn.Linear(8, 10), nn.Linear(10, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.c(channel_shuffle(torch.relu(self.b(self.a(x))), 2))
        return self.out(torch.relu(self.fc(x.mean((2, 3)))))
