"""How operators between layers carry channels on.

Only operators that treat every channel alone have a rule; what has none freezes the
channels that enter it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

from torch.fx import Node

from ccsolve_torch.exported import argument, operator, shape

_ELEMENTWISE = frozenset(
    """abs alias celu clamp clamp_max clamp_min clone contiguous detach div dropout elu
    feature_dropout gelu hardsigmoid hardswish hardtanh leaky_relu log_sigmoid mish mul
    neg pow relu relu6 selu sigmoid silu softplus square tanh threshold""".split()
)
_SPATIAL = frozenset(
    f"{kind}{axes}d"
    for kind in ("max_pool", "avg_pool", "adaptive_avg_pool")
    for axes in (1, 2, 3)
)
_REDUCTIONS = frozenset(("mean", "sum", "amax", "amin"))
_RESHAPES = frozenset(("view", "reshape", "flatten", "squeeze", "unsqueeze"))


@dataclass(frozen=True)
class Stream:
    """Channels of a group in one tensor: entry i of `axis` is of class i // repeat."""

    group: str
    axis: int
    repeat: int = 1


Rule = Callable[[Node, Node, Stream], Stream | None]


def rule_for(name: str) -> Rule | None:
    """Give the rule of the operator: node, its source, the stream -> the stream after.

    None where no rule is known, or where the rule gives None: then channels mix.
    """
    if name in _ELEMENTWISE:
        return _same
    if name in _SPATIAL:
        return _pooled
    if name in _REDUCTIONS:
        return _reduced
    if name in _RESHAPES:
        return _reshaped
    return {"permute": _permuted, "transpose": _transposed}.get(name)


def _same(node: Node, source: Node, stream: Stream) -> Stream | None:
    return stream if shape(node) == shape(source) else None


def _pooled(node: Node, source: Node, stream: Stream) -> Stream | None:
    spatial = int(operator(node)[-2])
    fits = stream.axis == 1 and len(shape(source)) == spatial + 2
    return stream if fits else None


def _reduced(node: Node, source: Node, stream: Stream) -> Stream | None:
    """Carry the stream through a mean over other axes than its own."""
    axes, count = argument(node, "dim"), len(shape(source))
    if axes is None or axes == []:
        return None
    listed = axes if isinstance(axes, list | tuple) else [axes]
    reduced = {axis % count for axis in listed}
    if stream.axis in reduced or 0 in reduced:
        return None
    kept = argument(node, "keepdim", False)
    before = 0 if kept else sum(axis < stream.axis for axis in reduced)
    return replace(stream, axis=stream.axis - before)


def _reshaped(node: Node, source: Node, stream: Stream) -> Stream | None:
    """Carry the stream through a view that merges later axes into the channels.

    In memory order, channel c of length s[a] stands behind prod(s[:a]) outer
    entries. An output axis that starts there and holds s[a] * q entries holds q
    neighbouring entries of each channel, if q is a product of the next axes.
    """
    before, after = shape(source), shape(node)
    outer, size = prod(before[: stream.axis]), before[stream.axis]
    inner = before[stream.axis + 1 :]
    merged = {prod(inner[:count]) for count in range(len(inner) + 1)}
    for axis in reversed(range(1, len(after))):
        q, rest = divmod(after[axis], size)
        if prod(after[:axis]) == outer and rest == 0 and q in merged:
            return replace(stream, axis=axis, repeat=stream.repeat * q)
    return None


def _permuted(node: Node, source: Node, stream: Stream) -> Stream | None:
    order = [axis % len(shape(source)) for axis in argument(node, "dims")]
    return replace(stream, axis=order.index(stream.axis))


def _transposed(node: Node, source: Node, stream: Stream) -> Stream | None:
    count = len(shape(source))
    pair = [argument(node, part) for part in ("dim0", "dim1")]
    if not all(isinstance(axis, int) for axis in pair):
        return None
    first, second = (axis % count for axis in pair)
    swapped = {first: second, second: first}
    return replace(stream, axis=swapped.get(stream.axis, stream.axis))
