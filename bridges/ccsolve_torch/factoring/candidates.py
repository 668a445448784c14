"""Which layers can be replaced: plain ones, used by nothing but their own call."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve_torch.factoring.chains import CONVOLUTIONS, LINEAR, TRANSPOSED
from ccsolve_torch.running.calls import Call, layer_calls
from ccsolve_torch.running.state import evaluating, hooks

KINDS = (LINEAR, *CONVOLUTIONS, *TRANSPOSED)

HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)


@dataclass
class Use:
    """How a forward pass used one weight.

    `inside` and `outside` count the calls of an operator from within its module and
    from elsewhere; `macs` are the multiply-accumulates per sample of all.
    """

    inside: int = 0
    outside: int = 0
    macs: int = 0


def checked_layers(model: nn.Module, names: Iterable[str]) -> dict[str, nn.Module]:
    """Give the layers of these names, if their weights are their own and plain.

    InvalidProblem if there is none of a name, or one of two; Unsupported with the
    reason if it is not plain.
    """
    modules = dict(model.named_modules(remove_duplicate=False))
    found: dict[str, nn.Module] = {}
    for name in names:
        layer = _named(name, modules)
        for other, known in found.items():
            if known is layer:
                raise InvalidProblem(
                    f"factors: {other!r} and {name!r} are one layer; name it once"
                )
        if reason := _why_not(layer) or _tied(layer, modules):
            raise Unsupported(f"layer {name}: {reason}")
        found[name] = layer
    return found


def layer_uses(
    model: nn.Module, layers: Mapping[str, nn.Module], inputs: tuple[Tensor, ...]
) -> dict[str, Use]:
    """Give how the model, in evaluation mode, uses the weights on these inputs.

    `layers` maps the name of each weight to the module that owns it.
    """
    uses = {weight: Use() for weight in layers}
    entered = dict.fromkeys(layers, 0)
    samples = len(inputs[0])

    def enter(weight: str, step: int, *_: Any) -> None:
        entered[weight] += step

    def see(call: Call, y: Tensor) -> None:
        use, weight = uses[call.weight], layers[call.weight].weight
        use.inside += entered[call.weight] > 0
        use.outside += entered[call.weight] == 0
        counted = call.x if "transpose" in call.kind else y
        positions = counted.numel() // (samples * counted.shape[call.axis])
        use.macs += positions * prod(weight.shape)  # pyright: ignore

    handles = []
    for weight, module in layers.items():
        before, after = partial(enter, weight, 1), partial(enter, weight, -1)
        handles.append(module.register_forward_pre_hook(before))
        handles.append(module.register_forward_hook(after, always_call=True))
    with hooks(handles), torch.no_grad(), evaluating(model):
        with layer_calls(model, layers, after=see):
            model(*inputs)
    return uses


def used_as_module(name: str, use: Use) -> None:
    """Raise Unsupported unless the weight is used by calls of its module alone."""
    if use.outside:
        raise Unsupported(
            f"layer {name}: its weight is used by a function call outside of its "
            f"module ({use.outside} of {use.inside + use.outside} uses), where a chain "
            f"cannot stand; call the module instead, or leave the layer out"
        )
    if not use.inside:
        raise Unsupported(
            f"layer {name}: not called as a module on the example inputs (a fused "
            f"kernel such as multi-head attention's reads the weight itself, or the "
            f"code does not run it); leave the layer out"
        )


def _named(name: str, modules: Mapping[str, nn.Module]) -> nn.Module:
    if name in modules and name:
        return modules[name]
    known = [path for path, module in modules.items() if type(module) in KINDS and path]
    raise InvalidProblem(
        f"no layer {name!r} in the model; expected one of {', '.join(known)[:200]}"
    )


def _why_not(layer: nn.Module) -> str:
    """Say why a chain cannot take the place of the layer; "" if it can."""
    weight: Any = layer._parameters.get("weight")
    if parametrize.is_parametrized(layer) or (type(layer) in KINDS and weight is None):
        return (
            "its weight is computed (a parametrization, weight norm, spectral norm or "
            "a pruning mask); make it permanent first, or leave the layer out"
        )
    if type(layer) not in KINDS:
        return (
            f"a {type(layer).__name__}; expected one of torch's own "
            f"{', '.join(kind.__name__ for kind in KINDS)}"
        )
    if any(getattr(layer, kind, None) for kind in HOOKS):
        return (
            "it has hooks, which a chain would lose; remove them, and set them anew on "
            "the result"
        )
    if not weight.is_floating_point():
        return f"its weight is of {weight.dtype}; expected real numbers"
    if not bool(weight.isfinite().all()):
        return "its weight is not finite"
    return ""


def _tied(layer: nn.Module, modules: Mapping[str, nn.Module]) -> str:
    for path, module in modules.items():
        for own, value in module._parameters.items():
            if value is layer.weight and module is not layer:
                full = f"{path}.{own}".lstrip(".")
                return f"its weight is tied to {full}, which a chain would undo"
    return ""
