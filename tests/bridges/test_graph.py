"""The groups that are found, what is frozen and why, what is declared, the cost."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ccsolve_torch as cct
from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.statistics.cost import cost_at

pytestmark = pytest.mark.torch


def test_blocks_chains_and_streams_are_groups(make, samples) -> None:
    found = {
        name: {
            group: item.size
            for group, item in cct.trace(make(name), samples[0]).groups.items()
        }
        for name in ("residual", "plain", "tokens", "fork", "tapped")
    }
    assert found == {
        "residual": {"stem": 6, "first.conv1": 5, "second.conv1": 7},
        "plain": {"0": 6, "2": 8, "7": 9},
        "tokens": {"up": 12},
        "fork": {"stem": 6},
        "tapped": {"stem": 6, "conv1": 7},
    }


def test_what_cannot_be_removed_is_said_with_the_reason(make, samples) -> None:
    frozen = cct.trace(make("tokens"), samples[0]).frozen
    assert set(frozen) == {"down", "head"}
    assert "read by add (conftest.py:" in frozen["down"]
    assert "output" in frozen["head"]


def test_every_entry_of_a_slot_is_a_class_or_stays(model, samples) -> None:
    graph = cct.trace(model, samples[0])
    shapes = {n: t.shape for n, t in model.state_dict().items()}
    for group in graph.groups.values():
        for slot in group.slots:
            assert slot.classes.shape == (shapes[slot.tensor][slot.axis],)
            counts = np.bincount(slot.classes[slot.classes >= 0], minlength=group.size)
            # Alike classes: cost depends on how many are kept alone.
            assert len(set(counts)) == 1
            assert counts[0] > 0


def test_a_flattened_class_repeats(make, samples) -> None:
    read = cct.trace(make("plain"), samples[0]).groups["2"].reads[0]
    assert read.weight == "7.weight"
    assert np.array_equal(read.classes, np.repeat(np.arange(8), 4))


def test_a_group_may_have_two_readers(make, samples) -> None:
    group = cct.trace(make("fork"), samples[0]).groups["stem"]
    assert [read.weight for read in group.reads] == ["left.weight", "right.weight"]


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


class Constants(nn.Module):
    """Layers read a table of that many rows, and a token that each sample has."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(rows, 6))
        self.token = nn.Parameter(torch.randn(1, 1, 6))
        self.a, self.b = nn.Linear(6, 5), nn.Linear(6, 5)
        self.head = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = torch.relu(self.b(self.token.expand(len(x), -1, -1)))
        return self.head(x + torch.relu(self.a(self.table)).mean(0) + tokens.mean(1))


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_constants_count_nothing_and_what_each_sample_holds_does(rows) -> None:
    for samples in (1, 2, 3, 4):
        cost = cct.count(Constants(rows), torch.ones(samples, 5))
        assert cost.macs == 6 * 5 + 5 * 3


class Single(nn.Module):
    """Takes one sample alone."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.relu(self.a(x.reshape(1, 6))))


def test_a_model_of_single_samples_is_traced_with_one() -> None:
    graph = cct.trace(Single(), torch.ones(1, 6))
    assert {name: group.size for name, group in graph.groups.items()} == {"a": 5}


class Attention(nn.Module):
    """One product of activations: 5 by 5 scores of 4 numbers, 5 values of 4."""

    def forward(self, x: Tensor) -> Tensor:
        return (x @ x.transpose(1, 2)) @ x


def test_products_of_activations_are_counted() -> None:
    cost = cct.count(Attention(), torch.ones(3, 5, 4))
    assert cost.macs == 5 * 5 * 4 + 5 * 5 * 4


class Chain(nn.Module):
    """Two convolutions with something between them."""

    def __init__(self, between: nn.Module) -> None:
        super().__init__()
        self.a, self.between = nn.Conv2d(3, 4, 3), between
        self.b, self.c = nn.Conv2d(4, 5, 3), nn.Conv2d(5, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.b(self.between(self.a(x))))


class Spectrum(nn.Module):
    """An operator without a rule."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.fft(x, dim=1).real


