"""Recurrent layers that hold factors, as data and back."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from ccsolve.errors import InvalidFile
from ccsolve_torch.reasons import first_line
from ccsolve_torch.splitting.recurrent import RECURRENT, FactoredRecurrent, Form

Spec = Mapping[str, Any]

NAME = FactoredRecurrent.__name__
_KINDS: dict[str, Any] = {kind.__name__: kind for kind in RECURRENT}
_SETTINGS = (
    *("input_size", "hidden_size", "num_layers", "bias", "batch_first"),
    *("dropout", "bidirectional"),
)


def described_recurrent(module: FactoredRecurrent) -> Spec:
    """Give the layer that it stands for, and the form and shapes of its factors."""
    (layer,) = module._layer
    given = {name: getattr(layer, name) for name in _SETTINGS}
    more = {"LSTM": ("proj_size",), "RNN": ("nonlinearity",)}
    kind = type(layer).__name__
    given |= {name: getattr(layer, name) for name in more.get(kind, ())}
    factors = {
        name: {
            **asdict(form),
            "modes": list(form.modes),
            "shapes": [list(part.shape) for part in getattr(module, name)],
        }
        for name, form in module.forms.items()
    }
    # The inner layer may read fewer numbers than the one that it stands for.
    layer_of = {**given, "input_size": module.input_size}
    return {"class": NAME, "kind": kind, "layer": layer_of, "factors": factors}


def built_recurrent(spec: Spec, where: str) -> FactoredRecurrent:
    """Give what is described, on the device "meta"; InvalidFile where it is nothing."""
    try:
        with torch.device("meta"):
            layer = _KINDS[spec["kind"]](**spec["layer"])
            forms, factors = {}, {}
            for name, item in spec["factors"].items():
                modes, leading = tuple(item["modes"]), int(item["leading"])
                forms[name] = Form(item["format"], modes, leading)
                factors[name] = [torch.empty(tuple(one)) for one in item["shapes"]]
            return FactoredRecurrent(layer, forms, factors)
    except Exception as error:  # torch raises errors of many kinds
        raise InvalidFile(
            f"{where}: {NAME} cannot be made ({first_line(error)})"
        ) from None
