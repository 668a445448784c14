"""Following channels through the operators of an exported model.

Each output of a convolution or linear layer starts a stream. An operator that
treats every channel alone carries it on; a convolution or linear layer that reads
it ends it; anything else freezes it, because removing its channels would then need
a rule that we do not have.
"""

from dataclasses import dataclass, field, replace

from torch.fx import Node

from ccsolve_torch.carrying import Stream, rule_for
from ccsolve_torch.exported import (
    Exported,
    argument,
    module_path,
    operator,
    place,
    shape,
)

CONVOLUTIONS = {"conv1d": 1, "conv2d": 2, "conv3d": 3}
LAYERS = (*CONVOLUTIONS, "linear")


@dataclass(frozen=True)
class TiedSlot:
    """One axis of one tensor of a module, tied to a group as in `Stream`."""

    module: str
    tensor: str
    axis: int
    repeat: int = 1


@dataclass(frozen=True)
class Reading:
    """A layer called as a module: what it reads, None where that is no group."""

    layer: str
    kind: str
    node: Node
    axis: int
    group: str | None = None
    repeat: int = 1


@dataclass
class Flow:
    """All streams of a model: filled node by node by `follow`, read-only afterwards.

    `sizes` holds the groups that can be removed, in execution order; `frozen` says
    why others cannot; `norms` names the batch norm that alone reads a layer.
    """

    exported: Exported
    sizes: dict[str, int] = field(default_factory=dict)
    slots: dict[str, list[TiedSlot]] = field(default_factory=dict)
    readings: list[Reading] = field(default_factory=list)
    norms: dict[str, str] = field(default_factory=dict)
    frozen: dict[str, str] = field(default_factory=dict)
    streams: dict[Node, Stream] = field(default_factory=dict)

    def freeze(self, group: str, reason: str) -> None:
        """Keep the first reason why the group cannot be removed."""
        self.frozen.setdefault(group, reason)


def follow(exported: Exported) -> Flow:
    """Give all streams of the model, in one pass over its operators."""
    flow = Flow(exported)
    for node in exported.nodes:
        if node.op == "call_function":
            _step(flow, node)
        elif node.op == "output":
            for source in _streams_read(flow, node):
                flow.freeze(source.group, "is an output of the model")
    _settle(flow)
    return flow


def _step(flow: Flow, node: Node) -> None:
    name = operator(node)
    if name in LAYERS:
        _read_layer(flow, node)
    elif name == "batch_norm":
        _norm(flow, node)
    elif name == "prelu":
        _prelu(flow, node)
    else:
        _carry(flow, node)


def enters_sum(node: Node) -> bool:
    """Say whether all that becomes of the node is a sum with a tensor of its shape."""
    users = list(node.users)
    if len(users) != 1 or operator(users[0]) != "add" or users[0].kwargs:
        return False
    summands = users[0].all_input_nodes
    return len(summands) == 2 and shape(summands[0]) == shape(summands[1])


def _settle(flow: Flow) -> None:
    """Drop frozen groups, and groups that no layer reads."""
    read = {reading.group for reading in flow.readings}
    for group in flow.sizes:
        if group not in read:
            flow.freeze(group, "is read by no convolution or linear layer")
    flow.sizes = {
        name: size for name, size in flow.sizes.items() if name not in flow.frozen
    }
    flow.readings = [
        reading
        if reading.group in flow.sizes
        else replace(reading, group=None, repeat=1)
        for reading in flow.readings
    ]


# --- layers ---------------------------------------------------------------------


def _read_layer(flow: Flow, node: Node) -> None:
    """End the stream that the layer reads, and start its own."""
    source, weight = node.args[0], node.args[1]
    stream = flow.streams.get(source) if isinstance(source, Node) else None
    owner, fault = _owner(flow.exported, node)
    for other in _streams_read(flow, node):
        if other is not stream:
            flow.freeze(other.group, f"is read by {place(node)} as a weight")
    if isinstance(source, Node) and isinstance(weight, Node):
        fault = fault or _grouped(node)
        _end(flow, node, stream, owner, fault)
        _start(flow, node, owner, fault)


def _end(
    flow: Flow, node: Node, stream: Stream | None, owner: str, fault: str | None
) -> None:
    axis = channel_axis(node, len(shape(node.args[0])))  # pyright: ignore
    if stream is not None and (fault or stream.axis != axis):
        why = fault or "reads another axis"
        flow.freeze(stream.group, f"is read by {owner or place(node)}, which {why}")
        stream = None
    if fault is None:
        kind = "linear" if operator(node) == "linear" else "conv"
        group = stream.group if stream else None
        repeat = stream.repeat if stream else 1
        flow.readings.append(Reading(owner, kind, node, axis, group, repeat))
    if stream is not None:
        flow.slots[stream.group].append(TiedSlot(owner, "weight", 1, stream.repeat))


