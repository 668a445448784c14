"""The network program that statistics give: objective and costs by definition."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ccsolve import NetworkSelection, Statistics, data
from ccsolve.errors import Infeasible, InvalidProblem, MissingStatistics, Unsupported
from ccsolve.statistics import LatencyTable
from ccsolve.statistics.generate import random_chain
from ccsolve.statistics.memory import Bytes, Memory

STATS = random_chain((6, 8, 5))
DIGITS = Statistics.load(data.path("digits_resnet"))
RESNET = Statistics.load(data.path("resnet56_cifar10"))


def timed() -> Statistics:
    first, second = list(STATS.groups)[:2]
    table = LatencyTable(
        "pair", np.array([[5.0, 4.0], [7.0, 9.0]]), {first: 2}, {second: 1},
        np.array([6, 12]), np.array([4, 8]),
    )  # fmt: skip
    steps = ((Bytes((first,), 8), Bytes((second,), 4)), (Bytes((first, second), 2),))
    memory = Memory((Bytes((first, second), 1),), steps)
    return replace(STATS.with_latency([table]), memory=memory)


def random_points(problem: NetworkSelection) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 2, problem.n) for _ in range(10)]


@pytest.mark.parametrize("stats", [STATS, DIGITS])
@pytest.mark.parametrize("cross", [True, False])
def test_the_objective_is_the_taylor_loss_of_the_removal(
    stats: Statistics, cross: bool
):
    made = NetworkSelection.from_statistics(
        stats, macs=0.9, cross=cross, damping=0.01, first_order=0.5
    )
    rows = np.concatenate(
        [np.asarray(g.rows(), dtype=float) for g in stats.groups.values()], axis=1
    )
    slope = np.concatenate(
        [np.asarray(g.gradient, dtype=float) for g in stats.groups.values()]
    )
    H = rows.T @ rows
    if not cross:
        H = np.where(made.groups[:, None] == made.groups[None, :], H, 0.0)
    H = H + 0.01 * np.eye(len(H))
    for z in random_points(made):
        u = 1.0 - z
        expected = -0.5 * slope @ u + 0.5 * u @ H @ u
        assert made.objective(z) == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert made.objective(np.ones(made.n)) == pytest.approx(0.0, abs=1e-9)
    assert made.names == tuple(stats.groups)


def test_budgets_are_the_networks_costs():
    stats = timed()
    made = NetworkSelection.from_statistics(
        stats, macs=0.6, params=0.7, latency=0.9, memory=0.8
    )
    names = [budget.name for budget in made.budgets]
    assert names == ["macs", "params", "latency", "memory, step 0", "memory, step 1"]
    rising = replace(stats, latency=tuple(t.rising() for t in stats.latency))
    for z in random_points(made):
        k = dict(zip(made.names, made.widths_of(z).tolist(), strict=True))
        cost, spent = rising.cost(k), made.spent(z)
        assert spent[0] == cost.macs and spent[1] == cost.params
        assert spent[2] == pytest.approx(cost.latency)
        assert spent[3:].max() == cost.memory
    dense = stats.cost()
    assert made.budgets[0].limit == 0.6 * dense.macs
    absolute = stats.network_program(macs=int(0.6 * dense.macs))
    assert absolute.budgets[0].limit == int(0.6 * dense.macs)


def test_groups_are_told_by_name():
    first, second, third = STATS.groups
    made = STATS.network_program(
        macs=0.9,
        min_keep={first: 0},
        multiple_of={second: 4},
        fixed={third: [1, 0, -1, -1, -1]},
    )
    widths = [ladder.tolist() for ladder in made.widths]
    assert widths == [list(range(7)), [4, 8], [1, 2, 3, 4]]
    assert STATS.network_program(min_keep=3).min_keep.tolist() == [3, 3, 3]
    whole = STATS.network_program(fixed=np.full(19, -1))
    assert (whole.fixed == -1).all() and whole.budgets == ()


def test_shrinkage_pulls_to_the_diagonal():
    pulled = DIGITS.network_program(cross=True, shrinkage=1.0).form.dense()
    np.testing.assert_allclose(pulled, np.diag(np.diagonal(pulled)))
    half = DIGITS.network_program(cross=False, shrinkage=0.5)
    assert half.blocks is not None
    group = next(iter(DIGITS.groups.values()))
    np.testing.assert_allclose(half.blocks[0], 0.5 * group.hessian(shrinkage=0.5))


def test_few_rows_stay_a_factor():
    few = {
        name: replace(group, ggn_rows=np.asarray(group.ggn_rows)[:5])
        for name, group in STATS.groups.items()
    }
    made = replace(STATS, groups=few).network_program(cross=True, damping=0.1)
    assert made.factor is not None and made.Q is None and made.diagonal is not None
    np.testing.assert_allclose(made.diagonal, 0.05)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"macs": 0.0}, InvalidProblem, "budget macs = 0.0; expected what may remain"),
        ({"macs": True}, InvalidProblem, "budget macs = True"),
        ({"macs": 1}, Infeasible, "budget macs = 1, but the narrowest network"),
        ({"latency": 0.5}, MissingStatistics, "hold no latency"),
        ({"memory": 0.5}, MissingStatistics, "hold no memory"),
        ({"cross": True}, MissingStatistics, "no ggn_rows, which blocks between"),
        ({"curvature": "none"}, InvalidProblem, "curvature 'none'"),
        ({"damping": -1.0}, InvalidProblem, "damping = -1.0"),
        ({"multiple_of": {"no": 2}}, InvalidProblem, "names the group 'no'"),
        ({"fixed": {"layer1.0.conv1": [1]}}, InvalidProblem, r"shape \(1,\)"),
    ],
)
def test_what_cannot_be_built_is_refused(
    options: dict[str, Any], error: type[Exception], message: str
):
    with pytest.raises(error, match=message):
        RESNET.network_program(**options)


def test_blocks_alone_have_no_blocks_for_a_target():
    with pytest.raises(Unsupported, match="target='groups' with cross=False"):
        DIGITS.network_program(shrinkage=0.5, target="groups")
