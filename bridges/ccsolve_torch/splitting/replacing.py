"""A model's recurrent layers with factors in place of matrices, certified."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from ccsolve.errors import Unsupported, WrongAnswer
from ccsolve.solvers.low_rank.projection import Projected
from ccsolve_torch.factoring.candidates import HOOKS
from ccsolve_torch.running.comparison import difference_of, tolerance
from ccsolve_torch.running.state import evaluating
from ccsolve_torch.splitting.recurrent import RECURRENT, FactoredRecurrent, Form
from ccsolve_torch.splitting.targets import Target

Array = NDArray[Any]


def check_recurrent(model: nn.Module, targets: Mapping[str, Target]) -> None:
    """Raise Unsupported for a matrix that no module is known to hold as factors."""
    for name, target in targets.items():
        owner = model.get_submodule(name.rpartition(".")[0])
        reason = ""
        if type(owner) not in RECURRENT:
            reason = f"of a {type(owner).__name__}, which cannot hold factors"
        elif owner is model:
            reason = "of the model itself, in whose place nothing can be put"
        elif any(getattr(owner, kind) for kind in HOOKS):
            reason = "of a layer with hooks, which would be lost"
        elif _users(model, target.held(model)) > 1:
            reason = "tied to another parameter, which factors would undo"
        if reason:
            raise Unsupported(
                f"parameter {name}: {reason}; leave it out, or take `ADMM.factors()` "
                f"and write the module"
            )


def _users(model: nn.Module, held: Tensor) -> int:
    parts = (value for m in model.modules() for value in m._parameters.values())
    return sum(value is held for value in parts)


def replace_recurrent(
    small: nn.Module,
    targets: Mapping[str, Target],
    near: Mapping[str, Projected],
    inputs: tuple[Tensor, ...],
) -> float:
    """Put factors in place of matrices, in place; give the certificate.

    That is the relative difference of the outputs from those of the model that has the
    factors' products as its matrices. WrongAnswer where it is too large.
    """
    dense = {
        name: _like(one.tensor.reshape(target.space.shape), target.held(small))
        for (name, target), one in zip(targets.items(), near.values(), strict=True)
    }
    with torch.no_grad(), evaluating(small):
        expected = functional_call(small, dense, inputs)
    owners: dict[str, list[str]] = defaultdict(list)
    for name in targets:
        owner, _, matrix = name.rpartition(".")
        owners[owner].append(matrix)
    for path, matrices in owners.items():
        _replace(small, path, matrices, targets, near)
    with torch.no_grad(), evaluating(small):
        distance = difference_of(expected, small(*inputs))
    if not distance <= tolerance(small):
        raise WrongAnswer(
            f"the model with factored recurrent layers differs from the one with their "
            f"products by {distance:.2g}, expected at most {tolerance(small):g}: "
            f"report this"
        )
    return distance


def _replace(
    small: nn.Module,
    path: str,
    matrices: list[str],
    targets: Mapping[str, Target],
    near: Mapping[str, Projected],
) -> None:
    layer: Any = small.get_submodule(path)
    forms, factors = {}, {}
    for matrix in matrices:
        name = f"{path}.{matrix}".lstrip(".")
        space = targets[name].space
        forms[matrix] = Form(space.format, space.modes, space.inputs_from)
        held = getattr(layer, matrix).detach()
        factors[matrix] = [_like(part, held) for part in near[name].factors]
    whole = FactoredRecurrent(layer, forms, factors)
    for other, module in list(small.named_modules(remove_duplicate=False)):
        if module is layer:
            small.set_submodule(other, whole)


def _like(values: Array, held: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(held)
