"""Files of bundles: where they are put, and what is said of damaged ones."""

import copy
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import ccsolve_torch as cct
from ccsolve.errors import InvalidFile
from ccsolve_torch.bundling import bundle_files
from tests.bridges.bundling.bundled import Plain, X, altered, changed

pytestmark = pytest.mark.torch


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
