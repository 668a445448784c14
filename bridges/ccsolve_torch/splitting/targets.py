"""Which weights shall come to have bounded ranks, and as which tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.factors import Factor
from ccsolve.recipes.admm.asked import factors_from
from ccsolve.recipes.admm.rank_set import RankSet, rank_set
from ccsolve_torch.factoring.candidates import KINDS
from ccsolve_torch.factoring.chains import TRANSPOSED

Array = NDArray[Any]


@dataclass(frozen=True)
class Target:
    """One weight: a layer's, in groups, or a matrix of a recurrent layer.

    Parameters
    ----------
    name
        As it was asked for: a layer, or a parameter.
    parameter
        The parameter's name.
    factor, space
        What was asked, and the set of the weight of one group.
    groups
        How many groups there are; a transposed convolution has its inputs first.
    shape
        Of the parameter.
    """

    name: str
    parameter: str
    factor: Factor
    space: RankSet
    groups: int
    transposed: bool
    shape: tuple[int, ...]

    @property
    def is_layer(self) -> bool:
        """Whether it is the weight of a convolution or linear layer."""
        return self.name != self.parameter

    def weight(self, tensors: Sequence[Array]) -> Array:
        """Give the weight that one tensor of the modes per group makes."""
        weight = np.empty(self.shape, tensors[0].dtype)
        for block, tensor in zip(self.blocks(weight), tensors, strict=True):
            block[...] = self.space.seen(tensor)
        return weight

    def blocks(self, weight: Array) -> Array:
        """Give views (n, c, kernel...) of a weight, one per group."""
        blocks = weight.reshape(self.groups, -1, *weight.shape[1:])
        return blocks.swapaxes(1, 2) if self.transposed else blocks

    def copied(self, model: nn.Module) -> tuple[Array, ...]:
        """Give copies of what the model holds, one tensor of the modes per group.

        On the CPU, in float64 if the weight is that, else in float32. InvalidProblem
        where it is no longer finite, or of another shape.
        """
        held = self.held(model).detach()
        if tuple(held.shape) != self.shape:
            raise InvalidProblem(
                f"model: {self.parameter} is of shape {tuple(held.shape)} now, it was "
                f"{self.shape}; make a new ADMM"
            )
        blocks = held.unflatten(0, (self.groups, -1))
        blocks = blocks.transpose(1, 2) if self.transposed else blocks
        turned = blocks.permute(0, *(axis + 1 for axis in self.space.axes))
        kind = torch.float64 if held.dtype is torch.float64 else torch.float32
        values = torch.empty(turned.shape, dtype=kind).copy_(turned).numpy()
        # A sum is finite wherever all are, but for an overflow, and sooner found.
        if not np.isfinite(values.sum()) and not np.isfinite(values).all():
            raise InvalidProblem(
                f"model: {self.parameter} is not finite; give a smaller learning rate, "
                f"and go on from a checkpoint"
            )
        return tuple(values.reshape(self.groups, *self.space.modes))

    def held(self, model: nn.Module) -> Tensor:
        """Give the parameter as it is in the model now."""
        return model.get_parameter(self.parameter)


def targets_of(model: nn.Module, asked: Any, format: str) -> dict[str, Target]:
    """Give the targets by name; `asked` and `format` as of `ADMM`.

    Raises
    ------
    InvalidProblem
        No such layer or parameter, one weight named twice, ranks that do not fit.
    Unsupported
        A weight that is computed, or no matrix and of no layer that is known.
    """
    factors = factors_from(asked, _shapes(model), format)
    targets = {name: _target(model, name, one) for name, one in factors.items()}
    seen: dict[int, str] = {}
    for name, target in targets.items():
        other = seen.setdefault(id(target.held(model)), name)
        if other != name:
            raise InvalidProblem(
                f"factors: {other!r} and {name!r} are one weight; name it once"
            )
    return targets


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Give the shapes of plain layers' weights per group, each weight once."""
    found: dict[int, tuple[str, tuple[int, ...]]] = {}
    for name, module in model.named_modules():
        weight: Any = module._parameters.get("weight")
        if name and type(module) in KINDS and weight is not None:
            found.setdefault(id(weight), (name, _block(module, tuple(weight.shape))))
    return dict(found.values())


def _block(layer: nn.Module | None, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Give (n, c, kernel...) of one group."""
    n, c = shape[0] // getattr(layer, "groups", 1), shape[1]
    return (c, n, *shape[2:]) if isinstance(layer, TRANSPOSED) else (n, c, *shape[2:])


def _target(model: nn.Module, name: str, factor: Factor) -> Target:
    modules = dict(model.named_modules())
    layer = modules.get(name) if name else None
    parameter = name if layer is None else f"{name}.weight"
    owner, _, last = parameter.rpartition(".")
    weight: Any = modules[owner]._parameters.get(last) if owner in modules else None
    known = layer is None or type(layer) in KINDS
    if weight is None or not known:
        raise _refusal(model, name, layer)
    shape = tuple(weight.shape)
    if layer is None and (len(shape) != 2 or isinstance(modules[owner], KINDS)):
        raise Unsupported(
            f"parameter {name}: of shape {shape}; expected the matrix of a recurrent "
            f"layer, or the name of a convolution or linear layer"
        )
    if not weight.is_floating_point():
        raise Unsupported(f"{name}: its weight is of {weight.dtype}; expected reals")
    groups, transposed = getattr(layer, "groups", 1), isinstance(layer, TRANSPOSED)
    space = rank_set(factor, _block(layer, shape), f"layer {name}")
    return Target(name, parameter, factor, space, groups, transposed, shape)


def _refusal(model: nn.Module, name: str, layer: nn.Module | None) -> Exception:
    if layer is None:
        known = [path for path, m in model.named_modules() if type(m) in KINDS and path]
        return InvalidProblem(
            f"factors: no layer or parameter {name!r} in the model; expected some of "
            f"{', '.join(known)[:200]}"
        )
    matrices = [n for n, p in layer.named_parameters(recurse=False) if p.ndim == 2]
    if type(layer) in KINDS:
        reason = "its weight is computed (a parametrization); make it permanent first"
    elif matrices:
        reason = f"a {type(layer).__name__}; name its matrices, such as "
        reason += f"{name + '.' + matrices[0]!r}"
    else:
        reason = f"a {type(layer).__name__}; expected a convolution or linear layer"
    return Unsupported(f"layer {name}: {reason}")
