"""Lines of a text file as tokens, with the place kept for the errors."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ccsolve.errors import InvalidFile

VARIABLE_LIMIT = 10_000
"""Most variables of a text format: its dense matrix takes 0.8 GB."""

_SIZE_LIMIT = 4 * 2**30


class Line(NamedTuple):
    """The tokens of one line, and where it stands."""

    path: Path
    number: int
    tokens: list[str]

    def refuse(self, expected: str) -> InvalidFile:
        """Give the error that says what was expected here."""
        found = " ".join(self.tokens)
        return InvalidFile(
            f"{self.path}: line {self.number}: found {found!r:.60}; expected {expected}"
        )

    def whole(self, place: int, what: str, low: int, high: int) -> int:
        """Give the token at the place as an integer within [low, high]."""
        try:
            value = int(self.tokens[place])
        except (ValueError, IndexError):
            raise self.refuse(what) from None
        if not low <= value <= high:
            raise self.refuse(f"{what} from {low} to {high}")
        return value

    def real(self, place: int, what: str) -> float:
        """Give the token at the place as a finite number."""
        try:
            value = float(self.tokens[place])
        except (ValueError, IndexError):
            raise self.refuse(what) from None
        if not math.isfinite(value):
            raise self.refuse(f"{what}, finite")
        return value


def lines_of(path: Path, comments: str) -> Iterator[Line]:
    """Give the lines that are neither empty nor comments, as tokens.

    A line that begins with one of the characters of `comments` is a comment, and so
    is what follows a ``#`` on any line.
    """
    try:
        if path.stat().st_size > _SIZE_LIMIT:
            raise InvalidFile(
                f"{path}: {path.stat().st_size} bytes; expected at most {_SIZE_LIMIT}"
            )
        with path.open(encoding="latin-1") as file:
            for number, text in enumerate(file, start=1):
                tokens = text.partition("#")[0].split()
                if tokens and tokens[0][0] not in comments:
                    yield Line(path, number, tokens)
    except OSError as error:
        raise InvalidFile(f"{path}: not readable ({error.strerror})") from None


def take_line(lines: Iterator[Line], path: Path, what: str) -> Line:
    """Give the next line; InvalidFile if the file ends here."""
    line = next(lines, None)
    if line is None:
        raise InvalidFile(f"{path}: ends early; expected {what} (truncated?)")
    return line


def triples(lines: Iterator[Line], first: int, n: int) -> np.ndarray:
    """Give lines ``i j value`` as rows (i, j, value), indices from 0.

    `first` is the file's first index. InvalidFile for an index outside or a number
    that is not finite.
    """
    rows = [
        (
            line.whole(0, "an index i", first, first + n - 1) - first,
            line.whole(1, "an index j", first, first + n - 1) - first,
            line.real(2, "i j value"),
        )
        for line in _of_three(lines)
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def refuse_repeats(path: Path, table: np.ndarray, n: int) -> None:
    """Raise InvalidFile if a pair stands twice, in either order."""
    low, high = table[:, :2].min(axis=1), table[:, :2].max(axis=1)
    pairs, counts = np.unique(low * n + high, return_counts=True)
    if (counts > 1).any():
        i, j = divmod(int(pairs[counts > 1][0]), n)
        raise InvalidFile(
            f"{path}: the pair {i}, {j} (from 0) stands twice; expected each pair "
            "once, in one order"
        )


def _of_three(lines: Iterator[Line]) -> Iterator[Line]:
    for line in lines:
        if len(line.tokens) != 3:
            raise line.refuse("three numbers, i j value")
        yield line
