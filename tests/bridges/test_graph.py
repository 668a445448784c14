"""The groups that are found, what is frozen and why, and the cost of it all."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ccsolve_torch as cct
from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.statistics.cost import cost_at

pytestmark = pytest.mark.torch


def test_the_inner_channels_of_blocks_and_chains_are_groups(make, samples) -> None:
    found = {
        name: {
            group: item.size
            for group, item in cct.trace(net, samples[0]).groups.items()
        }
        for name, net in (
            (name, make(name)) for name in ("residual", "plain", "tokens", "fork")
        )
    }
    assert found == {
        "residual": {"first.conv1": 5, "second.conv1": 7},
        "plain": {"0": 6, "2": 8, "7": 9},
        "tokens": {"up": 12},
        "fork": {"stem": 6},
    }


def test_what_cannot_be_removed_is_said_with_the_reason(residual, samples) -> None:
    frozen = cct.trace(residual, samples[0]).frozen
    assert set(frozen) == {"stem", "first.conv2", "second.conv2", "linear"}
    assert "add" in frozen["stem"]
    assert "output" in frozen["linear"]


def test_a_flattened_class_repeats(make, samples) -> None:
    consumer = cct.trace(make("plain"), samples[0]).groups["2"].consumers[0]
    assert consumer.module == "7"
    assert np.array_equal(consumer.classes, np.repeat(np.arange(8), 4))


def test_a_group_may_have_two_readers(make, samples) -> None:
    group = cct.trace(make("fork"), samples[0]).groups["stem"]
    assert [consumer.module for consumer in group.consumers] == ["left", "right"]


def macs_seen_by_hooks(model: nn.Module, x: Tensor) -> int:
    """Count by running: outputs per sample times the length of one filter."""
    total = 0

    def add(module: Any, args: tuple[Tensor, ...], y: Tensor) -> None:
        nonlocal total
        total += y[0].numel() * module.weight[0].numel()

    layers: list[Any] = [
        m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)
    ]
    handles = [layer.register_forward_hook(add) for layer in layers]
    model(x[:1])
    for handle in handles:
        handle.remove()
    return total


def test_the_cost_model_equals_an_independent_count(model, samples) -> None:
    graph = cct.trace(model, samples[0])
    dense = cost_at(graph.operations, {n: g.size for n, g in graph.groups.items()})
    assert dense.macs == macs_seen_by_hooks(model, samples[0])
    assert dense.params == sum(p.numel() for p in model.parameters())
    assert dense == cct.count(model, samples[0])


def test_the_cost_does_not_depend_on_the_batch(residual, samples) -> None:
    assert cct.count(residual, samples[0][:1]) == cct.count(residual, samples[0][:7])


class Chain(nn.Module):
    """Two convolutions with something between them."""

    def __init__(self, between: nn.Module) -> None:
        super().__init__()
        self.a, self.between = nn.Conv2d(3, 4, 3), between
        self.b = nn.Conv2d(4, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.between(self.a(x)))


class Twice(nn.Module):
    """A layer that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.c(x))


class Bare(nn.Module):
    """A layer whose weight is used without calling it."""

    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.conv2d(x, self.c.weight, self.c.bias)


class Half(nn.Module):
    """Half of the channels, by position."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x[:, :2], x[:, 2:]), dim=1)


@pytest.mark.parametrize(
    ("between", "reason"),
    [
        (nn.GroupNorm(2, 4), "group_norm"),
        (nn.Softmax(dim=1), "softmax"),
        (nn.Conv2d(4, 4, 3, groups=2), "2 groups"),
        (nn.ConvTranspose2d(4, 4, 3), "conv_transpose2d"),
        (nn.BatchNorm2d(4, track_running_stats=False), "running statistics"),
        (
            nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 1)),
            "computes its weight",
        ),
        (Twice(), "more than once"),
        (Bare(), "without a call"),
        (Half(), "slice"),
    ],
)
def test_what_is_not_understood_is_frozen_not_guessed(between, reason, samples) -> None:
    with pytest.raises(Unsupported, match="no channel of the model can be removed"):
        cct.trace(nn.Sequential(nn.Conv2d(3, 4, 3), between), samples[0])
    chain = nn.Sequential(
        Chain(between), nn.Conv2d(4, 5, 1), nn.ReLU(), nn.Conv2d(5, 2, 1)
    )
    frozen = cct.trace(chain, samples[0]).frozen
    assert reason in frozen["0.a"]


def test_tied_weights_are_frozen(samples) -> None:
    net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1))
    net[1].weight = net[0].weight
    with pytest.raises(Unsupported, match="shares its weight"):
        cct.trace(net, samples[0])


class Branching(nn.Module):
    """Control flow that depends on the data."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def test_a_model_that_cannot_be_exported_is_refused_in_one_line(samples) -> None:
    with pytest.raises(Unsupported, match="cannot follow this Branching") as caught:
        cct.trace(Branching(), samples[0])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "inputs", [None, [], torch.zeros(0, 3, 8, 8), torch.tensor(1.0)]
)
def test_bad_inputs_are_refused(residual, inputs) -> None:
    with pytest.raises(InvalidProblem, match="inputs"):
        cct.trace(residual, inputs)


def test_a_model_that_is_one_layer_is_named_in_the_refusal() -> None:
    with pytest.raises(Unsupported, match=r"\(the model is an output of the model\)"):
        cct.trace(nn.Linear(3, 4), torch.ones(2, 3))
