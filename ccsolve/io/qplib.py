"""The .qplib format (Furini et al., Mathematical Programming Computation 11, 2019).

Binary variables, an objective 1/2 x^T H x + b^T x + f of which the file holds the
lower triangle of H, and at most one cardinality equality and one budget. Of the
linear constraints lhs <= a^T x <= rhs that become a `ChannelSelection`:

- all entries of a equal and non-zero, lhs = rhs: ``keep`` = rhs / a;
- a >= 0 with an infinite lhs (or a <= 0 with an infinite rhs): ``cost``, ``budget``.

Everything else is refused, never dropped.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ccsolve.errors import InvalidFile, Unsupported
from ccsolve.io.atomic import replacing
from ccsolve.io.linear_constraints import constraint_of
from ccsolve.io.text import VARIABLE_LIMIT, Line, lines_of, take_line
from ccsolve.problems.selection import ChannelSelection

_COMMENTS = "#!%"
_CONSTRAINT_LIMIT = 100


@dataclass(frozen=True)
class _Reader:
    """The lines left of one file."""

    path: Path
    lines: Iterator[Line]

    def line(self, what: str) -> Line:
        return take_line(self.lines, self.path, what)

    def whole(self, what: str, low: int, high: int) -> int:
        return self.line(what).whole(0, what, low, high)

    def real(self, what: str) -> float:
        return self.line(what).real(0, what)

    def word(self, what: str) -> str:
        return self.line(what).tokens[0]


def read_qplib(path: Path) -> ChannelSelection:
    """Read a binary program with at most one cardinality and one budget constraint.

    The objective is minimised: a file that says ``maximize`` comes back negated.
    InvalidFile names the line; a valid file of another problem type is refused too.
    """
    reader = _Reader(path, lines_of(path, _COMMENTS))
    reader.word("the name of the problem")
    kind = _problem_type(reader)
    sign = _sense(reader)
    n = reader.whole("the number of variables", 1, VARIABLE_LIMIT)
    constraints = kind[2] == "L"
    m = _constraint_count(reader) if constraints else 0
    Q = np.zeros((n, n)) if kind[0] == "L" else 0.5 * _read_triangle(reader, n)
    q = _vector(reader, n, "the linear objective")
    constant = reader.real("the constant of the objective")
    limits = _read_constraints(reader, n, m) if constraints else {}
    _read_starts(reader, n, m if constraints else None)
    return ChannelSelection(sign * Q, sign * q, constant=sign * constant, **limits)


def write_qplib(path: str | Path, problem: ChannelSelection) -> None:
    """Write a problem without fixings; a factored form is formed, in O(n^2)."""
    if problem.fixed is not None:
        raise Unsupported(
            f"{path}: .qplib holds no fixings; write .npz, or leave fixed channels out"
        )
    with replacing(path) as temporary:
        text = "\n".join(_text_lines(problem, Path(path).stem))
        temporary.write_text(text + "\n", encoding="ascii", errors="replace")


def _problem_type(reader: _Reader) -> str:
    line = reader.line("the problem type, such as QBL")
    kind = line.tokens[0].upper()
    if (
        len(kind) != 3
        or kind[0] not in "LDCQ"
        or kind[1] != "B"
        or kind[2] not in "NBL"
    ):
        raise line.refuse(
            "a type with binary variables and no or linear constraints: QBN, QBL"
        )
    return kind


def _sense(reader: _Reader) -> float:
    line = reader.line("minimize or maximize")
    sense = line.tokens[0].lower()
    if sense not in ("minimize", "maximize"):
        raise line.refuse("minimize or maximize")
    return 1.0 if sense == "minimize" else -1.0


def _constraint_count(reader: _Reader) -> int:
    return reader.whole(
        "a number of constraints that ccsolve takes (one cardinality equality, one "
        "budget)",
        0,
        _CONSTRAINT_LIMIT,
    )


def _read_triangle(reader: _Reader, n: int) -> np.ndarray:
    """Give symmetric H from the lower triangle that the file holds."""
    H = np.zeros((n, n))
    seen = np.zeros((n, n), dtype=bool)
    count = reader.whole("the number of quadratic terms", 0, n * (n + 1) // 2)
    for _ in range(count):
        line = reader.line("a quadratic term i j value")
        i = line.whole(0, "a row", 1, n) - 1
        j = line.whole(1, "a column of the lower triangle", 1, i + 1) - 1
        if seen[i, j]:
            raise line.refuse("each pair once")
        seen[i, j] = True
        H[i, j] = H[j, i] = line.real(2, "a quadratic term i j value")
    return H


def _vector(
    reader: _Reader,
    size: int,
    what: str,
    read: Callable[[Line, int, str], float] = Line.real,
) -> np.ndarray:
    """Give a vector written as a default and the entries that differ from it."""
    values = np.full(size, read(reader.line(f"default of {what}"), 0, what))
    count = reader.whole(f"the number of other values of {what}", 0, size)
    for _ in range(count):
        line = reader.line(f"an entry i value of {what}")
        values[line.whole(0, "an index", 1, size) - 1] = read(line, 1, what)
    return values


def _read_constraints(reader: _Reader, n: int, m: int) -> dict[str, Any]:
    """Give keep, cost and budget."""
    A = np.zeros((m, n))
    for _ in range(reader.whole("the number of linear terms", 0, m * n)):
        line = reader.line("a linear term constraint variable value")
        row = line.whole(0, "a constraint", 1, m) - 1
        A[row, line.whole(1, "a variable", 1, n) - 1] = line.real(2, "a value")
    infinity = reader.real("the value of infinity")

    def limit(line: Line, place: int, what: str) -> float:
        value = line.real(place, what)
        return value if abs(value) < infinity else math.copysign(math.inf, value)

    low = _vector(reader, m, "left-hand sides", limit)
    high = _vector(reader, m, "right-hand sides", limit)
    found: dict[str, Any] = {}
    for index in range(m):
        part = constraint_of(A[index], low[index], high[index])
        if part is None or found.keys() & part.keys():
            raise InvalidFile(
                f"{reader.path}: constraint {index + 1} of {m} is neither the only "
                "cardinality equality nor the only budget a x <= b with a >= 0; "
                "expected at most one of each"
            )
        found |= part
    return found


def _read_starts(reader: _Reader, n: int, m: int | None) -> None:
    """Read over starting points and names, which say nothing about the problem.

    A file may end before each of them, but not within one.
    """
    sizes = [("starting point", n), ("constraint duals", m), ("bound duals", n)]
    for what, size in sizes:
        if size is not None:
            first = next(reader.lines, None)
            if first is None:
                return
            first.real(0, f"default of the {what}")
            _skip_entries(reader, f"the {what}", size)
    for what, size in (("variable names", n), ("constraint names", m or 0)):
        first = next(reader.lines, None)
        if first is None:
            return
        for _ in range(first.whole(0, f"the number of {what}", 0, size)):
            reader.line(f"one of the {what}").whole(0, "an index", 1, size)
    extra = next(reader.lines, None)
    if extra is not None:
        raise extra.refuse("the end of the file")


def _skip_entries(reader: _Reader, what: str, size: int) -> None:
    for _ in range(reader.whole(f"the number of entries of {what}", 0, size)):
        line = reader.line(f"an entry i value of {what}")
        line.whole(0, "an index", 1, size)
        line.real(1, "a value")


def _text_lines(problem: ChannelSelection, name: str) -> Iterator[str]:
    """Give the lines of the file; the numbers read back exactly."""
    n, H = problem.n, 2.0 * problem.dense()
    rows, limits = _constraint_rows(problem)
    yield f"{name or 'problem'}"
    yield f"QB{'L' if rows else 'N'}"
    yield "minimize"
    yield f"{n} # variables"
    if rows:
        yield f"{len(rows)} # constraints"
    i, j = np.nonzero(np.tril(H))
    yield f"{len(i)} # quadratic terms of 1/2 x'Hx, lower triangle"
    yield from (
        f"{a + 1} {b + 1} {float(H[a, b])!r}" for a, b in zip(i, j, strict=True)
    )
    yield from _vector_lines(problem.q)
    yield f"{problem.constant!r} # constant"
    if rows:
        yield from _constraint_lines(rows, limits)
    for _ in range(3 if rows else 2):
        yield from ("0.0", "0")
    yield "0 # variable names"
    yield "0 # constraint names"


def _constraint_rows(
    problem: ChannelSelection,
) -> tuple[list[np.ndarray], list[tuple[float, float]]]:
    rows, limits = [], []
    if problem.keep is not None:
        rows.append(np.ones(problem.n))
        limits.append((float(problem.keep), float(problem.keep)))
    if problem.cost is not None and problem.budget is not None:
        rows.append(problem.cost)
        limits.append((-1e30, problem.budget))
    return rows, limits


def _constraint_lines(
    rows: list[np.ndarray], limits: list[tuple[float, float]]
) -> Iterator[str]:
    terms = [(k, i) for k, row in enumerate(rows) for i in np.flatnonzero(row)]
    yield f"{len(terms)} # linear terms"
    yield from (f"{k + 1} {i + 1} {float(rows[k][i])!r}" for k, i in terms)
    yield "1e+30 # infinity"
    for side in (0, 1):
        yield from _vector_lines(np.array([limit[side] for limit in limits]))


def _vector_lines(values: np.ndarray) -> Iterator[str]:
    places = np.flatnonzero(values)
    yield "0.0 # default"
    yield f"{len(places)} # others"
    yield from (f"{i + 1} {float(values[i])!r}" for i in places)
