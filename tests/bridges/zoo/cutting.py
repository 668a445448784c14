"""Cutting the networks of the zoo: each is traced and cut once for all tests."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils import _pytree as pytree

import ccsolve_torch as cct
from ccsolve_torch.surgery import checked_keep, remove_channels
from tests.bridges.zoo import CASES

Keep = dict[str, NDArray[np.int64]]

TOLERANCE = 1e-4
# Every network is looked at and cut in every run. What costs more is done with a few,
# and with the others in the slow tests.
FEW = """ResNet OptionA FusedHeadSize LiteralView Maxout DenseNet MobileNetV3
GroupNormed Bidirectional SelfAttention Pyramid Siamese""".split()


def networks(fast: Sequence[str]) -> pytest.MarkDecorator:
    """Run a test with these networks, and slowly with all others."""
    return pytest.mark.parametrize(
        "name",
        [pytest.param(n, marks=() if n in fast else pytest.mark.slow) for n in CASES],
    )


every, few = networks(list(CASES)), networks(FEW)


@cache
def traced(name: str) -> tuple[nn.Module, cct.Graph]:
    """Give the network and its graph; both are only looked at."""
    model = CASES[name].model()
    return model, cct.trace(model, CASES[name].inputs(2))


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


@cache
def cut_half(name: str, seed: int) -> tuple[nn.Module, Keep]:
    """Give the network without half of everything; it is only looked at."""
    model, graph = traced(name)
    keep = random_half(graph, seed)
    return remove_channels(model, graph, keep), keep


def named(model: nn.Module) -> dict[str, Tensor]:
    return {
        **dict(model.named_parameters(remove_duplicate=False)),
        **dict(model.named_buffers()),
    }


def tensors(outputs: Any) -> list[Tensor]:
    return pytree.tree_leaves(outputs)


def assert_same(a: Any, b: Any, tolerance: float) -> None:
    pairs = list(zip(tensors(a), tensors(b), strict=True))
    assert pairs
    for one, other in pairs:
        assert one.shape == other.shape
        scale = float(one.abs().max())
        assert float((one - other).abs().max()) <= tolerance * max(scale, 1e-3)
