"""The competitors by name."""

import importlib
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import ccsolve
from benchmarks.selection.competitors import ours
from benchmarks.selection.competitors.answer import Answer, Terms
from ccsolve.bench.side_by_side import ORACLES
from ccsolve.registry import Kind, rows_of


@dataclass(frozen=True)
class Peer:
    """A peer: its module here, the distribution it comes with, and its options."""

    module: str
    distribution: str
    options: dict[str, Any] = field(default_factory=dict)


PEERS: dict[str, Peer] = {
    "dwave-tabu": Peer("dwave_tabu", "dwave-samplers", {"weight": 1.0}),
    "dwave-tabu-0.1": Peer("dwave_tabu", "dwave-samplers", {"weight": 0.1}),
    "gurobi": Peer("gurobi", "gurobipy"),
    "scip": Peer("scip", "pyscipopt"),
    "highs": Peer("highs", "highspy"),
    "scs-sdp": Peer("scs", "scs", {"nonnegative": False}),
    "scs-dnn": Peer("scs", "scs", {"nonnegative": True}),
    "clarabel-sdp": Peer("clarabel", "clarabel", {"nonnegative": False}),
    "clarabel-dnn": Peer("clarabel", "clarabel", {"nonnegative": True}),
}
"""Name -> peer. All come with the extra `peers`."""


def methods(*kinds: Kind) -> list[str]:
    """Give the names of ccsolve's methods of these kinds, oracles left out."""
    selection = rows_of(ccsolve.ChannelSelection)
    return [r.name for r in selection if r.kind in kinds and r.name not in ORACLES]


def known(name: str) -> bool:
    """Say whether a competitor of that name exists."""
    ours = {row.name for row in rows_of(ccsolve.ChannelSelection)}
    return name in PEERS or name == "auto" or name in ours


def process_of(name: str) -> str:
    """Give the process that a competitor runs in: libraries are kept apart.

    Some bundle a copy of another one, and only the first of them can be loaded.
    """
    return PEERS[name].module if name in PEERS else "ccsolve"


def run(name: str, problem: ccsolve.ChannelSelection, terms: Terms) -> Answer:
    """Run a competitor; ImportError where its library is not installed."""
    if name not in PEERS:
        return ours.run(problem, terms, method=name)
    peer = PEERS[name]
    module = importlib.import_module(f"{__package__}.{peer.module}")
    return module.run(problem, terms, **peer.options)


def versions(name: str) -> dict[str, str]:
    """Give the version of the library that a peer comes with."""
    if name not in PEERS:
        return {}
    distribution = PEERS[name].distribution
    return {distribution: metadata.version(distribution)}
