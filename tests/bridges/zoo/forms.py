"""Forms of code: bare parameters, shared layers, several inputs and outputs."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.bridges.zoo.case import shown


@shown(
    {
        "first@1": 8,
        "bias": 8,
        "second": 8,
        "second@1": 9,
        "third": 7,
        "third@1": 9,
        "fourth@1": 7,
    },
    shapes=((3,),),
)
class BareParameters(nn.Module):
    """Weights that belong to no layer, on either side of a product."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(3, 8))
        self.bias = nn.Parameter(torch.zeros(8))
        self.second = nn.Parameter(torch.randn(8, 9))
        self.third = nn.Parameter(torch.randn(7, 9))
        self.fourth = nn.Parameter(torch.randn(4, 7))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(x @ self.first + self.bias)
        x = torch.tanh(torch.matmul(x, self.second))
        x = torch.relu(x.mm(self.third.t()))
        return functional.linear(x, self.fourth)


@shown({"a": 8, "b@1": 8, "b": 6, "c@1": 6}, shapes=((5, 3),))
class Einsums(nn.Module):
    """Linear maps spelt as einsum."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (
            nn.Parameter(torch.randn(size)) for size in ((8, 3), (6, 8), (4, 6))
        )

    def forward(self, x: Tensor) -> Tensor:
        x = torch.einsum("bnc,dc->bnd", x, self.a).relu()
        x = torch.einsum("dc,bnc->bdn", self.b, x).tanh()
        return torch.einsum("bdn,ed->bne", x, self.c)


@shown({"stem.weight": 8, "conv.weight": 8, "conv.weight@1": 8, "head.weight": 7})
class CalledTwice(nn.Module):
    """One convolution, twice in a row; its batch norm is called twice too."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, padding=1)
        self.norm, self.head = nn.BatchNorm2d(8), nn.Conv2d(8, 7, 1)
        self.out = nn.Conv2d(7, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for _ in range(2):
            x = x + functional.relu(self.norm(self.conv(x)))
        return self.out(torch.relu(self.head(x)))


@shown(
    {"tower.0.weight": 8, "tower.3.weight": 6, "fc.weight": 9, "fc.weight@1": 6},
    shapes=((3, 8, 8), (3, 8, 8)),
)
class Siamese(nn.Module):
    """One tower for both inputs; their difference and their product are read."""

    def __init__(self) -> None:
        super().__init__()
        self.tower = nn.Sequential(
            nn.Conv2d(3, 8, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 6, 3),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.fc, self.out = nn.Linear(12, 9), nn.Linear(9, 1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        a, b = self.tower(x), self.tower(y)
        both = torch.cat(((a - b).abs(), a * b), dim=-1)
        return self.out(torch.relu(self.fc(both))).squeeze(-1)


@shown({"heads.weight": 9, "stem.weight": 8})
class TiedHeads(nn.Module):
    """Two layers with one weight and two biases."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.heads = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 9, 1)
        self.other = nn.Conv2d(8, 9, 1)
        self.other.weight = self.heads.weight
        self.last = nn.Conv2d(9, 2, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.relu(self.stem(x))
        a, b = torch.relu(self.heads(x)), torch.relu(self.other(x.neg()))
        return self.last(a), self.last(b)


@shown(
    {
        "image.weight": 6,
        "vector.weight": 5,
        "film.weight": 6,
        "join.weight": 9,
        "join.weight@1": 11,
    },
    shapes=((3, 8, 8), (4,)),
)
class TwoInputs(nn.Module):
    """An image and a vector: a scale and shift of channels, then side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.vector = nn.Conv2d(3, 6, 3), nn.Linear(4, 5)
        self.film, self.join = nn.Linear(5, 12), nn.Linear(11, 9)
        self.out = nn.Linear(9, 4)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        x, y = self.image(x), torch.relu(self.vector(y))
        scale, shift = self.film(y)[:, :, None, None].chunk(2, dim=1)
        x = torch.relu(x * (1 + scale) + shift).mean(dim=(2, 3))
        return self.out(torch.relu(self.join(torch.cat((x, y), dim=1))))


class Found(NamedTuple):
    """What a detector gives."""

    scores: Tensor
    boxes: list[Tensor]


@shown({"stem.weight": 8, "body.a.weight": 6, "body.b.weight": 8})
class Named(nn.Module):
    """Layers in a dict, outputs in a named tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.body = nn.ModuleDict({"a": nn.Conv2d(8, 6, 1), "b": nn.Conv2d(6, 8, 1)})
        self.scores, self.boxes = nn.Conv2d(8, 2, 1), nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Found:
        x = y = self.stem(x)
        for layer in self.body.values():
            y = functional.celu(layer(y))
        y = torch.addcmul(y, x, torch.tensor(0.5))
        boxes = self.boxes(y).permute(0, 2, 3, 1).reshape(x.shape[0], -1, 4)
        return Found(self.scores(y), [boxes[..., :2], boxes[..., 2:].exp()])


@shown(
    {"user.weight@1": 8, "item.weight@1": 8, "fc.weight": 7, "fc.weight@1": 8},
    shapes=((), ()),
    vocabulary=9,
)
class Recommender(nn.Module):
    """Two embeddings, multiplied."""

    def __init__(self) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(9, 8), nn.Embedding(9, 8)
        self.fc, self.out = nn.Linear(8, 7), nn.Linear(7, 1)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        x = torch.mul(self.user(user), self.item(item))
        return torch.sigmoid(self.out(torch.relu(self.fc(x))))[:, 0]


@shown({"b.weight": 6, "c.weight": 7, "c.weight@1": 6})
class Unreached(nn.Module):
    """Layers that nobody calls, and a stream whose channels the output shows."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 5, 1), nn.Conv2d(5, 6, 1)
        self.c, self.d = nn.Conv2d(6, 7, 1), nn.Conv2d(7, 5, 1)
        self.unused = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.a(x)
        y = self.d(torch.relu(self.c(torch.relu(self.b(x)))))
        return x, x + y


@shown({"stem.weight": 8, "layers.0.weight": 6, "layers.1.weight": 8})
class Reparametrised(nn.Module):
    """Branches of one width added, one an identity by itself, and a frozen layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.layers = nn.ModuleList([nn.Conv2d(8, 6, 3, padding=1), nn.Conv2d(6, 8, 1)])
        self.skip = nn.BatchNorm2d(8)
        self.head = nn.Conv2d(8, 4, 1).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = sum(f(x) for f in (self.skip, nn.Identity(), lambda z: z.square() * 0.1))
        for layer in self.layers:
            x = layer(functional.mish(x))
        return self.head(functional.relu(torch.sub(x, y)))
