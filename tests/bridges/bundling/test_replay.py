"""Surgery done again gives the same network; other networks and recipes are told."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import ccsolve_torch as cct
from ccsolve.errors import InvalidFile, InvalidProblem
from tests.bridges.bundling.bundled import Plain, X, altered, changed, cut

pytestmark = pytest.mark.torch


def test_ties_and_buffers_come_back(small: Any, bundle: Path) -> None:
    """Tied weights are one, and buffers that no file holds are cut like the rest."""
    loaded: Any = cct.load(Plain, bundle)
    assert loaded.d.weight is loaded.c.weight
    assert len(load_file(bundle / "weights.safetensors")) == (
        len(small.state_dict()) - 1
    )
    assert torch.equal(loaded.order, small.order) and loaded.order.shape[0] == 3
    assert torch.equal(loaded.mask, small.mask)
    assert "order" not in loaded.state_dict()
    assert torch.equal(loaded(X), small(X))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_precisions_come_back(small: Any, dtype: torch.dtype, tmp_path: Path) -> None:
    other = copy.deepcopy(small).to(dtype)
    cct.save(other, tmp_path / "bundle")
    loaded: Any = cct.load(Plain, tmp_path / "bundle")
    assert loaded.order.dtype == loaded.a.weight.dtype == dtype
    assert loaded.d.weight is loaded.c.weight
    assert torch.equal(loaded(X.to(dtype)), other(X.to(dtype)))


def test_the_mode_and_the_device_are_as_asked(small: Any, tmp_path: Path) -> None:
    other = copy.deepcopy(small).train()
    cct.save(other, tmp_path / "bundle")
    loaded = cct.load(Plain, tmp_path / "bundle", device="meta")
    assert loaded.training
    assert all(value.is_meta for value in loaded.parameters())


def test_a_loaded_model_is_trained_cut_and_saved_again(
    bundle: Path, tmp_path: Path
) -> None:
    loaded = cct.load(Plain, bundle)
    loaded(X).square().mean().backward()
    assert all(p.grad is not None for p in loaded.parameters())
    altered(loaded)
    smaller = cut(loaded.eval(), X, seed=3)
    cct.save(smaller, tmp_path / "again")
    assert torch.equal(cct.load(Plain, tmp_path / "again")(X), smaller(X))


class Wider(Plain):
    """The same tensors under another class."""


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (lambda: Plain(width=8), r"its scale is float32 \[8, 1, 1\], expected"),
        (Wider, "it is a Wider, expected a Plain"),
        (Plain(), "expected a function that makes"),
        (lambda: None, "gave a NoneType"),
        (lambda: Plain().to("meta"), "meta"),
        (lambda: nn.Sequential(nn.LazyLinear(3)), "lazy"),
    ],
)
def test_another_model_is_refused(bundle: Path, factory: Any, message: str) -> None:
    with pytest.raises(InvalidProblem, match=message):
        cct.load(factory, bundle)


def step(recipe: Any) -> Any:
    return recipe["surgery"]["steps"][0]


def chain_of(name: str) -> Any:
    return {"class": "Sequential", "chain": {name: {"class": "Identity"}}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(schema=2), "schema 2"),
        (lambda r: r.update(kind="plan"), "kind 'plan'"),
        (lambda r: r.update(surprise=1), "unknown .'surprise'."),
        (lambda r: r.pop("surgery"), "missing .'surgery'."),
        (lambda r: r.update(training="yes"), "training: 'yes'; expected bool"),
        (lambda r: r.update(shared=[]), "shared"),
        (lambda r: r["surgery"].update(steps={}), r"surgery.steps: .* a list"),
        (lambda r: r["surgery"].update(steps=[]), "do not lead to its result"),
        (lambda r: step(r)["cuts"][0].update(entries=[0, 99]), "0 to 5"),
        (lambda r: step(r)["cuts"][0].update(entries=[2, 1]), "ascending"),
        (lambda r: step(r)["cuts"][0].update(entries=[]), "ascending"),
        (lambda r: step(r)["cuts"][0].update(entries=[0.5]), "int64"),
        (lambda r: step(r)["cuts"][0].update(entries=["a"]), "numbers"),
        (lambda r: step(r)["cuts"][0].update(axes=[["a.weight", 7]]), "no axis 7"),
        (lambda r: step(r)["cuts"][0].update(axes=[["z", 0]]), "'z'"),
        (lambda r: step(r)["cuts"][0].update(axes=[["a.weight"]]), "2 entries"),
        (lambda r: step(r).update(attributes={"a": {"forward": 1}}), "'forward'"),
        (lambda r: step(r).update(attributes={"a": {"training": True}}), "training"),
        (lambda r: step(r).update(attributes={"z": {"x": 1}}), "no module 'z'"),
        (lambda r: step(r).update(replaced={"z": {"class": "Identity"}}), "'z'"),
        (lambda r: step(r).update(replaced={"a": {"class": "Popen"}}), "'Popen'"),
        (lambda r: step(r).update(replaced={"a": {"class": "Linear"}}), "cannot be"),
        (lambda r: step(r).update(replaced={"a": chain_of("x.y")}), "'x.y' is no name"),
        (lambda r: step(r).update(replaced={"a": chain_of("forward")}), "no name"),
        (lambda r: step(r).update(replaced={"a": {"class": "Identity"}}), "lead to"),
        (
            lambda r: step(r).update(
                replaced={"a": {"class": "SlimAttention", "heads": 2}}
            ),
            "2 heads of a Conv2d",
        ),
        (
            lambda r: r["surgery"]["result"]["tensors"].update(
                {"a.weight": ["system", [3, 3, 3, 3]]}
            ),
            "'system'",
        ),
    ],
)
def test_bad_recipes_are_told(bundle: Path, change: Any, message: str) -> None:
    with pytest.raises(InvalidFile, match=message):
        cct.load(Plain, changed(bundle, change))


def test_a_recipe_that_asks_for_much_memory_gets_none(bundle: Path) -> None:
    huge = {"class": "Linear", "in_features": 10**6, "out_features": 10**6}
    with pytest.raises(InvalidFile, match="lead to its result"):
        cct.load(Plain, changed(bundle, lambda r: step(r).update(replaced={"a": huge})))
