"""A layer and the batch norm behind it, as the one affine map that they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ccsolve_torch.graph import Site
from ccsolve_torch.repairing.regression import Fit
from ccsolve_torch.running.calls import Call
from ccsolve_torch.running.columns import ROWS, as_matrices, as_weight

# A norm that scales an output by less has switched it off.
_LIVE = 1e-12


@dataclass(frozen=True, eq=False)
class Affine:
    """scale · (W x + own - mean) + shift, with W of the layer and the rest per output.

    `bias` and `norm` are what can hold an intercept, None where there is none.
    """

    weight: Tensor
    kind: str
    groups: int
    bias: Tensor | None
    norm: nn.Module | None
    own: Tensor
    scale: Tensor
    mean: Tensor
    shift: Tensor

    @classmethod
    def of(cls, model: nn.Module, site: Site, call: Call) -> "Affine":
        """Read the map off the model, in float64."""
        parameters = dict(model.named_parameters(remove_duplicate=False))
        weight = parameters[site.weight]
        norm = model.get_submodule(site.batch_norm) if site.batch_norm else None
        groups = int(call.settings.get("groups", 1))
        own = _own_bias(call, weight, groups)
        zeros = torch.zeros_like(own)
        scale, mean, shift = _normalised(norm, zeros)
        bias = _bias_parameter(parameters, call, own)
        return cls(weight, call.kind, groups, bias, norm, own, scale, mean, shift)

    @property
    def free_bias(self) -> bool:
        """Say whether there is a bias or a batch norm that can hold the intercept."""
        return self.norm is not None or self.bias is not None

    def start(self) -> Fit:
        """Give the map as it stands."""
        matrices = as_matrices(_double(self.weight), self.kind, self.groups)
        bias = self.scale * (self.own - self.mean) + self.shift
        return Fit(
            self._grouped(self.scale)[:, :, None] * matrices, self._grouped(bias)
        )

    def write(self, fit: Fit) -> None:
        """Make the map that of the fit, by the layer's weight and a shift.

        An output that the norm scales by zero keeps its weights.
        """
        live = self.scale.abs() > _LIVE
        safe = torch.where(live, self.scale, torch.ones_like(self.scale))
        before = as_matrices(_double(self.weight), self.kind, self.groups)
        matrices = torch.where(
            self._grouped(live)[:, :, None],
            fit.weight / self._grouped(safe)[:, :, None],
            before,
        )
        self.weight.copy_(as_weight(matrices, self.weight, self.kind))
        self._write_bias(fit.bias.flatten(), safe)

    def _write_bias(self, bias: Tensor, safe: Tensor) -> None:
        norm: Any = self.norm
        if norm is None:
            if self.bias is not None:
                self.bias.copy_(bias)
        elif norm.affine:
            norm.bias.copy_(bias - self.scale * (self.own - self.mean))
        else:
            norm.running_mean.copy_(self.own - bias / safe)

    def _grouped(self, values: Tensor) -> Tensor:
        return values.unflatten(0, (self.groups, -1))


def _own_bias(call: Call, weight: Tensor, groups: int) -> Tensor:
    """Give what the layer itself adds, (n_out,)."""
    given = call.settings.get("bias")
    if given is not None:
        return _double(given)
    if call.kind in ROWS:  # a product may add one in ways of its own
        y = call.run(torch.zeros_like(call.x))
        return _double(y.reshape(-1, y.shape[-1])[0])
    transposed = call.kind.startswith("conv_transpose")
    outputs = weight.shape[1] * groups if transposed else weight.shape[0]
    return _double(weight).new_zeros(outputs)


def _bias_parameter(
    parameters: Mapping[str, Tensor], call: Call, own: Tensor
) -> Tensor | None:
    """Give the parameter that holds the bias, None where a computed one is added."""
    given = call.settings.get("bias")
    if given is not None:
        return next((p for p in parameters.values() if p is given), None)
    beside = parameters.get(f"{call.weight.rpartition('.')[0]}.bias")
    alike = beside is not None and beside.shape == own.shape
    if alike and call.kind == "columns" and torch.equal(_double(beside), own):
        return beside
    return None


def _normalised(norm: Any, zeros: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Give the norm's scale, running mean and shift per output."""
    if norm is None:
        return torch.ones_like(zeros), zeros, zeros
    scale = (_double(norm.running_var) + float(norm.eps)).rsqrt()
    if not norm.affine:
        return scale, _double(norm.running_mean), zeros
    scale = scale * _double(norm.weight)
    return scale, _double(norm.running_mean), _double(norm.bias)


def _double(tensor: Any) -> Tensor:
    return tensor.detach().double()
