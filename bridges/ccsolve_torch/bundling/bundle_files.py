"""The files of a bundle: a folder written as a whole, and read with distrust."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ccsolve.errors import InvalidFile
from ccsolve.io.strict_json import dump_json, parse_json
from ccsolve_torch.bundling.recording import Surgery
from ccsolve_torch.factoring.factor_report import FactorReport
from ccsolve_torch.report import Report
from ccsolve_torch.typed_json import as_json, from_json

SCHEMA = 1
KIND = "bundle"
RECIPE, WEIGHTS = "recipe.json", "weights.safetensors"

_SIZE_LIMIT = 256 * 2**20


@dataclass(frozen=True, eq=False)
class Recipe:
    """The fields of recipe.json.

    `ccsolve` and `torch` are the versions that wrote it, `weights` is the SHA-256 of
    the other file, `training` the mode of the model; `shared` names, for a tensor that
    is another one, that other.
    """

    schema: int
    kind: str
    ccsolve: str
    torch: str
    weights: str
    training: bool
    shared: Mapping[str, str]
    surgery: Surgery
    report: Report | None
    factor_report: FactorReport | None


@contextmanager
def new_folder(path: Path, overwrite: bool) -> Iterator[Path]:
    """Give a temporary folder that takes the place of `path` on success.

    InvalidFile if `path` holds anything else than a bundle, or a bundle that may not
    be overwritten, or if it cannot be written.
    """
    _check_place(path, overwrite)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        temporary.mkdir()
        yield temporary
        _put(temporary, path)
    except OSError as error:
        raise InvalidFile(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_weights(folder: Path, held: Mapping[str, Tensor]) -> str:
    """Write the tensors; give the SHA-256 of the file."""
    plain = {name: value.detach().contiguous() for name, value in held.items()}
    save_file(plain, folder / WEIGHTS)
    return _digest(folder / WEIGHTS)


def write_recipe(folder: Path, recipe: Recipe) -> None:
    """Write the recipe as JSON."""
    text = dump_json(as_json(recipe))
    (folder / RECIPE).write_text(text + "\n", encoding="utf-8")


def read_recipe(folder: Path) -> Recipe:
    """Read the recipe; InvalidFile says which field of it is wrong."""
    path = folder / RECIPE
    try:
        size = path.stat().st_size
        if size > _SIZE_LIMIT:
            raise InvalidFile(f"{path}: {size} bytes; expected at most {_SIZE_LIMIT}")
        fields = parse_json(path.read_bytes(), str(path))
    except OSError as error:
        raise InvalidFile(
            f"{folder}: no bundle ({RECIPE}: {error.strerror}); expected a folder that "
            f"ccsolve_torch.save wrote"
        ) from None
    found = (fields.get("kind"), fields.get("schema"))
    if found != (KIND, SCHEMA):
        raise InvalidFile(
            f"{path}: kind {found[0]!r}, schema {found[1]!r}; expected kind {KIND!r}, "
            f"schema {SCHEMA}"
        )
    recipe = from_json(Recipe, fields, str(path))
    _check_types(recipe.surgery, path)
    return recipe


def read_weights(folder: Path, digest: str) -> dict[str, Tensor]:
    """Read the tensors; InvalidFile if the file's SHA-256 is not `digest`."""
    path = folder / WEIGHTS
    try:
        found = _digest(path)
        if found != digest:
            raise InvalidFile(
                f"{path}: SHA-256 {found[:12]}, expected {digest[:12]}; the file is "
                f"damaged or of another bundle"
            )
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InvalidFile(f"{path}: not readable as safetensors ({error})") from None


def _check_place(path: Path, overwrite: bool) -> None:
    if not path.parent.is_dir():
        raise InvalidFile(f"{path}: no folder {path.parent}; create it first")
    if not path.exists() and not path.is_symlink():
        return
    found = {item.name for item in path.iterdir()} if path.is_dir() else {path.name}
    if found and found != {RECIPE, WEIGHTS}:
        raise InvalidFile(
            f"{path}: holds {min(found - {RECIPE, WEIGHTS})!r}; expected no folder, "
            f"an empty one or a bundle"
        )
    if found and not overwrite:
        raise InvalidFile(f"{path}: holds a bundle; give overwrite=True to replace it")


def _put(temporary: Path, path: Path) -> None:
    """Rename; a bundle that is in the way goes when the new one is complete."""
    if not path.exists():
        os.replace(temporary, path)
        return
    old = temporary.with_suffix(".old")
    os.replace(path, old)
    try:
        os.replace(temporary, path)
    except OSError:
        os.replace(old, path)
        raise
    shutil.rmtree(old)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_types(surgery: Surgery, path: Path) -> None:
    for side in (surgery.original, surgery.result):
        for name, kind in side.tensors.items():
            if not isinstance(getattr(torch, kind[0], None), torch.dtype):
                raise InvalidFile(f"{path}: {name} is of type {kind[0]!r}; unknown")
