"""The parts of the selection benchmark, on made-up instances."""

import itertools
from pathlib import Path

import numpy as np
import pytest

import ccsolve
from benchmarks import competitors
from benchmarks.competitors import ours
from benchmarks.instances import Instance, instances, public_instances
from benchmarks.scorer import excess, reached, score
from benchmarks.selection import rows, table

MANIFEST = """name,family,n,p,best_known,proven,source,note,S_from
small,made-up,6,3,{best},1,,,
again,made-up,6,2,0.5,0,,,small
budget,made-up,6,-1,-1.0,0,,,
"""


def written(folder: Path) -> np.ndarray:
    """Write a folder of three instances and one real-looking program; give its S."""
    rng = np.random.default_rng(0)
    S = rng.standard_normal((6, 6))
    S = S + S.T
    best = min(
        S[np.ix_(chosen, chosen)].sum()
        for chosen in map(list, itertools.combinations(range(6), 3))
    )
    path = folder / "instances"
    path.mkdir()
    (path / "manifest.csv").write_text(MANIFEST.format(best=float(best)))
    none = np.empty(0)
    np.savez(path / "small.npz", S=S, c=np.zeros(6), p=3, a=none, b=none)
    np.savez(path / "again.npz", c=np.zeros(6), p=2, a=none, b=none)
    np.savez(path / "budget.npz", S=S, c=np.zeros(6), p=-1, a=np.ones(6), b=2.0)
    np.savez(
        path / "ccp_resnet56.npz",
        names=np.array(["ggn_00"]),
        remove=np.array([2]),
        best_known=np.array([1.0]),
        proven=np.array([True]),
        ggn_00=(S @ S).astype(np.float32),
    )
    return S


def test_instances_are_read_with_their_constraints(tmp_path: Path):
    S = written(tmp_path)
    small, again, budget, real = instances(tmp_path)
    assert (small.problem.keep, again.problem.keep, budget.problem.keep) == (3, 2, None)
    np.testing.assert_array_equal(again.S, S)
    assert budget.problem.budget == 2.0
    assert real.problem.keep == 4
    assert real.family == "ccp ggn n=6"


def test_the_scorer_agrees_with_the_problems(tmp_path: Path):
    written(tmp_path)
    for instance in instances(tmp_path):
        for bits in itertools.product((False, True), repeat=6):
            z = np.array(bits)
            if instance.problem.violation(z) > 0:
                assert score(instance, z) == np.inf
                continue
            expected = instance.problem.objective(z)
            assert score(instance, z) == pytest.approx(expected, abs=1e-4)


def test_reached_is_the_best_known_and_nothing_above(tmp_path: Path):
    written(tmp_path)
    small = next(public_instances(tmp_path / "instances"))
    found = ccsolve.solve(small.problem)
    assert reached(small, found.x)
    assert excess(small, score(small, found.x)) == pytest.approx(0, abs=1e-9)
    worst = ccsolve.solve(ccsolve.ChannelSelection(-small.S, keep=3))
    assert not reached(small, worst.x)


def test_rows_and_table(tmp_path: Path):
    written(tmp_path)
    chosen = list(instances(tmp_path))
    found = list(rows(chosen, {"greedy": ours("greedy")}, 0.2, 2))
    assert len(found) == 8
    assert all(0 <= row.to_best <= row.seconds for row in found)
    shown = table(found).splitlines()
    assert len(shown) == 4
    assert all(line.count("|") == shown[0].count("|") for line in shown)


def test_peers_without_budgets_get_no_budget(tmp_path: Path):
    written(tmp_path)

    def peer(
        problem: ccsolve.ChannelSelection, seconds: float, seed: int
    ) -> competitors.Found:
        assert problem.cost is None
        return ours("greedy")(problem, seconds, seed)

    found = list(rows(instances(tmp_path), {"dwave peer": peer}, 0.1, 1))
    assert len(found) == 3


def test_the_penalised_matrix_is_the_objective_plus_the_penalty(tmp_path: Path):
    written(tmp_path)
    small: Instance = next(public_instances(tmp_path / "instances"))
    problem = small.problem
    matrix = competitors._penalised(problem, 1.0)
    qubo = competitors._entries(matrix)

    def energy(z: np.ndarray) -> float:
        return sum(value * z[i] * z[j] for (i, j), value in qubo.items())

    points = [np.array(bits) for bits in itertools.product((0, 1), repeat=6)]
    beyond = [energy(z) - score_any(small, z) for z in points]
    by_count = {int(z.sum()): rest for z, rest in zip(points, beyond, strict=True)}
    for z, rest in zip(points, beyond, strict=True):
        assert rest == pytest.approx(by_count[int(z.sum())], abs=1e-9)
    assert min(by_count, key=lambda count: by_count[count]) == problem.keep


def score_any(instance: Instance, z: np.ndarray) -> float:
    """Give the value of a set whatever its size."""
    return float(z @ instance.S @ z)


def test_repair_ends_at_the_cardinality(tmp_path: Path):
    written(tmp_path)
    problem = next(public_instances(tmp_path / "instances")).problem
    for count in range(7):
        z = competitors._repaired(problem, np.arange(6) < count)
        assert z.sum() == problem.keep


def test_missing_data_are_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"manifest\.csv is missing; expected"):
        list(instances(tmp_path))
