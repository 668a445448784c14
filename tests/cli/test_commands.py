"""The commands that take files: what they print and the code they end with."""

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner, Result

import ccsolve
from ccsolve.cli import solve as solve_command
from ccsolve.cli.inputs import read_problem, read_solution
from ccsolve.cli.outcome import exit_code
from ccsolve.cli.program import app
from ccsolve.problems.generate import cancelling
from ccsolve.solution import Solution, Stop
from ccsolve.statistics import Group, Operation, Statistics, Term


def call(*args: object) -> Result:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exception is None or isinstance(result.exception, SystemExit), result
    return result


def document(*args: object, code: int = 0) -> dict[str, Any]:
    """Give the one JSON document on stdout; NaN and infinities are refused."""
    result = call(*args, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout, parse_constant=pytest.fail)


def refused(*args: object, code: int = 2) -> str:
    """Give the one line on stderr of a command that must fail."""
    result = call(*args)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ") and result.stderr.endswith("\n")
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.npz"
    ccsolve.write(path, cancelling(10))
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.npz"
    ccsolve.write(path, cancelling(60))
    return path


@pytest.fixture
def network(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    group = Group(
        "conv1",
        8,
        ggn_rows=rng.normal(size=(20, 8)),
        gradient=rng.normal(size=8),
        scores={"l1": np.arange(8.0)},
    )
    conv = Operation("conv1", "conv", (), "conv1", (Term(("conv1",), 100, 10),))
    path = tmp_path / "net.safetensors"
    Statistics({"conv1": group}, operations=(conv,), samples=20).save(path)
    return path


# solve


def test_solve_proves_a_small_program(small: Path, tmp_path: Path):
    out = tmp_path / "best.npz"
    found = document("solve", small, "-o", out)
    problem = read_problem(small)
    z = np.zeros(10, dtype=bool)
    z[found["kept"]] = True
    assert problem.objective(z) == pytest.approx(found["objective"])
    assert found["claim"] == "optimal" and found["gap"] == 0
    assert np.array_equal(read_solution(out).x, z)


def test_solve_says_the_same_in_words(small: Path, tmp_path: Path):
    result = call("solve", small, "-o", tmp_path / "best.npz")
    assert result.exit_code == 0
    for word in ("objective", "bound", "gap", "optimal", "kept (5)", "best.npz"):
        assert word in result.stdout


def test_a_heuristic_is_done_without_a_bound(small: Path):
    found = document("solve", small, "--method", "greedy")
    assert found["bound"] is None and found["gap"] is None
    assert "none" in call("solve", small, "--method", "greedy").stdout


def test_a_limit_before_the_gap_is_code_1(large: Path):
    found = document("solve", large, "--time-limit", 0.3, code=1)
    assert found["stop"] == "time limit" and found["claim"] == "feasible"
    assert len(found["kept"]) == 30


def test_an_asked_gap_that_is_reached_is_code_0(small: Path):
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
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    @contextmanager
    def pressed(time_limit: float) -> Iterator[Any]:
        def see(now: object) -> None:
            raise KeyboardInterrupt

        yield see

    monkeypatch.setattr(solve_command, "_live", pressed)
    out = tmp_path / "best.npz"
    found = document("solve", large, "-o", out, code=130)
    assert found["stop"] == "interrupted" and len(found["kept"]) == 30
    assert read_solution(out).stop is Stop.INTERRUPTED


def test_an_interrupt_outside_a_solve_is_one_line(
    large: Path, monkeypatch: pytest.MonkeyPatch
):
    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ccsolve, "read", pressed)
    assert refused("solve", large, code=130) == "error: interrupted\n"


# methods, verify, plan


def test_methods_lists_rows_and_what_auto_picks(small: Path):
    everything = document("methods")
    assert everything["auto"] is None
    assert {"greedy", "milp"} <= {row["name"] for row in everything["methods"]}
    assert document("methods", small)["auto"] == "enumerate_all"
    assert "enumerate_all (auto)" in call("methods", small).stdout


def test_methods_leaves_out_what_is_too_large(large: Path):
    names = {row["name"] for row in document("methods", large)["methods"]}
    assert "enumerate_all" not in names and "tabu" in names


def test_verify_accepts_what_solve_wrote(small: Path, tmp_path: Path):
    out = tmp_path / "best.npz"
    call("solve", small, "-o", out)
    assert document("verify", small, out)["verified"] is True
    assert call("verify", small, out).stdout.startswith("verified: objective ")


@pytest.mark.parametrize("field", ["objective", "bound", "point"])
def test_verify_refutes(small: Path, tmp_path: Path, field: str):
    out = tmp_path / "best.npz"
    call("solve", small, "-o", out)
    honest = read_solution(out)
    lies = {
        "objective": replace(honest, objective=honest.objective - 1),
        "bound": replace(honest, bound=honest.objective + 1),
        "point": replace(honest, x=np.ones(10, dtype=bool)),
    }
    ccsolve.write(out, lies[field])
    found = document("verify", small, out, code=1)
    assert found["verified"] is False and found["reason"]
    assert call("verify", small, out).stdout.startswith("refuted: ")


