"""Fits from moments are those of the rows; held-back rows choose among them."""

import math

import pytest
import torch
from torch import Tensor

from ccsolve.errors import InvalidProblem
from ccsolve_torch.repairing.regression import Fit, Moments, chosen

pytestmark = pytest.mark.torch

Rows = tuple[Tensor, Tensor]


def rows(n: int, seed: int = 0, noise: float = 0.1) -> Rows:
    """Give x (2, n, 5) and t (2, n, 3), affine in x but for the noise."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(2, n, 5, generator=draw, dtype=torch.float64) + 3
    true = torch.arange(30, dtype=torch.float64).reshape(2, 5, 3).cos()
    t = x @ true + 2 + noise * torch.randn(2, n, 3, generator=draw, dtype=torch.float64)
    return x, t


def moments(*parts: Rows) -> Moments:
    found = Moments.like(start())
    for x, t in parts:
        found.add(x, t)
    return found


def start() -> Fit:
    draw = torch.Generator().manual_seed(9)
    weight = torch.randn(2, 3, 5, generator=draw, dtype=torch.float64)
    return Fit(weight, torch.ones(2, 3, dtype=torch.float64))


def objective(fit: Fit, x: Tensor, t: Tensor, ridge: float) -> Tensor:
    given = x @ fit.weight.transpose(1, 2) + fit.bias[:, None]
    scale = x.var(dim=1, unbiased=False).mean(dim=1)
    pull = ((fit.weight - start().weight) ** 2).sum(dim=(1, 2))
    return ((given - t) ** 2).mean(dim=1).sum() + (ridge * scale * pull).sum()


@pytest.mark.parametrize("free", [True, False])
def test_a_fit_is_a_stationary_point(free) -> None:
    x, t = rows(40)
    fit = moments((x[:, :15], t[:, :15]), (x[:, 15:], t[:, 15:])).solve(
        start(), 0.1, free
    )
    weight, bias = (part.clone().requires_grad_() for part in (fit.weight, fit.bias))
    objective(Fit(weight, bias), x, t, 0.1).backward()
    assert weight.grad is not None
    assert bias.grad is not None
    torch.testing.assert_close(weight.grad, torch.zeros_like(weight), atol=1e-9, rtol=0)
    if free:
        torch.testing.assert_close(bias.grad, torch.zeros_like(bias), atol=1e-9, rtol=0)
    else:
        assert torch.equal(fit.bias, start().bias)


def test_errors_are_those_of_the_rows() -> None:
    x, t = rows(40)
    given = x @ start().weight.transpose(1, 2) + start().bias[:, None]
    spread = t - t.mean(dim=1, keepdim=True)
    expected = ((given - t) ** 2).sum() / (spread**2).sum()
    assert moments((x, t)).error(start()) == pytest.approx(float(expected))


def test_an_infinite_ridge_moves_the_means_alone() -> None:
    x, t = rows(40)
    fit = moments((x, t)).solve(start(), math.inf, True)
    assert torch.equal(fit.weight, start().weight)
    given = x @ fit.weight.transpose(1, 2) + fit.bias[:, None]
    torch.testing.assert_close(given.mean(dim=1), t.mean(dim=1))


def test_moments_add_up() -> None:
    x, t = rows(40)
    whole, parts = moments((x, t)), [(x[:, :13], t[:, :13]), (x[:, 13:], t[:, 13:])]
    joined = moments(parts[0]).plus(moments(parts[1]))
    assert joined.rows == whole.rows == 40
    for name in ("x", "t", "xx", "xt", "tt"):
        torch.testing.assert_close(getattr(joined, name), getattr(whole, name))


def test_few_rows_for_many_inputs_and_inputs_that_never_vary() -> None:
    x, t = rows(3)
    x[:, :, 2] = 7.0
    fit = moments((x, t)).solve(start(), 1e-3, True)
    assert bool(fit.weight.isfinite().all())
    still = torch.full_like(x, 7.0)
    same = moments((still, t)).solve(start(), 1e-3, True)
    torch.testing.assert_close(same.weight, start().weight)


def test_held_back_rows_choose_and_then_serve_the_fit() -> None:
    fitting, held = moments(rows(40)), moments(rows(30, seed=1))
    ridges = (1e-3, 1e2)
    found = chosen(start(), fitting, held, ridges, free_bias=True)
    assert found.fit.ridge == 1e-3
    whole = fitting.plus(held).solve(start(), 1e-3, True)
    assert torch.equal(found.fit.weight, whole.weight)
    assert chosen(start(), fitting, None, ridges, True).fit.ridge == 1e-3


def test_the_errors_are_of_rows_that_the_fit_has_not_seen() -> None:
    fitting, held = moments(rows(8)), moments(rows(7, seed=1))
    found = chosen(start(), fitting, held, (1e-6,), free_bias=True)
    assert found.before == held.error(start())
    assert found.after == held.error(fitting.solve(start(), 1e-6, True))
    assert found.after > held.error(found.fit)


def test_few_noisy_rows_take_a_stronger_pull() -> None:
    true = moments(rows(500, noise=0.0)).solve(start(), 1e-12, True)
    fitting, held = moments(rows(6, noise=5.0)), moments(rows(400, seed=1, noise=5.0))
    fit = chosen(true, fitting, held, (1e-6, 1e-1, 1e3), free_bias=True).fit
    assert fit is true or fit.ridge >= 1e3


def test_a_fit_that_helps_nowhere_leaves_the_start() -> None:
    best = moments(rows(400, seed=1)).solve(start(), 1e-12, True)
    held = moments(rows(400, seed=1))
    found = chosen(best, moments(rows(7)), held, (1e-6,), True)
    assert found.fit is best
    assert found.after == found.before


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_rows_that_are_not_finite_are_refused(bad) -> None:
    x, t = rows(10)
    x[0, 0, 0] = bad
    with pytest.raises(InvalidProblem, match="NaN or infinity"):
        moments((x, t)).solve(start(), 1e-3, True)
