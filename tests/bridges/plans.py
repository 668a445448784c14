"""Plans made by hand."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

import ccsolve_torch as cct
from ccsolve import Plan


def every_other(
    model: nn.Module, x: Any, declared: cct.Declared | None = None, **more: Any
) -> Plan:
    """Give a plan that keeps every other class of every group."""
    groups = cct.trace(model, x, declared=declared).groups
    return _made(model, groups, lambda n: range(0, n, 2), {}, **more)


def by_hand(
    model: nn.Module, x: Any, keep: Mapping[str, Sequence[int]], **more: Any
) -> Plan:
    """Give a plan that keeps these classes of some groups, and all of the others."""
    return _made(model, cct.trace(model, x).groups, range, keep, **more)


def _made(
    model: nn.Module,
    groups: Mapping[str, Any],
    kept: Callable[[int], Sequence[int]],
    keep: Mapping[str, Sequence[int]],
    **more: Any,
) -> Plan:
    return Plan(
        recipe="by hand",
        keep={
            name: list(keep.get(name, kept(item.size))) for name, item in groups.items()
        },
        sizes={name: item.size for name, item in groups.items()},
        fingerprint=cct.fingerprint(model),
        **more,
    )
