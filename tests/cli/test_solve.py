"""`ccsolve solve`: what it prints, and the code it ends with."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import Result

import ccsolve
from ccsolve.cli import solve as solve_command
from ccsolve.cli.inputs import read_problem, read_solution
from ccsolve.cli.outcome import exit_code
from ccsolve.problems.generate import cancelling
from ccsolve.solution import Solution, Stop

Call = Callable[..., Result]
Document = Callable[..., dict[str, Any]]
Refused = Callable[..., str]


def test_solve_proves_a_small_program(document: Document, small: Path, tmp_path: Path):
    out = tmp_path / "best.npz"
    found = document("solve", small, "-o", out)
    problem = read_problem(small)
    z = np.zeros(10, dtype=bool)
    z[found["kept"]] = True
    assert problem.objective(z) == pytest.approx(found["objective"])
    assert found["claim"] == "optimal" and found["gap"] == 0
    assert np.array_equal(read_solution(out).x, z)


def test_solve_says_the_same_in_words(call: Call, small: Path, tmp_path: Path):
    result = call("solve", small, "-o", tmp_path / "best.npz")
    assert result.exit_code == 0
    for word in ("objective", "bound", "gap", "optimal", "kept (5)", "best.npz"):
        assert word in result.stdout


def test_a_heuristic_is_done_without_a_bound(
    call: Call, document: Document, small: Path
):
    found = document("solve", small, "--method", "greedy")
    assert found["bound"] is None and found["gap"] is None
    assert "none" in call("solve", small, "--method", "greedy").stdout


def test_a_limit_before_the_gap_is_code_1(document: Document, large: Path):
    found = document("solve", large, "--time-limit", 0.3, code=1)
    assert found["stop"] == "time limit" and found["claim"] == "feasible"
    assert len(found["kept"]) == 100


def test_an_asked_gap_that_is_reached_is_code_0(document: Document, small: Path):
    assert document("solve", small, "--gap", 10)["stop"] in ("gap", "finished")


@pytest.mark.parametrize(
    ("method", "stop", "gap", "code"),
    [
        ("greedy", Stop.TIME_LIMIT, math.inf, 0),
        ("search_and_bound", Stop.TIME_LIMIT, 0.1, 1),
        ("search_and_bound", Stop.STEP_LIMIT, 0.1, 1),
        ("search_and_bound", Stop.TIME_LIMIT, 1e-9, 0),
        ("eigenvalue_bound", Stop.FINISHED, 0.1, 0),
        ("greedy", Stop.INTERRUPTED, math.inf, 130),
    ],
)
def test_exit_codes(method: str, stop: Stop, gap: float, code: int):
    problem = cancelling(10)
    solution = Solution(np.ones(10), 1.0, 1.0 - gap, stop, method=method)
    assert exit_code(solution, problem, 1e-6) == code


def test_an_interrupt_keeps_the_best_so_far(
    document: Document, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    @contextmanager
    def pressed(time_limit: float) -> Iterator[Any]:
        def see(now: object) -> None:
            raise KeyboardInterrupt

        yield see

    monkeypatch.setattr(solve_command, "_live", pressed)
    out = tmp_path / "best.npz"
    found = document("solve", large, "-o", out, code=130)
    assert found["stop"] == "interrupted" and len(found["kept"]) == 100
    assert read_solution(out).stop is Stop.INTERRUPTED


def test_an_interrupt_outside_a_solve_is_one_line(
    refused: Refused, large: Path, monkeypatch: pytest.MonkeyPatch
):
    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ccsolve, "read", pressed)
    assert refused("solve", large, code=130) == "error: interrupted\n"


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--method", "nothing"), "known: auto, greedy"),
        (("--method", "tabu", "--time-limit", "nan"), "time_limit"),
        (("--time-limit", -1), "time_limit"),
        (("--gap", -1), "gap"),
        (("--seed", -1), "seed"),
        (("-o", "best.txt"), "suffix"),
        (("-o", "nowhere/best.npz"), "folder"),
        (("--format", "nothing"), "format"),
    ],
)
def test_bad_options(
    refused: Refused, small: Path, options: tuple[object, ...], word: str
):
    assert word in refused("solve", small, *options)


def test_a_size_that_a_method_cannot_take(refused: Refused, large: Path):
    assert "n <= 40" in refused("solve", large, "--method", "enumerate_all")
