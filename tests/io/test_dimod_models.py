"""BQM and CQM: energies are objectives at every point, both ways; labels stay."""

import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import dimod
import numpy as np
import pytest

import ccsolve
from ccsolve import ChannelSelection, testing
from ccsolve.errors import InvalidProblem, MissingExtra, Unsupported
from ccsolve.problems.generate import FAMILIES

SPINS: dict[Any, float] = {"a": 0.5, 7: -1.0, ("c", 1): 0.25}
COUPLINGS = {("a", 7): 2.0, (7, ("c", 1)): -3.0}


def points(n: int) -> Iterator[np.ndarray]:
    for bits in itertools.product((False, True), repeat=n):
        yield np.array(bits)


def sample_at(model: Any, z: np.ndarray) -> dict[Any, int]:
    return {i: int(z[i]) for i in model.variables}


def unconstrained(seed: int) -> ChannelSelection:
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((5, 5))
    return ChannelSelection(A + A.T, rng.standard_normal(5), constant=1.5)


def agreeing(problem: ChannelSelection, z: np.ndarray, fixed: Any) -> bool:
    return fixed is None or bool((z == fixed)[fixed >= 0].all())


@pytest.mark.parametrize("fixed", [None, np.array([-1, 1, -1, 0, 1])])
def test_a_bqm_has_the_objectives_as_energies(fixed: Any):
    free = unconstrained(0)
    problem = ChannelSelection(free.Q, free.q, constant=free.constant, fixed=fixed)
    model, point_of = ccsolve.to_bqm(problem)
    assert model.vartype is dimod.BINARY
    for z in points(5):
        if agreeing(problem, z, fixed):
            sample = sample_at(model, z)
            assert model.energy(sample) == pytest.approx(problem.objective(z))
            np.testing.assert_array_equal(point_of(sample), z)


def test_a_factored_form_becomes_a_bqm():
    problem = ChannelSelection(factor=np.arange(6.0).reshape(2, 3), diagonal=[1, -2, 0])
    model, _ = ccsolve.to_bqm(problem)
    for z in points(3):
        assert model.energy(sample_at(model, z)) == pytest.approx(problem.objective(z))


def test_there_and_back_by_bqm():
    problem = unconstrained(1)
    model, _ = ccsolve.to_bqm(problem)
    back, sample_of = ccsolve.from_bqm(model)
    for z in points(5):
        assert back.objective(z) == pytest.approx(problem.objective(z))
        assert sample_of(z) == sample_at(model, z)


def test_the_penalty_is_the_squared_distance_from_the_cardinality():
    problem = testing.problem("indefinite", 6, 0)
    model, _ = ccsolve.to_bqm(problem, penalty=2.5)
    for z in points(6):
        expected = (
            problem.objective(z) + 2.5 * (int(z.sum()) - (problem.keep or 0)) ** 2
        )
        assert model.energy(sample_at(model, z)) == pytest.approx(expected)


def test_a_bqm_refuses_constraints():
    Q = np.eye(3)
    with pytest.raises(Unsupported, match=r"keep = 2\); use to_cqm, or give penalty="):
        ccsolve.to_bqm(ChannelSelection(Q, keep=2))
    with pytest.raises(Unsupported, match="budget; use to_cqm"):
        ccsolve.to_bqm(ChannelSelection(Q, cost=[1, 2, 3], budget=2.0), penalty=1.0)
    with pytest.raises(InvalidProblem, match="no cardinality; leave it out"):
        ccsolve.to_bqm(ChannelSelection(Q), penalty=1.0)
    for penalty in (-1.0, np.inf):
        with pytest.raises(InvalidProblem, match="penalty"):
            ccsolve.to_bqm(ChannelSelection(Q, keep=2), penalty=penalty)


@pytest.mark.parametrize("vartype", ["BINARY", "SPIN"])
@pytest.mark.parametrize("kind", [np.float64, np.float32, object])
def test_a_model_of_dimod_becomes_a_program(vartype: str, kind: Any):
    model = dimod.BinaryQuadraticModel(SPINS, COUPLINGS, 1.25, vartype, dtype=kind)
    problem, sample_of = ccsolve.from_bqm(model)
    assert (problem.keep, problem.cost, problem.fixed) == (None, None, None)
    for z in points(3):
        sample = sample_of(z)
        assert list(sample) == list(model.variables)
        assert model.energy(sample) == pytest.approx(problem.objective(z))
    low = -1 if vartype == "SPIN" else 0
    assert sample_of(np.array([True, False, True])) == {"a": 1, 7: low, ("c", 1): 1}
    assert model.vartype.name == vartype


def test_its_optimum_is_found_by_ccsolve():
    model = dimod.BinaryQuadraticModel(SPINS, COUPLINGS, 1.25, "SPIN")
    problem, sample_of = ccsolve.from_bqm(model)
    best = ccsolve.solve(problem)
    exact: Any = dimod.ExactSolver().sample(model).first
    assert model.energy(sample_of(best.x)) == pytest.approx(exact.energy)
    assert best.bound <= exact.energy + 1e-12


@pytest.mark.parametrize("family", FAMILIES)
def test_a_cqm_is_the_program_at_every_point(family: str):
    problem = testing.problem(family, 6, 1)
    model, point_of = ccsolve.to_cqm(problem)
    for z in points(6):
        if not agreeing(problem, z, problem.fixed):
            continue
        sample = sample_at(model, z)
        assert model.check_feasible(sample) == (problem.violation(z) == 0)
        energy = model.objective.energy(sample)
        assert energy == pytest.approx(problem.objective(z), rel=1e-9, abs=1e-12)
        np.testing.assert_array_equal(point_of(sample), z)


