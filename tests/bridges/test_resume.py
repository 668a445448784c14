"""A compression that was killed goes on, and gives what it would have given."""

import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import ccsolve_torch as cct
from ccsolve.errors import InvalidFile, InvalidProblem
from tests.bridges.states import same, state

pytestmark = pytest.mark.torch

STEPS = 3


class Killed(BaseException):
    """Ends a compression where a kill would."""


def killed_at(step: int, phase: str) -> Callable[[int, int, str], None]:
    def progress(now: int, of: int, name: str) -> None:
        if (now, name) == (step, phase):
            raise Killed

    return progress


def training(model: Any) -> None:
    """Train for a step with whatever the random state gives."""
    model.train()
    loss = model(torch.randn(8, 3, 8, 8)).square().mean()
    parameters = [p for p in model.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(loss, parameters)
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter -= 0.1 * gradient


def smaller(model: nn.Module, loader: Any, **options: Any) -> Any:
    return cct.compress(
        model,
        loader,
        macs=0.5,
        steps=STEPS,
        timed=False,
        **{"recipe": "uniform", **options},
    )


@pytest.mark.parametrize(
    ("recipe", "finetune", "step", "phase"),
    [
        ("uniform", None, 2, "apply"),
        pytest.param("uniform", None, 3, "collect", marks=pytest.mark.slow),
        ("uniform", training, 1, "plan"),
        ("ccp", training, 3, "apply"),
    ],
)
def test_a_killed_compression_goes_on(
    residual, loader, tmp_path: Path, recipe, finetune, step, phase
) -> None:
    whole = smaller(residual, loader, recipe=recipe, finetune=finetune)
    options = {"recipe": recipe, "finetune": finetune, "folder": tmp_path / "run"}
    with pytest.raises(Killed):
        smaller(residual, loader, **options, progress=killed_at(step, phase))
    seen = []
    small = smaller(
        residual, loader, **options, progress=lambda *told: seen.append(told)
    )
    assert same(state(whole), state(small))
    assert (step, STEPS, "collect") in seen
    assert all((done, STEPS, "collect") not in seen for done in range(1, step))
    assert small.report.achieved == whole.report.achieved
    assert str(small.report.kept) == str(whole.report.kept)


def test_a_finished_compression_is_made_again(residual, loader, tmp_path) -> None:
    whole = smaller(residual, loader, folder=tmp_path)
    again = smaller(residual, loader, folder=tmp_path, progress=killed_at(3, "plan"))
    assert same(state(whole), state(again))
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"compress.json", "step-1.json", "step-2.json", "step-3.json"}
    for path in tmp_path.iterdir():
        json.loads(path.read_text())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "seed"),
        ({"multiple_of": 2}, "options"),
        ({"curvature": "fisher"}, "collecting"),
        ({"finetune": training}, "finetune"),
        ({"repair": "none"}, "repair"),
    ],
)
def test_a_folder_of_other_options_is_refused(
    residual, loader, tmp_path, change, named
) -> None:
    with pytest.raises(Killed):
        smaller(residual, loader, folder=tmp_path, progress=killed_at(1, "plan"))
    with pytest.raises(InvalidProblem, match=f"begun with {named}"):
        smaller(residual, loader, folder=tmp_path, **change)


def test_a_folder_of_another_model_or_other_samples_is_refused(
    residual, make, loader, tmp_path
) -> None:
    with pytest.raises(Killed):
        smaller(residual, loader, folder=tmp_path, progress=killed_at(1, "plan"))
    with pytest.raises(InvalidProblem, match="begun with model"):
        smaller(make("tokens").eval(), loader, folder=tmp_path)
    first, *rest = loader
    for others in (
        [(first[0] + 1, first[1]), *rest],
        [first, *((x + 1, y) for x, y in rest)],
        [*rest, first],
        [*loader, first],
        [(x, (y + 1) % 4) for x, y in loader],
    ):
        with pytest.raises(InvalidProblem, match="begun with samples"):
            smaller(residual, others, folder=tmp_path)
    # Other objects that hold the same are the same.
    again = [(x.clone(), y.tolist()) for x, y in loader]
    with pytest.raises(Killed):
        smaller(residual, again, folder=tmp_path, progress=killed_at(1, "plan"))


