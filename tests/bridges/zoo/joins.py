"""Channels that are put side by side, and taken apart again."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.bridges.zoo.case import shown


class Dense(nn.Module):
    """Norm, ReLU, convolution; the new channels stand behind the old ones."""

    def __init__(self, inner: int, growth: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inner)
        self.conv = nn.Conv2d(inner, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv(functional.relu(self.norm(x)))], 1)


@shown(
    {
        "stem.weight": 6,
        "one.conv.weight": 4,
        "two.norm.weight": 10,
        "two.conv.weight@1": 10,
        "pool.weight": 7,
        "three.conv.weight": 4,
        "fc.weight@1": 11,
    }
)
class DenseNet(nn.Module):
    """Two dense layers, a transition, one more."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.one, self.two = Dense(6, 4), Dense(10, 4)
        self.pool, self.three = nn.Conv2d(14, 7, 1), Dense(7, 4)
        self.fc = nn.Linear(11, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.avg_pool2d(self.pool(self.two(self.one(self.stem(x)))), 2)
        x = functional.adaptive_max_pool2d(self.three(x), 1)
        return self.fc(torch.squeeze(torch.squeeze(x, 3), 2))


class Twin(nn.Sequential):
    """Two convolutions with ReLU."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__(
            nn.Conv2d(inner, outer, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(outer, outer, 3, padding=1),
            nn.BatchNorm2d(outer),
            nn.ReLU(inplace=True),
        )


@shown(
    {
        "down1.2.weight": 6,
        "down2.2.weight": 8,
        "up.weight@1": 5,
        "join.0.weight@1": 11,
        "join.0.weight": 6,
    }
)
class UNet(nn.Module):
    """Upsampled by a transposed convolution, beside what was skipped."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2 = Twin(3, 6), Twin(6, 8)
        self.up, self.join = nn.ConvTranspose2d(8, 5, 2, stride=2), Twin(11, 6)
        self.out = nn.Conv2d(6, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.down1(x)
        up = self.up(self.down2(functional.max_pool2d(skip, 2)))
        dy, dx = skip.size(2) - up.size(2), skip.size(3) - up.size(3)
        up = functional.pad(up, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return self.out(self.join(torch.cat([skip, up], dim=1)))


@shown({"down1.2.weight": 6, "down2.2.weight": 8, "join.0.weight@1": 14})
class UNetInterpolated(nn.Module):
    """Upsampled by interpolation."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2, self.join = Twin(3, 6), Twin(6, 8), Twin(14, 6)
        self.out = nn.Conv2d(6, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.down1(x)
        y = self.down2(functional.max_pool2d(skip, 2))
        y = functional.interpolate(y, size=skip.shape[-2:], mode="bilinear")
        y = self.join(torch.cat((y, skip), dim=1))
        y = functional.interpolate(y, scale_factor=2.0, mode="nearest")
        return self.out(functional.avg_pool2d(y, 2))


class Bottleneck(nn.Module):
    """Two convolutions and a sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cv1 = nn.Conv2d(width, width, 3, 1, 1)
        self.cv2 = nn.Conv2d(width, width, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.cv2(functional.silu(self.cv1(x)))


class Partial(nn.Module):
    """Halves of a convolution, bottlenecks on the last, everything side by side."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c = width
        self.cv1, self.cv2 = nn.Conv2d(6, 2 * width, 1), nn.Conv2d(4 * width, 6, 1)
        self.m = nn.ModuleList(Bottleneck(width) for _ in range(2))

    def parts(self, y: Tensor) -> list[Tensor]:
        return list(y.chunk(2, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.parts(functional.silu(self.cv1(x)))
        y.extend(m(y[-1]) for m in self.m)
        return self.cv2(torch.cat(y, 1))


class PartialSplit(Partial):
    """The same with the lengths of the parts in an attribute."""

    def parts(self, y: Tensor) -> list[Tensor]:
        return list(y.split((self.c, self.c), 1))


class PartialNet(nn.Module):
    """A stem, the block, a head."""

    def __init__(self, block: type[Partial]) -> None:
        super().__init__()
        self.stem, self.c2f = nn.Conv2d(3, 6, 3, 2, 1), block(8)
        self.head = nn.Conv2d(6, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(functional.silu(self.c2f(self.stem(x)), inplace=True))


C2F = {
    "stem.weight": 6,
    "c2f.cv1.weight": 8,
    "c2f.cv2.weight": 6,
    "c2f.m.0.cv1.weight": 8,
    "c2f.m.1.cv2.weight": 8,
    "c2f.cv2.weight@1": 8,
}


@shown(C2F)
class YoloChunk(PartialNet):
    def __init__(self) -> None:
        super().__init__(Partial)


# A split by written lengths needs no equal halves: its parts are free of each other.
@shown(
    {
        "stem.weight": 6,
        "c2f.cv1.weight@1": 6,
        "c2f.m.0.cv1.weight": 8,
        "c2f.m.1.cv1.weight": 8,
        "c2f.cv2.weight": 6,
    }
)
class YoloSplit(PartialNet):
    def __init__(self) -> None:
        super().__init__(PartialSplit)


@shown(
    {
        "a.weight": 6,
        "b.weight": 5,
        "c.weight": 7,
        "d.weight@1": 24,
        "stem.weight": 6,
        "d.weight": 8,
    }
)
class Inception(nn.Module):
    """Branches of unlike widths and pooled channels; then pooled again."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.a = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 1)
        self.b, self.c = nn.Conv2d(6, 5, 3, padding=1), nn.Conv2d(6, 7, 5, padding=2)
        self.d, self.e = nn.Conv2d(24, 8, 1), nn.Conv2d(16, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        pooled = functional.max_pool2d(x, 3, 1, 1)
        x = self.d(torch.concat((self.a(x), self.b(x), pooled, self.c(x)), dim=-3))
        return self.e(torch.hstack((x, functional.max_pool2d(x, 5, 1, 2))))


@shown({"a.weight": 6, "b.weight": 10, "a.bias": 6})
class GatedConv(nn.Module):
    """Gated units over channels: by chunk and by the function."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 12, 3), nn.Conv2d(6, 20, 3)
        self.c = nn.Conv2d(10, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.a(x).chunk(2, dim=1)
        return self.c(functional.glu(self.b(value * gate.sigmoid()), dim=1))


@shown(
    {"up.weight": 10, "gate.weight": 8, "fused.weight": 8, "stem.weight": 6},
    shapes=((5, 3),),
)
class GatedLinear(nn.Module):
    """Gated units on tokens: two layers, and one layer taken apart."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.up = nn.Linear(3, 6), nn.Linear(6, 20)
        self.down, self.gate, self.value = (
            nn.Linear(10, 6),
            nn.Linear(6, 8, bias=False),
            nn.Linear(6, 8, bias=False),
        )
        self.back, self.fused = nn.Linear(8, 6), nn.Linear(6, 16)
        self.out = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        a, b = self.up(x).chunk(2, -1)
        x = x + self.down(functional.gelu(a) * b)
        x = x + self.back(functional.silu(self.gate(x)) * self.value(x))
        a, b = torch.tensor_split(self.fused(x), 2, dim=-1)
        return self.out(a * torch.tanh(b))


@shown({"a.weight": 16, "b.weight": 5, "c.weight": 9})
class Sliced(nn.Module):
    """A part of the channels is picked by number: each part has its own length."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 16, 3), nn.Conv2d(8, 5, 1)
        self.c, self.d = nn.Conv2d(13, 9, 1), nn.Conv2d(9, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.a(x))
        x = torch.cat((self.b(x[:, :8]), x[:, 8:]), dim=1)
        return self.d(torch.relu(self.c(x)))


@shown({"a.weight": 5, "b.weight": 6}, shapes=((3,),))
class Maxout(nn.Module):
    """The larger of two neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(3, 10), nn.Linear(5, 12), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x).view(x.shape[0], -1, 2).max(dim=-1).values
        x = torch.amax(self.b(x).unflatten(1, (6, 2)), 2)
        return self.c(x)


@shown({"c1.weight": 6, "c2.weight": 8, "l1.weight": 5, "smooth.weight": 5})
class Pyramid(nn.Module):
    """Levels added from the top down; several outputs, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(3, 6, 3, 1, 1), nn.Conv2d(6, 8, 3, 2, 1)
        self.l1, self.l2 = nn.Conv2d(6, 5, 1), nn.Conv2d(8, 5, 1)
        self.smooth = nn.Conv2d(5, 5, 3, padding=1)
        self.boxes, self.scores = nn.Conv2d(5, 4, 1), nn.Conv2d(5, 2, 1)

    def forward(self, x: Tensor) -> dict[str, object]:
        x1 = functional.relu(self.c1(x))
        p2 = self.l2(functional.relu(self.c2(x1)))
        p1 = self.l1(x1) + functional.interpolate(p2, scale_factor=2)
        levels = [functional.relu(self.smooth(p)) for p in (p1, p2)]
        scores = tuple(self.scores(level) for level in levels)
        return {"boxes": [self.boxes(level) for level in levels], "scores": scores}
