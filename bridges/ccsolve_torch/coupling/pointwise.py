"""Operators that treat every entry alone, and those that know the channels' axis."""

from collections.abc import Iterable

import torch
from torch.fx import Node

from ccsolve_torch.coupling.exported import argument, operator, shape
from ccsolve_torch.coupling.flow import Flow, Rule, joined, tensors, vector
from ccsolve_torch.coupling.flow import channels as channels_of
from ccsolve_torch.coupling.labels import on_axis, varying
from ccsolve_torch.coupling.links import Ids

# Operators that treat every entry alone without saying so by a tag.
_ALONE = frozenset(
    """alias alpha_dropout clone contiguous copy detach dropout dropout_ feature_dropout
    feature_alpha_dropout hardswish hardsigmoid leaky_relu lift_fresh_copy log_sigmoid
    masked_fill prelu relu6 rrelu selu to type_as zero fill zeros_like ones_like
    empty_like full_like rand_like randn_like where float half double bfloat16 bool
    mish""".split()
)
_RESIZES = ("max_pool", "avg_pool", "adaptive_", "upsample_", "lp_pool")
_REDUCES = frozenset(
    """mean sum amax amin max min prod var std norm logsumexp all any argmax argmin
    median nanmean nansum var_mean std_mean linalg_vector_norm""".split()
)
# A mean over fewer channels is another mean: all of these hold for any number of them.
_AVERAGES = frozenset(
    "mean var std var_mean std_mean norm linalg_vector_norm nanmean".split()
)
_ALONG = frozenset(
    """softmax log_softmax softmin cumsum cumprod logcumsumexp sort argsort topk cummax
    cummin _softmax _log_softmax _safe_softmax""".split()
)


def rule(node: Node) -> Rule | None:
    """Give the rule of the operator, None if it is none of these."""
    name = operator(node)
    if name.startswith(_RESIZES):
        return _resized
    if name in _REDUCES and _reduces(node):
        return _reduced
    if name in _ALONG:
        return _along
    if name in _ALONE or torch.Tag.pointwise in getattr(node.target, "tags", ()):
        return _pointwise
    return None


def _reduces(node: Node) -> bool:
    """Tell max over an axis from the larger of two tensors."""
    return len(tensors(node)) == 1


def _pointwise(flow: Flow, node: Node) -> None:
    if operator(node) == "prelu":
        _prelu(flow, node)
        return
    operands = [(flow.labels(source), shape(source)) for source in tensors(node)]
    flow.give(node, joined(flow, node, operands) if operands else ())


def _prelu(flow: Flow, node: Node) -> None:
    source, slope = node.args[:2]
    if shape(slope) != (1,):  # pyright: ignore[reportArgumentType]
        ids = channels_of(flow, node, source, 1)
        vector(flow, node, "weight", ids)
        flow.counted(node, "num_parameters", ids)
    flow.give(node, flow.labels(source))


def _resized(flow: Flow, node: Node) -> None:
    """Carry channels on through an operator on the axes behind them."""
    source = node.args[0]
    axes = range(2, len(shape(source)))  # pyright: ignore[reportArgumentType]
    _give_all(flow, node, _within(flow, node, axes))


def _reduced(flow: Flow, node: Node) -> None:
    """Carry channels on that stand on other axes than those summed over."""
    rank, gone = len(shape(node.args[0])), _axes(node)  # pyright: ignore
    kept = _within(flow, node, gone, average=operator(node) in _AVERAGES)
    if not argument(node, "keepdim", False):
        left = [axis for axis in range(rank) if axis not in gone]
        kept = [ids.reshape([ids.shape[axis] for axis in left]) for ids in kept]
    _give_all(flow, node, kept)


def _give_all(flow: Flow, node: Node, kept: list[Ids]) -> None:
    """Give the atoms to the operator's tensor, or to each of its tensors."""
    if isinstance(node.meta["val"], tuple | list):
        flow.values[node] = tuple(tuple(kept) for _ in node.meta["val"])
    else:
        flow.give(node, kept)


def _along(flow: Flow, node: Node) -> None:
    """Carry channels on unless the operator runs along their axis."""
    _give_all(flow, node, _within(flow, node, _axes(node)))


def _axes(node: Node) -> list[int]:
    rank, given = len(shape(node.args[0])), argument(node, "dim")  # pyright: ignore
    if given is None or given == []:
        return list(range(rank)) if operator(node) in _REDUCES else [rank - 1]
    listed = given if isinstance(given, list | tuple) else [given]
    return [axis % rank for axis in listed]


def _within(
    flow: Flow, node: Node, axes: Iterable[int], *, average: bool = False
) -> list[Ids]:
    """Give the atoms after an operator that mixes entries along some axes.

    Channels that stand on other axes too are mixed within themselves, once their
    entries along these go together. Others are frozen, or noted where it averages.
    """
    kept = []
    for ids in flow.labels(node.args[0]):
        mixed = [axis for axis in axes if ids.shape[axis] > 1]
        if mixed and len(mixed) == len(varying(ids)):
            _mix(flow, node, ids, average)
            continue
        for axis in mixed:
            flow.links.tie_along(ids, axis, flow.place(node))
            ids = ids.take([0], axis=axis)
        kept.append(ids)
    return kept


def _mix(flow: Flow, node: Node, ids: Ids, average: bool) -> None:
    if average:
        flow.links.alter(ids, varying(ids), flow.place(node))
    else:
        flow.freeze(node, [ids], ", which mixes channels")


def batch_norm(flow: Flow, node: Node) -> None:
    """Tie scale, shift and running statistics to the channels, on axis 1."""
    source = node.args[0]
    ids = channels_of(flow, node, source, 1)
    for part in ("weight", "bias", "running_mean", "running_var"):
        if argument(node, part) is not None:
            vector(flow, node, part, ids)
    flow.counted(node, "num_features", ids)
    flow.give(node, flow.labels(source))


def layer_norm(flow: Flow, node: Node) -> None:
    """Tie scale and shift to the channels; removal changes mean and variance."""
    source, rank = node.args[0], len(shape(node))
    first = rank - len(argument(node, "normalized_shape"))
    labels = flow.labels(source)
    within = [ids for axis in range(first, rank) for ids in on_axis(labels, axis)]
    for ids in within:
        flow.links.alter(ids, varying(ids) & set(range(first, rank)), flow.place(node))
    sides = [
        (flow.labels(argument(node, part)), shape(argument(node, part)))
        for part in ("weight", "bias")
        if argument(node, part) is not None
    ]
    flow.give(node, joined(flow, node, [(labels, shape(source)), *sides]))  # pyright: ignore
    for ids in (x for x in within if x.shape[-1] == x.size and first == rank - 1):
        flow.counted(node, "normalized_shape", ids)


def group_norm(flow: Flow, node: Node) -> None:
    """Make whole normalisation groups the classes: then removal is exact.

    A single group is all channels: they stay apart, and removal changes its mean and
    variance.
    """
    source, groups = node.args[0], argument(node, "num_groups")
    ids = channels_of(flow, node, source, 1)
    if groups == 1:
        flow.links.alter(ids, varying(ids), flow.place(node))
    else:
        flow.links.tie_along(ids.reshape(groups, -1), 1, flow.place(node))
        flow.counted(node, "num_groups", ids.reshape(groups, -1)[:, 0])
    for part in ("weight", "bias"):
        if argument(node, part) is not None:
            vector(flow, node, part, ids)
    flow.counted(node, "num_channels", ids)
    flow.give(node, _within(flow, node, range(2, len(shape(node)))))
