"""Every structure of the zoo loses channels, and nothing else changes by it."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import ccsolve_torch as cct
from ccsolve.statistics.cost import cost_at
from ccsolve_torch.surgery import equivalence, remove_channels
from tests.bridges.zoo import CASES
from tests.bridges.zoo.cutting import (
    TOLERANCE,
    cut_half,
    every,
    exact_groups,
    few,
    named,
    networks,
    random_half,
    tensors,
    traced,
)

pytestmark = [
    pytest.mark.torch,
    # torch.export says so of the flat weights of its own recurrent modules.
    pytest.mark.filterwarnings("ignore:The tensor attributes self:UserWarning"),
]


def axis_of(key: str) -> tuple[str, int]:
    tensor, _, axis = key.partition("@")
    return tensor, int(axis or 0)


def standing(name: str, key: str) -> dict[str, NDArray[np.int64]]:
    """Give the classes on an axis, group by group; a tied tensor has several names."""
    model, graph = traced(name)
    tensor, axis = axis_of(key)
    every = named(model)
    return {
        group: slot.classes
        for group, item in graph.groups.items()
        for slot in item.slots
        if every[slot.tensor] is every[tensor] and slot.axis == axis
    }


# --- what is found -----------------------------------------------------------------


@every
def test_the_structure_loses_its_channels(name: str) -> None:
    graph = traced(name)[1]
    for key, wanted in CASES[name].cut.items():
        found = standing(name, key)
        covered = sum(int((classes >= 0).sum()) for classes in found.values())
        count = sum(len(np.unique(c[c >= 0])) for c in found.values())
        tensor, axis = axis_of(key)
        length = named(traced(name)[0])[tensor].shape[axis]
        assert (count, covered) == (
            wanted if isinstance(wanted, tuple) else (wanted, length)
        ), (key, graph.frozen)


@every
def test_groups_are_approximate_by_nature_and_only_those(name: str) -> None:
    graph = traced(name)[1]
    declared = {
        group for key in CASES[name].approximate for group in standing(name, key)
    }
    flagged = {group: item.approximate for group, item in graph.groups.items()}
    assert {group for group, why in flagged.items() if why} == declared, flagged


@every
def test_a_class_stands_in_its_axes_as_often_as_its_neighbours(name: str) -> None:
    """Cost depends on how many classes are kept, not on which."""
    for group in traced(name)[1].groups.values():
        assert group.slots and group.reads
        for slot in group.slots:
            times = np.bincount(slot.classes[slot.classes >= 0], minlength=group.size)
            assert (times == times[0]).all() and times[0] > 0


# --- what is cut -------------------------------------------------------------------


@every
def test_half_of_everything_goes(name: str) -> None:
    assert_removing_is_masking(name, 1)


@networks(())
def test_another_half_of_everything_goes(name: str) -> None:
    assert_removing_is_masking(name, 2)


def assert_removing_is_masking(name: str, seed: int) -> None:
    """Compare with closed gates; at another batch size than the one traced."""
    model, graph = traced(name)
    x = CASES[name].inputs(3, seed)
    small, keep = cut_half(name, seed)
    distance = equivalence(model, small, graph, keep, x)
    if len(exact_groups(graph)) == len(graph.groups):
        assert distance <= TOLERANCE
        return
    assert np.isfinite(distance)
    keep = random_half(graph, seed, exact_groups(graph))
    small = remove_channels(model, graph, keep)
    assert equivalence(model, small, graph, keep, x) <= TOLERANCE


@few
def test_every_group_goes_alone(name: str) -> None:
    model, graph = traced(name)
    x = CASES[name].inputs(3)
    for group, item in graph.groups.items():
        keep = random_half(graph, 3, [group])
        small = remove_channels(model, graph, keep)
        distance = equivalence(model, small, graph, keep, x)
        assert distance <= (np.inf if item.approximate else TOLERANCE), group


def products_run(model: nn.Module, inputs: tuple[Tensor, ...]) -> float:
    """Give multiply-accumulates per sample as torch counts those that it runs."""
    fused = torch.backends.mkldnn.flags(enabled=False)
    with fused, sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as flops:
        model(*inputs)
    return flops.get_total_flops() / 2 / len(inputs[0])


# torch says of every change of oneDNN's flags that this machine has no Intel GPU.
@pytest.mark.filterwarnings("ignore:TF32 acceleration:UserWarning")
@every
def test_the_cost_model_foretells_the_smaller_network(name: str) -> None:
    graph = traced(name)[1]
    small, keep = cut_half(name, 1)
    told = cost_at(graph.operations, {group: len(k) for group, k in keep.items()})
    assert told.params == sum(p.numel() for p in small.parameters())
    assert told.macs == products_run(small, CASES[name].inputs(2))


@networks(())
def test_the_smaller_network_is_counted_and_cut_again(name: str) -> None:
    graph = traced(name)[1]
    small, keep = cut_half(name, 1)
    x = CASES[name].inputs(2)
    told = cost_at(graph.operations, {group: len(k) for group, k in keep.items()})
    assert told == cct.count(small, x)
    again = cct.trace(small, x)
    kept = random_half(again, 1, exact_groups(again))
    smaller = remove_channels(small, again, kept)
    assert equivalence(small, smaller, again, kept, x) <= TOLERANCE


@every
def test_the_smaller_network_learns(name: str) -> None:
    model, small = (
        copy.deepcopy(net) for net in (traced(name)[0], cut_half(name, 1)[0])
    )
    x = CASES[name].inputs(3)
    for net in (model, small):
        torch.stack([y.square().sum() for y in tensors(net(*x))]).sum().backward()
    dense = dict(model.named_parameters())
    for key, parameter in small.named_parameters():
        assert (parameter.grad is None) == (dense[key].grad is None), key
        assert parameter.grad is None or parameter.grad.isfinite().all(), key


# --- what stays --------------------------------------------------------------------


def state(model: nn.Module) -> dict[str, Any]:
    plain = {
        f"{path}.{key}": value
        for path, module in model.named_modules()
        for key, value in vars(module).items()
        if isinstance(value, int | float | str | tuple | bool)
    }
    return {**plain, **{k: v.clone() for k, v in model.state_dict().items()}}


@few
def test_the_users_network_stays_as_it_was(name: str) -> None:
    model, graph = CASES[name].model().train(), traced(name)[1]
    before = state(model)
    cct.trace(model, CASES[name].inputs(2))
    keep = random_half(graph, 1)
    equivalence(
        model, remove_channels(model, graph, keep), graph, keep, CASES[name].inputs(2)
    )
    after = state(model)
    assert before.keys() == after.keys()
    for key, value in before.items():
        whole = torch.equal if isinstance(value, Tensor) else lambda a, b: a == b
        assert whole(value, after[key]), key
    assert all(p.grad is None for p in model.parameters())
