"""The cost of every operator of an exported model, as products of kept widths."""

from math import prod

from torch import nn
from torch.fx import Node

from ccsolve.statistics import Cost, Operation, Term
from ccsolve_torch.exported import Exported, argument, export, operator, shape
from ccsolve_torch.state import Inputs
from ccsolve_torch.streams import LAYERS, Flow, Reading, TiedSlot


def operations(
    model: nn.Module, exported: Exported, flow: Flow
) -> tuple[Operation, ...]:
    """Give the operations whose terms sum to the cost of the model at any widths.

    Multiply-accumulates: convolutions and linear layers, per sample, biases not
    counted. Parameters: everything that is trained, each once, however often used;
    what belongs to no group stands in one fixed operation.
    """
    left = {name: tensor.numel() for name, tensor in model.named_parameters()}
    readings = {reading.node: reading for reading in flow.readings}
    found = [
        _layer(exported, flow, node, readings.get(node), left)
        for node in exported.calls()
        if _costs(node)
    ]
    tied = [
        _slot(group, slot, left)
        for group in flow.sizes
        for slot in flow.slots[group]
        if _name(slot) in left
    ]
    rest = Operation(
        "others", "parameters", (), None, (Term((), 0, sum(left.values())),)
    )
    return (*found, *tied, rest)


def count(model: nn.Module, example_inputs: Inputs) -> Cost:
    """Give MACs per sample and parameters of a model as it stands, groups or none."""
    exported = export(model, example_inputs)
    macs = sum(_macs(node, exported.batch) for node in exported.calls() if _costs(node))
    return Cost(macs, sum(tensor.numel() for tensor in model.parameters()))


def _costs(node: Node) -> bool:
    return operator(node) in LAYERS or operator(node).startswith("conv_transpose")


def _layer(
    exported: Exported,
    flow: Flow,
    node: Node,
    reading: Reading | None,
    left: dict[str, int],
) -> Operation:
    """Give the terms of one call: weight and MACs by both widths, bias by one."""
    name = reading.layer if reading else node.name
    source = reading.group if reading else None
    target = name if name in flow.sizes and reading else None
    groups = tuple(group for group in (source, target) if group is not None)
    full = prod(flow.sizes[group] for group in groups)
    weight = _claim(exported, argument(node, "weight"), left)
    macs = _macs(node, exported.batch)
    terms = [Term(groups, _divided(macs, full), _divided(weight, full))]
    bias = _claim(exported, argument(node, "bias"), left)
    if bias:
        owners = (target,) if target else ()
        size = flow.sizes[target] if target else 1
        terms.append(Term(owners, 0, _divided(bias, size)))
    kind = "linear" if operator(node) == "linear" else "conv"
    return Operation(name, kind, (source,) if source else (), target, tuple(terms))


def _slot(group: str, slot: TiedSlot, left: dict[str, int]) -> Operation:
    """Give the parameters of a tensor that stands in one group: norms and slopes."""
    left.pop(_name(slot))
    term = Term((group,), 0, slot.repeat)
    return Operation(_name(slot), "channelwise", (group,), group, (term,))


def _macs(node: Node, batch: int) -> int:
    """Give multiply-accumulates per sample: positions times the size of the weight.

    A transposed convolution multiplies at its input's positions.
    """
    weight, transposed = node.args[1], operator(node).startswith("conv_transpose")
    counted = shape(node.args[0] if transposed else node)  # pyright: ignore
    channels = shape(weight)[0]  # pyright: ignore[reportArgumentType]
    positions = prod(counted) // (batch * channels)
    return positions * prod(shape(weight))  # pyright: ignore[reportArgumentType]


def _claim(exported: Exported, value: object, left: dict[str, int]) -> int:
    """Give the size of a parameter that no operation has claimed yet, else 0."""
    name = exported.tensor_name(value)
    return left.pop(name, 0) if name is not None else 0


def _divided(amount: int, size: int) -> float:
    """Give an exact integer where there is one."""
    quotient, rest = divmod(amount, size)
    return amount / size if rest else quotient


def _name(slot: TiedSlot) -> str:
    return f"{slot.module}.{slot.tensor}".lstrip(".")
