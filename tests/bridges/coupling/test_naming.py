"""Groups have names that statistics can hold, and layers that stay a reason."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import ccsolve_torch as cct
from ccsolve.statistics import Statistics

pytestmark = pytest.mark.torch


class Masked(nn.Module):
    """The root itself runs a convolution whose weight it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 6, 3, padding=1)
        self.m = nn.Parameter(torch.rand(6, 1, 1, 1) + 0.5)
        self.head = nn.Conv2d(6, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.conv2d(x, self.a.weight * self.m, self.a.bias, padding=1)
        return self.head(torch.relu(y)).mean(dim=(2, 3))


class Scaled(nn.Module):
    """The same with a parameter of the root."""

    def __init__(self) -> None:
        super().__init__()
        self.k = nn.Parameter(torch.randn(6, 3, 3, 3))
        self.head = nn.Conv2d(6, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.conv2d(x, self.k * 2)
        return self.head(torch.relu(y)).mean(dim=(2, 3))


class Held(nn.Module):
    """The root's own weight, and it is called as the weights of layers are."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 3, 3, 3))
        self.head = nn.Conv2d(6, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.conv2d(x, self.weight)
        return self.head(torch.relu(y)).mean(dim=(2, 3))


class Slashed(nn.Module):
    """Modules of names that no attribute could have."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(
            {"a/b": nn.Conv2d(3, 6, 3), "c\n%2F": nn.Conv2d(6, 5, 3)}
        )
        self.head = nn.Conv2d(5, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        for part in self.parts.values():
            x = torch.relu(part(x))
        return self.head(x).mean(dim=(2, 3))


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (Masked, ["a"]),
        (Scaled, ["k"]),
        (Held, ["weight"]),
        (Slashed, ["parts.a%2Fb", "parts.c%0A%252F"]),
    ],
)
def test_every_group_has_a_name_for_statistics(make, names, loader, tmp_path) -> None:
    torch.manual_seed(0)
    model, x = make().eval(), loader[0][0]
    assert list(cct.trace(model, x).groups) == names
    stats = cct.collect(model, loader, layers="moments")
    stats.save(tmp_path / "stats.safetensors")
    assert list(Statistics.load(tmp_path / "stats.safetensors").groups) == names
    small: Any = cct.compress(model, loader, params=0.7, timed=False)
    assert small.report.equivalence < 1e-5
    assert all(len(kept) for kept in small.report.kept.values())


def test_a_computed_weight_is_told_of_its_own_layer(loader) -> None:
    parts = [nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 5, 3), nn.ReLU()]
    model = nn.Sequential(*parts, nn.Conv2d(5, 4, 1)).eval()
    nn.utils.parametrizations.weight_norm(model[0])
    graph = cct.trace(model, loader[0][0])
    assert list(graph.groups) == ["2"]
    assert "computes its weight" in graph.frozen["0"]
