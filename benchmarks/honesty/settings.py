"""The models of the loss that are compared, by name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from ccsolve import LossModel, Statistics

AUTO = "auto"

Make = Callable[[Statistics], LossModel]


def plain(**fields: float | str | bool) -> Make:
    """Give a model; without the gradient unless `first_order` is among the fields."""
    given = {"first_order": 0.0, **fields}
    return lambda stats: LossModel(**given)  # pyright: ignore[reportArgumentType]


def damped(share: float) -> Make:
    """Give blocks with a damping in units of the mean diagonal."""

    def make(stats: Statistics) -> LossModel:
        diagonals = [group.hessian().diagonal() for group in stats.groups.values()]
        mean = float(np.concatenate(diagonals).mean())
        return LossModel(first_order=0.0, damping=share * mean)

    return make


MODELS: Mapping[str, Make] = MappingProxyType(
    {
        "diagonal": plain(shrinkage=1.0),
        "blocks": plain(),
        "blocks, shrunk": plain(shrinkage=AUTO),
        "blocks, damped": damped(1.0),
        "blocks, gradient": plain(first_order=1.0),
        "blocks, quarter gradient": plain(first_order=0.25),
        "whole": plain(cross=True),
        "whole, shrunk to blocks": plain(cross=True, shrinkage=AUTO, target="groups"),
        "whole, shrunk to diagonal": plain(cross=True, shrinkage=AUTO),
        "whole, half to blocks": plain(cross=True, shrinkage=0.5, target="groups"),
        "whole, gradient": plain(cross=True, first_order=1.0),
    }
)
"""By name: what makes the model from the statistics."""

EVERY = tuple(MODELS)