class Largest(nn.Module):
    """The channels in another order for every sample."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sort(dim=1).values


class Weighted(nn.Module):
    """A constant of the code for every channel."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.arange(1.0, 5.0).reshape(1, 4, 1, 1)


class Chosen(nn.Module):
    """Channels by number."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([x[:, i] for i in range(4)], dim=1)


@pytest.mark.parametrize(
    ("between", "reason"),
    [
        (nn.Softmax(dim=1), "softmax in between .*mixes channels"),
        (Spectrum(), "fft_fft in between .*no rule"),
        (Largest(), "sort in between .*mixes channels"),
        (Weighted(), "mul in between .*fixed length"),
        (Chosen(), "select in between .*picks entries by number"),
        (
            nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 1)),
            "computes its weight",
        ),
    ],
)
def test_what_is_not_understood_is_frozen_not_guessed(between, reason, samples) -> None:
    graph = cct.trace(Chain(between), samples[0])
    assert "b" in graph.groups
    assert "a" not in graph.groups
    assert re.search(reason, graph.frozen["a"])


def test_the_line_of_the_code_is_named(samples) -> None:
    assert "test_graph.py:" in cct.trace(Chain(Spectrum()), samples[0]).frozen["a"]


def test_modules_that_are_declared_to_stay_do(residual, samples) -> None:
    graph = cct.trace(
        residual, samples[0], declared=cct.Declared(ignore=("first", "stem"))
    )
    assert list(graph.groups) == ["second.conv1"]
    assert graph.frozen["first.conv1"] == "is declared to stay"


def test_entries_that_are_declared_to_stay_do(residual, samples) -> None:
    declared = cct.Declared(keep={"first.conv1.weight": (0, 3)})
    graph = cct.trace(residual, samples[0], declared=declared)
    group = graph.groups["first.conv1"]
    slot = next(s for s in group.slots if s.tensor == "first.bn1.weight")
    assert slot.classes.tolist() == [-1, 0, 1, -1, 2]
    assert graph.frozen["first.conv1"] == "2 of 5 channels: is declared to stay"
    dense = cost_at(graph.operations, {n: g.size for n, g in graph.groups.items()})
    assert dense == cct.count(residual, samples[0])


def test_what_is_declared_to_go_together_is_one_group(make, samples) -> None:
    declared = cct.Declared(tie=[("0.weight", "7.weight")])
    with pytest.raises(InvalidProblem, match=r"6 entries.*9; expected equal"):
        cct.trace(make("plain"), samples[0], declared=declared)
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.Linear(4, 2))
    tied = cct.Declared(tie=[("0.weight", "2.weight")])
    graph = cct.trace(net, torch.ones(2, 3), declared=tied)
    assert list(graph.groups) == ["0"]
    assert graph.groups["0"].size == 4


@pytest.mark.parametrize(
    "declared",
    [
        cct.Declared(ignore=("third",)),
        cct.Declared(keep={"third.weight": (0,)}),
        cct.Declared(keep={"first.conv1.weight": (5,)}),
        cct.Declared(tie=[("first.conv1.weight", "third")]),
    ],
)
def test_what_is_declared_of_nothing_is_refused(residual, samples, declared) -> None:
    with pytest.raises(InvalidProblem, match="declared: "):
        cct.trace(residual, samples[0], declared=declared)


def test_the_graph_prints_its_groups_and_times(residual, samples) -> None:
    text = str(cct.trace(residual, samples[0]))
    assert "first.conv1: 5 classes" in text
    assert "linear stays: is an output of the model" in text
    assert "% of the parameters removable; export" in text


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
    with pytest.raises(Unsupported, match="is an output of the model"):
        cct.trace(nn.Linear(3, 4), torch.ones(2, 3))
