"""The recipe "joint" in several steps: channels add up, bottlenecks are made anew."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import ccsolve_torch as cct
from ccsolve.errors import Unsupported
from ccsolve.plans import Plan
from ccsolve_torch import advancing
from tests.bridges.states import same, state

pytestmark = pytest.mark.torch

STEPS = 3


class Killed(BaseException):
    """Ends a compression where a kill would."""


def smaller(model: nn.Module, loader: Any, **options: Any) -> Any:
    given = {"macs": 0.4, "steps": STEPS, "recipe": "joint", "timed": False}
    return cct.compress(model, loader, **{**given, **options})


def test_every_step_keeps_its_budget_with_bottlenecks_of_its_own(
    residual, loader, tmp_path: Path
):
    report = smaller(residual, loader, folder=tmp_path / "run").report
    plans = [Plan.load(tmp_path / "run" / f"step-{k}.json") for k in (1, 2, 3)]
    assert report.recipe == "joint" and report.achieved.macs <= report.asked["macs"]
    assert {one.name for one in report.factored} == set(plans[-1].factors) != set()
    for earlier, later in pairwise(plans):
        for name, kept in later.keep.items():
            assert set(kept) <= set(earlier.keep[name])
    achieved = [step.achieved["macs"] for step in report.steps]
    assert achieved == sorted(achieved, reverse=True) and len(achieved) == STEPS
    for step, plan in zip(report.steps, plans, strict=True):
        assert step.achieved["macs"] == plan.achieved["macs"] <= step.asked["macs"]


def test_later_steps_begin_with_whole_layers(residual, loader, monkeypatch):
    """Chains would be layers of their own there, and lose channels once more."""
    seen: list[tuple[list[str], int]] = []

    def noted(model: nn.Module, *args: Any, **options: Any) -> Any:
        names = [name for name, _ in model.named_modules()]
        weights = sum(p.numel() for p in model.parameters())
        seen.append((names, weights))
        return cct.collect(model, *args, **options)

    monkeypatch.setattr(advancing, "collect", noted)
    small = smaller(residual, loader)
    assert len(seen) == STEPS and all(names == seen[0][0] for names, _ in seen)
    assert seen[0][1] > seen[-1][1]
    assert [name for name, _ in small.named_modules()] != seen[0][0]


@pytest.mark.parametrize("done", [1, 2])
def test_it_goes_on_after_a_kill(residual, loader, tmp_path: Path, done: int):
    def progress(step: int, of: int, phase: str) -> None:
        if (step, phase) == (done + 1, "plan"):
            raise Killed

    whole = smaller(residual, loader)
    with pytest.raises(Killed):
        smaller(residual, loader, folder=tmp_path / "run", progress=progress)
    rest = smaller(residual, loader, folder=tmp_path / "run")
    assert same(state(rest), state(whole))
    assert [s.achieved for s in rest.report.steps] == [
        s.achieved for s in whole.report.steps
    ]


@pytest.mark.parametrize("first", [0.24, 0.3])
def test_the_first_step_may_do_without_bottlenecks(
    residual, loader, tmp_path: Path, first: float
):
    """What errors count is known of the original's layers, also after such a step."""
    asked: Any = {"macs": 0.25, "schedule": [first, 0.6, 1.0], "fixed": {"stem": 4}}
    whole = smaller(residual, loader, **asked)
    for k in (1, 2):

        def progress(step: int, of: int, phase: str, last: int = k) -> None:
            if (step, phase) == (last + 1, "apply"):
                raise Killed

        folder = tmp_path / f"run-{k}"
        with pytest.raises(Killed):
            smaller(residual, loader, folder=folder, progress=progress, **asked)
        assert same(
            state(smaller(residual, loader, folder=folder, **asked)), state(whole)
        )
    if first < 0.3:
        assert not Plan.load(tmp_path / "run-1" / "step-1.json").factors


def test_losses_are_of_what_a_step_begins_with_and_ends_with(residual, loader):
    first, *_, last = smaller(residual, loader).report.steps
    once = smaller(residual, loader, macs=int(first.asked["macs"]), steps=1)
    with torch.no_grad():
        losses = [
            nn.functional.cross_entropy(model(x).double(), y, reduction="sum")
            for model in (residual, once)
            for x, y in loader
        ]
    count = sum(len(y) for _, y in loader)
    before, after = (
        float(sum(losses[i : i + len(loader)])) / count for i in (0, len(loader))
    )
    assert first.before == pytest.approx(before, rel=1e-4)
    assert first.loss == pytest.approx(after, rel=1e-4)
    # Without its bottlenecks the second step's network has lost less.
    assert last.before != first.loss


def test_training_between_steps_is_left_to_whole_layers(residual, loader):
    def train(model: nn.Module) -> None:
        assert isinstance(model, nn.Module)

    with pytest.raises(Unsupported, match="'joint' and finetune=: it would train"):
        smaller(residual, loader, finetune=train)
    report = smaller(residual, loader, recipe="auto", finetune=train).report
    assert report.recipe == "allocated" and not report.factored
    once = smaller(residual, loader, steps=1, finetune=train).report
    assert once.recipe == "joint"


def test_other_chains_take_one_step(residual, loader):
    with pytest.raises(Unsupported, match="recipe 'tucker': a later step would cut"):
        smaller(residual, loader, recipe="tucker")
