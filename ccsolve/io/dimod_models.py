"""Programs to and from dimod, D-Wave's models: BQM without constraints, CQM with.

dimod minimises Σ h_i x_i + Σ_{i<j} J_ij x_i x_j + offset, every pair once, so that
J_ij = 2Q_ij, and x_i² = x_i makes h_i = Q_ii + q_i. dimod comes with the extra `dimod`.
"""

import importlib
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem, MissingExtra, Unsupported
from ccsolve.io.linear_constraints import constraint_of
from ccsolve.problems.checks import real_number
from ccsolve.problems.selection import DENSE_LIMIT, ChannelSelection

Sample = Mapping[Hashable, float]
"""A value for every variable, as dimod gives it: by label."""


def to_bqm(
    problem: ChannelSelection, *, penalty: float | None = None
) -> tuple[Any, Callable[[Sample], np.ndarray]]:
    """Give a binary quadratic model of the same energies, and the way back.

    Parameters
    ----------
    problem
        Its fixed channels are no variables of the model; O(n²), a factored Q is formed.
    penalty
        Needed where the problem has a cardinality, which a BQM cannot hold:
        penalty·(1ᵀz - keep)² is added. Samples of another cardinality come back as
        points that ``problem.violation`` refuses.

    Returns
    -------
    model : dimod.BinaryQuadraticModel
        BINARY; variable i is channel i.
    point_of : callable
        Gives the point (n,) bool of a sample of the model.

    Raises
    ------
    MissingExtra
        dimod is not installed.
    Unsupported
        The problem has a budget, or a cardinality and no penalty is given.
    InvalidProblem
        The penalty is negative or not finite, or there is nothing to penalise.
    """
    model = _objective(problem)
    if problem.cost is not None:
        raise Unsupported("a BQM holds no budget; use to_cqm")
    if problem.keep is not None:
        _penalise(model, problem.keep, problem.n, penalty)
    elif penalty is not None:
        raise InvalidProblem(f"penalty = {penalty!r}, but no cardinality; leave it out")
    fixed = _fixings(problem)
    model.fix_variables(fixed)
    return model, _point_of(problem.n, fixed)


def to_cqm(problem: ChannelSelection) -> tuple[Any, Callable[[Sample], np.ndarray]]:
    """Give a constrained quadratic model of the same energies, and the way back.

    The cardinality is the equality "keep" and the budget the inequality "budget", both
    hard. Fixed channels are no variables of the model. O(n²), a factored Q is formed.

    Returns
    -------
    model : dimod.ConstrainedQuadraticModel
        Of BINARY variables; variable i is channel i.
    point_of : callable
        Gives the point (n,) bool of a sample of the model.

    Raises
    ------
    MissingExtra
        dimod is not installed.
    """
    model = _dimod().ConstrainedQuadraticModel()
    model.set_objective(_objective(problem))
    if problem.keep is not None:
        ones = [(i, 1.0) for i in range(problem.n)]
        model.add_constraint_from_iterable(ones, "==", problem.keep, label="keep")
    if problem.cost is not None:
        terms = list(enumerate(problem.cost.tolist()))
        model.add_constraint_from_iterable(terms, "<=", problem.budget, label="budget")
    fixed = _fixings(problem)
    model.fix_variables(fixed)
    return model, _point_of(problem.n, fixed)


def from_bqm(
    bqm: Any,
) -> tuple[ChannelSelection, Callable[[np.ndarray], dict[Hashable, int]]]:
    """Give the unconstrained program of a binary quadratic model, and the way back.

    Channel i is the i-th of ``bqm.variables``. Objectives are energies, offset
    included; a SPIN model is rewritten with s = 2z - 1.

    Returns
    -------
    problem : ChannelSelection
        Without constraints; Q is dense.
    sample_of : callable
        Gives the sample of a point (n,): labels to 0 and 1, or to -1 and 1 for SPIN.

    Raises
    ------
    MissingExtra
        dimod is not installed.
    InvalidProblem
        Not a BQM, without variables, or with biases that are not finite.
    """
    dimod = _dimod()
    if not isinstance(bqm, dimod.BinaryQuadraticModel):
        raise InvalidProblem(
            f"given a {type(bqm).__name__}; expected a dimod.BinaryQuadraticModel"
        )
    binary = bqm.change_vartype(dimod.BINARY, inplace=False)
    labels = _labels(bqm)
    parts = _arrays(binary, labels)
    return ChannelSelection(**parts), _sample_of(labels, bqm.vartype is dimod.SPIN)


