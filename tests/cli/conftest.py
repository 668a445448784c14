"""What the tests of the commands share: ways to call them, and files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import ccsolve
from ccsolve.cli.program import app
from ccsolve.problems.generate import cancelling
from ccsolve.statistics import Group, Operation, Statistics, Term


@pytest.fixture
def call() -> Callable[..., Result]:
    """Give a function that runs a command and gives what came of it."""

    def run(*args: object) -> Result:
        result = CliRunner().invoke(app, [str(arg) for arg in args])
        ended = result.exception is None or isinstance(result.exception, SystemExit)
        assert ended, result
        return result

    return run


@pytest.fixture
def document(call: Callable[..., Result]) -> Callable[..., dict[str, Any]]:
    """Give a function that runs a command and gives the JSON document on stdout.

    NaN and infinities are refused.
    """

    def run(*args: object, code: int = 0) -> dict[str, Any]:
        result = call(*args, "--json")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout, parse_constant=pytest.fail)

    return run


@pytest.fixture
def refused(call: Callable[..., Result]) -> Callable[..., str]:
    """Give a function that runs a command that must fail, and gives its one line."""

    def run(*args: object, code: int = 2) -> str:
        result = call(*args)
        assert result.exit_code == code, result.output
        assert result.stdout == ""
        assert result.stderr.startswith("error: ") and result.stderr.endswith("\n")
        assert result.stderr.count("\n") == 1, result.stderr
        return result.stderr

    return run


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.npz"
    ccsolve.write(path, cancelling(10))
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.npz"
    ccsolve.write(path, cancelling(200))
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
