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
from pathlib import Path

import numpy as np

import ccsolve
from benchmarks.selection.instances.instance import Instance

PUBLISHED = 1e-7
"""Relative accuracy of published values and of the files' decimals."""

SIX_DECIMALS = 5.1e-7
"""Accuracy of the real programs' best-known values; their entries are at most 1."""

_REAL = "ccp_resnet56.npz"


def public_names(folder: Path) -> list[str]:
    """Give the names in the manifest; FileNotFoundError names what is missing."""
    return list(_manifest(folder / "instances"))


def real_names(folder: Path) -> list[str]:
    """Give the names of the 54 real programs: 27 groups, two curvatures."""
    path = _required(folder / "instances" / _REAL)
    with np.load(path, allow_pickle=False) as held:
        return [str(name) for name in held["names"]]


def read(name: str, folder: Path) -> Instance | None:
    """Give the instance of that name; None where the folder has none."""
    rows = _manifest(folder / "instances")
    if name in rows:
        return _public(folder / "instances", rows[name])
    if name in real_names(folder):
        return _real(folder / "instances" / _REAL, name)
    return None


def _manifest(folder: Path) -> dict[str, dict[str, str]]:
    with _required(folder / "manifest.csv").open(newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def _real(path: Path, name: str) -> Instance:
    with np.load(_required(path), allow_pickle=False) as held:
        at = [str(known) for known in held["names"]].index(name)
        remove, best = int(held["remove"][at]), float(held["best_known"][at])
        proven, S = bool(held["proven"][at]), held[name].astype(np.float64)
    n = len(S)
    return Instance(
        name=name,
        family=f"ccp {name.partition('_')[0]} n={n}",
        S=S,
        c=np.zeros(n),
        problem=ccsolve.ChannelSelection.from_removal(2 * S, keep=n - remove),
        count=remove,
        removed=True,
        best_known=best,
        proven=proven,
        room=SIX_DECIMALS,
    )


def _public(folder: Path, row: dict[str, str]) -> Instance:
    data = _arrays(folder / f"{row['name']}.npz")
    if row["S_from"]:
        data["S"] = _arrays(folder / f"{row['S_from']}.npz")["S"]
    p, best = int(data["p"]), float(row["best_known"])
    budgeted = p < 0 and data["a"].size > 0
    return Instance(
        name=row["name"],
        family=row["family"],
        S=data["S"],
        c=data["c"],
        problem=_problem(data, p, budgeted),
        count=p if p >= 0 else None,
        a=data["a"] if budgeted else None,
        b=float(data["b"]) if budgeted else np.inf,
        best_known=best,
        proven=row["proven"] == "1",
        room=PUBLISHED * abs(best),
    )


def _problem(
    data: dict[str, np.ndarray], p: int, budgeted: bool
) -> ccsolve.ChannelSelection:
    if p >= 0:
        return ccsolve.ChannelSelection(data["S"], data["c"], keep=p)
    if budgeted:
        return ccsolve.ChannelSelection(
            data["S"], data["c"], cost=data["a"], budget=float(data["b"])
        )
    return ccsolve.ChannelSelection(data["S"], data["c"])


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(_required(path), allow_pickle=False) as held:
        return dict(held)


def _required(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing; expected the layout that benchmarks/README.md states"
        )
    return path
