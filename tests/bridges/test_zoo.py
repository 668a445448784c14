"""Every structure of the zoo loses channels, and nothing else changes by it."""

import copy
import io
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils import _pytree as pytree

import ccsolve_torch as cct
from ccsolve.statistics.cost import cost_at
from ccsolve_torch.surgery import checked_keep, equivalence, remove_channels
from tests.bridges.zoo import CASES

Keep = dict[str, NDArray[np.int64]]

pytestmark = [
    pytest.mark.torch,
    # torch.export says so of the flat weights of its own recurrent modules.
    pytest.mark.filterwarnings("ignore:The tensor attributes self:UserWarning"),
]

TOLERANCE = 1e-4


@cache
def traced(name: str) -> tuple[nn.Module, cct.Graph]:
    """Give the network and its graph; both are only looked at."""
    model = CASES[name].model()
    return model, cct.trace(model, CASES[name].inputs(2))


@pytest.fixture(params=CASES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def random_half(graph: cct.Graph, seed: int, groups: Any = None) -> Keep:
    """Keep about half of the classes of these groups, drawn, all of the others."""
    rng = np.random.default_rng(seed)
    keep = {}
    for group, item in graph.groups.items():
        count = max(1, round(item.size * rng.uniform(0.4, 0.6)))
        drawn = np.sort(rng.choice(item.size, count, replace=False))
        keep[group] = drawn if groups is None or group in groups else None
    return checked_keep(
        graph, {g: kept for g, kept in keep.items() if kept is not None}
    )


def exact_groups(graph: cct.Graph) -> list[str]:
    return [name for name, group in graph.groups.items() if not group.approximate]


def cut_half(name: str, seed: int) -> tuple[nn.Module, Keep]:
    model, graph = traced(name)
    keep = random_half(graph, seed)
    return remove_channels(model, graph, keep), keep


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


def named(model: nn.Module) -> dict[str, Tensor]:
    return {
        **dict(model.named_parameters(remove_duplicate=False)),
        **dict(model.named_buffers()),
    }


def tensors(outputs: Any) -> list[Tensor]:
    return pytree.tree_leaves(outputs)


def same(a: Any, b: Any, tolerance: float) -> None:
    pairs = list(zip(tensors(a), tensors(b), strict=True))
    assert pairs
    for one, other in pairs:
        assert one.shape == other.shape
        scale = float(one.abs().max())
        assert float((one - other).abs().max()) <= tolerance * max(scale, 1e-3)


# --- what is found -----------------------------------------------------------------


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


def test_groups_are_approximate_by_nature_and_only_those(name: str) -> None:
    graph = traced(name)[1]
    declared = {
        group for key in CASES[name].approximate for group in standing(name, key)
    }
    flagged = {group: item.approximate for group, item in graph.groups.items()}
    assert {group for group, why in flagged.items() if why} == declared, flagged


def test_a_class_stands_in_its_axes_as_often_as_its_neighbours(name: str) -> None:
    """Cost depends on how many classes are kept, not on which."""
    for group in traced(name)[1].groups.values():
        assert group.slots and group.reads
        for slot in group.slots:
            times = np.bincount(slot.classes[slot.classes >= 0], minlength=group.size)
            assert (times == times[0]).all() and times[0] > 0


# --- what is cut -------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_half_of_everything_goes(name: str, seed: int) -> None:
    model, graph = traced(name)
    x = CASES[name].inputs(3, seed)
    keep = random_half(graph, seed, exact_groups(graph))
    small = remove_channels(model, graph, keep)
    assert equivalence(model, small, graph, keep, x) <= TOLERANCE
    small, keep = cut_half(name, seed)
    assert np.isfinite(equivalence(model, small, graph, keep, x))


def test_every_group_goes_alone(name: str) -> None:
    model, graph = traced(name)
    x = CASES[name].inputs(3)
    for group, item in graph.groups.items():
        keep = random_half(graph, 3, [group])
        small = remove_channels(model, graph, keep)
        distance = equivalence(model, small, graph, keep, x)
        assert distance <= (np.inf if item.approximate else TOLERANCE), group


def test_the_cost_model_foretells_the_smaller_network(name: str) -> None:
    graph = traced(name)[1]
    small, keep = cut_half(name, 1)
    told = cost_at(graph.operations, {group: len(k) for group, k in keep.items()})
    assert told.params == sum(p.numel() for p in small.parameters())
    assert told == cct.count(small, CASES[name].inputs(2))


def test_the_smaller_network_learns(name: str) -> None:
    model = copy.deepcopy(traced(name)[0])
    small = cut_half(name, 1)[0]
    x = CASES[name].inputs(3)
    for net in (model, small):
        torch.stack([y.square().sum() for y in tensors(net(*x))]).sum().backward()
    dense = dict(model.named_parameters())
    for key, parameter in small.named_parameters():
        assert (parameter.grad is None) == (dense[key].grad is None), key
        assert parameter.grad is None or parameter.grad.isfinite().all(), key


def test_the_smaller_network_is_saved_and_loaded(name: str) -> None:
    graph = traced(name)[1]
    small, keep = cut_half(name, 2)
    file = io.BytesIO()
    torch.save(small.state_dict(), file)
    file.seek(0)
    other = remove_channels(CASES[name].model(seed=7), graph, keep).eval()
    other.load_state_dict(torch.load(file, weights_only=True))
    x = CASES[name].inputs(4)
    with torch.no_grad():
        same(small(*x), other(*x), 0.0)


def test_the_smaller_network_is_exported(name: str) -> None:
    small, _ = cut_half(name, 2)
    x = CASES[name].inputs(2)
    program = torch.export.export(small, x)
    with torch.no_grad():
        same(small(*x), program.module()(*x), 1e-5)


# --- what stays --------------------------------------------------------------------


def state(model: nn.Module) -> dict[str, Any]:
    plain = {
        f"{path}.{key}": value
        for path, module in model.named_modules()
        for key, value in vars(module).items()
        if isinstance(value, int | float | str | tuple | bool)
    }
    return {**plain, **{k: v.clone() for k, v in model.state_dict().items()}}


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