def _start(flow: Flow, node: Node, owner: str, fault: str | None) -> None:
    size = shape(node)[channel_axis(node, len(shape(node)))]
    if fault or size < 2:
        flow.frozen.setdefault(owner or node.name, fault or "has a single channel")
        return
    flow.sizes[owner] = size
    flow.slots[owner] = [TiedSlot(owner, "weight", 0)]
    if argument(node, "bias") is not None:
        flow.slots[owner].append(TiedSlot(owner, "bias", 0))
    flow.streams[node] = Stream(owner, channel_axis(node, len(shape(node))))


def channel_axis(node: Node, axes: int) -> int:
    """Give the axis of a layer's channels: last if linear, else behind the batch."""
    return axes - 1 if operator(node) == "linear" else axes - 1 - _kernel_axes(node)


def _kernel_axes(node: Node) -> int:
    return CONVOLUTIONS[operator(node)]


def _owner(exported: Exported, node: Node) -> tuple[str, str | None]:
    """Give the module that owns the layer's weights, and why it cannot be sliced."""
    names = [
        exported.tensor_name(argument(node, part))
        for part in ("weight", "bias")
        if argument(node, part) is not None
    ]
    weight = names[0]
    if weight is None or None in names:
        return module_path(node), "computes its weight from others"
    owner = weight.rpartition(".")[0]
    wanted = [f"{owner}.{part}".lstrip(".") for part in ("weight", "bias")]
    if exported.shared.intersection(names):
        return owner, "shares its weight or is called more than once"
    if owner != module_path(node) or names != wanted[: len(names)]:
        return owner, "uses its weight without a call of its module"
    return owner, None


def _grouped(node: Node) -> str | None:
    groups = argument(node, "groups", 1) if operator(node) in CONVOLUTIONS else 1
    return f"is a convolution in {groups} groups" if groups != 1 else None


# --- operators between layers ----------------------------------------------------


def _norm(flow: Flow, node: Node) -> None:
    source = node.args[0]
    stream = flow.streams.get(source) if isinstance(source, Node) else None
    if stream is None:
        return
    names = _tensors(flow, node, ("weight", "bias", "running_mean", "running_var"))
    owners = {name.rpartition(".")[0] for name in names.values()}
    tracked = {"running_mean", "running_var"} <= names.keys()
    if (
        owners != {module_path(node)}
        or flow.exported.shared.intersection(names.values())
        or stream.axis != 1
        or not tracked
    ):
        flow.freeze(
            stream.group,
            f"passes {place(node)}, which is shared or keeps no running statistics",
        )
        return
    owner = owners.pop()
    for name in names.values():
        tensor = name.rpartition(".")[2]
        flow.slots[stream.group].append(TiedSlot(owner, tensor, 0, stream.repeat))
    flow.streams[node] = stream
    if source.op == "call_function" and operator(source) in LAYERS:  # pyright: ignore
        alone = len(source.users) == 1  # pyright: ignore
        flow.norms.update({stream.group: owner} if alone else {})


def _tensors(flow: Flow, node: Node, parts: tuple[str, ...]) -> dict[str, str]:
    named = {part: flow.exported.tensor_name(argument(node, part)) for part in parts}
    return {part: name for part, name in named.items() if name is not None}


def _prelu(flow: Flow, node: Node) -> None:
    source, weight = node.args[0], node.args[1]
    stream = flow.streams.get(source) if isinstance(source, Node) else None
    if stream is None:
        return
    name = flow.exported.tensor_name(weight)
    if name is None or name in flow.exported.shared or stream.axis != 1:
        flow.freeze(stream.group, f"passes {place(node)}, whose slope is shared")
        return
    if shape(weight)[0] > 1:  # pyright: ignore[reportArgumentType]
        owner, _, tensor = name.rpartition(".")
        flow.slots[stream.group].append(TiedSlot(owner, tensor, 0, stream.repeat))
    flow.streams[node] = stream


def _carry(flow: Flow, node: Node) -> None:
    """Carry one stream through an operator that keeps channels apart, or freeze."""
    sources = [source for source in node.all_input_nodes if source in flow.streams]
    rule = rule_for(operator(node))
    for source in sources:
        stream = flow.streams[source]
        after = rule(node, source, stream) if rule else None
        if after is None or len(node.all_input_nodes) > 1:
            flow.freeze(stream.group, f"is read by {place(node)}")
        else:
            flow.streams[node] = after


def _streams_read(flow: Flow, node: Node) -> list[Stream]:
    return [
        flow.streams[source]
        for source in node.all_input_nodes
        if source in flow.streams
    ]
