"""The .npz format: round trips, and refusals before anything large is read."""

import math
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ccsolve import ChannelSelection, Solution, Stop, read, write
from ccsolve.errors import Infeasible, InvalidFile, Unsupported
from ccsolve.io.npz import read_arrays
from ccsolve.problems.generate import FAMILIES
from ccsolve.solution import TracePoint

FIELDS = "Q q keep constant factor diagonal cost budget fixed".split()


def solution(**parts: Any) -> Solution:
    given: dict[str, Any] = {
        "x": np.array([True, False, True]),
        "objective": 1.5,
        "bound": -math.inf,
        "stop": Stop.TIME_LIMIT,
        "method": "tabu",
        "seconds": 0.25,
        "trace": (TracePoint(0.1, 3, math.inf, -math.inf),),
        "duals": {"budget": np.array([2.0])},
        "resolution": 1e-12,
        "extra": {"steps": 7, "path": np.arange(3), "hook": print},
    }
    return Solution(**(given | parts))


def stored(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def problem_file(path: Path, **arrays: Any) -> Path:
    return stored(
        path, **({"schema": 1, "kind": "ChannelSelection", "Q": np.eye(3)} | arrays)
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_problems_come_back_exactly(tmp_path: Path, family: str):
    problem = FAMILIES[family](8, 0)
    write(tmp_path / "a.npz", problem)
    back = read(tmp_path / "a.npz")
    assert isinstance(back, ChannelSelection)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(back, name), getattr(problem, name))


@pytest.mark.parametrize(
    "given",
    [
        solution(),
        solution(bound=1.25, trace=(), duals={}, extra={}),
        solution(x=None, objective=math.inf, bound=math.inf),
        solution(x=np.array([0.5, 1.0])),
    ],
)
def test_solutions_come_back_exactly(tmp_path: Path, given: Solution):
    write(tmp_path / "a.npz", given)
    back = read(tmp_path / "a.npz")
    assert isinstance(back, Solution)
    np.testing.assert_array_equal(back.x, given.x)
    for name in ("objective", "bound", "seconds", "resolution", "natural_scale"):
        np.testing.assert_equal(getattr(back, name), getattr(given, name))
    assert (back.stop, back.method, back.trace) == (
        given.stop,
        given.method,
        given.trace,
    )
    assert list(back.duals) == list(given.duals)
    if given.extra:
        assert back.extra == {"steps": 7, "path": [0, 1, 2]}


def test_plain_numpy_writes_a_valid_problem(tmp_path: Path):
    back = read(problem_file(tmp_path / "a.npz", keep=2))
    assert isinstance(back, ChannelSelection)
    assert (back.n, back.keep, back.constant) == (3, 2, 0.0)


def test_compressed_fortran_ordered_arrays_are_read(tmp_path: Path):
    factor = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    np.savez_compressed(
        tmp_path / "a.npz", schema=1, kind="ChannelSelection", factor=factor
    )
    back = read(tmp_path / "a.npz")
    assert isinstance(back, ChannelSelection)
    np.testing.assert_array_equal(back.factor, factor)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"schema": 2}, "schema 2; expected 1"),
        ({"schema": "one"}, "expected one number"),
        ({"kind": "Nothing"}, "kind 'Nothing'; expected one of"),
        ({"kind": 3}, "kind is int64"),
        ({"Q": np.triu(np.ones((3, 3)))}, "not symmetric"),
        ({"Q": np.full((3, 3), np.nan)}, "NaN"),
        ({"Q": np.full((3, 3), np.inf)}, "infinite"),
        ({"Q": np.ones((3, 2))}, "square"),
        ({"Q": np.array("x")}, "expected numbers"),
        ({"q": np.ones(2)}, "q has shape"),
        ({"keep": 4}, "keep = 4"),
        ({"keep": 1.5}, "keep = 1.5"),
        ({"keep": np.ones(2)}, "expected one number"),
        ({"constant": np.nan}, "constant = nan"),
        ({"budget": 1.0}, "cost and budget go together"),
        ({"other": 1.0}, "unknown array 'other'"),
        ({"Q": np.array([{}])}, "objects are never read"),
    ],
)
def test_bad_problems_are_refused(tmp_path: Path, arrays: dict[str, Any], message: str):
    path = problem_file(tmp_path / "a.npz", **arrays)
    with pytest.raises(InvalidFile, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_infeasible_problems_say_so(tmp_path: Path):
    path = problem_file(tmp_path / "a.npz", keep=2, cost=np.ones(3), budget=1.0)
    with pytest.raises(Infeasible, match=r"a\.npz: budget = 1"):
        read(path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"objective": np.nan}, "objective is NaN|NaN"),
        ({"objective": np.inf}, "point exactly where"),
        ({"stop": "tired"}, "stop 'tired'"),
        ({"x": np.array([np.inf])}, "x holds infinities"),
        ({"x": np.ones((2, 2))}, "expected numbers with 1 axes"),
        ({"trace": np.ones((2, 3))}, "trace is absent or misshapen"),
        ({"trace": np.full((1, 4), np.inf)}, "trace is absent or misshapen"),
        ({"extra": "{"}, "extra: not valid JSON"),
        ({"resolution": -1.0}, "resolution -1"),
    ],
)
def test_bad_solutions_are_refused(
    tmp_path: Path, arrays: dict[str, Any], message: str
):
    write(tmp_path / "a.npz", solution())
    with np.load(tmp_path / "a.npz") as file:
        found = dict(file)
    with pytest.raises(InvalidFile, match=message):
        read(stored(tmp_path / "b.npz", **(found | arrays)))


