"""Files that are absent, damaged or of another kind: one line on stderr."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import Result

Call = Callable[..., Result]
Refused = Callable[..., str]


def test_files_that_are_not_there(refused: Refused, tmp_path: Path, small: Path):
    assert "no such file" in refused("solve", tmp_path / "none.npz")
    assert "no such file" in refused("methods", tmp_path / "none.npz")
    assert "no such file" in refused("verify", small, tmp_path / "none.npz")
    assert "none.safetensors" in refused(
        "plan", tmp_path / "none.safetensors", "--macs", 0.5
    )


def test_a_folder_is_no_file(refused: Refused, tmp_path: Path):
    folder = tmp_path / "folder.npz"
    folder.mkdir()
    for path in (tmp_path, folder):
        assert path.name in refused("solve", path)
    assert tmp_path.name in refused("plan", tmp_path, "--macs", 0.5)


def test_a_truncated_file(refused: Refused, small: Path):
    small.write_bytes(small.read_bytes()[:200])
    assert "small.npz" in refused("solve", small)


def test_an_empty_file(refused: Refused, small: Path):
    small.write_bytes(b"")
    assert "small.npz" in refused("solve", small)


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as loaded:
        return dict(loaded)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"Q": np.full((10, 10), np.nan)}, "NaN"),
        ({"Q": np.triu(np.ones((10, 10)))}, "symmetric"),
        ({"Q": np.ones((10, 9))}, "square"),
        ({"keep": np.asarray(11)}, "keep"),
        ({"schema": np.asarray(99)}, "schema"),
        ({"kind": np.asarray("Nothing")}, "kind"),
    ],
)
def test_bad_data_in_a_file(
    refused: Refused, small: Path, change: dict[str, np.ndarray], word: str
):
    np.savez(small, **{**arrays_of(small), **change})  # pyright: ignore
    assert word in refused("solve", small)


def test_an_infeasible_budget_is_code_3(refused: Refused, small: Path):
    cost = {"cost": np.ones(10), "budget": np.asarray(2.0)}
    np.savez(small, **{**arrays_of(small), **cost})  # pyright: ignore
    assert "budget" in refused("solve", small, code=3)


def test_a_header_that_claims_too_much(refused: Refused, tmp_path: Path):
    path = tmp_path / "net.safetensors"
    save_file({"x": np.zeros(2)}, path)
    path.write_bytes((100 * 2**30).to_bytes(8, "little") + path.read_bytes()[8:])
    assert "net.safetensors" in refused("plan", path, "--macs", 0.5)


def test_an_unknown_suffix(refused: Refused, tmp_path: Path):
    (tmp_path / "problem.txt").write_text("1 2 3\n")
    assert ".qplib" in refused("solve", tmp_path / "problem.txt")


def test_a_solution_is_no_problem_and_the_reverse(
    call: Call, refused: Refused, small: Path, tmp_path: Path
):
    out = tmp_path / "best.npz"
    call("solve", small, "-o", out)
    assert "holds a solution" in refused("solve", out)
    assert "holds a problem" in refused("verify", small, small)
