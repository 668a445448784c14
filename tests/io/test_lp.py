"""The .lp format: an evaluator of its own reads the text and agrees at every point."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from ccsolve import ChannelSelection, Solution, Stop, read, testing, write
from ccsolve.errors import InvalidFile, Unsupported
from ccsolve.problems.generate import FAMILIES

SECTIONS = ("Minimize", "Subject To", "Bounds", "Binaries", "End")
NUMBER = r"[+-]?\d+\.?\d*(?:e[+-]\d+)?"


def sections(text: str) -> dict[str, str]:
    """Part the text at the headings, which must stand in order."""
    lines = [line for line in text.splitlines() if not line.startswith("\\")]
    places = [lines.index(heading) for heading in SECTIONS]
    assert places == sorted(places) and places[0] == 0 and places[-1] == len(lines) - 1
    return {
        heading: " ".join(lines[first + 1 : last])
        for heading, first, last in zip(SECTIONS, places, places[1:], strict=False)
    }


def linear(text: str, at: dict[str, float]) -> float:
    """Evaluate ``c x c x ...``, every token of which must be a number or a name."""
    tokens = text.split()
    pairs = zip(tokens[::2], tokens[1::2], strict=True)
    return sum(float(value) * at[name] for value, name in pairs)


def quadratic(text: str, at: dict[str, float]) -> float:
    term = re.compile(rf"({NUMBER}) (\w+) (?:\* (\w+)|\^2) *")
    found = list(term.finditer(text))
    assert "".join(match[0] for match in found) == text
    return sum(float(c) * at[a] * at[b or a] for c, a, b in (m.groups() for m in found))


def objective(text: str, at: dict[str, float]) -> float:
    parts = re.fullmatch(r" *obj: +(.*?)(?: \+ \[ +(.*) +\] / 2)?", text)
    assert parts is not None
    value = linear(parts[1], at)
    return value if parts[2] is None else value + quadratic(parts[2] + " ", at) / 2


def feasible(text: str, at: dict[str, float]) -> bool:
    rows = re.findall(rf"(\w+): +(.*?) +(<=|=) ({NUMBER})", text)
    assert [row[0] for row in rows] == re.findall(r"(\w+):", text)
    holds = {"=": lambda a, b: a == b, "<=": lambda a, b: a <= b}
    return all(holds[sign](linear(a, at), float(b)) for _, a, sign, b in rows)


def held(text: str) -> dict[str, float]:
    fixings = re.findall(rf"(\w+) = ({NUMBER})", text)
    assert " ".join(f"{name} = {value}" for name, value in fixings) == " ".join(
        text.split()
    )
    return {name: float(value) for name, value in fixings}


def written(path: Path, problem: ChannelSelection) -> str:
    write(path, problem)
    return path.read_text(encoding="ascii")


def assert_same_program(text: str, problem: ChannelSelection) -> None:
    parts = sections(text)
    assert parts["Binaries"].split() == [f"z{i}" for i in range(problem.n)]
    fixed = held(parts["Bounds"])
    for bits in itertools.product((0.0, 1.0), repeat=problem.n):
        z = np.array(bits)
        at = {f"z{i}": value for i, value in enumerate(bits)}
        fits = all(at.get(name, value) == value for name, value in fixed.items())
        at |= fixed
        fits = fits and feasible(parts["Subject To"], at)
        assert fits == (problem.violation(z) == 0)
        if fits:
            value = objective(parts["Minimize"], at)
            assert value == pytest.approx(problem.objective(z), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_file_is_the_program_at_every_point(tmp_path: Path, family: str):
    for n, seed in ((4, 0), (7, 1)):
        problem = testing.problem(family, n, seed)
        assert_same_program(written(tmp_path / "a.lp", problem), problem)


@pytest.mark.parametrize(
    "problem",
    [
        ChannelSelection(np.zeros((1, 1))),
        ChannelSelection(np.zeros((3, 3)), [0.0, 1e-12, 0.0], keep=3, constant=-2.5),
        ChannelSelection(np.eye(2), fixed=[1, 0], constant=1e12),
        ChannelSelection([[0.0, 1e-7], [1e-7, 0.0]], cost=[0.1, 0.0], budget=0.05),
        ChannelSelection(factor=[[0.1, 0.7]], diagonal=[-1.0, 0.3], keep=1),
    ],
    ids=repr,
)
def test_edges(tmp_path: Path, problem: ChannelSelection):
    assert_same_program(written(tmp_path / "a.lp", problem), problem)


def test_the_factor_two_is_spelled_out(tmp_path: Path):
    problem = ChannelSelection([[3.0, 5.0], [5.0, 0.0]], [7.0, 0.0])
    text = written(tmp_path / "a.lp", problem)
    assert "+6.0 z0 ^2 +20.0 z0 * z1\n  ] / 2" in text
    assert "+7.0 z0 +0.0 z1" in text


def test_numbers_are_written_exactly(tmp_path: Path):
    values = np.random.default_rng(0).standard_normal(20)
    text = written(tmp_path / "a.lp", ChannelSelection(np.zeros((20, 20)), values))
    terms = sections(text)["Minimize"].removeprefix(" obj:").split()
    assert [float(value) for value in terms[::2]] == values.tolist()


def test_lines_are_short(tmp_path: Path):
    Q = np.random.default_rng(0).standard_normal((60, 60)) * 1e-300
    text = written(tmp_path / "a.lp", ChannelSelection(Q + Q.T, keep=3))
    assert max(map(len, text.splitlines())) <= 255


def test_it_is_written_only(tmp_path: Path):
    path = tmp_path / "a.lp"
    write(path, ChannelSelection(np.eye(2)))
    with pytest.raises(InvalidFile, match=r"\.lp is written only; read \.npz"):
        read(path)


def test_what_it_cannot_hold_is_refused(tmp_path: Path):
    path = tmp_path / "a.lp"
    for value in (
        ChannelSelection(np.zeros((0, 0))),
        Solution(None, np.inf, 0.0, Stop.FINISHED),
    ):
        with pytest.raises(Unsupported, match=r"a\.lp: .*write \.npz"):
            write(path, value)
    assert not path.exists()
