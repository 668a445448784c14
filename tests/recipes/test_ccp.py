"""CCP at given widths, and layer by layer on statistics that are taken again."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import ccsolve
from ccsolve.criteria import score
from ccsolve.errors import Infeasible, InvalidProblem, InvalidStatistics, Unsupported
from ccsolve.recipes.removals import losses_by
from ccsolve.recipes.uniform import best
from ccsolve.statistics import Statistics
from ccsolve.statistics.generate import random_chain

STATS = random_chain((6, 8, 5))
SIZES = {name: group.size for name, group in STATS.groups.items()}


def given(widths: Any, macs: float = 1.0, **options: Any) -> ccsolve.Plan:
    return ccsolve.plan(STATS, macs=macs, recipe="ccp", widths=widths, **options)


class Quadratic:
    """A network whose loss without the classes u is ½‖A u‖², and nothing else."""

    def __init__(self, stats: Statistics) -> None:
        self.stats, self.asked = stats, []
        self.rows: dict[str, Any] = {k: g.rows() for k, g in stats.groups.items()}

    def __call__(self, plan: ccsolve.Plan) -> Statistics:
        """Give the curvature, and the gradient where the plan has led to."""
        self.asked.append(plan)
        left = self._residual(plan)
        groups = {
            name: replace(group, gradient=-self.rows[name].T @ left)
            for name, group in self.stats.groups.items()
        }
        return replace(self.stats, groups=groups)

    def loss(self, plan: ccsolve.Plan) -> float:
        return 0.5 * float(np.sum(self._residual(plan) ** 2))

    def _residual(self, plan: ccsolve.Plan) -> Any:
        return sum(
            self.rows[name].astype(float) @ ~plan.mask(name) for name in plan.keep
        )


def at_rest(stats: Statistics) -> Statistics:
    """Give statistics of a network whose gradient is 0."""
    groups = {
        name: replace(group, gradient=np.zeros(group.size))
        for name, group in stats.groups.items()
    }
    return replace(stats, groups=groups)


@pytest.mark.parametrize("seed", range(4))
def test_layer_by_layer_the_predicted_loss_is_the_loss(seed: int):
    stats = at_rest(random_chain((7, 8, 6), seed))
    network = Quadratic(stats)
    options: dict[str, Any] = {"widths": 0.5, "first_order": 1.0}
    one_shot = ccsolve.plan(stats, macs=1.0, **options)
    plan = ccsolve.plan(stats, macs=1.0, **options, recollect=network)
    assert plan.widths == one_shot.widths
    # Each step begins where the last one led, so the steps add up; at once they do not.
    assert plan.objective == pytest.approx(network.loss(plan))
    assert one_shot.objective != pytest.approx(network.loss(one_shot))
    assert any((plan.keep[name] != one_shot.keep[name]).any() for name in plan.keep)
    assert plan.bound <= plan.objective


def test_statistics_are_taken_before_every_group_but_the_first():
    network = Quadratic(STATS)
    plan = given({"conv1": 3, "conv2": 4, "conv3": 2}, recollect=network)
    assert [p.provenance["before"] for p in network.asked] == ["conv2", "conv3"]
    assert network.asked[0].widths == {"conv1": 3, "conv2": 8, "conv3": 5}
    assert network.asked[1].widths == {"conv1": 3, "conv2": 4, "conv3": 5}
    for earlier in network.asked:
        assert earlier.fingerprint == STATS.fingerprint
        for name, kept in earlier.keep.items():
            assert set(plan.keep[name]) <= set(kept)


def test_the_provenance_says_whether_statistics_were_taken_again():
    assert given(0.5, recollect=Quadratic(STATS)).provenance["recollected"] is True
    assert given(0.5).provenance["recollected"] is False


def test_groups_that_stay_whole_take_no_collection():
    network = Quadratic(STATS)
    given({"conv2": 4}, recollect=network)
    assert network.asked == []


def test_statistics_of_another_network_are_refused():
    with pytest.raises(InvalidStatistics, match="'conv2' with 9 classes; expected 8"):
        given(0.5, recollect=lambda plan: random_chain((6, 9, 5)))
    with pytest.raises(InvalidStatistics, match="'conv2' with no classes"):
        given(0.5, recollect=lambda plan: random_chain((6,)))


def test_what_cannot_collect_is_refused():
    with pytest.raises(
        InvalidProblem, match="recollect = 'again'; expected a function"
    ):
        given(0.5, recollect="again")


def test_an_interrupt_ends_the_collecting_too(monkeypatch):
    def interrupted(*_args: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ccsolve.solvers.selection.enumerate_all.solve", interrupted)
    network = Quadratic(STATS)
    plan = given(0.5, recollect=network)
    assert network.asked == [] and plan.provenance["interrupted"]


def test_time_at_its_end_leaves_the_order_of_things():
    network = Quadratic(STATS)
    plan = given(0.5, recollect=network, time_limit=0.0)
    assert len(network.asked) == 2 and not plan.provenance["interrupted"]


@pytest.mark.parametrize("recollected", [False, True])
def test_without_time_the_choice_is_no_worse_than_a_greedy_one(recollected: bool):
    stats = at_rest(random_chain((40, 44), samples=200))
    again: dict[str, Any] = {"recollect": lambda _: stats} if recollected else {}
    plan = ccsolve.plan(stats, 1.0, widths=0.5, time_limit=0.0, **again)
    for name, group in plan.provenance["groups"].items():
        program = stats.channel_selection(name, plan.widths[name])
        greedy = ccsolve.solve(program, "greedy").objective
        alone = best(score(stats, name, "obd"), plan.widths[name])
        ranked = program.objective(np.isin(np.arange(program.n), alone))
        assert group["objective"] <= min(greedy, ranked) * (1 + 1e-9)
        assert program.objective(plan.mask(name)) == pytest.approx(group["objective"])
        assert group["bound"] <= group["objective"]


@pytest.mark.parametrize("recollected", [False, True])
def test_loading_and_losses_take_no_time_from_the_choice(
    monkeypatch: pytest.MonkeyPatch, recollected: bool
):
    """Slow losses of widths, and a solver that takes long to load."""
    seen: list[float] = []

    def slow(problem: Any, *args: Any, time_limit: Any, **options: Any) -> Any:
        seen.append(time_limit)
        time.sleep(0.2)
        return ccsolve.solve(problem, *args, time_limit=time_limit, **options)

    def losses(*args: Any, **options: Any) -> dict[str, np.ndarray]:
        time.sleep(0.5)
        return losses_by(*args, **options)

    monkeypatch.setattr("ccsolve.recipes.choosing.solve", slow)
    monkeypatch.setattr("ccsolve.recipes.shares.losses_by", losses)
    again: dict[str, Any] = {"recollect": lambda _: STATS} if recollected else {}
    given("taylor", macs=0.2, time_limit=0.4, **again)
    assert len(seen) == 3 and min(seen) > 0.05


@pytest.mark.parametrize("share", [0.29, 0.5, 0.6, 1.0])
def test_a_share_stays_of_every_group(share: float):
    plan = given(share)
    assert plan.widths == {name: int(share * size) for name, size in SIZES.items()}


def test_shares_and_numbers_of_single_groups():
    plan = given({"conv1": 0.5, "conv3": 4})
    assert plan.widths == {"conv1": 3, "conv2": 8, "conv3": 4}
    assert plan.provenance["widths"] == {"conv1": 0.5, "conv3": 4}


def test_shares_keep_to_the_steps_and_fixed_groups_to_theirs():
    plan = given(0.6, multiple_of=2, min_keep=4, fixed={"conv3": 1})
    assert plan.widths == {"conv1": 4, "conv2": 4, "conv3": 1}


def test_the_choice_at_given_widths_is_the_program():
    plan = given(0.5)
    for name, width in plan.widths.items():
        program = STATS.channel_selection(name, width, first_order=0.0)
        best = ccsolve.solve(program, "enumerate_all")
        mask = np.asarray(plan.mask(name))
        assert program.objective(mask) == pytest.approx(best.objective)


@pytest.mark.parametrize(
    ("widths", "error", "message"),
    [
        (0.0, InvalidProblem, "expected the share that stays"),
        (1.5, InvalidProblem, "expected the share that stays"),
        (3, InvalidProblem, "expected a rule's name, the share"),
        ({"conv9": 3}, InvalidProblem, "names the group 'conv9'"),
        ({"conv1": 7}, InvalidProblem, "conv1"),
        ({"conv1": True}, InvalidProblem, "conv1"),
        ("nothing", Unsupported, "widths 'nothing'"),
    ],
)
def test_bad_widths_are_refused(widths: Any, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        given(widths)


def test_given_widths_keep_the_budget_or_are_refused():
    dense = STATS.cost().macs
    needed = STATS.cost({"conv1": 4, "conv2": 6, "conv3": 3}).macs
    plan = given(0.75, macs=needed / dense)
    assert plan.achieved["macs"] == needed
    with pytest.raises(Infeasible, match=f"the widths given take {needed:.0f}"):
        given(0.75, macs=(needed - 1) / dense)


def test_given_widths_are_not_allocated():
    with pytest.raises(Unsupported, match="are given"):
        given(0.5, allocation="marginal")
