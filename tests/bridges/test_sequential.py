"""Layer by layer: statistics are taken again before every group."""

from typing import Any

import numpy as np
import pytest
import torch

import ccsolve
import ccsolve_torch as cct
from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve_torch.coupling.declaring import Declared

pytestmark = pytest.mark.torch


def smaller(model: Any, loader: Any, **options: Any) -> Any:
    given: dict[str, Any] = {"macs": 0.6, "repair": "none", "timed": False, **options}
    return cct.compress(model, loader, **given)


def kept(small: Any) -> dict[str, list[int]]:
    return {name: classes.tolist() for name, classes in small.report.kept.items()}


def test_it_chooses_otherwise_than_at_once(residual, loader) -> None:
    options: dict[str, Any] = {"widths": 0.5, "macs": 1.0}
    at_once = kept(smaller(residual, loader, **options))
    in_turn = kept(smaller(residual, loader, sequential=True, **options))
    first = next(iter(at_once))
    assert at_once[first] == in_turn[first]
    assert at_once != in_turn


def test_it_is_what_collecting_by_hand_gives(residual, loader) -> None:
    """Cut by hand, collect by hand, solve by hand."""
    small = smaller(residual, loader, sequential=True, widths=0.6, macs=1.0)
    stats = cct.collect(residual, loader)
    found: dict[str, Any] = {
        name: np.arange(group.size) for name, group in stats.groups.items()
    }
    now = stats
    for name, group in stats.groups.items():
        program = now.channel_selection(name, int(0.6 * group.size), first_order=0.0)
        found[name] = np.flatnonzero(ccsolve.solve(program).x)
        plan = ccsolve.Plan(
            recipe="by hand",
            keep=found,
            sizes={k: g.size for k, g in stats.groups.items()},
            fingerprint=stats.fingerprint,
        )
        cut = cct.apply(residual, plan, loader[0][0], timed=False)
        now = cct.collect(cut, loader)
    assert kept(small) == {name: classes.tolist() for name, classes in found.items()}


def test_the_phases_are_told_group_by_group(residual, loader) -> None:
    told: list[str] = []
    small = smaller(
        residual,
        loader,
        sequential=True,
        widths=0.6,
        macs=1.0,
        progress=lambda step, steps, phase: told.append(phase),
    )
    between = ["apply", "collect"] * (len(small.report.kept) - 1)
    assert told == ["collect", "plan", *between, "apply"]


def test_several_steps_training_and_what_is_declared(residual, loader) -> None:
    keep = {"first.conv1.weight": [3]}

    def training(model: Any) -> None:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(0.99)

    options: dict[str, Any] = {
        "sequential": True,
        "steps": 2,
        "finetune": training,
        "declared": Declared(keep=keep),
        "fixed": {"stem": 6},
    }
    small = smaller(residual, loader, **options)
    report = small.report
    assert report.achieved.macs <= report.asked["macs"]
    left, was = small.first.conv1.weight, residual.first.conv1.weight
    assert len(left) < len(was)
    # What is declared to stay belongs to no group, and is there beside the kept.
    assert len(left) == len(report.kept["first.conv1"]) + 1
    assert (left / was[3]).std(dim=(1, 2, 3)).min() < 1e-5
    again = smaller(residual, loader, **options)
    state, other = small.state_dict(), again.state_dict()
    assert all(torch.equal(value, other[name]) for name, value in state.items())


def test_the_model_comes_back_as_it_was(residual, loader) -> None:
    before = {name: value.clone() for name, value in residual.state_dict().items()}
    smaller(residual, loader, sequential=True)
    after = residual.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_a_folder_remembers_it(residual, loader, tmp_path) -> None:
    smaller(residual, loader, sequential=True, folder=tmp_path)
    with pytest.raises(InvalidProblem, match="sequential = True, now None"):
        smaller(residual, loader, folder=tmp_path, recipe="ccp")


def test_recipes_that_collect_once_refuse_it(residual, loader) -> None:
    with pytest.raises(Unsupported, match="'uniform' plans on statistics taken once"):
        smaller(residual, loader, sequential=True, recipe="uniform")


def test_given_widths_take_one_step(residual, loader) -> None:
    with pytest.raises(Unsupported, match="take steps=1"):
        smaller(residual, loader, widths=0.5, steps=2)
