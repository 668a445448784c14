"""Gates are told apart by weights: reading two kinds of channels freezes both."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import ccsolve_torch as cct

pytestmark = pytest.mark.torch


class Tied(nn.Module):
    """An autoencoder that decodes with the transposed weight of its encoder."""

    def __init__(self, width: int, decode: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.encoder = nn.Linear(12, 12), nn.Linear(12, width)
        self.decode = decode
        self.after, self.head = nn.Linear(12, 7), nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.encoder(torch.relu(self.first(x))))
        x = torch.relu(self.decode(x, self.encoder.weight))
        return self.head(torch.relu(self.after(x)))


class Parts(nn.Module):
    """Two halves of a weight read two streams."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(12, 6), nn.Linear(12, 6)
        self.weight = nn.Parameter(torch.randn(7, 12))
        self.head = nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        left = functional.linear(torch.relu(self.left(x)), self.weight[:, :6])
        right = functional.linear(torch.relu(self.right(x)), self.weight[:, 6:])
        return self.head(torch.relu(left + right))


@pytest.mark.parametrize("width", [8, 12])
@pytest.mark.parametrize(
    "decode",
    [
        lambda x, w: functional.linear(x, w.t()),
        lambda x, w: x @ w,
        lambda x, w: torch.einsum("nh,hd->nd", x, w),
    ],
)
def test_a_weight_read_along_both_axes_keeps_its_channels(width, decode) -> None:
    torch.manual_seed(0)
    model, x = Tied(width, decode).eval(), torch.randn(9, 12)
    graph = cct.trace(model, x)
    assert list(graph.groups) == ["after"]
    for name in ("first", "encoder"):
        assert "encoder.weight, which reads other channels" in graph.frozen[name]
    statistics = cct.collect(model, [(x, torch.randint(3, (9,)))], curvature="fisher")
    gradient = statistics.groups["after"].gradient
    assert gradient is not None and np.isfinite(gradient).all()


def test_a_weight_read_in_parts_keeps_its_channels() -> None:
    torch.manual_seed(0)
    model, x = Parts().eval(), torch.randn(9, 12)
    graph = cct.trace(model, x)
    assert {name: group.size for name, group in graph.groups.items()} == {"weight": 7}
    for name in ("left", "right"):
        assert "reads other channels in another place" in graph.frozen[name]
    cct.collect(model, [(x, torch.randint(3, (9,)))])


def test_a_layer_called_twice_on_the_same_stream_is_still_cut() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.layer = nn.Linear(12, 8), nn.Linear(8, 8)
            self.head = nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = torch.relu(self.layer(torch.relu(self.stem(x))))
            return self.head(torch.relu(self.layer(x)))

    graph = cct.trace(Twice(), torch.randn(2, 12))
    assert {name: group.size for name, group in graph.groups.items()} == {"stem": 8}
