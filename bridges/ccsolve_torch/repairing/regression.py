"""Least squares for many rows, from moments alone."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from ccsolve.errors import InvalidProblem
from ccsolve_torch.running.ranks import several, summed


@dataclass(frozen=True)
class Fit:
    """An affine map t = V x + b of every weight group: V (g, o, d), b (g, o).

    `ridge` is the pull that it was found with; infinite where V stayed as it was.
    """

    weight: Tensor
    bias: Tensor
    ridge: float = math.inf


@dataclass
class Moments:
    """Sums of x xᵀ, x tᵀ, x, t and t² over rows, per weight group, in float64."""

    rows: int
    x: Tensor
    t: Tensor
    xx: Tensor
    xt: Tensor
    tt: Tensor

    @classmethod
    def like(cls, fit: Fit) -> "Moments":
        """Give the moments of no rows, in the shapes of a fit's."""
        g, o, d = fit.weight.shape
        shapes = ((g, d), (g, o), (g, d, d), (g, d, o), (g, o))
        return cls(0, *(fit.bias.new_zeros(shape) for shape in shapes))

    def add(self, x: Tensor, t: Tensor) -> None:
        """Take rows x (g, n, d) and t (g, n, o)."""
        x, t = x.double(), t.double()
        self.rows += x.shape[1]
        self.x, self.t = self.x + x.sum(dim=1), self.t + t.sum(dim=1)
        self.xx = self.xx + x.transpose(1, 2) @ x
        self.xt = self.xt + x.transpose(1, 2) @ t
        self.tt = self.tt + t.square().sum(dim=1)

    def plus(self, other: "Moments") -> "Moments":
        """Give the moments of both."""
        mine, theirs = vars(self), vars(other)
        return Moments(**{name: mine[name] + theirs[name] for name in mine})

    def over_ranks(self) -> "Moments":
        """Give the moments of all processes of `torch.distributed`."""
        if not several():
            return self
        parts = {
            name: summed(value) for name, value in vars(self).items() if name != "rows"
        }
        rows = summed(torch.tensor(self.rows, device=self.x.device))
        return Moments(rows=int(rows), **parts)

    def solve(self, start: Fit, ridge: float, free_bias: bool) -> Fit:
        """Give V and b that minimise E‖V x + b - t‖² + λ‖V - V₀‖², V₀ = `start`'s.

        λ is `ridge` times the mean variance of x's entries; an infinite one keeps V₀.
        With a free bias moments are centred and b follows from the means; otherwise b
        is `start`'s. InvalidProblem where values are not finite. Costs d³/3 per group.
        """
        n = self.rows
        mean, wanted = self.x / n, self.t / n
        if math.isinf(ridge):
            fitted = start.weight
        else:
            fitted = self._fitted(start, ridge, free_bias)
        if not free_bias:
            return Fit(fitted, start.bias, ridge)
        return Fit(fitted, wanted - _applied(fitted, mean), ridge)

    def _fitted(self, start: Fit, ridge: float, free_bias: bool) -> Tensor:
        n = self.rows
        variances = (self.xx.diagonal(dim1=1, dim2=2) - self.x.square() / n) / n
        scale = variances.clamp(min=0).mean(dim=1)
        # Inputs that never vary say nothing: the weights stay.
        pull = torch.where(scale > 0, ridge * scale, torch.ones_like(scale))
        if free_bias:
            xx = self.xx / n - _outer(self.x, self.x) / n**2
            xt = self.xt / n - _outer(self.x, self.t) / n**2
        else:
            xx = self.xx / n
            xt = self.xt / n - _outer(self.x, start.bias) / n
        _require_finite(xx, xt)
        h = xx + torch.diag_embed(pull[:, None].expand(len(xx), xx.shape[1]))
        right = xt + pull[:, None, None] * start.weight.transpose(1, 2)
        return torch.linalg.solve(h, right).transpose(1, 2)

    def error(self, fit: Fit) -> float:
        """Give E‖V x + b - t‖² / E‖t - E t‖², over all outputs together."""
        n, v, b = self.rows, fit.weight, fit.bias
        power = ((v @ self.xx) * v).sum()
        cross = (v * self.xt.transpose(1, 2)).sum() - (b * _applied(v, self.x)).sum()
        total = power - 2 * cross + self.tt.sum() - 2 * (b * self.t).sum()
        total = total + n * b.square().sum()
        spread = (self.tt - self.t.square() / n).sum()
        return float(total.clamp(min=0) / spread) if spread > 0 else 0.0


@dataclass(frozen=True)
class Choice:
    """The fit to use, and relative errors of `start` and of what was chosen.

    The errors are of rows that the fit they speak of has not seen, if such there are.
    """

    fit: Fit
    before: float
    after: float


def chosen(
    start: Fit,
    fitting: Moments,
    held_back: Moments | None,
    ridges: Iterable[float],
    free_bias: bool,
) -> Choice:
    """Give the fit that does best on held-back rows, found again on all rows.

    Candidates are one fit per ridge, the shift of the means alone, and `start` as it
    is; none of them has seen the held-back rows. Without such rows the first ridge is
    taken as it comes.
    """
    if held_back is None:
        fit = fitting.solve(start, next(iter(ridges)), free_bias)
        return Choice(fit, fitting.error(start), fitting.error(fit))
    tried = [fitting.solve(start, ridge, free_bias) for ridge in (*ridges, math.inf)]
    best = min(tried, key=held_back.error)
    before, after = held_back.error(start), held_back.error(best)
    if not after < before:
        return Choice(start, before, before)
    whole = fitting.plus(held_back).solve(start, best.ridge, free_bias)
    return Choice(whole, before, after)


def _applied(weight: Tensor, x: Tensor) -> Tensor:
    """Give V x of every group: (g, o, d) and (g, d) to (g, o)."""
    return (weight @ x[:, :, None])[:, :, 0]


def _outer(a: Tensor, b: Tensor) -> Tensor:
    return a[:, :, None] * b[:, None, :]


def _require_finite(*tensors: Tensor) -> None:
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors):
        raise InvalidProblem(
            "calibration: NaN or infinity in the network; expected finite inputs"
        )