def test_there_and_back_by_cqm():
    free = unconstrained(2)
    cost = [0.0, 1.0, 2.5, 0.5, 1.0]
    problem = ChannelSelection(free.Q, free.q, 2, 0.5, cost=cost, budget=3.0)
    back, sample_of = ccsolve.from_cqm(ccsolve.to_cqm(problem)[0])
    assert (back.keep, back.budget) == (2, 3.0)
    np.testing.assert_array_equal(back.cost, cost)
    np.testing.assert_allclose(back.Q + np.diag(back.q), free.Q + np.diag(free.q))
    assert sample_of(np.ones(5)) == dict.fromkeys(range(5), 1)


def constrained(*rows: tuple[Any, ...], **options: Any) -> Any:
    model = dimod.ConstrainedQuadraticModel()
    labels = ("a", "b", "c")
    binary = dimod.BinaryQuadraticModel(
        dict.fromkeys(labels, 1.0), {"ab": -3.0}, 0.5, "BINARY"
    )
    model.set_objective(binary)
    for terms, sense, right in rows:
        pairs = list(zip(labels, terms, strict=False))
        model.add_constraint_from_iterable(pairs, sense, right, label="row", **options)
    return model


def test_the_constraints_it_takes():
    problem, _ = ccsolve.from_cqm(constrained(((2.0, 2.0, 2.0), "==", 4.0)))
    assert (problem.keep, problem.cost) == (2, None)
    problem, _ = ccsolve.from_cqm(constrained(((0.0, 1.0), "<=", 1.0)))
    assert (problem.keep, problem.budget) == (None, 1.0)
    np.testing.assert_array_equal(problem.cost, [0.0, 1.0, 0.0])
    problem, _ = ccsolve.from_cqm(constrained(((0.0, -1.0), ">=", -1.0)))
    np.testing.assert_array_equal(problem.cost, [0.0, 1.0, 0.0])


def test_constants_on_the_left_move_to_the_right():
    model = constrained()
    model.add_constraint(dimod.quicksum(dimod.Binary(v) for v in "abc") + 1 == 3)
    assert ccsolve.from_cqm(model)[0].keep == 2


def two_of_a_kind() -> Any:
    model = constrained(((1.0, 1.0, 1.0), "==", 2.0))
    model.add_constraint_from_iterable(
        [(label, 2.0) for label in "abc"], "==", 4.0, label="again"
    )
    return model


def quadratic_row() -> Any:
    model = constrained()
    model.add_constraint(dimod.Binary("a") * dimod.Binary("b") <= 1, label="row")
    return model


@pytest.mark.parametrize(
    "make",
    [
        lambda: constrained(((1.0, 1.0), "==", 1.0)),
        lambda: constrained(((1.0, 1.0, 2.0), "==", 2.0)),
        lambda: constrained(((1.0, 1.0, 1.0), "==", 1.5)),
        lambda: constrained(((1.0, -1.0, 1.0), "<=", 1.0)),
        lambda: constrained(((1.0, 1.0, 1.0), ">=", 1.0)),
        lambda: constrained(((1.0, 1.0, 1.0), "==", 1.0), weight=2.0),
        two_of_a_kind,
        quadratic_row,
    ],
)
def test_other_constraints_are_named(make: Callable[[], Any]):
    with pytest.raises(InvalidProblem, match=r"constraint '(row|again)' is neither"):
        ccsolve.from_cqm(make())


def test_other_variables_are_named():
    model = dimod.ConstrainedQuadraticModel()
    model.set_objective(dimod.Integer("i") + dimod.Binary("a"))
    with pytest.raises(InvalidProblem, match="variable 'i' is INTEGER; expected BIN"):
        ccsolve.from_cqm(model)


def test_spins_of_a_cqm_can_be_changed_first():
    model = dimod.ConstrainedQuadraticModel()
    model.set_objective(dimod.Spin("s") * dimod.Binary("b") + 2 * dimod.Spin("s"))
    with pytest.raises(InvalidProblem, match="spin_to_binary"):
        ccsolve.from_cqm(model)
    problem, sample_of = ccsolve.from_cqm(model.spin_to_binary(inplace=False))
    values = sorted(problem.objective(z) for z in points(2))
    assert values == [-3.0, -2.0, 2.0, 3.0]
    assert sample_of(np.ones(2)) == {"s": 1, "b": 1}


def test_what_is_no_model_is_refused():
    for take in (ccsolve.from_bqm, ccsolve.from_cqm):
        with pytest.raises(InvalidProblem, match="given a dict; expected a dimod"):
            take({})
    with pytest.raises(InvalidProblem, match="0 variables"):
        ccsolve.from_bqm(dimod.BinaryQuadraticModel("BINARY"))
    with pytest.raises(InvalidProblem, match="NaN or infinite"):
        ccsolve.from_bqm(dimod.BinaryQuadraticModel({0: np.nan}, {}, 0.0, "BINARY"))


def test_samples_and_points_of_other_models_are_refused():
    problem = ChannelSelection(np.eye(3), fixed=[-1, -1, 1])
    _, point_of = ccsolve.to_bqm(problem)
    with pytest.raises(InvalidProblem, match="1 variables; expected the model's 2"):
        point_of({0: 1})
    _, sample_of = ccsolve.from_bqm(ccsolve.to_bqm(problem)[0])
    with pytest.raises(InvalidProblem, match=r"shape \(3,\); expected \(2,\)"):
        sample_of(np.ones(3))


def test_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "dimod", None)
    problem = ChannelSelection(np.eye(2))
    for act in (ccsolve.to_bqm, ccsolve.to_cqm, ccsolve.from_bqm, ccsolve.from_cqm):
        with pytest.raises(MissingExtra, match=r"pip install 'ccsolve\[dimod\]'"):
            act(problem)
