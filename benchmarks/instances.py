"""Selection instances with best-known values, read from a folder.

The folder (`--data DIR`) holds `instances/`:

    manifest.csv        name, family, n, p, best_known, proven, ..., S_from
    <name>.npz          S (n, n), c (n,), p (-1: no cardinality), a (n,), b
    ccp_resnet56.npz    names, remove, best_known, proven, and one S per name

A row of the manifest minimises xᵀSx + cᵀx with 1ᵀx = p, or aᵀx <= b where p is -1 and a
is given; where the file holds no S, `S_from` names the one that does. A program of
ccp_resnet56 minimises uᵀSu over the sets u of `remove` channels to be removed.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import ccsolve

PUBLISHED = 1e-7
"""Relative accuracy of published values and of the files' decimals."""

SIX_DECIMALS = 5.1e-7
"""Accuracy of the real programs' best-known values; their entries are at most 1."""


@dataclass(frozen=True, eq=False)
class Instance:
    """One program, as data for the scorer and as a problem for the solvers.

    The value of a point is uᵀSu + cᵀu, with u the removed channels where ``removed``,
    else the kept ones.
    """

    name: str
    family: str
    S: np.ndarray
    c: np.ndarray
    removed: bool
    best_known: float
    proven: bool
    problem: ccsolve.ChannelSelection


def instances(folder: Path) -> Iterator[Instance]:
    """Give every instance of the folder; FileNotFoundError names what is missing."""
    yield from public_instances(folder / "instances")
    yield from resnet56_programs(folder / "instances" / "ccp_resnet56.npz")


def public_instances(folder: Path) -> Iterator[Instance]:
    """Give the instances of the manifest that are programs of `ChannelSelection`."""
    with _required(folder / "manifest.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            yield _public(folder, row)


def resnet56_programs(path: Path) -> Iterator[Instance]:
    """Give the 54 real programs: 27 groups, Gauss-Newton and empirical Fisher."""
    with np.load(_required(path), allow_pickle=False) as held:
        columns = (held[key] for key in ("names", "remove", "best_known", "proven"))
        for name, remove, best, proven in zip(*columns, strict=True):
            S = held[str(name)].astype(np.float64)
            keep = len(S) - int(remove)
            yield Instance(
                name=str(name),
                family=f"ccp {str(name).partition('_')[0]} n={len(S)}",
                S=S,
                c=np.zeros(len(S)),
                removed=True,
                best_known=float(best),
                proven=bool(proven),
                problem=ccsolve.ChannelSelection.from_removal(2 * S, keep=keep),
            )


def _public(folder: Path, row: dict[str, str]) -> Instance:
    with np.load(_required(folder / f"{row['name']}.npz"), allow_pickle=False) as held:
        data = dict(held)
    if row["S_from"]:
        source = _required(folder / f"{row['S_from']}.npz")
        with np.load(source, allow_pickle=False) as held:
            data["S"] = held["S"]
    return Instance(
        name=row["name"],
        family=row["family"],
        S=data["S"],
        c=data["c"],
        removed=False,
        best_known=float(row["best_known"]),
        proven=row["proven"] == "1",
        problem=_problem(data),
    )


def _problem(data: dict[str, np.ndarray]) -> ccsolve.ChannelSelection:
    keep = int(data["p"])
    if keep >= 0:
        return ccsolve.ChannelSelection(data["S"], data["c"], keep=keep)
    if data["a"].size:
        return ccsolve.ChannelSelection(
            data["S"], data["c"], cost=data["a"], budget=float(data["b"])
        )
    return ccsolve.ChannelSelection(data["S"], data["c"])


def _required(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing; expected the layout that benchmarks/README.md states"
        )
    return path
