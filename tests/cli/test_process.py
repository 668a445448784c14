"""The program as a process: help, streams, closed pipes, Ctrl-C."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

import ccsolve

Call = Callable[..., Result]


def test_usage_errors_are_code_2(call: Call, small: Path):
    assert call("solve").exit_code == 2
    assert call("nothing").exit_code == 2
    assert call("solve", small, "--nothing").exit_code == 2
    assert call("solve", small, "--gap", "wide").exit_code == 2


def run(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ccsolve", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_version_and_help(call: Call):
    assert run("--version").stdout.strip() == f"ccsolve {ccsolve.__version__}"
    for command in ("demo", "solve", "methods", "verify", "plan", "pareto"):
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
@pytest.mark.parametrize(
    "options", [("methods", "--json"), ("--help",), ("solve", "--help")], ids=" ".join
)
def test_a_reader_that_went_away_is_no_traceback(options: tuple[str, ...]):
    command = [sys.executable, "-m", "ccsolve", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    complaint = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 141 and complaint == b""


INTERRUPTED_AT_IMPORT = """
import os, signal, sys
from ccsolve.cli import main

class Pressed:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)

assert "typer" not in sys.modules
sys.meta_path.insert(0, Pressed())
sys.argv = ["ccsolve", "methods"]
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such signals")
def test_ctrl_c_while_the_commands_are_imported_is_one_line():
    code = [sys.executable, "-c", INTERRUPTED_AT_IMPORT]
    done = subprocess.run(code, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "error: interrupted\n"
