"""Bundles: saved and loaded, a smaller network is the same one; bad files are told."""

import copy
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils import _pytree as pytree

import ccsolve_torch as cct
from ccsolve import Plan
from ccsolve.errors import InvalidFile, InvalidProblem, Unsupported
from ccsolve_torch.bundling import bundle_files
from ccsolve_torch.bundling.recording import recorded
from ccsolve_torch.surgery import checked_keep, kept_entries, remove_channels
from tests.bridges.zoo import CASES

pytestmark = [
    pytest.mark.torch,
    # torch.export says so of the flat weights of its own recurrent modules.
    pytest.mark.filterwarnings("ignore:The tensor attributes self:UserWarning"),
]


def cut(model: nn.Module, inputs: Any, seed: int = 0) -> Any:
    """Give the model without about half of its classes, as `apply` gives it."""
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    graph, rng = cct.trace(model, inputs), np.random.default_rng(seed)
    keep = {
        name: np.sort(rng.choice(group.size, max(1, group.size // 2), replace=False))
        for name, group in graph.groups.items()
    }
    keep = checked_keep(graph, keep)
    small: Any = remove_channels(model, graph, keep)
    small.surgery = recorded(model, small, kept_entries(graph, keep), inputs)
    return small


def equal(a: Any, b: Any) -> bool:
    pairs = zip(
        pytree.tree_leaves(a),
        pytree.tree_leaves(b),
        strict=True,
    )
    return all(torch.equal(one, other) for one, other in pairs)


def altered(model: nn.Module) -> None:
    """Change every weight, as training does."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.9).add_(0.01)


# One for each way in which a bundle does surgery again: entries alone, groups, widths
# of recurrent modules, heads, attributes of the network's own, code written anew.
WAYS = (
    *("ResNet", "ResNeXt", "GatedLayers", "SelfAttention"),
    *("FusedHeadSize", "LiteralView"),
)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in WAYS else pytest.mark.slow)
        for name in CASES
    ],
)
def test_what_is_loaded_is_what_was_saved(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    small = cut(case.model(), case.inputs(2))
    altered(small)
    cct.save(small, tmp_path / "bundle")
    loaded = cct.load(lambda: case.model(seed=9), tmp_path / "bundle")
    x = case.inputs(3)
    with torch.no_grad():
        assert equal(small(*x), loaded(*x))
    assert str(small) == str(loaded)
    assert loaded.training == small.training


@pytest.mark.parametrize(
    "name",
    [
        *("ResNet", "MobileNetV2", "SelfAttention", "GatedLayers"),
        pytest.param("OptionA", marks=pytest.mark.slow),
    ],
)
def test_what_was_cut_twice_is_cut_twice(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    small = cut(cut(case.model(), case.inputs(2)), case.inputs(2), seed=1)
    assert len(small.surgery.steps) == 2
    cct.save(small, tmp_path / "bundle")
    loaded: Any = cct.load(case.model, tmp_path / "bundle")
    x = case.inputs(3)
    with torch.no_grad():
        assert equal(small(*x), loaded(*x))
    assert len(loaded.surgery.steps) == 2


class Plain(nn.Module):
    """A convolution that gives tied copies of its weight, and buffers of all kinds."""

    mask: Tensor
    order: Tensor

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, width, 3)
        self.norm = nn.BatchNorm2d(width)
        self.scale = nn.Parameter(torch.ones(width, 1, 1))
        self.b = nn.Conv2d(width, 4, 1)
        self.c = nn.Conv2d(4, 4, 1)
        self.d = nn.Conv2d(4, 4, 1)
        self.d.weight = self.c.weight
        weights = torch.linspace(1, 2, width)[:, None, None]
        self.register_buffer("order", weights, persistent=False)
        self.register_buffer("mask", torch.tensor([0.0, float("-inf")]))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.a(x)).relu() * self.scale * self.order
        x = self.c(self.b(x)) + self.mask.clamp(min=0).sum()
        return self.d(x.tanh()).mean(dim=(2, 3))


@pytest.fixture(scope="module")
def small() -> Any:
    torch.manual_seed(0)
    return cut(Plain().eval(), torch.randn(2, 3, 6, 6))


@pytest.fixture(scope="module")
def written(small: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("written") / "bundle"
    cct.save(small, path)
    return path


@pytest.fixture
def bundle(written: Path, tmp_path: Path) -> Path:
    """A copy of a sound bundle, to be damaged."""
    return Path(shutil.copytree(written, tmp_path / "bundle"))


X = torch.linspace(-1, 1, 3 * 3 * 6 * 6).reshape(3, 3, 6, 6)


def changed(bundle: Path, change: Callable[[Any], Any]) -> Path:
    """Rewrite the recipe."""
    path = bundle / "recipe.json"
    recipe = json.loads(path.read_text())
    change(recipe)
    path.write_text(json.dumps(recipe))
    return bundle


def resealed(bundle: Path, change: Callable[[Any], Any]) -> Path:
    """Rewrite the weights, and the recipe so that it expects them."""
    tensors = load_file(bundle / "weights.safetensors")
    change(tensors)
    save_file(tensors, bundle / "weights.safetensors")
    found = hashlib.sha256((bundle / "weights.safetensors").read_bytes()).hexdigest()
    return changed(bundle, lambda recipe: recipe.update(weights=found))


def test_a_bundle_is_two_files_without_pickle(bundle: Path) -> None:
    assert {item.name for item in bundle.iterdir()} == {
        "recipe.json",
        "weights.safetensors",
    }
    recipe = json.loads((bundle / "recipe.json").read_text())
    assert recipe["schema"] == 1 and recipe["kind"] == "bundle"
    assert recipe["surgery"]["original"]["kind"] == "Plain"
    assert len(recipe["surgery"]["fingerprint"]) == 64
    assert recipe["surgery"]["steps"][0]["inputs"] == [["float32", [2, 3, 6, 6]]]


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


def test_the_report_comes_back(make, loader, tmp_path: Path) -> None:
    small: Any = cct.compress(make("residual"), loader, macs=0.6, recipe="uniform")
    cct.save(small, tmp_path / "bundle")
    loaded: Any = cct.load(lambda: make("residual"), tmp_path / "bundle")
    assert str(loaded.report) == str(small.report)
    assert loaded.report.kept.keys() == small.report.kept.keys()
    for name, kept in small.report.kept.items():
        assert np.array_equal(loaded.report.kept[name], kept)


def test_chains_come_back_with_what_was_cut_around_them(make, loader, tmp_path) -> None:
    """Channels first, chains then, and chains of what was saved before."""
    model, x = make("plain").eval(), loader[0][0]
    graph = cct.trace(model, x)
    plan = Plan(
        recipe="by hand",
        keep={name: list(range(0, g.size, 2)) for name, g in graph.groups.items()},
        sizes={name: group.size for name, group in graph.groups.items()},
        factors={"2": cct.Factor("tucker", 2), "7": cct.Factor("svd", 1)},
        fingerprint=cct.fingerprint(model),
    )
    small: Any = cct.apply(model, plan, x, latency=False)
    cct.save(small, tmp_path / "one")
    loaded: Any = cct.load(lambda: make("plain"), tmp_path / "one")
    assert torch.equal(loaded(x), small(x))
    assert str(loaded.report) == str(small.report)
    again: Any = cct.factorise(loaded, {"10": cct.Factor("svd", 1)}, x)
    cct.save(again, tmp_path / "two")
    loaded = cct.load(lambda: make("plain"), tmp_path / "two")
    assert torch.equal(loaded(x), again(x)) and str(loaded) == str(again)
    assert loaded.factor_report == again.factor_report


# --- where a bundle is written ------------------------------------------------------


def test_only_bundles_are_overwritten(small: Any, bundle: Path) -> None:
    with pytest.raises(InvalidFile, match="overwrite=True"):
        cct.save(small, bundle)
    other = copy.deepcopy(small)
    altered(other)
    cct.save(other, bundle, overwrite=True)
    assert torch.equal(cct.load(Plain, bundle)(X), other(X))
    (bundle / "notes.txt").write_text("mine")
    with pytest.raises(InvalidFile, match=r"holds 'notes.txt'"):
        cct.save(small, bundle, overwrite=True)
    assert (bundle / "notes.txt").read_text() == "mine"


def test_empty_folders_are_filled_and_files_are_not_replaced(
    small: Any, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    cct.save(small, tmp_path / "empty")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InvalidFile, match="file"):
        cct.save(small, tmp_path / "file", overwrite=True)
    with pytest.raises(InvalidFile, match="create it first"):
        cct.save(small, tmp_path / "none" / "bundle")


def test_a_failed_save_leaves_what_was_there(
    small: Any, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    before = {item.name: item.read_bytes() for item in bundle.iterdir()}

    def stuck(source: Path, target: Path, rename: Any = os.replace) -> None:
        if str(source).endswith(".tmp"):
            raise OSError(1, "Operation not permitted")
        rename(source, target)

    for module, name, failing in (
        (bundle_files, "save_file", full),
        (os, "replace", stuck),
    ):
        with monkeypatch.context() as patched, pytest.raises(InvalidFile):
            patched.setattr(module, name, failing)
            cct.save(small, bundle, overwrite=True)
    assert {item.name: item.read_bytes() for item in bundle.iterdir()} == before
    assert [item.name for item in bundle.parent.iterdir()] == ["bundle"]


# --- what cannot be saved -----------------------------------------------------------


def test_other_models_are_not_saved(small: Any, tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    with pytest.raises(InvalidProblem, match="a Plain that `apply` has not made"):
        cct.save(Plain(), path)
    with pytest.raises(InvalidProblem, match="not a wrapper"):
        cct.save(nn.Sequential(small), path)
    other = copy.deepcopy(small)
    other.d = nn.Conv2d(4, 7, 1)
    with pytest.raises(InvalidProblem, match=r"changed since .* d.weight"):
        cct.save(other, path)
    other = copy.deepcopy(small)
    other.a.weight.data[0, 0, 0, 0] = float("nan")
    with pytest.raises(InvalidProblem, match=r"a.weight is not finite"):
        cct.save(other, path)
    assert not path.exists()


class Odd(nn.Module):
    """No layer of torch."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def test_unknown_modules_are_not_saved(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    small: Any = copy.deepcopy(model)
    small[0] = nn.Sequential(nn.Linear(3, 1), Odd())
    small.surgery = recorded(model, small, {}, (torch.zeros(1, 3),))
    with pytest.raises(Unsupported, match="0 became a Odd"):
        cct.save(small, tmp_path / "bundle")


# --- what cannot be loaded ----------------------------------------------------------


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


def test_folders_that_are_no_bundle(tmp_path: Path, bundle: Path) -> None:
    with pytest.raises(InvalidFile, match="no bundle"):
        cct.load(Plain, tmp_path / "nothing")
    with pytest.raises(InvalidFile, match="no bundle"):
        cct.load(Plain, tmp_path)
    (bundle / "weights.safetensors").unlink()
    with pytest.raises(InvalidFile, match=r"weights.safetensors"):
        cct.load(Plain, bundle)


def test_damaged_files_are_told(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("recipe.json", "weights.safetensors"):
        path = bundle / name
        whole = path.read_bytes()
        flipped = bytearray(whole)
        flipped[-9] ^= 1
        for damaged in (b"", whole[:-5], whole[: len(whole) // 2], b"\xff" + whole[1:]):
            path.write_bytes(damaged)
            with pytest.raises(InvalidFile, match=name):
                cct.load(Plain, bundle)
        if name == "weights.safetensors":
            path.write_bytes(bytes(flipped))
            with pytest.raises(InvalidFile, match="SHA-256"):
                cct.load(Plain, bundle)
        path.write_bytes(whole)
    monkeypatch.setattr(bundle_files, "_SIZE_LIMIT", 100)
    with pytest.raises(InvalidFile, match="at most 100"):
        cct.load(Plain, bundle)


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("a.bias"), "its a.bias is absent"),
        (lambda t: t.update(extra=torch.zeros(1)), "its extra is float32"),
        (lambda t: t.update({"a.bias": torch.zeros(2)}), r"a.bias is float32 \[2\]"),
        (lambda t: t["a.bias"].fill_(float("inf")), "a.bias is not finite"),
        (lambda t: t["mask"].fill_(float("nan")), "mask is not finite"),
    ],
)
def test_bad_weights_are_told(bundle: Path, change: Any, message: str) -> None:
    with pytest.raises(InvalidFile, match=message):
        cct.load(Plain, resealed(bundle, change))


def test_a_recipe_that_asks_for_much_memory_gets_none(bundle: Path) -> None:
    huge = {"class": "Linear", "in_features": 10**6, "out_features": 10**6}
    with pytest.raises(InvalidFile, match="lead to its result"):
        cct.load(Plain, changed(bundle, lambda r: step(r).update(replaced={"a": huge})))
