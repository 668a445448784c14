"""Checkpoints of Z and U: tensors and plain numbers, no pickled classes."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ccsolve.errors import InvalidProblem
from ccsolve.problems.checks import whole_number
from ccsolve.recipes.admm.rank_set import RankSet
from ccsolve.solvers.low_rank.projecting.forms import Form
from ccsolve.solvers.low_rank.projecting.ring import Ring
from ccsolve.solvers.low_rank.projecting.train import Train
from ccsolve.solvers.low_rank.projecting.tucker import Tucker
from ccsolve.solvers.low_rank.projection import Projected
from ccsolve_torch.splitting.duals import Duals
from ccsolve_torch.splitting.targets import Target

SCHEMA = 1

_RECORDS = {
    kind.__name__: kind for kind in (Duals, Projected, Form, Ring, Train, Tucker)
}
_KIND = "kind"


def state_of(rho: float, updates: int, duals: Mapping[str, Duals]) -> dict[str, Any]:
    """Give what `taken` reads."""
    layers = {name: packed(one) for name, one in duals.items()}
    return {"schema": SCHEMA, "rho": rho, "updates": updates, "layers": layers}


def taken(
    state: Mapping[str, Any], targets: Mapping[str, Target]
) -> tuple[float, int, dict[str, Duals]]:
    """Give ρ, the number of updates, and Z and U of every weight.

    InvalidProblem where they are of other weights or ranks.
    """
    parts = set(state) if isinstance(state, Mapping) else set()
    if parts != {"schema", "rho", "updates", "layers"}:
        raise InvalidProblem(
            f"state: has {', '.join(map(str, parts))[:100] or 'nothing'}; expected "
            f"what ADMM.state_dict gave"
        )
    if state["schema"] != SCHEMA:
        raise InvalidProblem(
            f"state: schema {state['schema']!r}; this version reads {SCHEMA}"
        )
    layers = state["layers"]
    if not isinstance(layers, Mapping):
        raise InvalidProblem(
            f"state: layers is a {type(layers).__name__}; expected a mapping of weights"
        )
    duals = {name: unpacked(one) for name, one in layers.items()}
    _check(duals, targets)
    updates = whole_number("updates", state["updates"], 0, 2**62)
    return state["rho"], updates, duals


def packed(value: Any) -> Any:
    """Give records as mappings, arrays as tensors; numbers and text as they are."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if type(value).__name__ in _RECORDS:
        return {_KIND: type(value).__name__} | {
            name: packed(getattr(value, name)) for name in _names(type(value))
        }
    if isinstance(value, tuple | list):
        return [packed(item) for item in value]
    return value


def unpacked(value: Any) -> Any:
    """Give what was packed; sequences as tuples.

    InvalidProblem for what `packed` does not give.
    """
    if isinstance(value, Tensor):
        return value.detach().cpu().numpy().copy()
    if isinstance(value, Mapping):
        kind = _RECORDS.get(value.get(_KIND, ""))
        if kind is None or set(value) != {_KIND, *_names(kind)}:
            raise InvalidProblem(
                f"state: a record of {', '.join(map(str, value))[:100]}; expected what "
                f"`state_dict` of this version gave"
            )
        parts = {name: unpacked(value[name]) for name in _names(kind)}
        return kind(**parts)
    if isinstance(value, list | tuple):
        return tuple(unpacked(item) for item in value)
    return value


def _check(duals: Mapping[str, Any], targets: Mapping[str, Target]) -> None:
    """Refuse what is of other weights or ranks."""
    if duals and set(duals) != set(targets):
        names = sorted(set(duals) ^ set(targets))
        raise InvalidProblem(
            f"state: other weights than here, such as {names[0]!r}; expected those of "
            f"{', '.join(targets)[:200]}"
        )
    for name, one in duals.items():
        space, groups = targets[name].space, targets[name].groups
        if not _is_of(one, space, groups):
            raise InvalidProblem(
                f"state: {name} is held in another form; expected {space.format!r} of "
                f"modes {space.modes} and ranks {space.ranks} in {groups} groups"
            )


def _is_of(one: Any, space: RankSet, groups: int) -> bool:
    """Say whether it is Z and U of so many groups of a weight of this set."""
    if not isinstance(one, Duals) or not len(one.near) == len(one.dual) == groups:
        return False
    return all(
        isinstance(near, Projected)
        and _form(near) == _wanted(space)
        and np.shape(near.tensor) == np.shape(dual) == space.modes
        for near, dual in zip(one.near, one.dual, strict=True)
    )


def _form(near: Projected) -> tuple[Any, ...]:
    # Tucker's ranks of the kernel's modes are whole, and not asked for.
    ranks = near.ranks
    outer = (ranks[0], ranks[-1]) if near.format == "tucker" else ranks
    return near.format, near.modes, outer


def _wanted(space: RankSet) -> tuple[Any, ...]:
    return space.format, space.modes, space.ranks


def _names(kind: Any) -> tuple[str, ...]:
    if is_dataclass(kind):
        return tuple(item.name for item in fields(kind))
    return kind._fields