def test_plan_keeps_its_budget(network: Path, tmp_path: Path):
    out = tmp_path / "plan.json"
    found = document("plan", network, "--macs", 0.5, "-o", out)
    assert found["achieved"]["macs"] <= found["asked"]["macs"] == 400
    assert len(found["keep"]["conv1"]) == found["widths"]["conv1"] == 4
    assert ccsolve.Plan.load(out).widths == found["widths"]
    table = call("plan", network, "--macs", 400, "--multiple-of", 4).stdout
    assert "50.0 %" in table and "conv1 4/8" in table


def test_plan_by_another_recipe(network: Path):
    found = document("plan", network, "--params", 40, "--recipe", "uniform")
    assert found["keep"]["conv1"] == [4, 5, 6, 7] and found["objective"] is None


def test_plan_finds_shipped_statistics_by_name():
    found = document("plan", "resnet56_cifar10", "--macs", 0.5, "--recipe", "uniform")
    assert found["achieved"]["macs"] <= 0.5 * found["original"]["macs"]


# bad input


def test_files_that_are_not_there(tmp_path: Path, small: Path):
    assert "no such file" in refused("solve", tmp_path / "none.npz")
    assert "no such file" in refused("methods", tmp_path / "none.npz")
    assert "no such file" in refused("verify", small, tmp_path / "none.npz")
    assert "none.safetensors" in refused(
        "plan", tmp_path / "none.safetensors", "--macs", 0.5
    )


def test_a_folder_is_no_file(tmp_path: Path):
    refused("solve", tmp_path)
    refused("plan", tmp_path, "--macs", 0.5)
    (tmp_path / "folder.npz").mkdir()
    refused("solve", tmp_path / "folder.npz")


def test_a_truncated_file(small: Path):
    small.write_bytes(small.read_bytes()[:200])
    assert "small.npz" in refused("solve", small)


def test_an_empty_file(small: Path):
    small.write_bytes(b"")
    refused("solve", small)


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
def test_bad_data_in_a_file(small: Path, change: dict[str, np.ndarray], word: str):
    np.savez(small, **{**arrays_of(small), **change})  # pyright: ignore
    assert word in refused("solve", small)


def test_an_infeasible_budget_is_code_3(small: Path):
    cost = {"cost": np.ones(10), "budget": np.asarray(2.0)}
    np.savez(small, **{**arrays_of(small), **cost})  # pyright: ignore
    assert "budget" in refused("solve", small, code=3)


def test_an_infeasible_plan_is_code_3(network: Path):
    assert "budget" in refused("plan", network, "--macs", 1, code=3)


def test_a_header_that_claims_too_much(tmp_path: Path):
    path = tmp_path / "net.safetensors"
    save_file({"x": np.zeros(2)}, path)
    path.write_bytes((100 * 2**30).to_bytes(8, "little") + path.read_bytes()[8:])
    assert "net.safetensors" in refused("plan", path, "--macs", 0.5)


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
def test_bad_options(small: Path, options: tuple[object, ...], word: str):
    assert word in refused("solve", small, *options)


def test_an_unknown_suffix(tmp_path: Path):
    (tmp_path / "problem.txt").write_text("1 2 3\n")
    assert ".qplib" in refused("solve", tmp_path / "problem.txt")


def test_a_size_that_a_method_cannot_take(large: Path):
    assert "n <= 40" in refused("solve", large, "--method", "enumerate_all")


def test_a_solution_is_no_problem_and_the_reverse(small: Path, tmp_path: Path):
    out = tmp_path / "best.npz"
    call("solve", small, "-o", out)
    assert "holds a solution" in refused("solve", out)
    assert "holds a problem" in refused("verify", small, small)


@pytest.mark.parametrize("budget", ["half", "1.5", "0", "-3", "nan", "1e6"])
def test_bad_budgets(network: Path, budget: str):
    assert "macs" in refused("plan", network, f"--macs={budget}")


def test_a_plan_needs_a_budget_and_a_known_recipe(network: Path):
    assert "budget" in refused("plan", network)
    assert "uniform" in refused("plan", network, "--macs", 0.5, "--recipe", "nothing")


def test_usage_errors_are_code_2(small: Path):
    assert call("solve").exit_code == 2
    assert call("nothing").exit_code == 2
    assert call("solve", small, "--nothing").exit_code == 2
    assert call("solve", small, "--gap", "wide").exit_code == 2


# the program as a process


def run(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ccsolve", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_version_and_help():
    assert run("--version").stdout.strip() == f"ccsolve {ccsolve.__version__}"
    for command in ("demo", "solve", "methods", "verify", "plan"):
        text = call(command, "--help").stdout
        assert "Examples:" in text and f"$ ccsolve {command}" in text
        assert command in call("--help").stdout


def test_help_goes_without_what_is_slow_to_import():
    code = (
        "import sys; from ccsolve.cli import program;"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    slow = {"scipy", "numba", "joblib", "cvxpy", "matplotlib", "safetensors"}
    assert not slow & set(done.stdout.split())


def test_codes_and_streams_of_a_real_process(small: Path, tmp_path: Path):
    done = run("solve", small, "--json")
    assert done.returncode == 0 and done.stderr == ""
    assert json.loads(done.stdout)["n"] == 10
    failed = run("solve", tmp_path / "none.npz")
    assert failed.returncode == 2 and failed.stdout == ""
    assert failed.stderr.count("\n") == 1 and "Traceback" not in failed.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break otherwise there")
def test_a_reader_that_went_away_is_no_traceback():
    command = [sys.executable, "-m", "ccsolve", "methods", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    complaint = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 141 and complaint == b""
