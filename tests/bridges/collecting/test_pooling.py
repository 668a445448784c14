"""Two processes with half of the data each collect what one does with all of it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ccsolve_torch as cct
from ccsolve import Statistics
from tests.bridges import two_processes

pytestmark = [pytest.mark.torch, pytest.mark.slow]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder in which both processes left what they found."""
    folder = tmp_path_factory.mktemp("processes")
    paths = os.pathsep.join(path for path in sys.path if path)
    running = [
        subprocess.Popen(
            [
                sys.executable,
                two_processes.__file__,
                str(rank),
                folder / "meet",
                folder,
            ],
            env={**os.environ, "PYTHONPATH": paths},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in running:
        _, errors = process.communicate(timeout=110)
        assert process.returncode == 0, errors
    return folder


def read(folder: Path, name: str) -> list[Statistics]:
    return [Statistics.load(folder / f"{name}{rank}.safetensors") for rank in range(2)]


def parts(stats: Statistics) -> dict[str, Any]:
    """Give every array of the statistics by its place."""
    found: dict[str, Any] = {}
    for items in (stats.groups, stats.layers):
        for name, item in items.items():
            for part, value in vars(item).items():
                if isinstance(value, np.ndarray):
                    found[f"{name}/{part}"] = value
                elif part == "activation":
                    found |= {f"{name}/{part}/{k}": v for k, v in value.items()}
    return found


@pytest.mark.parametrize("name", two_processes.OPTIONS)
def test_two_processes_find_what_one_does(folder: Path, name: str) -> None:
    collect: Any = cct.collect
    alone = collect(
        two_processes.network(),
        two_processes.batches(),
        **two_processes.OPTIONS[name],
    )
    expected, (first, second) = parts(alone), read(folder, name)
    assert alone.groups["0"].ggn_rows is None or name == "rows"
    for stats in (first, second):
        found = parts(stats)
        assert found.keys() == expected.keys()
        assert stats.samples == alone.samples
        assert stats.meta["mean_loss"] == pytest.approx(alone.meta["mean_loss"])
        for place, value in expected.items():
            scale = np.abs(value).max()
            np.testing.assert_allclose(
                found[place], value, atol=1e-5 * scale, err_msg=place
            )
    one, other = parts(first), parts(second)
    for place, value in one.items():
        np.testing.assert_array_equal(value, other[place], err_msg=place)


def test_processes_fail_together_and_see_other_models(folder: Path) -> None:
    texts = [(folder / f"refusals{rank}.txt").read_text() for rank in range(2)]
    failed, differing = zip(*(text.split("\n") for text in texts), strict=True)
    assert "another process failed" in failed[0]
    assert "no batch" in failed[1]
    assert all("the model differs between processes" in text for text in differing)
