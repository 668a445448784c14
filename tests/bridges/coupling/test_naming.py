"""Groups have names that statistics can hold, and what stays has a reason."""

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


class Biased(nn.Module):
    """A bias that layers compute from a table, and a token that samples share."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(64, 2))
        self.token = nn.Parameter(torch.randn(1, 1, 3))
        self.deep, self.flat = nn.Linear(2, 8), nn.Linear(8, 3)
        self.up, self.down = nn.Linear(3, 9), nn.Linear(9, 3)
        self.head = nn.Linear(3, 6)
        self.last = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        bias = self.flat(torch.relu(self.deep(self.table)))
        x = x.flatten(2).transpose(1, 2) + bias
        tokens = self.token.expand(len(x), -1, -1)
        tokens = self.down(torch.relu(self.up(tokens)))
        x = torch.cat([tokens, x], dim=1)
        return self.last(torch.relu(self.head(x)).mean(dim=1))


def test_what_is_the_same_for_all_samples_stays(loader) -> None:
    torch.manual_seed(0)
    model, x = Biased().eval(), loader[0][0]
    graph = cct.trace(model, x)
    assert list(graph.groups) == ["up", "head"]
    assert "alike for all samples" in graph.frozen["deep"]
    stats = cct.collect(model, loader, layers="moments")
    assert list(stats.groups) == ["up", "head"]
    # What is computed once costs nothing per sample, as it is and as a chain.
    assert set(stats.meta["runs"]).isdisjoint({"deep", "flat"})
    small: Any = cct.compress(model, loader, macs=0.6, timed=False)
    assert small.head.out_features < 6
