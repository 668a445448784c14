"""Predicted losses beside measured ones, from files."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from ccsolve.errors import InvalidFile
from ccsolve.io.strict_json import parse_json
from ccsolve.validation.records import KIND, Validation


class Measurement(NamedTuple):
    """One network: what was predicted, and what was measured.

    Attributes
    ----------
    budget : what remains, as a share of the dense network.
    predicted, measured : the rise of the loss.
    error : standard error of `measured`; None where it is not known.
    repaired : the rise measured after a repair; None where it was not.
    series : whose prediction it is; empty where there is one.
    """

    budget: float
    predicted: float
    measured: float
    error: float | None = None
    repaired: float | None = None
    series: str = ""


def measurements(document: Mapping[str, Any], where: str) -> tuple[Measurement, ...]:
    """Give the measurements of a file.

    Either what `Validation.save` wrote: every model's own path, the dense network left
    out. Or ``{"rows": [{"budget": 0.5, "predicted": 0.1, "measured": 0.2}, ...]}``, in
    which rows may also have "error", "repaired" and "series", and more that is left.

    Raises
    ------
    InvalidFile
        A row lacks a number, or there are no rows.
    """
    if document.get("kind") == KIND:
        rows = _rows_of_validation(Validation.of_data(document, where))
    else:
        rows = document.get("rows")
    if not isinstance(rows, Sequence) or isinstance(rows, str) or not rows:
        raise InvalidFile(f"{where}: no rows; expected a list of them, one or more")
    return tuple(_row(row, f"{where}: rows[{at}]") for at, row in enumerate(rows))


def parse_rows(text: bytes, where: str) -> dict[str, Any]:
    """Give the object of a JSON text; a list counts as its rows."""
    if text.lstrip()[:1] == b"[":
        return parse_json(b'{"rows": ' + text + b"}", where)
    return parse_json(text, where)


def _rows_of_validation(validation: Validation) -> list[dict[str, Any]]:
    names = [str(model) for model in validation.models]
    names[validation.chosen] += " (chosen)"
    return [
        {**asdict(point), "budget": point.remain, "series": names[point.model]}
        for point in validation.points
        if point.remain < 1
    ]


def _row(row: object, where: str) -> Measurement:
    if not isinstance(row, Mapping):
        raise InvalidFile(f"{where}: a {type(row).__name__}; expected an object")
    return Measurement(
        budget=_number(row, "budget", where),
        predicted=_number(row, "predicted", where),
        measured=_number(row, "measured", where),
        error=_optional(row, "error", where),
        repaired=_optional(row, "repaired", where),
        series=str(row.get("series") or ""),
    )


def _number(row: Mapping[str, Any], name: str, where: str) -> float:
    value = row.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise InvalidFile(f"{where}: {name} is {value!r:.40}; expected a number")


def _optional(row: Mapping[str, Any], name: str, where: str) -> float | None:
    return None if row.get(name) is None else _number(row, name, where)
