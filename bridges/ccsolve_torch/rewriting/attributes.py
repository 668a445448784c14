"""The attributes in which torch's modules count their channels."""

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

from ccsolve_torch.coupling.classes import FIXED
from ccsolve_torch.gates import Keep
from ccsolve_torch.graph import Graph

# What an operator calls a width, and what modules call it.
_NAMES = {
    "in_channels": ("in_channels", "in_features"),
    "out_channels": ("out_channels", "out_features"),
    "num_features": ("num_features",),
    "num_parameters": ("num_parameters",),
    "num_channels": ("num_channels",),
    "num_groups": ("num_groups",),
    "groups": ("groups",),
    "embedding_dim": ("embedding_dim",),
    "input_size": ("input_size",),
    "hidden_size": ("hidden_size",),
    "normalized_shape": ("normalized_shape",),
}


def write_widths(small: nn.Module, graph: Graph, keep: Keep) -> None:
    """Write the widths that remain into the modules that count them.

    Only modules of torch itself, or made from them, are written: what an attribute of
    other modules means is theirs to say.
    """
    remains = kept_classes(graph, keep)
    modules = dict(small.named_modules())
    for width in graph.widths:
        module = modules.get(width.module)
        count = int(remains[graph.classes.number[width.ids]].sum())
        if module is None or count == len(width.ids):
            continue
        for name in _NAMES[width.attribute]:
            if hasattr(module, name) and _is_torch(module):
                setattr(module, name, _like(getattr(module, name), count))
    _refresh(small)


def kept_classes(graph: Graph, keep: Keep) -> np.ndarray:
    """Give for every class whether it remains; the last entry, for FIXED, is True."""
    remains = np.zeros(sum(graph.classes.sizes.values()) + 1, dtype=bool)
    remains[FIXED] = True
    for name, first in graph.classes.first.items():
        remains[first + np.asarray(keep[name])] = True
    return remains


def _like(value: Any, count: int) -> Any:
    return (*value[:-1], count) if isinstance(value, tuple) else count


def _is_torch(module: nn.Module) -> bool:
    return any(
        base.__module__.startswith("torch.nn")
        for base in type(module).__mro__[:-1]
        if base is not nn.Module
    )


def _refresh(small: nn.Module) -> None:
    """Let recurrent modules take up their sliced weights."""
    for module in small.modules():
        if isinstance(module, nn.RNNBase):
            renew: Callable[[], None] = module._init_flat_weights
            renew()
