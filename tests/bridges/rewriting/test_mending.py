"""Code that fixes a width: the innermost module is given other numbers, or retraced."""

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import ccsolve_torch as cct
from ccsolve_torch.rewriting.retracing import Retraced
from ccsolve_torch.surgery import checked_keep, equivalence, remove_channels

pytestmark = pytest.mark.torch


class LeNet(nn.Module):
    """A literal view between convolutions and linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 10, 3)
        self.c, self.d = nn.Linear(160, 9), nn.Linear(9, 4)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.b(functional.relu(self.a(x))))
        return self.d(self.drop(functional.relu(self.c(x.view(-1, 160)))))


class Attention(nn.Module):
    """Heads by an attribute, their width computed from the input's."""

    def __init__(self) -> None:
        super().__init__()
        self.heads, self.scale = 3, 0.5
        self.qkv, self.proj = nn.Linear(12, 36), nn.Linear(12, 12)

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        qkv = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        shares = (q @ k.transpose(-2, -1) * self.scale).softmax(-1)
        return self.proj((shares @ v).transpose(1, 2).reshape(b, n, c))


class Vision(nn.Module):
    """Two blocks of attention on a residual stream."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Conv2d(3, 12, 2, stride=2), nn.Linear(12, 4)
        self.blocks = nn.ModuleList([Attention(), Attention()])

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2)
        for block in self.blocks:
            x = x + block(x)
        return self.head(x.mean(dim=1))


class Merged(Attention):
    """Heads and samples on one axis."""

    def forward(self, x: Tensor) -> Tensor:
        b, n, _ = x.shape
        q, k, v = (
            part.reshape(b, n, self.heads, -1).transpose(1, 2).reshape(b * 3, n, 4)
            for part in self.qkv(x).chunk(3, dim=-1)
        )
        y = (q @ k.transpose(1, 2) * self.scale).softmax(-1) @ v
        return self.proj(y.reshape(b, 3, n, 4).transpose(1, 2).flatten(2))


class Numbered(nn.Module):
    """Numbers in attributes of the module's own: a list of widths, a product."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 3), nn.Linear(288, 4)
        self.widths, self.flat, self.other = [5, 3], 288, (8, "x")

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.conv(x).split(self.widths, dim=1)
        return self.fc(torch.cat((b.relu(), a.tanh()), dim=1).reshape(-1, self.flat))


class Swapped(nn.Module):
    """Halves by number: with fewer channels it runs on, and does another thing."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        return self.b(torch.cat((y[:, 4:], y[:, :4]), dim=1)).mean(dim=(2, 3))


class Gated(nn.Module):
    """A literal split into value and gate, twice by the same module."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.gate, self.head = nn.Linear(3, 5), Gate(), nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x.flatten(2).transpose(1, 2))
        return self.head(self.gate(self.gate(x)).mean(dim=1))


class Gate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(5, 12), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = torch.split(self.up(x), [6, 6], dim=-1)
        return self.down(value * gate.sigmoid())


class Counting(nn.Module):
    """Widths in arithmetic: a root, a number of entries, an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 10, 1)
        self.c = nn.Conv2d(10, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.a(x))
        x = functional.relu(self.b(x / math.sqrt(x.shape[1])))
        x = x * self.b.out_channels / x[0].numel()
        x[:, ::2] = 2 * x[:, ::2]
        return self.c(x)


def on_top(inner: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """Put a flat picture's layers around a module on tokens."""
    return lambda: nn.Sequential(
        nn.Flatten(2), nn.Linear(64, 12), inner(), nn.Linear(12, 4), nn.Flatten()
    )


# The net, and the modules that are retraced.
NETS: dict[str, tuple[Callable[[], nn.Module], set[str]]] = {
    "view": (LeNet, {""}),
    "view within": (lambda: nn.Sequential(LeNet(), nn.Linear(4, 3)), {"0"}),
    "attention": (Vision, {"blocks.0", "blocks.1"}),
    "merged": (on_top(Merged), {"2"}),
    "numbers": (Numbered, set()),
    "swap": (Swapped, {""}),
    "gate": (Gated, {"gate"}),
    "counting": (Counting, {""}),
    "unflatten": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.Unflatten(1, (8, 1)), nn.Flatten(), nn.Linear(288, 4)
        ),
        set(),
    ),
}


def keeping(graph: cct.Graph, count: Callable[[int], int]) -> Any:
    rng = np.random.default_rng(0)
    return checked_keep(
        graph,
        {
            name: np.sort(rng.choice(group.size, count(group.size), replace=False))
            for name, group in graph.groups.items()
        },
    )


@pytest.fixture(params=NETS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def cut(
    name: str, x: Tensor, count: Callable[[int], int] = lambda n: max(1, n // 2)
) -> tuple[nn.Module, Any, cct.Graph, Any]:
    torch.manual_seed(0)
    model = NETS[name][0]().eval()
    graph = cct.trace(model, x)
    keep = keeping(graph, count)
    return model, remove_channels(model, graph, keep), graph, keep


@pytest.fixture
def x() -> Tensor:
    return torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def test_what_remains_is_the_model_with_closed_gates(name, x) -> None:
    model, small, graph, keep = cut(name, x)
    assert graph.coverage > 0.5
    for samples in (x, x[:1], x.repeat(2, 1, 1, 1)):
        assert equivalence(model, small, graph, keep, samples) < 1e-4
    changed = {n for n, part in small.named_modules() if isinstance(part, Retraced)}
    assert changed == NETS[name][1]
    assert list(small.state_dict()) == list(model.state_dict())


def test_one_of_each_may_remain(name, x) -> None:
    model, small, graph, keep = cut(name, x, lambda n: 1)
    assert equivalence(model, small, graph, keep, x) < 1e-4


def test_a_mended_model_is_cut_again(name, x) -> None:
    _, small, _, _ = cut(name, x, lambda n: max(1, n - 1))
    graph = cct.trace(small, x)
    keep = keeping(graph, lambda n: max(1, n // 2))
    smaller = remove_channels(small, graph, keep)
    assert equivalence(small, smaller, graph, keep, x) < 1e-4


def test_numbers_are_written_where_the_code_keeps_them(x) -> None:
    model, small, _, keep = cut("numbers", x)
    kept = keep["conv"]
    assert small.widths == [(kept < 5).sum(), (kept >= 5).sum()]
    assert small.flat == 36 * len(kept) and small.other == (8, "x")
    assert type(small) is type(model)


def test_attention_takes_other_lengths_afterwards(x) -> None:
    model, small, graph, keep = cut("attention", x)
    longer = torch.randn(2, 3, 12, 10)
    assert equivalence(model, small, graph, keep, longer) < 1e-4


def test_a_mended_model_is_trained_copied_and_exported(x) -> None:
    for name in ("view", "attention"):
        _, small, _, _ = cut(name, x)
        twin = copy.deepcopy(small)
        small.train()(x).sum().backward()
        assert all(p.grad is not None for p in small.parameters())
        small.eval()
        batch = torch.export.Dim("batch", min=2)
        program = torch.export.export(small, (x,), dynamic_shapes={"x": {0: batch}})
        many = x.repeat(4, 1, 1, 1)
        torch.testing.assert_close(program.module()(many), small(many))
        torch.testing.assert_close(twin(x), small(x))
