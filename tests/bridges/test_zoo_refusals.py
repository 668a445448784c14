"""What mixes channels is refused by name and line, and nothing is guessed."""

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

import ccsolve_torch as cct
from ccsolve_torch.surgery import checked_keep, equivalence, remove_channels
from tests.bridges.zoo import randomised

pytestmark = [
    pytest.mark.torch,
    # torch.export says so of the flat weights of its own recurrent modules.
    pytest.mark.filterwarnings("ignore:The tensor attributes self:UserWarning"),
]

CHANNELS = 8


@torch.library.custom_op("ccsolve_zoo::turned", mutates_args=())
def turned(x: Tensor) -> Tensor:
    """Reverse and add the channels: an operator that no tracer can know."""
    return x + x.flip(1)


@turned.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


class Between(nn.Module):
    """A convolution of 8 channels, something, and a chain that can be cut."""

    def __init__(self, middle: Callable[[Tensor], Tensor], width: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, CHANNELS, 3, padding=1)
        self.between = middle if isinstance(middle, nn.Module) else Function(middle)
        self.b = nn.Conv2d(width, 6, 1)
        self.c = nn.Conv2d(6, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.relu(self.b(self.between(self.a(x)))))


class Function(nn.Module):
    """A function as a module, so that a refusal can name where it stands."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Gram(nn.Module):
    """The products of all pairs of channels, as channels."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("bihw,bjhw->bij", x, x).flatten(1)[:, :, None, None]


class Efficient(nn.Module):
    """A convolution along the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = x.mean((2, 3)).unsqueeze(1)
        return x * torch.sigmoid(self.conv(y)).transpose(1, 2).unsqueeze(-1)


class Permuted(nn.Module):
    """Channels in an order that a buffer holds."""

    order: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("order", torch.randperm(CHANNELS))

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.order]


class Masked(nn.Module):
    """A convolution whose weight is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(CHANNELS, CHANNELS, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.weight - self.weight.mean(0, keepdim=True))


