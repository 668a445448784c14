"""Least squares for a layer followed by a batch norm, from moments alone."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ccsolve.errors import InvalidProblem


@dataclass
class Moments:
    """Sums of x xᵀ, x tᵀ, x, t and |t|² over rows, in float64."""

    rows: int = 0
    x: Any = 0.0
    t: Any = 0.0
    xx: Any = 0.0
    xt: Any = 0.0
    tt: Any = 0.0

    def add(self, x: Tensor, t: Tensor) -> None:
        """Take rows x (n, d) and t (n, n_out)."""
        x, t = x.double(), t.double()
        self.rows += len(x)
        self.x, self.t = self.x + x.sum(dim=0), self.t + t.sum(dim=0)
        self.xx, self.xt = self.xx + x.T @ x, self.xt + x.T @ t
        self.tt = self.tt + t.square().sum(dim=0)

    def solve(
        self, weight: Tensor, bias: Tensor, ridge: float, free_bias: bool
    ) -> tuple[Tensor, Tensor]:
        """Give V (n_out, d) and b (n_out,) that minimise E‖V x + b - t‖² + λ‖V - V₀‖².

        λ is `ridge` times the mean variance of x's entries, V₀ = `weight`. With a
        free bias moments are centred and b follows from the means; otherwise b is
        `bias`. InvalidProblem where values are not finite.
        """
        n = self.rows
        xx, xt = self.xx / n, (self.xt - self.x[:, None] * bias) / n
        if free_bias:
            xx = xx - torch.outer(self.x, self.x) / n**2
            xt = self.xt / n - torch.outer(self.x, self.t) / n**2
        if not bool(torch.isfinite(xx).all() and torch.isfinite(xt).all()):
            raise InvalidProblem(
                "calibration: NaN or infinity in the network; expected finite inputs"
            )
        scale = xx.diagonal().mean()
        pull = ridge * scale if scale > 0 else torch.ones_like(scale)
        h = xx + pull * torch.eye(len(xx), dtype=xx.dtype, device=xx.device)
        fitted = torch.linalg.solve(h, xt + pull * weight.T, left=True).T
        return fitted, (self.t - fitted @ self.x) / n if free_bias else bias

    def error(self, weight: Tensor, bias: Tensor) -> float:
        """Give E‖V x + b - t‖² / E‖t - E t‖²."""
        n = self.rows
        power = torch.einsum("oi,ij,oj->", weight, self.xx, weight)
        cross = (weight * self.xt.T).sum() - bias @ (weight @ self.x)
        total = power - 2 * cross + self.tt.sum() - 2 * bias @ self.t + n * bias @ bias
        spread = (self.tt - self.t.square() / n).sum()
        return float(total.clamp(min=0) / spread) if spread > 0 else 0.0


@dataclass
class Affine:
    """A layer and its batch norm as one affine map of the layer's input columns."""

    layer: nn.Module
    norm: nn.Module | None
    scale: Tensor
    weight: Tensor
    bias: Tensor

    @classmethod
    def of(cls, layer: nn.Module, norm: nn.Module | None) -> "Affine":
        """Read the map: scale · (W x + c - mean) + shift, in float64."""
        flat = _double(layer.weight).flatten(1)
        own = (
            _double(layer.bias) if layer.bias is not None else flat.new_zeros(len(flat))
        )
        if norm is None:
            return cls(layer, None, torch.ones_like(own), flat, own)
        scale = (_double(norm.running_var) + float(norm.eps)).rsqrt()  # pyright: ignore
        shift = torch.zeros_like(scale)
        if norm.affine:
            scale, shift = scale * _double(norm.weight), _double(norm.bias)
        bias = scale * (own - _double(norm.running_mean)) + shift
        return cls(layer, norm, scale, scale[:, None] * flat, bias)

    @property
    def free_bias(self) -> bool:
        """Say whether there is a bias or a batch norm that can hold the intercept."""
        return self.norm is not None or self.layer.bias is not None

    def write(self, weight: Tensor, bias: Tensor) -> None:
        """Make the map `weight` x + `bias`, by the layer's weight and a shift.

        An output that the norm scales by zero keeps its weights.
        """
        live = self.scale.abs() > 1e-12
        safe = torch.where(live, self.scale, torch.ones_like(self.scale))
        flat = torch.where(
            live[:, None], weight / safe[:, None], _double(self.layer.weight).flatten(1)
        )
        own: Any = self.layer.weight
        own.copy_(flat.reshape(own.shape))
        if self.norm is None:
            if self.layer.bias is not None:
                self.layer.bias.copy_(bias)  # pyright: ignore[reportCallIssue]
        else:
            self._write_norm(bias, safe)

    def _write_norm(self, bias: Tensor, scale: Tensor) -> None:
        norm: Any = self.norm
        own = 0.0 if self.layer.bias is None else _double(self.layer.bias)
        if norm.affine:
            norm.bias.copy_(bias - self.scale * (own - _double(norm.running_mean)))
        else:
            norm.running_mean.copy_(own - bias / scale)


def _double(tensor: Any) -> Tensor:
    return tensor.detach().double()
