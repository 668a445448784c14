"""Statistics files: what goes in comes out, and damage is named."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from ccsolve import Statistics
from ccsolve.errors import InvalidFile
from ccsolve.statistics import Group, layout
from ccsolve.statistics.container import read_container, write_container
from ccsolve.statistics.generate import random_chain

GROUP_FIELDS = (*layout.GROUP_PARTS, *layout.GROUP_TABLES, "size", "min_keep")
LAYER_FIELDS = (*layout.LAYER_PARTS, *layout.LAYER_TABLES, "kind")


def assert_same(first: object, second: object, fields: tuple[str, ...]) -> None:
    for name in fields:
        mine, other = getattr(first, name), getattr(second, name)
        if hasattr(mine, "items"):
            assert list(mine) == list(other)
            mine, other = list(mine.values()), list(other.values())
        np.testing.assert_equal(mine, other, err_msg=name)
        if isinstance(mine, np.ndarray) and isinstance(other, np.ndarray):
            assert mine.dtype == other.dtype


def saved(tmp_path: Path) -> Path:
    path = tmp_path / "net.safetensors"
    random_chain((3, 2)).save(path)
    return path


def test_round_trip(tmp_path: Path):
    stats = random_chain((6, 8, 5))
    stats.save(tmp_path / "net.safetensors")
    back = Statistics.load(tmp_path / "net.safetensors")
    assert list(back.groups) == list(stats.groups)
    assert list(back.layers) == list(stats.layers)
    for name, group in stats.groups.items():
        assert_same(group, back.groups[name], GROUP_FIELDS)
    for name, layer in stats.layers.items():
        assert_same(layer, back.layers[name], LAYER_FIELDS)
    assert back.operations == stats.operations
    assert back.cost() == stats.cost()
    assert (back.samples, back.loss) == (stats.samples, stats.loss)
    assert back.fingerprint == stats.fingerprint
    assert dict(back.meta) == dict(stats.meta)


def test_parts_that_are_absent_stay_absent(tmp_path: Path):
    group = Group("g", 3, ggn=np.eye(3), approximate=True, min_keep=2)
    Statistics({"g": group}).save(tmp_path / "a.safetensors")
    back = Statistics.load(tmp_path / "a.safetensors").groups["g"]
    assert back.ggn_rows is None and back.gradient is None and not back.scores
    assert back.approximate and back.min_keep == 2


def test_a_file_is_replaced_whole_and_readable_by_others(tmp_path: Path):
    path = saved(tmp_path)
    random_chain((4,)).save(path)
    assert list(Statistics.load(path).groups) == ["conv1"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["net.safetensors"]
    plain = tmp_path / "plain"
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


def test_no_folder_is_one_clear_line(tmp_path: Path):
    with pytest.raises(InvalidFile, match="no folder"):
        random_chain((4,)).save(tmp_path / "absent" / "net.safetensors")


def test_an_absent_file_is_named(tmp_path: Path):
    with pytest.raises(InvalidFile, match="not readable"):
        Statistics.load(tmp_path / "absent.safetensors")


@pytest.mark.parametrize("length", [0, 4, 8, 9, 200, -1])
def test_truncation_is_refused(tmp_path: Path, length: int):
    path = saved(tmp_path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InvalidFile, match=r"net\.safetensors"):
        Statistics.load(path)


def test_a_longer_file_is_refused(tmp_path: Path):
    path = saved(tmp_path)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(InvalidFile, match="header claims"):
        Statistics.load(path)


def header_file(path: Path, header: object, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def claims(entry: object) -> dict[str, Any]:
    return {"__metadata__": {"ccsolve": "{}"}, "t": entry}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"{", "not valid JSON"),
        (b"[]", "expected an object"),
        (b'{"a": 1, "a": 2}', "stands twice"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"__metadata__": {"ccsolve": "{}"}, "t": NaN}', "no JSON number"),
        ({}, "no manifest"),
        ({"__metadata__": {"ccsolve": 3}}, "no manifest"),
        (
            claims({"dtype": "F32", "shape": [1], "data_offsets": [0, 4]})
            | {"__metadata__": {"ccsolve": "nothing"}},
            "manifest: not valid JSON",
        ),
        (claims(3), "expected dtype, shape"),
        (claims({"dtype": "BF16"}), "dtype 'BF16'"),
        (claims({"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}), ">= 0"),
        (claims({"dtype": "F32", "shape": [1.0], "data_offsets": [0, 4]}), ">= 0"),
        (claims({"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}), ">= 0"),
        (claims({"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}), "takes 8"),
        (claims({"dtype": "F32", "shape": [1], "data_offsets": [1, 5]}), "begins at"),
        (
            # 100 GB: the arithmetic of the header is sound, the file does not hold it.
            claims(
                {
                    "dtype": "F32",
                    "shape": [25 * 10**9],
                    "data_offsets": [0, 10**11],
                }
            ),
            "claims 100000000000 bytes of tensors; found 4",
        ),
    ],
)
def test_lying_headers_are_refused(tmp_path: Path, header: object, message: str):
    path = header_file(tmp_path / "a.safetensors", header, b"\0" * 4)
    with pytest.raises(InvalidFile, match=message):
        Statistics.load(path)


def test_a_header_longer_than_the_file_is_refused(tmp_path: Path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", 10**11) + b"{}")
    with pytest.raises(InvalidFile, match="claims 100000000000 bytes"):
        Statistics.load(path)


Edit = Callable[[dict[str, Any], dict[str, np.ndarray]], object]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda m, t: m.update(schema=3), "schema 3; expected kind 'statistics'"),
        (lambda m, t: m.update(kind="plan"), "kind 'plan'"),
        (lambda m, t: m.pop("groups"), "no field 'groups'"),
        (lambda m, t: m.update(groups={}), "expected list"),
        (lambda m, t: m.update(groups=[3]), "expected objects"),
        (lambda m, t: m["groups"].append(m["groups"][0]), "stands twice"),
        (lambda m, t: m["groups"][0].update(size=4), "groups/conv1"),
        (lambda m, t: m["groups"][0].update(size=True), "expected int"),
        (lambda m, t: m["groups"][0].pop("min_keep"), "no field 'min_keep'"),
        (lambda m, t: m["layers"].pop(), "belongs to nothing"),
        (lambda m, t: m["layers"][0].update(kind="x"), "expected conv, linear"),
        (lambda m, t: t.pop("layers/conv1/weight"), "every layer has one"),
        (lambda m, t: m["operations"][0].update(terms=3), "expected list"),
        (lambda m, t: m["operations"][0].update(inputs=[3]), "expected names"),
        (lambda m, t: m["operations"][0].update(output="x"), "no group 'x'"),
        (lambda m, t: m["operations"][0]["terms"][0].update(macs="x"), "int | float"),
        (lambda m, t: m.update(samples="many"), "expected int"),
        (lambda m, t: m.update(samples=-1), "samples: -1"),
        (lambda m, t: m.update(meta=[]), "expected dict"),
        (lambda m, t: t.update({"x/y": np.ones(1)}), "tensor 'x/y' belongs"),
        (lambda m, t: t.update({"groups/conv1/nothing": np.ones(1)}), "belongs"),
        (
            lambda m, t: t.update({"groups/conv1/gradient": np.full(3, np.nan)}),
            "groups/conv1/gradient: holds NaN",
        ),
        (
            lambda m, t: t.update({"groups/conv1/ggn_rows": np.ones((2, 3))}),
            "ggn_rows: 2 to 20 rows",
        ),
    ],
)
def test_bad_contents_are_refused(tmp_path: Path, edit: Edit, message: str):
    path = saved(tmp_path)
    manifest, tensors = read_container(path)
    edit(manifest, tensors)
    write_container(path, manifest, tensors)
    with pytest.raises(InvalidFile, match=message.replace("|", r"\|")) as caught:
        Statistics.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_foreign_safetensors_are_refused(tmp_path: Path):
    save_file({"w": np.ones(3)}, tmp_path / "w.safetensors")
    with pytest.raises(InvalidFile, match="no manifest"):
        Statistics.load(tmp_path / "w.safetensors")


def test_damage_is_refused_or_harmless(tmp_path: Path):
    path = saved(tmp_path)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    header = 8 + struct.unpack("<Q", whole[:8])[0]
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        for place in rng.integers(0, header, rng.integers(1, 4)):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            Statistics.load(path)
        except InvalidFile:
            refused += 1
    assert refused > 200
