"""Several steps: budgets on a schedule, nested decisions, a record of every step."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import ccsolve_torch as cct
from ccsolve import Plan
from ccsolve.errors import InvalidProblem
from ccsolve_torch.stepwise.steps import schedule

pytestmark = pytest.mark.torch

SHARES = [0.5, 0.9, 1]


def in_steps(model: Any, loader: Any, **options: Any) -> Any:
    given: dict[str, Any] = {"macs": 0.4, "steps": 3, "timed": False, **options}
    return cct.compress(model, loader, **given)


def mean_loss(model: Any, loader: Any) -> float:
    with torch.no_grad():
        values = [
            functional.cross_entropy(model.eval()(x), y, reduction="none")
            for x, y in loader
        ]
    return float(torch.cat(values).mean())


@pytest.mark.parametrize(
    ("shape", "left"),
    [
        ("geometric", [0.4 ** (1 / 3), 0.4 ** (2 / 3), 0.4]),
        pytest.param("linear", [0.8, 0.6, 0.4], marks=pytest.mark.slow),
        (SHARES, [0.7, 0.46, 0.4]),
    ],
)
def test_budgets_fall_on_the_schedule(residual, loader, shape, left) -> None:
    small = in_steps(residual, loader, schedule=shape, recipe="uniform")
    dense = small.report.original.macs
    asked = [step.asked["macs"] for step in small.report.steps]
    assert asked == pytest.approx([share * dense for share in left], abs=1)
    assert small.report.asked["macs"] == asked[-1] == int(0.4 * dense)


def test_several_budgets_share_one_way(residual, loader) -> None:
    graph = cct.trace(residual, loader[0][0])
    dense = cct.count(residual, loader[0][0])
    given = {"macs": 0.4, "params": dense.params // 2}
    found = list(schedule(given, dense, 3, SHARES))
    assert [step["params"] for step in found] == [
        int(dense.params * (1 - 0.5 * (1 - dense.params // 2 / dense.params))),
        int(dense.params * (1 - 0.9 * (1 - dense.params // 2 / dense.params))),
        dense.params // 2,
    ]
    assert len(graph.groups) > 0


def test_the_record_has_predictions_and_measurements(residual, loader) -> None:
    small = in_steps(residual, loader, repair="none")
    steps = small.report.steps
    assert [step.step for step in steps] == [1, 2, 3]
    assert steps[0].before == pytest.approx(mean_loss(residual, loader), rel=1e-4)
    assert steps[-1].loss == pytest.approx(mean_loss(small, loader), rel=1e-4)
    for one, other in itertools.pairwise(steps):
        assert other.before == one.loss
        assert other.asked["macs"] < one.asked["macs"]
    for step in steps:
        assert step.achieved["macs"] <= step.asked["macs"]
        assert step.measured == step.loss - step.before
        assert step.predicted is not None and step.bound is not None
        assert step.bound <= step.predicted
    assert steps[-1].achieved["macs"] == small.report.achieved.macs
    assert "step 3: " in str(small.report)


def test_recipes_without_programs_predict_nothing(residual, loader) -> None:
    small = in_steps(residual, loader, recipe="uniform", criterion="l2")
    assert all(step.predicted is None for step in small.report.steps)


def test_losses_are_measured_on_what_was_not_seen(residual, loader) -> None:
    unseen = [(x + 0.3, y) for x, y in loader]
    small = in_steps(residual, loader, unseen=unseen, steps=1)
    (step,) = small.report.steps
    assert step.before == pytest.approx(mean_loss(residual, unseen), rel=1e-4)
    assert step.loss == pytest.approx(mean_loss(small, unseen), rel=1e-4)
    plain = in_steps(residual, loader, steps=1)
    assert plain.report.steps == ()
    for a, b in zip(plain.parameters(), small.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("trained", [False, True])
def test_nested_steps_keep_parts_of_each_other(
    residual, loader, tmp_path, trained
) -> None:
    finetune = (lambda model: None) if trained else None
    small = in_steps(
        residual,
        loader,
        nested=True,
        folder=tmp_path,
        multiple_of=2,
        finetune=finetune,
        repair="none",
    )
    plans = [Plan.load(tmp_path / f"step-{step}.json") for step in (1, 2, 3)]
    for wide, narrow in itertools.pairwise(plans):
        for name, kept in narrow.keep.items():
            assert set(kept) <= set(wide.keep[name])
    achieved = [step.achieved["macs"] for step in small.report.steps]
    assert np.all(np.diff(achieved) <= 0)
    for name, kept in small.report.kept.items():
        assert kept.tolist() == plans[-1].keep[name].tolist()


def test_records_survive_a_resume_and_a_bundle(residual, loader, tmp_path) -> None:
    first = in_steps(residual, loader, folder=tmp_path / "run")
    (tmp_path / "run" / "step-3.json").unlink()
    again = in_steps(residual, loader, folder=tmp_path / "run")
    assert again.report.steps == first.report.steps
    cct.save(first, tmp_path / "bundle")
    loaded: Any = cct.load(type(residual), tmp_path / "bundle")
    assert loaded.report.steps == first.report.steps


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "steep"}, "schedule 'steep'; expected 'geometric', 'linear'"),
        ({"schedule": [0.5, 1]}, "with steps=3; expected a name, or the share"),
        ({"schedule": [0.5, 0.4, 1]}, "shares of the way that rise to 1"),
        ({"schedule": [0.2, 0.4, 0.9]}, "shares of the way that rise to 1"),
        ({"schedule": 3}, "schedule 3 with steps=3"),
        ({"unseen": iter([])}, "is an iterator"),
    ],
)
def test_malformed_schedules_are_refused(residual, loader, options, message) -> None:
    with pytest.raises(InvalidProblem, match=message):
        in_steps(residual, loader, **options)


def test_a_folder_knows_them(residual, loader, tmp_path) -> None:
    options = {"folder": tmp_path, "recipe": "uniform", "steps": 2}
    in_steps(residual, loader, **options)
    changes = {"schedule": "linear", "nested": True, "unseen": loader}
    for name, value in changes.items():
        with pytest.raises(InvalidProblem, match=f"begun with {name}"):
            in_steps(residual, loader, **options, **{name: value})
