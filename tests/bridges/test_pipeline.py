"""Compression in steps: budgets kept and used up, repeatable, trained in between."""

import logging
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import ccsolve_torch as cct
from ccsolve.statistics import LatencyTable
from ccsolve.statistics.cost import cost_at
from ccsolve_torch import advancing
from ccsolve_torch.coupling.declaring import Declared
from ccsolve_torch.running.footprint import footprint
from tests.bridges.plans import by_hand

pytestmark = pytest.mark.torch


def wider(kept: Any, size: int, multiple: int) -> int:
    """Give the next admissible width."""
    return min((len(kept) // multiple + 1) * multiple, size)


@pytest.mark.parametrize(
    ("multiple", "budget"), [(2, {"macs": 0.5}), (1, {"params": 0.6, "macs": 0.7})]
)
def test_no_step_of_any_group_can_be_put_back(
    residual, loader, multiple, budget
) -> None:
    small: Any = cct.compress(
        residual, loader, **budget, steps=3, recipe="uniform", multiple_of=multiple
    )
    report, graph = small.report, cct.trace(residual, loader[0][0])
    widths = {name: len(kept) for name, kept in report.kept.items()}
    for name, group in graph.groups.items():
        more = widths | {name: wider(report.kept[name], group.size, multiple)}
        cost = cost_at(graph.operations, more)
        fits = all(getattr(cost, key) <= asked for key, asked in report.asked.items())
        assert more == widths or not fits, name
    assert report.achieved == cost_at(graph.operations, widths)


@pytest.mark.parametrize("steps", [1, 2])
def test_the_same_seed_gives_the_same_model(residual, samples, steps) -> None:
    def made(seed: int) -> list[torch.Tensor]:
        torch.manual_seed(steps)  # whatever the caller's random state is
        shuffled = torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(*samples),
            batch_size=8,
            shuffle=True,
        )
        small = cct.compress(
            residual, shuffled, macs=0.6, steps=steps, recipe="uniform", seed=seed
        )
        return [*small.parameters(), *small.buffers()]

    first, again = made(1), made(1)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_the_random_state_stays(residual, loader) -> None:
    before = torch.random.get_rng_state()
    cct.compress(residual, loader, macs=0.7, steps=2, recipe="uniform")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_progress_is_told_phase_by_phase(residual, loader, capsys, caplog) -> None:
    seen: list[tuple[int, int, str]] = []
    cct.compress(
        residual,
        loader,
        macs=0.7,
        steps=2,
        recipe="uniform",
        progress=lambda step, of, phase: seen.append((step, of, phase)),
    )
    phases = ("collect", "plan", "apply")
    assert seen == [(step, 2, phase) for step in (1, 2) for phase in phases]
    assert capsys.readouterr() == ("", "")
    with caplog.at_level(logging.INFO, "ccsolve"):
        cct.compress(residual, loader, macs=0.7, recipe="uniform")
    told = [r.getMessage() for r in caplog.records if r.name == "ccsolve"]
    assert told == [f"step 1 of 1: {phase}" for phase in phases]
    assert capsys.readouterr() == ("", "")


class Marks:
    """A training that only leaves a mark: it sets every bias of the last layer."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __call__(self, model: Any) -> None:
        self.seen.append(sum(p.numel() for p in model.parameters()))
        model.train()
        with torch.no_grad():
            model.linear.bias.fill_(len(self.seen))
            model.linear.bias += torch.rand(4)


def in_three_steps(model: nn.Module, loader: Any, **options: Any) -> Any:
    """Compress by uniform widths, a third of the way at a time."""
    return cct.compress(model, loader, steps=3, recipe="uniform", **options)


def trained_between(model: nn.Module, loader: Any, training: Any) -> Any:
    """Compress in three steps, trained after each."""
    return in_three_steps(model, loader, macs=0.5, repair="none", finetune=training)


def test_trained_weights_are_carried_on(residual, loader) -> None:
    training = Marks()
    small: Any = trained_between(residual, loader, training)
    assert len(training.seen) == 3
    assert training.seen == sorted(training.seen, reverse=True)
    assert (small.linear.bias >= 3).all()
    assert not any(module.training for module in small.modules())
    assert all(p.grad is None for p in small.parameters())
    report = small.report
    dense = cct.count(residual, loader[0][0])
    assert report.original == dense
    assert report.achieved == cct.count(small, loader[0][0])
    assert report.achieved.macs <= 0.5 * dense.macs
    graph = cct.trace(residual, loader[0][0])
    widths = {name: len(kept) for name, kept in report.kept.items()}
    assert cost_at(graph.operations, widths) == report.achieved


def test_every_step_cuts_what_the_last_training_gave(residual, loader) -> None:
    biases: list[float] = []

    def training(model: Any) -> None:
        biases.append(float(model.linear.bias.detach().mean()))
        with torch.no_grad():
            model.linear.bias.fill_(10.0 * len(biases))

    trained_between(residual, loader, training)
    assert biases[1:] == [10.0, 20.0]


def test_declarations_hold_in_every_step(residual, loader) -> None:
    stays = [0, 4]
    small: Any = in_three_steps(
        residual,
        loader,
        params=0.5,
        declared=Declared(keep={"first.conv1.weight": stays}, ignore=["second.conv1"]),
    )
    weight = residual.first.conv1.weight[stays]
    rows = small.first.conv1.weight
    assert len(rows) < len(residual.first.conv1.weight)
    for row in weight:
        kept = row[: rows.shape[1]] if rows.shape[1] == row.shape[0] else None
        if kept is not None:
            assert any(torch.equal(kept, other) for other in rows)
    assert small.second.conv1.out_channels == residual.second.conv1.out_channels


def test_declarations_hold_when_weights_are_carried_on(residual, loader) -> None:
    with torch.no_grad():  # the first and last channel would go first
        residual.first.conv1.weight[[0, 4]] *= 1e-3
    small: Any = in_three_steps(
        residual,
        loader,
        params=0.3,
        repair="none",
        declared=Declared(keep={"first.conv1.weight": [0, 4]}),
        finetune=lambda model: None,
    )
    norms = small.first.conv1.weight.detach().abs().amax(dim=(1, 2, 3))
    assert len(norms) < 5
    assert (norms < 1e-2).sum() == 2


def test_options_of_collect_are_handed_on(residual, loader) -> None:
    small: Any = cct.compress(
        residual,
        loader,
        macs=0.7,
        recipe="uniform",
        criterion="taylor",
        collecting={"layers": "none"},
        timed=False,
    )
    assert small.report.latency is None


def test_kept_classes_are_those_of_the_original(residual, loader) -> None:
    small: Any = in_three_steps(residual, loader, macs=0.5, repair="none")
    for name, kept in small.report.kept.items():
        assert (np.diff(kept) > 0).all(), name
    graph = cct.trace(residual, loader[0][0])
    slots = [
        (slot, small.report.kept[name])
        for name, group in graph.groups.items()
        for slot in group.slots
        if slot.tensor == "second.conv1.weight"
    ]
    weight = residual.second.conv1.weight
    for slot, kept in slots:
        gone = (slot.classes >= 0) & ~np.isin(slot.classes, kept)
        left = torch.from_numpy(np.flatnonzero(~gone))
        weight = weight.index_select(slot.axis, left)
    assert torch.equal(small.second.conv1.weight, weight)


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("repair", [None, "none"])
def test_the_fisher_alone_is_enough_for_the_default_recipe(
    residual, loader, steps, repair
) -> None:
    small: Any = cct.compress(
        residual, loader, macs=0.6, curvature="fisher", steps=steps, repair=repair
    )
    assert small.report.recipe == "ccp"
    assert small.report.achieved.macs <= small.report.asked["macs"]


def test_the_report_of_a_training_is_of_what_it_gave(residual, loader) -> None:
    small: Any = cct.compress(
        residual, loader, macs=0.5, steps=2, finetune=Marks(), timed=False
    )
    report, x = small.report, loader[0][0]
    assert report.repair.asked == "least_squares"
    distances = report.repair.distances
    assert list(distances) == ["cut", "trained"]
    assert distances["trained"] != distances["cut"]
    assert "distance to the dense outputs, trained" in str(report)
    assert "taken back" not in str(report)
    bare: Any = cct.apply(residual, by_hand(residual, x, report.kept), x, timed=False)
    assert report.equivalence == bare.report.equivalence


def test_a_latency_budget_is_planned_on_measured_tables(
    residual, loader, monkeypatch
) -> None:
    """The tables here are of one group, a microsecond for each of its channels."""

    def measured(model: Any, stats: Any, inputs: Any, **options: Any) -> Any:
        assert options["multiple_of"] == 2
        assert len(inputs[0]) == len(loader[0][0])
        size = stats.groups["first.conv1"].size
        grid = np.arange(1, size + 1)
        times = grid[None].astype(float)
        table = LatencyTable(
            "conv", times, {}, {"first.conv1": 1}, np.zeros(1, dtype=int), grid
        )
        return stats.with_latency([table])

    monkeypatch.setattr(advancing, "measure_latency", measured)
    small: Any = cct.compress(
        residual,
        loader,
        latency=0.5,
        multiple_of=2,
        recipe="uniform",
        repair="none",
        timed=False,
    )
    assert small.first.conv1.out_channels == 2
    assert small.report.asked["latency"] == 2.5


@pytest.mark.parametrize("steps", [1, 3])
def test_a_memory_budget_holds(residual, loader, steps) -> None:
    small: Any = cct.compress(
        residual,
        loader,
        memory=0.7,
        steps=steps,
        recipe="uniform",
        repair="none",
        timed=False,
    )
    alone = footprint(small, loader[0][0][:1])
    assert alone.weights + alone.activations <= small.report.asked["memory"]


def test_fixed_widths_hold_in_every_step(residual, loader) -> None:
    small: Any = in_three_steps(
        residual, loader, macs=0.5, fixed={"first.conv1": 4}, repair="none"
    )
    assert small.first.conv1.out_channels == 4
