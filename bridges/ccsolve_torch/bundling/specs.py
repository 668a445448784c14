"""Modules as data and back: what a surgery may put in the place of another module.

Layers of `torch.nn` that their arguments describe fully, chains of them, recurrent
layers that hold factors, and attention that lost heads.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ccsolve.errors import InvalidFile, InvalidProblem
from ccsolve_torch.bundling.recurrent_specs import NAME as RECURRENT_NAME
from ccsolve_torch.bundling.recurrent_specs import built_recurrent, described_recurrent
from ccsolve_torch.combining.linear_layers import KINDS
from ccsolve_torch.factoring.chains import speaking
from ccsolve_torch.factoring.train_map import TrainMap
from ccsolve_torch.reasons import first_line
from ccsolve_torch.running.attention import SlimAttention, slim_attention
from ccsolve_torch.splitting.recurrent import FactoredRecurrent

Spec = Mapping[str, Any]

_CONVOLUTION = (
    *("in_channels", "out_channels", "kernel_size", "stride", "padding"),
    *("dilation", "groups", "padding_mode"),
)
_TRANSPOSED = (*_CONVOLUTION, "output_padding")
_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "Linear": ("in_features", "out_features"),
    **{f"Conv{axes}d": _CONVOLUTION for axes in (1, 2, 3)},
    **{f"ConvTranspose{axes}d": _TRANSPOSED for axes in (1, 2, 3)},
    "Identity": (),
    **{
        kind.__name__: (*_CONVOLUTION, "ratio", "rank", "sparsity")
        for kind in KINDS.values()
    },
    TrainMap.__name__: ("modes", "ranks", "inputs", "axes", "stride"),
}
_OWN: dict[str, Any] = {kind.__name__: kind for kind in (*KINDS.values(), TrainMap)}
_DEPTH = 8


def described(module: nn.Module) -> Spec:
    """Give the layer, the chain of layers or the attention as JSON data.

    Of another module it gives the class alone, which `unknown` tells.
    """
    kind = type(module).__name__
    if isinstance(module, SlimAttention):
        return {"class": kind, "heads": module.num_heads}
    if isinstance(module, FactoredRecurrent):
        return described_recurrent(module)
    if type(module) is nn.Sequential:
        chain = {name: described(child) for name, child in module.named_children()}
        return {"class": kind, "chain": chain}
    if kind not in _ARGUMENTS or type(module) is not _class(kind):
        return {"class": type(module).__qualname__}
    given = {name: _plain(getattr(module, name)) for name in _ARGUMENTS[kind]}
    bias = {"bias": module.bias is not None} if given else {}
    return {"class": kind, **given, **bias}


def unknown(spec: Spec) -> str:
    """Give the first class in the description that cannot be built, or ""."""
    if isinstance(spec.get("chain"), Mapping):
        return next(filter(None, map(unknown, spec["chain"].values())), "")
    known = spec["class"] in (*_ARGUMENTS, SlimAttention.__name__, RECURRENT_NAME)
    return "" if known else str(spec["class"])


def is_attention(spec: Any) -> bool:
    """Say whether attention is described, which takes over what was there."""
    return isinstance(spec, dict) and spec.get("class") == SlimAttention.__name__


def built(spec: Any, present: nn.Module, where: str) -> nn.Module:
    """Give what is described; `present` is the module whose place it takes.

    Layers come without memory for weights, on the device "meta", so that a damaged
    description costs nothing. Attention takes over the parameters of `present`.
    InvalidFile, with `where` in its message, for what `described` does not give.
    """
    if is_attention(spec):
        return _attention(spec.get("heads"), present, where)
    return speaking(_layers(spec, where, _DEPTH), present)


def _attention(heads: Any, present: nn.Module, where: str) -> nn.Module:
    if type(present) is not nn.MultiheadAttention or not isinstance(heads, int):
        raise InvalidFile(
            f"{where}: {heads!r} heads of a {type(present).__name__}; expected a "
            f"number of heads of a MultiheadAttention"
        )
    try:
        return slim_attention(present, heads)
    except InvalidProblem as error:
        raise InvalidFile(f"{where}: {error}") from None


def _chain(parts: Mapping[str, Any], where: str, depth: int) -> nn.Module:
    chain = nn.Sequential()
    for name, part in parts.items():
        try:
            chain.add_module(name, _layers(part, f"{where}.{name}", depth))
        except KeyError:  # what torch raises for a name that no module can have
            raise InvalidFile(f"{where}: {name!r} is no name of a module") from None
    return chain


def _layers(spec: Any, where: str, depth: int) -> nn.Module:
    kind = spec.get("class") if isinstance(spec, dict) else None
    if kind == "Sequential" and depth and isinstance(spec.get("chain"), dict):
        return _chain(spec["chain"], where, depth - 1)
    if kind == RECURRENT_NAME:
        return built_recurrent(spec, where)
    if kind not in _ARGUMENTS:
        raise InvalidFile(
            f"{where}: class {kind!r}; expected Sequential, {', '.join(_ARGUMENTS)}"
        )
    given = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in spec.items()
        if name != "class"
    }
    try:
        with torch.device("meta"):
            return _class(kind)(**given)
    except Exception as error:  # torch raises errors of many kinds
        raise InvalidFile(
            f"{where}: {kind} cannot be made ({first_line(error)})"
        ) from None


def _class(kind: str) -> Any:
    return _OWN[kind] if kind in _OWN else getattr(nn, kind)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
