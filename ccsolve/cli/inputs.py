"""What the commands are given: files, and where to write."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

import ccsolve
from ccsolve import data
from ccsolve.errors import InvalidFile, InvalidProblem
from ccsolve.io.strict_json import parse_json
from ccsolve.solution import Problem, Solution

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
StatisticsName = Annotated[
    str,
    typer.Argument(
        metavar="STATS",
        help="Statistics, .safetensors, or the name of those that ship.",
    ),
]
MultipleOf = Annotated[int, typer.Option(help="Widths are multiples of this.")]
MinKeep = Annotated[int, typer.Option(help="Fewest channels of a group.")]
Seed = Annotated[int, typer.Option(help="Same seed, same answer.")]
Further = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Another option of the recipe, widths=uniform; may be repeated.",
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="npz, qplib, biqmac or mdplib, where the file's suffix does not tell.",
    ),
]


def read_problem(path: Path, format: str | None = None) -> Problem:
    """Read a problem; InvalidFile where the file holds a solution."""
    value = ccsolve.read(path, format)
    if isinstance(value, Solution):
        raise InvalidFile(f"{path}: holds a solution; expected a problem")
    return value


def read_solution(path: Path) -> Solution:
    """Read a solution; InvalidFile where the file holds a problem."""
    value = ccsolve.read(path)
    if not isinstance(value, Solution):
        raise InvalidFile(f"{path}: holds a problem; expected a solution")
    return value


def read_statistics(name: str) -> "ccsolve.Statistics":
    """Read statistics: a file, or by name those that ship with the package."""
    return ccsolve.Statistics.load(data.file_of(name))


def amount(name: str, text: str | None) -> float | int | None:
    """Give a budget: "0.5" is a fraction, "60000000" an absolute amount."""
    if text is None:
        return None
    try:
        return int(text) if text.strip().lstrip("+-").isdigit() else float(text)
    except ValueError:
        raise InvalidProblem(
            f"--{name} {text!r}; expected a fraction such as 0.5, or a whole number"
        ) from None


def amounts(name: str, texts: list[str] | None) -> list[float] | None:
    """Give several budgets, None for none."""
    found = [amount(name, text) for text in texts or ()]
    return [value for value in found if value is not None] or None


def frozen_widths(entries: list[str] | None) -> dict[str, int]:
    """Give the widths of "GROUP=WIDTH"; a name may hold "=" itself."""
    found = {}
    for entry in entries or ():
        name, _, width = entry.rpartition("=")
        if not name or not width.strip().isdigit():
            raise InvalidProblem(f"--fixed {entry!r}; expected GROUP=WIDTH")
        found[name] = int(width)
    return found


def recipe_options(
    entries: list[str] | None, known: Mapping[str, Any]
) -> dict[str, Any]:
    """Add to options the values of "NAME=VALUE": as JSON, or else a text."""
    found = dict(known)
    for entry in entries or ():
        name, equals, text = entry.partition("=")
        if not equals or not name.isidentifier() or name in found:
            raise InvalidProblem(
                f"--set {entry!r}; expected NAME=VALUE, such as widths=uniform, of an "
                "option that has no flag and is set once"
            )
        try:
            found[name] = parse_json(f'{{"value": {text}}}', "--set")["value"]
        except InvalidFile:
            found[name] = text
    return found


def require_writable(path: Path, suffix: str) -> None:
    """Refuse an output path before the work that it is for is done.

    InvalidFile for another suffix or a folder that does not exist.
    """
    if path.suffix.lower() != suffix:
        raise InvalidFile(f"{path}: suffix {path.suffix!r}; expected {suffix}")
    if path.is_dir() or not path.parent.is_dir():
        raise InvalidFile(f"{path}: not a file in an existing folder; create it first")