def from_cqm(
    cqm: Any,
) -> tuple[ChannelSelection, Callable[[np.ndarray], dict[Hashable, int]]]:
    """Give the program of a constrained quadratic model, and the way back.

    Channel i is the i-th of ``cqm.variables``, all of them BINARY. Taken are at most
    one equality Σ x_i = k over all variables, which becomes ``keep``, and at most one
    linear aᵀx <= b with a >= 0 (or its mirror image), which becomes ``cost`` and
    ``budget``.

    Returns
    -------
    problem : ChannelSelection
        Q is dense.
    sample_of : callable
        Gives the sample of a point (n,): labels to 0 and 1.

    Raises
    ------
    MissingExtra
        dimod is not installed.
    InvalidProblem
        Not a CQM, or with other variables or other constraints, which it names.
    """
    dimod = _dimod()
    if not isinstance(cqm, dimod.ConstrainedQuadraticModel):
        raise InvalidProblem(
            f"given a {type(cqm).__name__}; expected a dimod.ConstrainedQuadraticModel"
        )
    labels = _labels(cqm)
    for label in labels:
        if cqm.vartype(label) is not dimod.BINARY:
            raise InvalidProblem(
                f"variable {label!r} is {cqm.vartype(label).name}; expected BINARY "
                "variables only (cqm.spin_to_binary() changes spins)"
            )
    parts = _arrays(cqm.objective, labels) | _limits(cqm, labels)
    return ChannelSelection(**parts), _sample_of(labels, spin=False)


def _dimod() -> Any:
    try:
        return importlib.import_module("dimod")
    except ImportError:
        raise MissingExtra(
            "BQM and CQM need dimod; install it with: pip install 'ccsolve[dimod]'"
        ) from None


def _objective(problem: ChannelSelection) -> Any:
    dimod, Q = _dimod(), problem.dense()
    rows, columns = np.nonzero(np.triu(Q, 1))
    return dimod.BinaryQuadraticModel.from_numpy_vectors(
        np.diagonal(Q) + problem.q,
        (rows, columns, 2.0 * Q[rows, columns]),
        problem.constant,
        dimod.BINARY,
    )


def _penalise(model: Any, keep: int, n: int, penalty: float | None) -> None:
    """Add penalty·(1ᵀz - keep)²."""
    if penalty is None:
        raise Unsupported(
            f"a BQM holds no cardinality (keep = {keep}); use to_cqm, or give penalty="
        )
    weight = real_number("penalty", penalty, 0.0)
    terms = [(i, 1.0) for i in range(n)]
    model.add_linear_equality_constraint(terms, weight, -keep)


def _fixings(problem: ChannelSelection) -> dict[Hashable, int]:
    if problem.fixed is None:
        return {}
    held = np.flatnonzero(problem.fixed >= 0)
    return {int(i): int(problem.fixed[i]) for i in held}


def _point_of(n: int, fixed: Sample) -> Callable[[Sample], np.ndarray]:
    def point_of(sample: Sample) -> np.ndarray:
        """Give the point (n,) bool; InvalidProblem for a sample of another model."""
        whole = {**sample, **fixed}
        if whole.keys() != set(range(n)):
            raise InvalidProblem(
                f"the sample has {len(sample)} variables; expected the model's "
                f"{n - len(fixed)}, from 0 to {n - 1}"
            )
        return np.array([whole[i] > 0.5 for i in range(n)], dtype=bool)

    return point_of


def _sample_of(
    labels: Sequence[Hashable], spin: bool
) -> Callable[[np.ndarray], dict[Hashable, int]]:
    low = -1 if spin else 0

    def sample_of(z: np.ndarray) -> dict[Hashable, int]:
        """Give the value of each label; InvalidProblem for another size."""
        if np.shape(z) != (len(labels),):
            raise InvalidProblem(
                f"the point has shape {np.shape(z)}; expected ({len(labels)},)"
            )
        kept = np.asarray(z) > 0.5
        return {label: 1 if k else low for label, k in zip(labels, kept, strict=True)}

    return sample_of


def _labels(model: Any) -> list[Hashable]:
    labels = list(model.variables)
    if not 1 <= len(labels) <= DENSE_LIMIT:
        raise InvalidProblem(
            f"the model has {len(labels)} variables; expected 1 to {DENSE_LIMIT}"
        )
    return labels


def _arrays(model: Any, labels: Sequence[Hashable]) -> dict[str, Any]:
    """Give Q, q and constant of a quadratic model over BINARY variables."""
    place = {label: i for i, label in enumerate(labels)}
    Q, q = np.zeros((len(labels),) * 2), np.zeros(len(labels))
    for label, bias in model.iter_linear():
        q[place[label]] = bias
    for first, second, bias in model.iter_quadratic():
        i, j = place[first], place[second]
        Q[i, j] = Q[j, i] = 0.5 * bias
    return {"Q": Q, "q": q, "constant": float(model.offset)}


def _limits(cqm: Any, labels: Sequence[Hashable]) -> dict[str, Any]:
    """Give keep, cost and budget."""
    place = {label: i for i, label in enumerate(labels)}
    found: dict[str, Any] = {}
    for name, constraint in cqm.constraints.items():
        part = _limit(constraint, place)
        if part is None or found.keys() & part.keys():
            raise InvalidProblem(
                f"constraint {name!r} is neither the only cardinality equality over "
                "all variables nor the only linear a x <= b with a >= 0, both hard; "
                "expected at most one of each"
            )
        found |= part
    return found


def _limit(constraint: Any, place: Mapping[Hashable, int]) -> dict[str, Any] | None:
    left = constraint.lhs
    if not left.is_linear() or left.is_soft():
        return None
    a = np.zeros(len(place))
    for label, bias in left.iter_linear():
        a[place[label]] = bias
    right, sense = float(constraint.rhs - left.offset), constraint.sense.name
    low = -math.inf if sense == "Le" else right
    return constraint_of(a, low, math.inf if sense == "Ge" else right)