@pytest.mark.parametrize("name", ["objective", "stop", "trace", "kind", "schema"])
def test_missing_arrays_are_named(tmp_path: Path, name: str):
    write(tmp_path / "a.npz", solution())
    with np.load(tmp_path / "a.npz") as file:
        found = {key: file[key] for key in file if key != name}
    with pytest.raises(InvalidFile, match=name):
        read(stored(tmp_path / "b.npz", **found))


def raw_entry(path: Path, content: bytes, *, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("Q.npy", content)
    return path


def header(shape: str, descr: str = "<f8") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no .npy header"),
        (b"nothing of the kind", "no .npy header"),
        (header("(3, 3)")[:20], "objects are never read"),
        (header("(3, 3)", "|O"), "objects are never read"),
        (header("(3, 3)", "<c16"), "objects are never read"),
        (header("(3, -3)"), "objects are never read"),
        (header("(3, 3)"), "takes 72 bytes; found 0"),
        (header("(100000, 125000)"), "takes 100000000000 bytes; found 0"),
        (b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31), "objects are never read"),
    ],
)
def test_lying_array_headers_are_refused(tmp_path: Path, content: bytes, message: str):
    with pytest.raises(InvalidFile, match=message):
        read_arrays(raw_entry(tmp_path / "a.npz", content))


def test_a_directory_that_claims_100_gb_is_refused(tmp_path: Path):
    path = raw_entry(tmp_path / "a.npz", header("(3,)") + b"\0" * 24)
    data = bytearray(path.read_bytes())
    directory = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, directory + 24, 2**32 - 2)
    path.write_bytes(data)
    with pytest.raises(InvalidFile, match="claims 4294967294 bytes"):
        read_arrays(path)


def test_an_entry_that_expands_too_far_is_refused(tmp_path: Path):
    content = header("(3,)") + b"\0" * 24
    path = raw_entry(tmp_path / "a.npz", content, method=zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    directory = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, directory + 24, 10**9)
    path.write_bytes(data)
    with pytest.raises(InvalidFile, match="claims 1000000000 bytes"):
        read_arrays(path)


def test_other_files_are_refused(tmp_path: Path):
    (tmp_path / "a.npz").write_bytes(b"hello")
    with pytest.raises(InvalidFile, match=r"not readable as \.npz"):
        read(tmp_path / "a.npz")
    with pytest.raises(InvalidFile, match="no such file"):
        read(tmp_path / "b.npz")
    with pytest.raises(InvalidFile, match="no such file"):
        read(tmp_path / "folder.npz")


@pytest.mark.parametrize("name", ["a.txt", "a.dat", "a", "a.safetensors"])
def test_unknown_suffixes_name_the_known(tmp_path: Path, name: str):
    with pytest.raises(InvalidFile, match=r"\.npz, \.qplib"):
        read(tmp_path / name)


def test_formats_that_cannot_hold_a_value_say_so(tmp_path: Path):
    problem = ChannelSelection(np.eye(2), keep=1)
    with pytest.raises(Unsupported, match=r"write \.npz"):
        write(tmp_path / "a.bq", problem)
    with pytest.raises(Unsupported, match=r"write \.npz"):
        write(tmp_path / "a.qplib", solution())
    with pytest.raises(Unsupported, match=r"no \.npz format"):
        write(tmp_path / "a.npz", 3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(Unsupported, match="only a vector"):
        write(tmp_path / "a.npz", solution(x=np.ones((2, 2))))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path):
    write(tmp_path / "a.npz", solution())
    before = (tmp_path / "a.npz").read_bytes()
    with pytest.raises(Unsupported):
        write(tmp_path / "a.npz", solution(x=np.array(["a"])))
    assert (tmp_path / "a.npz").read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.npz"]
