"""How the cost model lies in a file: operations, latency tables, memory.

Operations and memory stand in the manifest; a latency table's arrays are the tensors
``latency/<name>/read``, ``latency/<name>/made`` and ``latency/<name>/microseconds``.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ccsolve.errors import InvalidStatistics
from ccsolve.statistics.cost import Operation, Term
from ccsolve.statistics.fields import entries, field, names
from ccsolve.statistics.latency import LatencyTable
from ccsolve.statistics.memory import Bytes, Memory, Parts

Tensors = dict[str, np.ndarray]

_ARRAYS = ("read", "made", "microseconds")


def operation_entry(operation: Operation) -> dict[str, Any]:
    """Give the manifest's entry of an operation."""
    terms = [
        {"groups": list(term.groups), "macs": term.macs, "params": term.params}
        for term in operation.terms
    ]
    return {
        "name": operation.name,
        "kind": operation.kind,
        "inputs": list(operation.inputs),
        "output": operation.output,
        "terms": terms,
    }


def latency_entry(table: LatencyTable) -> dict[str, Any]:
    """Give the manifest's entry of a latency table."""
    return {
        "name": table.name,
        "inputs": dict(table.inputs),
        "outputs": dict(table.outputs),
    }


def latency_tensors(tables: Iterable[LatencyTable]) -> Tensors:
    """Give the named tensors of all latency tables."""
    return {
        f"latency/{table.name}/{part}": np.asarray(getattr(table, part))
        for table in tables
        for part in _ARRAYS
    }


def memory_entry(memory: Memory) -> dict[str, Any]:
    """Give the manifest's entry of the memory model."""
    return {
        "weights": _parts_entry(memory.weights),
        "steps": [{"alive": _parts_entry(step)} for step in memory.steps],
    }


def operation(entry: Mapping[str, Any]) -> Operation:
    """Read an operation."""
    name = field(entry, "name", str, "operations")
    where = f"operations/{name}"
    return Operation(
        name=name,
        kind=field(entry, "kind", str, where),
        inputs=names(entry, "inputs", where),
        output=field(entry, "output", str | None, where),
        terms=tuple(_term(term, where) for term in entries(entry, "terms", where)),
    )


def _term(entry: Mapping[str, Any], where: str) -> Term:
    return Term(
        groups=names(entry, "groups", where),
        macs=field(entry, "macs", int | float, where),
        params=field(entry, "params", int | float, where),
    )


def latency(entry: Mapping[str, Any], left: Tensors) -> LatencyTable:
    """Read a latency table and take its tensors out of those that are left."""
    name = field(entry, "name", str, "latency")
    where = f"latency/{name}"
    missing = [part for part in _ARRAYS if f"{where}/{part}" not in left]
    if missing:
        raise InvalidStatistics(
            f"{where}/{missing[0]}: no such tensor; every latency table has one"
        )
    parts = {part: left.pop(f"{where}/{part}") for part in _ARRAYS}
    return LatencyTable(
        name,
        parts["microseconds"],
        field(entry, "inputs", dict, where),
        field(entry, "outputs", dict, where),
        parts["read"],
        parts["made"],
    )


def memory(entry: Mapping[str, Any]) -> Memory:
    """Read the memory model."""
    steps = entries(entry, "steps", "memory")
    return Memory(
        _parts(entry, "weights"), tuple(_parts(step, "alive") for step in steps)
    )


def _parts_entry(parts: Parts) -> list[dict[str, Any]]:
    return [{"groups": list(part.groups), "bytes": part.count} for part in parts]


def _parts(entry: Mapping[str, Any], key: str) -> Parts:
    return tuple(
        Bytes(
            names(part, "groups", "memory"),
            field(part, "bytes", int | float, "memory"),
        )
        for part in entries(entry, key, "memory")
    )
