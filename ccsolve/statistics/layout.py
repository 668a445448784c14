"""How statistics lie in a file: a JSON manifest and named tensors, schema 2.

Schema 1 is the same without latency and memory, and is read too. The manifest orders
and names what there is; a tensor's name is its place: ``groups/<name>/<part>``,
``groups/<name>/activation/<key>``, ``groups/<name>/scores/<key>``,
``layers/<name>/<part>``, ``layers/<name>/inputs/<group>``,
``layers/<name>/outputs/<group>``, and those of latency tables, see `cost_layout`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ccsolve.errors import InvalidFile, InvalidStatistics
from ccsolve.statistics import cost_layout
from ccsolve.statistics.fields import entries, field
from ccsolve.statistics.group import Group
from ccsolve.statistics.layer import Layer

SCHEMA = 2
READABLE = (1, SCHEMA)
KIND = "statistics"

GROUP_PARTS = (
    "ggn_rows",
    "ggn",
    "fisher_rows",
    "fisher",
    "ggn_noise",
    "fisher_noise",
    "gradient",
)
GROUP_TABLES = ("activation", "scores")
LAYER_PARTS = (
    "weight",
    "bias",
    "gradient",
    "input_mean",
    "output_mean",
    "input_moment",
    "cross_moment",
    "output_curvature",
    "output_gradient",
)
LAYER_TABLES = ("inputs", "outputs")

Tensors = dict[str, np.ndarray]


def group_entry(group: Group) -> dict[str, Any]:
    """Give the manifest's entry of a group."""
    return {
        "name": group.name,
        "size": group.size,
        "approximate": group.approximate,
        "min_keep": group.min_keep,
    }


def layer_entry(layer: Layer) -> dict[str, Any]:
    """Give the manifest's entry of a layer."""
    return {"name": layer.name, "kind": layer.kind}


def group_tensors(groups: Iterable[Group]) -> Tensors:
    """Give the named tensors of all groups."""
    return _pack("groups", groups, GROUP_PARTS, GROUP_TABLES)


def layer_tensors(layers: Iterable[Layer]) -> Tensors:
    """Give the named tensors of all layers."""
    return _pack("layers", layers, LAYER_PARTS, LAYER_TABLES)


def fields_of(
    manifest: Mapping[str, Any], tensors: Tensors, where: str
) -> dict[str, Any]:
    """Give the fields of `Statistics` that manifest and tensors hold.

    InvalidFile, with `where` in front, if the schema is another, a field is missing
    or misshapen, or a tensor belongs to nothing that the manifest names.
    """
    _check_schema(manifest, where)
    left = dict(tensors)
    try:
        groups = [_group(entry, left) for entry in entries(manifest, "groups")]
        layers = [_layer(entry, left) for entry in entries(manifest, "layers")]
        operations = [
            cost_layout.operation(entry) for entry in entries(manifest, "operations")
        ]
        costs = _latency_and_memory(manifest, left)
        rest = {
            "samples": field(manifest, "samples", int, "manifest"),
            "loss": field(manifest, "loss", str, "manifest"),
            "fingerprint": field(manifest, "fingerprint", str, "manifest"),
            "meta": field(manifest, "meta", dict, "manifest"),
        }
    except InvalidStatistics as error:
        raise InvalidFile(f"{where}: {error}") from None
    if left:
        raise InvalidFile(
            f"{where}: tensor {min(left)!r} belongs to nothing in the manifest; "
            "expected groups/<name>/<part>, layers/<name>/<part> or latency/<name>/..."
        )
    return {
        "groups": _by_name(groups, f"{where}: groups"),
        "layers": _by_name(layers, f"{where}: layers"),
        "operations": tuple(operations),
        **costs,
        **rest,
    }


def _latency_and_memory(manifest: Mapping[str, Any], left: Tensors) -> dict[str, Any]:
    """Give what schema 2 added; either may be absent."""
    found: dict[str, Any] = {}
    if "latency" in manifest:
        tables = entries(manifest, "latency")
        found["latency"] = tuple(cost_layout.latency(item, left) for item in tables)
    if manifest.get("memory") is not None:
        found["memory"] = cost_layout.memory(
            field(manifest, "memory", dict, "manifest")
        )
    return found


def _pack(
    root: str, items: Iterable[Any], parts: Iterable[str], tables: Iterable[str]
) -> Tensors:
    tensors: Tensors = {}
    for item in items:
        for part in parts:
            array = getattr(item, part)
            if array is not None:
                tensors[f"{root}/{item.name}/{part}"] = array
        for table in tables:
            for key, array in getattr(item, table).items():
                tensors[f"{root}/{item.name}/{table}/{key}"] = array
    return tensors


def _group(entry: Mapping[str, Any], left: Tensors) -> Group:
    name = field(entry, "name", str, "groups")
    where = f"groups/{name}"
    parts: dict[str, Any] = {
        part: left.pop(f"{where}/{part}", None) for part in GROUP_PARTS
    }
    for table in GROUP_TABLES:
        parts[table] = _take(left, f"{where}/{table}/")
    for key, kind in (("size", int), ("approximate", bool), ("min_keep", int)):
        parts[key] = field(entry, key, kind, where)
    return Group(name=name, **parts)


def _layer(entry: Mapping[str, Any], left: Tensors) -> Layer:
    name = field(entry, "name", str, "layers")
    where = f"layers/{name}"
    parts: dict[str, Any] = {
        part: left.pop(f"{where}/{part}", None) for part in LAYER_PARTS
    }
    if parts["weight"] is None:
        raise InvalidStatistics(f"{where}/weight: no such tensor; every layer has one")
    for table in LAYER_TABLES:
        parts[table] = _take(left, f"{where}/{table}/")
    return Layer(name=name, kind=field(entry, "kind", str, where), **parts)


def _take(left: Tensors, prefix: str) -> Tensors:
    """Take out the tensors whose names start with the prefix, under the rest."""
    names = [name for name in left if name.startswith(prefix)]
    return {name[len(prefix) :]: left.pop(name) for name in names}


def _by_name(items: Iterable[Any], where: str) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for item in items:
        if named.setdefault(item.name, item) is not item:
            raise InvalidFile(f"{where}: {item.name!r} stands twice; names are unique")
    return named


def _check_schema(manifest: Mapping[str, Any], where: str) -> None:
    found = (manifest.get("kind"), manifest.get("schema"))
    if found[0] != KIND or found[1] not in READABLE or isinstance(found[1], bool):
        raise InvalidFile(
            f"{where}: kind {found[0]!r}, schema {found[1]!r}; expected kind {KIND!r}, "
            f"schema {SCHEMA} or older (a newer ccsolve may be needed)"
        )
