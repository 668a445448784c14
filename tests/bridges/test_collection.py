"""Collecting leaves the model as it was, survives a file, and refuses bad input."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ccsolve_torch as cct
from ccsolve import Statistics
from ccsolve.errors import InvalidProblem

pytestmark = pytest.mark.torch

collect: Any = cct.collect


def state_of(model: nn.Module) -> list[object]:
    hooks = [
        (len(m._forward_hooks), len(m._forward_pre_hooks), m.training)
        for m in model.modules()
    ]
    grads = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    flags = [p.requires_grad for p in model.parameters()]
    return [hooks, grads, flags, {k: v.clone() for k, v in model.state_dict().items()}]


def same(a: object, b: object) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.mark.parametrize("broken", [False, True])
def test_the_model_is_given_back_as_it_was(make, loader, broken) -> None:
    model = make("residual").train()
    model.first.bn1.eval()
    model.stem.weight.requires_grad_(False)
    model(loader[0][0]).sum().backward()
    before, random = state_of(model), torch.get_rng_state()
    last = (loader[0][0], torch.full((10,), 99)) if broken else loader[0]
    if broken:
        with pytest.raises(InvalidProblem, match="class numbers"):
            collect(model, [*loader, last], layers="moments", sketches=2)
    else:
        collect(model, [*loader, last], layers="moments", sketches=2)
    assert same(before, state_of(model))
    assert torch.equal(random, torch.get_rng_state())


def test_collection_works_where_gradients_are_off(residual, loader) -> None:
    with torch.no_grad():
        assert collect(residual, loader).samples == 24


def test_the_statistics_survive_a_file(residual, loader, tmp_path) -> None:
    stats = collect(residual, loader, layers="moments")
    stats.save(tmp_path / "net.safetensors")
    read = Statistics.load(tmp_path / "net.safetensors")
    assert read.fingerprint == cct.fingerprint(residual)
    assert read.cost() == cct.count(residual, loader[0][0])
    for name, group in stats.groups.items():
        np.testing.assert_array_equal(read.groups[name].ggn_rows, group.ggn_rows)


def test_the_fingerprint_is_of_values_not_of_training_time(residual) -> None:
    other = copy.deepcopy(residual)
    other.norm.num_batches_tracked += 5
    assert cct.fingerprint(other) == cct.fingerprint(residual)
    with torch.no_grad():
        other.linear.bias[0] += 1
    assert cct.fingerprint(other) != cct.fingerprint(residual)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "hinge"}, "cross_entropy or least_squares"),
        ({"loss": 3}, "callable"),
        ({"loss": "least_squares"}, "equal shapes"),
        ({"loss": lambda f, y: f.sum()}, "one value per sample"),
        ({"loss": lambda f, y: f.sum(dim=1) * float("nan")}, "NaN"),
        ({"curvature": "hessian"}, "'ggn' or 'fisher'"),
        ({"layers": "all"}, "none, weights, gradients, moments"),
        ({"sketches": 0}, "sketches 0"),
        ({"sketches": 2, "curvature": "fisher"}, "only with curvature='ggn'"),
        ({"positions": 0, "layers": "moments"}, "positions 0"),
        ({"positions": 4}, "only with layers='moments'"),
        ({"max_rows": -1}, "max_rows -1"),
    ],
)
def test_bad_options_are_refused(residual, loader, options, message) -> None:
    with pytest.raises(InvalidProblem, match=message):
        collect(residual, loader, **options)


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "no batch"),
        (iter([]), "no batch"),
        (3, "expected an iterable"),
        ([torch.zeros(2, 3, 8, 8)], r"expected \(inputs, targets\)"),
        ([(1, 2)], "expected a tensor or a tuple"),
        ([{"x": torch.zeros(2, 3, 8, 8), "y": torch.zeros(2)}], "dict of x, y"),
        ([({"x": torch.zeros(2, 3, 8, 8)}, torch.zeros(2))], "inputs: dict"),
        ([(torch.zeros(2, 3, 8, 8), {"y": 1})], "targets are a dict"),
        ([(torch.zeros(2, 5, 8, 8), torch.zeros(2))], "does not run on the loader"),
    ],
)
def test_bad_loaders_are_refused(residual, batches, message) -> None:
    with pytest.raises(InvalidProblem, match=message):
        collect(residual, batches)


def test_a_generator_is_read_once_and_whole(residual, loader) -> None:
    expected = collect(residual, loader)
    found = collect(residual, (batch for batch in loader))
    assert found.samples == 24
    for name, group in expected.groups.items():
        np.testing.assert_array_equal(found.groups[name].ggn_rows, group.ggn_rows)
