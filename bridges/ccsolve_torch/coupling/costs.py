"""The cost of every operator of an exported model, as products of kept widths."""

from collections.abc import Mapping
from math import prod

from torch import nn

from ccsolve.statistics import Cost, Operation, Term
from ccsolve.statistics.cost import cost_at
from ccsolve_torch.coupling.classes import Classes, classified
from ccsolve_torch.coupling.exported import export, spelled
from ccsolve_torch.coupling.flow import Flow, Product
from ccsolve_torch.coupling.following import follow
from ccsolve_torch.coupling.links import Ids
from ccsolve_torch.running.state import Inputs

Sizes = Mapping[str, tuple[int, ...]]


def operations(flow: Flow, classes: Classes, sizes: Sizes) -> tuple[Operation, ...]:
    """Give the operations whose terms sum to the cost of the model at any widths.

    Multiply-accumulates per sample: convolutions, linear and recurrent layers, products
    of activations and attention; biases and what treats every entry alone count none.
    Parameters: everything that is trained, each once, however often used. `sizes` are
    the shapes of the parameters by name.
    """
    left = dict(sizes)
    found = [_product(flow, classes, product, left) for product in flow.products]
    return (*found, *(_tensor(flow, classes, name, sizes[name]) for name in left))


def count(model: nn.Module, example_inputs: Inputs) -> Cost:
    """Give MACs per sample and parameters of a model as it stands, groups or none."""
    flow = follow(export(model, example_inputs))
    classes = classified(flow)
    sizes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    return cost_at(operations(flow, classes, sizes), classes.sizes)


def _product(
    flow: Flow, classes: Classes, product: Product, left: dict[str, tuple[int, ...]]
) -> Operation:
    """Give the cost of one operator, its weight with the first that uses it."""
    counted = _terms(classes, product.factors, product.scale, "macs")
    name, held = product.weight, []
    if name in left:
        held = _parameters(flow, classes, name, left.pop(name))
    terms = _summed([*counted, *held])
    groups = list(dict.fromkeys(name for term in terms for name in term.groups))
    _, *outputs = product.factors if len(product.factors) > 1 else (None,)
    made = [name for ids in outputs for name in classes.count(ids)[0]]
    output = made[0] if len(made) == 1 else None
    inputs = tuple(name for name in groups if name != output)
    return Operation(product.node.name, product.kind, inputs, output, tuple(terms))


def _tensor(
    flow: Flow, classes: Classes, name: str, lengths: tuple[int, ...]
) -> Operation:
    """Give the parameters of a tensor that no product claims: biases, norms, tables."""
    terms = _parameters(flow, classes, name, lengths)
    groups = tuple(dict.fromkeys(group for term in terms for group in term.groups))
    kind = "channelwise" if groups else "parameters"
    return Operation(
        spelled(name), kind, groups, groups[0] if groups else None, tuple(terms)
    )


def _parameters(
    flow: Flow, classes: Classes, name: str, lengths: tuple[int, ...]
) -> list[Term]:
    axes = {
        axis: flow.links.axes[name, axis]
        for axis in range(len(lengths))
        if (name, axis) in flow.links.axes
    }
    held = {axis: ids for axis, ids in axes.items() if classes.count(ids)[0]}
    scale = prod(n for axis, n in enumerate(lengths) if axis not in held)
    return _terms(classes, tuple(held.values()), scale, "params")


def _terms(
    classes: Classes, factors: tuple[Ids, ...], scale: float, resource: str
) -> list[Term]:
    """Multiply out scale · Π over factors of (Σ entries per class · width + fixed)."""
    products: dict[tuple[str, ...], float] = {(): scale}
    for ids in factors:
        held, fixed = classes.count(ids)
        parts = {(name,): count for name, count in held.items()} | {(): fixed}
        products = {
            (*known, *more): amount * count
            for known, amount in products.items()
            for more, count in parts.items()
            if count
        }
    return [
        Term(groups, **{"macs": 0, "params": 0, resource: _whole(amount)})
        for groups, amount in products.items()
    ]


def _summed(terms: list[Term]) -> list[Term]:
    """Give one term for each pair of groups."""
    sums: dict[tuple[str, ...], tuple[float, float]] = {}
    for term in terms:
        macs, params = sums.get(term.groups, (0, 0))
        sums[term.groups] = macs + term.macs, params + term.params
    return [Term(groups, *amounts) for groups, amounts in sums.items()]


def _whole(amount: float) -> float:
    """Give an exact integer where there is one."""
    return int(amount) if float(amount).is_integer() else amount
