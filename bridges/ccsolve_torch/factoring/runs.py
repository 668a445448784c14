"""Where layers run that could be chains: what recipes need to count a chain's cost."""

from math import prod
from typing import Any

from torch import nn

from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve_torch.coupling.exported import module_path, shape
from ccsolve_torch.coupling.flow import LayerCall
from ccsolve_torch.factoring.candidates import checked_layers
from ccsolve_torch.factoring.chains import LINEAR, TRANSPOSED
from ccsolve_torch.graph import Graph

Entry = dict[str, Any]


def chain_runs(model: nn.Module, graph: Graph) -> dict[str, Entry]:
    """Give, by name, the layers that can be chains, as `ccsolve.recipes.chains` reads.

    Each has "groups" and "transposed" of its convolution, and "calls": for every run
    in a forward pass the lengths of the axes that it reads and makes, and how often
    per sample it does so. Layers that `factorise` would refuse are left out, and those
    that compute the same for all samples: what they do is not counted per sample.
    """
    calls: dict[str, list[LayerCall]] = {}
    for call in graph.flow.calls:
        calls.setdefault(call.weight, []).append(call)
    found = {}
    for title, site in graph.layers.items():
        own = calls.get(site.weight, [])
        # A call from elsewhere reads the weight itself, which a chain does not have.
        inside = own and all(
            module_path(call.node) == site.name and call.node not in graph.flow.constant
            for call in own
        )
        if site.name == title and inside and _replaceable(model, site.name):
            layer: Any = model.get_submodule(site.name)
            found[title] = {
                "groups": int(getattr(layer, "groups", 1)),
                "transposed": isinstance(layer, TRANSPOSED),
                "calls": [_run(layer, call, graph.exported.batch) for call in own],
            }
    return found


def _run(layer: nn.Module, call: LayerCall, batch: int) -> list[Any]:
    """Give [lengths read, lengths made, times per sample] of one call."""
    axes = 0 if isinstance(layer, LINEAR) else len(layer.kernel_size)  # pyright: ignore
    source: Any = call.node.args[0]
    read, made = shape(source), shape(call.node)
    first = len(made) - axes
    times = prod(made[: first - 1]) / batch
    return [list(read[first:]), list(made[first:]), times]


def _replaceable(model: nn.Module, name: str) -> bool:
    try:
        checked_layers(model, [name])
    except (InvalidProblem, Unsupported):
        return False
    return True
