"""Published architectures: what of them is removable, and that removing it is right."""

import re
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

import ccsolve_torch as cct
from ccsolve.statistics.cost import cost_at
from ccsolve_torch.surgery import checked_keep, equivalence, remove_channels
from tests.bridges.zoo.published import PUBLISHED

pytestmark = pytest.mark.torch

# Small ones of these are cut in every run; all others, and full sizes, in slow tests.
FEW = ("resnet50", "convnext_tiny", "vit_base", "regnet", "llama")

few = pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in FEW else pytest.mark.slow) for n in PUBLISHED],
)
sized = pytest.mark.parametrize(
    ("name", "small"),
    [
        pytest.param(name, small, marks=() if fast else pytest.mark.slow)
        for name in PUBLISHED
        for small, fast in ((True, name in FEW), (False, False))
    ],
)


@cache
def traced(name: str) -> tuple[nn.Module, cct.Graph]:
    """Give the small network and its graph."""
    model = PUBLISHED[name].build(small=True)
    return model, cct.trace(model, PUBLISHED[name].samples(True, 2))


def random_keep(graph: cct.Graph, seed: int, approximate: bool) -> dict:
    rng = np.random.default_rng(seed)
    keep = {}
    for name, group in graph.groups.items():
        if approximate or not group.approximate:
            count = max(1, round(group.size * rng.uniform(0.4, 0.6)))
            keep[name] = np.sort(rng.choice(group.size, count, replace=False))
    return checked_keep(graph, keep)


@sized
def test_nine_tenths_of_the_parameters_are_removable(name: str, small: bool) -> None:
    published = PUBLISHED[name]
    graph = (
        traced(name)[1]
        if small
        else cct.trace(published.build(False), published.samples(False, 2))
    )
    assert graph.coverage >= 0.9, graph
    for layer, reason in graph.frozen.items():
        told = re.search(r"\w+\.py:\d+", reason) or "output of the model" in reason
        assert told, (layer, reason)


@few
def test_removing_is_masking(name: str) -> None:
    model, graph = traced(name)
    x = PUBLISHED[name].samples(True, 3, seed=1)
    keep = random_keep(graph, 1, approximate=False)
    small = remove_channels(model, graph, keep)
    assert equivalence(model, small, graph, keep, x) <= 1e-4


@few
def test_half_of_everything_goes_and_costs_what_was_told(name: str) -> None:
    model, graph = traced(name)
    keep = random_keep(graph, 2, approximate=True)
    small = remove_channels(model, graph, keep)
    x = PUBLISHED[name].samples(True, 2, seed=2)
    assert np.isfinite(equivalence(model, small, graph, keep, x))
    told = cost_at(graph.operations, {group: len(k) for group, k in keep.items()})
    assert told.params == sum(p.numel() for p in small.parameters())
    assert told == cct.count(small, x)


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_half_of_the_full_size_goes(name: str) -> None:
    published = PUBLISHED[name]
    model, x = published.build(False), published.samples(False, 2)
    graph = cct.trace(model, x)
    keep = random_keep(graph, 1, approximate=False)
    small = remove_channels(model, graph, keep)
    assert equivalence(model, small, graph, keep, x) <= 1e-4
    del model
    with torch.no_grad():
        assert cct.count(small, x).params == sum(p.numel() for p in small.parameters())
