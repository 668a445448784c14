"""Biq Mac and MDPLIB: the factor 2, the first index, the sense."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from ccsolve import ChannelSelection, read
from ccsolve.errors import InvalidFile

BIQMAC = "# a comment\n3 3\n1 1 5\n1 2 -3 # another\n2 3 0.5\n"
MDPLIB = "3 2\n0 1 4\n0 2 1.5\n1 2 3\n"


def parsed(path: Path, text: str, format: str | None = None) -> ChannelSelection:
    path.write_text(text)
    problem = read(path, format=format)
    assert isinstance(problem, ChannelSelection)
    return problem


@pytest.mark.parametrize("suffix", [".bq", ".sparse", ".BQ"])
def test_biqmac_lines_give_both_halves(tmp_path: Path, suffix: str):
    problem = parsed(tmp_path / f"a{suffix}", BIQMAC)
    assert problem.keep is None
    for x in itertools.product((0, 1), repeat=3):
        value = 5 * x[0] + 2 * (-3) * x[0] * x[1] + 2 * 0.5 * x[1] * x[2]
        assert problem.objective(np.array(x)) == pytest.approx(value)


@pytest.mark.parametrize("suffix", [".mdp", ".mdplib"])
def test_mdplib_maximises_each_pair_once(tmp_path: Path, suffix: str):
    problem = parsed(tmp_path / f"a{suffix}", MDPLIB)
    assert problem.keep == 2
    for pair, distance in (((0, 1), 4), ((0, 2), 1.5), ((1, 2), 3)):
        z = np.zeros(3)
        z[list(pair)] = 1
        assert problem.objective(z) == pytest.approx(-distance)


def test_ambiguous_suffixes_need_the_format(tmp_path: Path):
    with pytest.raises(InvalidFile, match="format= one of"):
        parsed(tmp_path / "a.txt", MDPLIB)
    assert parsed(tmp_path / "a.txt", MDPLIB, "mdplib").keep == 2
    assert parsed(tmp_path / "a.txt", BIQMAC, "biqmac").keep is None
    with pytest.raises(InvalidFile, match="format 'other' unknown"):
        parsed(tmp_path / "a.txt", MDPLIB, "other")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.bq", "", "ends early; expected the header n m"),
        ("a.bq", "3\n", "line 1: found '3'; expected m"),
        ("a.bq", "3 9\n", "from 0 to 6"),
        ("a.bq", "99999999 1\n1 1 1\n", "from 1 to 10000"),
        ("a.bq", "3 2\n1 1 5\n", "1 lines after the header; expected m = 2"),
        ("a.bq", "3 1\n0 1 5\n", "index i from 1 to 3"),
        ("a.bq", "3 1\n1 4 5\n", "index j from 1 to 3"),
        ("a.bq", "3 1\n1 2 x\n", "expected i j value"),
        ("a.bq", "3 1\n1 2 inf\n", "finite"),
        ("a.bq", "3 1\n1 2\n", "three numbers"),
        ("a.bq", "3 2\n1 2 1\n2 1 1\n", "the pair 0, 1 .* stands twice"),
        ("a.mdp", "3 2\n0 1 4\n0 2 1\n", "each of the 3 pairs"),
        ("a.mdp", "3 2\n0 1 4\n0 2 1\n1 1 0\n", "each of the 3 pairs"),
        ("a.mdp", "3 2\n0 1 4\n0 2 1\n1 3 0\n", "index j from 0 to 2"),
        ("a.mdp", "3 4\n0 1 4\n0 2 1\n1 2 0\n", "how many to choose from 0 to 3"),
        ("a.mdp", "3 2\n0 1 4\n0 1 1\n1 2 0\n", "stands twice"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, name: str, text: str, message: str):
    with pytest.raises(InvalidFile, match=message) as caught:
        parsed(tmp_path / name, text)
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_one_variable_is_enough(tmp_path: Path):
    assert parsed(tmp_path / "a.bq", "1 0\n").n == 1
    assert parsed(tmp_path / "a.mdp", "1 1\n").keep == 1
