"""Plans made by hand."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

import ccsolve_torch as cct
from ccsolve import Plan


def every_other(model: nn.Module, x: Any, **more: Any) -> Plan:
    """Give a plan that keeps every other class of every group."""
    sizes = {name: group.size for name, group in cct.trace(model, x).groups.items()}
    keep = {name: range(0, size, 2) for name, size in sizes.items()}
    return by_hand(model, x, keep, **more)


def by_hand(
    model: nn.Module, x: Any, keep: Mapping[str, Sequence[int]], **more: Any
) -> Plan:
    """Give a plan that keeps these classes of some groups, and all of the others."""
    sizes = {name: group.size for name, group in cct.trace(model, x).groups.items()}
    return Plan(
        recipe="by hand",
        keep={name: list(keep.get(name, range(n))) for name, n in sizes.items()},
        sizes=sizes,
        fingerprint=cct.fingerprint(model),
        **more,
    )
