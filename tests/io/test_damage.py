"""Random damage: a reader refuses the file or gives a valid object, nothing else."""

from pathlib import Path

import numpy as np
import pytest

from ccsolve import ChannelSelection, Solution, Stop, read, write
from ccsolve.errors import Infeasible, InvalidFile
from ccsolve.problems.generate import FAMILIES

TRIALS = 250


def whole_file(path: Path) -> bytes:
    n = 5
    if path.suffix in (".bq", ".mdp"):
        first = 1 if path.suffix == ".bq" else 0
        pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
        second = len(pairs) if path.suffix == ".bq" else 2
        lines = [f"{i + first} {j + first} {i - 2.5 * j}" for i, j in pairs]
        path.write_text("\n".join([f"{n} {second}", *lines, ""]))
    elif path.stem == "solution":
        x = np.array([True, False])
        write(path, Solution(x, 1.0, 0.5, Stop.GAP, extra={"a": 1}))
    else:
        plain = (p(n, 0) for p in FAMILIES.values())
        write(path, next(p for p in plain if p.keep is not None and p.fixed is None))
    return path.read_bytes()


@pytest.mark.parametrize("digits", [False, True])
@pytest.mark.parametrize(
    "name",
    ["problem.npz", "solution.npz", "problem.qplib", "problem.bq", "problem.mdp"],
)
def test_flipped_bytes(tmp_path: Path, name: str, digits: bool):
    path, rng = tmp_path / name, np.random.default_rng(0)
    whole = whole_file(path)
    for _ in range(TRIALS):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), rng.integers(1, 4)):
            # Digits for digits keep the damage inside numbers, past the first checks.
            damaged[place] = rng.integers(48, 58) if digits else rng.integers(256)
        path.write_bytes(damaged)
        assert_refused_or_valid(path)


@pytest.mark.parametrize(
    "name",
    ["problem.npz", "solution.npz", "problem.qplib", "problem.bq", "problem.mdp"],
)
def test_truncations(tmp_path: Path, name: str):
    path, rng = tmp_path / name, np.random.default_rng(1)
    whole = whole_file(path)
    for length in rng.integers(0, len(whole), TRIALS):
        path.write_bytes(whole[:length])
        assert_refused_or_valid(path)


def assert_refused_or_valid(path: Path) -> None:
    try:
        value = read(path)
    except (InvalidFile, Infeasible) as error:
        assert str(path) in str(error)
    else:
        assert isinstance(value, ChannelSelection | Solution)