class OverChannels(nn.Module):
    """A recurrence that takes channels for time."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(64, 64, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.rnn(x.flatten(2))[0].view_as(x)


# name -> what stands between, how many channels it gives, the operator a refusal names
UNKNOWN: dict[str, tuple[Callable[[Tensor], Tensor], int, str]] = {
    "own operator": (lambda x: turned(x), CHANNELS, "turned"),
    "fourier": (lambda x: torch.fft.fft(x, dim=1).real, CHANNELS, "fft"),
    "sort": (lambda x: torch.sort(x, dim=1).values, CHANNELS, "sort"),
    "running sum": (lambda x: x.cumsum(1), CHANNELS, "cumsum"),
    "gram": (Gram(), CHANNELS**2, "einsum|bmm|matmul|flatten|view|reshape"),
    "largest": (lambda x: x.topk(3, dim=1).values, 3, "topk"),
    "softmax": (lambda x: x.softmax(1), CHANNELS, "softmax"),
    "along channels": (Efficient(), CHANNELS, "conv1d"),
    "channels as time": (OverChannels(), CHANNELS, "gru"),
    "neighbours": (
        lambda x: functional.avg_pool1d(x.flatten(2).mT, 2).mT.unflatten(-1, (8, 8)),
        CHANNELS // 2,
        "avg_pool1d",
    ),
    "distances": (
        lambda x: torch.cdist(x.flatten(2), x.flatten(2)).unsqueeze(-1),
        CHANNELS,
        "cdist",
    ),
    "local norm": (nn.LocalResponseNorm(3), CHANNELS, r"\w+"),
}

# Some of these may be followed, and then must be followed rightly.
HARD: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "flip": (lambda x: x.flip(1), CHANNELS),
    "roll": (lambda x: x.roll(1, 1), CHANNELS),
    "difference": (lambda x: x[:, 1:] - x[:, :-1], CHANNELS - 1),
    "every other": (lambda x: x[:, ::2], CHANNELS // 2),
    "picked": (lambda x: x[:, 5:6] * x, CHANNELS),
    "permuted": (Permuted(), CHANNELS),
    "mean of channels": (lambda x: x - x.mean(1, keepdim=True), CHANNELS),
    "largest channel": (lambda x: x - x.amax(1, keepdim=True), CHANNELS),
    "unit length": (lambda x: functional.normalize(x, dim=1), CHANNELS),
    "sum of channels": (lambda x: x * x.sum(1, keepdim=True), CHANNELS),
    "variance": (lambda x: x / x.std(1, keepdim=True), CHANNELS),
    "computed weight": (Masked(), CHANNELS),
    "weight norm": (
        parametrizations.weight_norm(nn.Conv2d(CHANNELS, CHANNELS, 1)),
        CHANNELS,
    ),
    "channels into batch": (
        lambda x: functional.avg_pool2d(x.view(-1, 1, 8, 8), 3, 1, 1).view(-1, 8, 8, 8),
        CHANNELS,
    ),
    "pairs normed": (
        lambda x: functional.layer_norm(x.unflatten(1, (4, 2)), (2, 8, 8)).flatten(
            1, 2
        ),
        CHANNELS,
    ),
    "channels as depth": (
        lambda x: functional.max_pool3d(x[:, None], (2, 1, 1))[:, 0],
        CHANNELS // 2,
    ),
    "rows as channels": (
        lambda x: x.transpose(1, 2) * torch.arange(1.0, 9.0)[:, None, None],
        CHANNELS,
    ),
    "square in place": (lambda x: x.clone().mul_(x).sub_(x), CHANNELS),
    "written into": (
        lambda x: torch.zeros_like(x).index_copy_(1, torch.arange(8).flip(0), x),
        CHANNELS,
    ),
    "half overwritten": (
        lambda x: torch.cat((x[:, :4] * 0 + 1, x[:, 4:]), 1),
        CHANNELS,
    ),
    "added constants": (lambda x: x + torch.arange(8.0).view(8, 1, 1), CHANNELS),
    "masked fill": (
        lambda x: x.masked_fill(torch.arange(8).view(8, 1, 1) < 3, 0.5),
        CHANNELS,
    ),
    "constant tensor": (lambda x: torch.cat((x, torch.ones_like(x[:, :2])), 1), 10),
    "exponential": (lambda x: x.exp(), CHANNELS),
    "logits of pairs": (
        lambda x: x.unflatten(1, (2, 4)).softmax(1).flatten(1, 2),
        CHANNELS,
    ),
}

IMAGES = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def built(middle: Callable[[Tensor], Tensor], width: int) -> nn.Module:
    torch.manual_seed(1)
    return randomised(Between(middle, width)).eval()


def holders(graph: cct.Graph, tensor: str) -> list[str]:
    return [
        name
        for name, group in graph.groups.items()
        if any(slot.tensor == tensor for slot in group.slots)
    ]


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_operators_freeze_with_name_module_and_line(name: str) -> None:
    middle, width, operator = UNKNOWN[name]
    model = built(middle, width)
    graph = cct.trace(model, IMAGES)
    assert not [
        g for g in holders(graph, "a.weight") if not graph.groups[g].approximate
    ]
    if not holders(graph, "a.weight"):
        reason = graph.frozen["a"]
        assert re.search(rf"({operator}).* in between.*\(\w+\.py:\d+\)", reason), reason
    check(model, graph)


@pytest.mark.parametrize("name", HARD)
def test_what_is_followed_is_followed_rightly(name: str) -> None:
    model = built(*HARD[name])
    graph = cct.trace(model, IMAGES)
    held = holders(graph, "a.weight")
    told = held or re.search(r"\w+\.py:\d+|an output", graph.frozen["a"])
    assert told, graph.frozen
    check(model, graph)


def check(model: nn.Module, graph: cct.Graph) -> None:
    """The chain behind can be cut, and every group alone is masked as it is cut."""
    assert "b" in graph.groups or holders(graph, "b.weight")
    rng = np.random.default_rng(0)
    for name, group in graph.groups.items():
        kept = np.sort(rng.choice(group.size, max(1, group.size // 2), replace=False))
        keep = checked_keep(graph, {name: kept})
        small = remove_channels(model, graph, keep)
        distance = equivalence(model, small, graph, keep, IMAGES)
        assert distance <= (np.inf if group.approximate else 1e-4), name