def shifted(by: float) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    return lambda outputs, targets: (outputs - by).square().sum(dim=1)


class Rate:
    """A training with a rate."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def __call__(self, model: nn.Module) -> None:
        training(model)


@pytest.mark.parametrize(
    ("named", "one", "same", "other"),
    [
        ("collecting", shifted(1.0), shifted(1.0), shifted(2.0)),
        ("collecting", shifted(1.0), shifted(1.0), lambda z, y: z.square().sum(dim=1)),
        ("finetune", training, training, lambda model: None),
        ("finetune", Rate(0.1), Rate(0.1), Rate(0.2)),
        (
            "finetune",
            functools.partial(cct.finetune, lr=0.1),
            functools.partial(cct.finetune, lr=0.1),
            functools.partial(cct.finetune, lr=0.2),
        ),
    ],
)
def test_other_functions_are_other_options(
    residual, loader, tmp_path, named, one, same, other
) -> None:
    def options(function: Any) -> dict[str, Any]:
        return {"loss" if named == "collecting" else named: function}

    def begun(function: Any) -> None:
        smaller(
            residual,
            loader,
            folder=tmp_path,
            progress=killed_at(1, "plan"),
            **options(function),
        )

    for function in (one, same):
        with pytest.raises(Killed):
            begun(function)
    with pytest.raises(InvalidProblem, match=f"begun with {named}"):
        begun(other)


def test_the_report_is_the_same_after_a_resume(residual, loader, tmp_path) -> None:
    options: dict[str, Any] = {
        "finetune": training,
        "folder": tmp_path,
        "recipe": "ccp",
    }
    first = smaller(residual, loader, **options)
    (tmp_path / "step-3.json").unlink()
    for _ in range(2):
        again = smaller(residual, loader, **options)
        assert str(again.report) == str(first.report)
        assert again.report.repair == first.report.repair


def test_a_folder_of_other_files_is_refused(residual, loader, tmp_path) -> None:
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(InvalidProblem, match="other files"):
        smaller(residual, loader, folder=tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "all of it"


def test_damaged_files_are_refused(residual, loader, tmp_path) -> None:
    with pytest.raises(Killed):
        smaller(
            residual,
            loader,
            folder=tmp_path,
            finetune=training,
            progress=killed_at(2, "plan"),
        )
    weights = tmp_path / "step-1.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(InvalidFile, match=r"step-1\.safetensors"):
        smaller(residual, loader, folder=tmp_path, finetune=training)
    (tmp_path / "step-1.json").write_text("{")
    with pytest.raises(InvalidFile, match=r"step-1\.json"):
        smaller(residual, loader, folder=tmp_path, finetune=training)


SCRIPT = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import torch
import ccsolve_torch as cct
from conftest import Residual

def progress(step, of, phase):
    if (step, phase) == (2, "apply"):
        os.kill(os.getpid(), signal.SIGKILL)

torch.set_num_threads(1)
torch.manual_seed(3)
model = Residual().eval()
x = torch.randn(24, 3, 8, 8)
loader = [(x, torch.arange(24) % 4)]
cct.compress(model, loader, macs=0.5, steps=3, recipe="uniform", timed=False,
             folder={folder!r}, progress=progress)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_kill_9(make, tmp_path) -> None:
    folder, tests = str(tmp_path / "run"), str(Path(__file__).parent)
    script = SCRIPT.format(tests=tests, folder=folder)
    run = subprocess.run([sys.executable, "-c", script], timeout=120, check=False)
    assert run.returncode == -signal.SIGKILL
    net = type(make("residual"))
    torch.manual_seed(3)
    model = net().eval()
    x = torch.randn(24, 3, 8, 8)
    loader = [(x, torch.arange(24) % 4)]
    seen = []
    small = smaller(
        model, loader, folder=folder, progress=lambda *told: seen.append(told)
    )
    assert seen[0] == (1, STEPS, "apply")
    assert same(state(small), state(smaller(model, loader)))
