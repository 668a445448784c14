"""The .lp format of CPLEX, written only: what most solvers of the field read.

Readers differ in what they take, so the file keeps to what they agree on:

- The constant is the coefficient of a variable ``one`` that is fixed at 1: of a number
  alone, one reader makes a variable and another an error.
- The quadratic part stands in ``[ ... ] / 2``: 2Q_ii before z_i^2 and 4Q_ij before
  z_i*z_j.
- Every variable has a linear term, 0 if need be, for a name must stand in the objective
  or a constraint before it is declared binary; so their order is that of the problem.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ccsolve.errors import Unsupported
from ccsolve.io.atomic import replacing
from ccsolve.io.text import VARIABLE_LIMIT
from ccsolve.problems.selection import ChannelSelection

_PER_LINE = 6
"""Terms on a line; readers limit lines, the strictest to 255 characters."""


def write_lp(path: str | Path, problem: ChannelSelection) -> None:
    """Write a problem; channel i is the binary variable ``z<i>``, from 0; O(n²).

    Unsupported without channels, or beyond ``VARIABLE_LIMIT`` of them.
    """
    if not 1 <= problem.n <= VARIABLE_LIMIT:
        raise Unsupported(
            f"{path}: n = {problem.n}; an .lp file holds 1 to {VARIABLE_LIMIT} "
            "variables; write .npz"
        )
    with replacing(path) as temporary, temporary.open("w", encoding="ascii") as file:
        file.writelines(f"{line}\n" for line in _lines(problem))


def _lines(problem: ChannelSelection) -> Iterator[str]:
    yield "\\ written by ccsolve; z<i> = 1 keeps channel i"
    yield "Minimize"
    yield " obj:"
    yield from _wrapped(_linear_terms(problem.q))
    if problem.constant:
        yield f"  {problem.constant:+} one"
    yield from _quadratic(problem)
    yield "Subject To"
    yield from _constraints(problem)
    yield "Bounds"
    yield from _bounds(problem)
    yield "Binaries"
    yield from _wrapped(f"z{i}" for i in range(problem.n))
    yield "End"


def _quadratic(problem: ChannelSelection) -> Iterator[str]:
    Q = problem.dense()
    if Q.any():
        yield "  + ["
        yield from _wrapped(_quadratic_terms(Q))
        yield "  ] / 2"


def _quadratic_terms(Q: np.ndarray) -> Iterator[str]:
    for i, row in enumerate(Q):
        for j in (i + np.flatnonzero(row[i:])).tolist():
            product = f"z{i} ^2" if i == j else f"z{i} * z{j}"
            yield f"{(2.0 if i == j else 4.0) * row[j]:+} {product}"


def _linear_terms(coefficients: np.ndarray) -> Iterator[str]:
    for i, value in enumerate(coefficients.tolist()):
        yield f"{value:+} z{i}"


def _constraints(problem: ChannelSelection) -> Iterator[str]:
    if problem.keep is not None:
        yield " keep:"
        yield from _wrapped(_linear_terms(np.ones(problem.n)))
        yield f"  = {problem.keep}"
    if problem.cost is not None and problem.budget is not None:
        yield " budget:"
        yield from _wrapped(_linear_terms(problem.cost))
        yield f"  <= {problem.budget}"


def _bounds(problem: ChannelSelection) -> Iterator[str]:
    if problem.constant:
        yield " one = 1"
    if problem.fixed is not None:
        for i in np.flatnonzero(problem.fixed >= 0).tolist():
            yield f" z{i} = {problem.fixed[i]}"


def _wrapped(terms: Iterable[str]) -> Iterator[str]:
    line: list[str] = []
    for term in terms:
        line.append(term)
        if len(line) == _PER_LINE:
            yield "  " + " ".join(line)
            line.clear()
    if line:
        yield "  " + " ".join(line)
