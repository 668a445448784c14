"""The mean gradient in a layer's outputs is that of a bias added to them."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import ccsolve_torch as cct

pytestmark = pytest.mark.torch


def bias_gradients(model: nn.Module, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Give the gradient of the mean loss in zeros that every layer's output gets."""
    added: dict[str, Tensor] = {}
    hooks = []
    for name, module in model.named_modules():
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        channels = module.weight.shape[0]
        tail = (1, 1) if isinstance(module, nn.Conv2d) else ()
        added[name] = torch.zeros(channels, *tail, requires_grad=True)

        def add(_module: Any, _inputs: Any, out: Tensor, name: str = name) -> Tensor:
            return out + added[name]

        hooks.append(module.register_forward_hook(add))
    functional.cross_entropy(model(x), y).backward()
    for hook in hooks:
        hook.remove()
    model.zero_grad(set_to_none=True)
    return {
        name: value.grad.flatten()
        for name, value in added.items()
        if value.grad is not None
    }


@pytest.mark.parametrize("level", ["gradients", "moments"])
def test_slopes_are_gradients_of_a_bias(
    level: str, model: nn.Module, loader: Any, samples: tuple[Tensor, Tensor]
):
    expected = bias_gradients(model, *samples)
    stats = cct.collect(model, loader, layers=level)
    assert set(expected) == set(stats.layers)
    for name, layer in stats.layers.items():
        assert layer.output_gradient is not None
        found = torch.from_numpy(layer.output_gradient.copy()).float()
        torch.testing.assert_close(found, expected[name], rtol=1e-4, atol=1e-6)


def test_weights_alone_have_none(model: nn.Module, loader: Any):
    stats = cct.collect(model, loader)
    assert all(layer.output_gradient is None for layer in stats.layers.values())


def test_they_are_there_without_the_gauss_newton(residual: nn.Module, loader: Any):
    """A backward pass less, and the same gradient."""
    plain, fisher = (
        cct.collect(residual, loader, layers="moments", curvature=curvature)
        for curvature in ("ggn", "fisher")
    )
    for name, layer in plain.layers.items():
        other = fisher.layers[name].output_gradient
        assert layer.output_gradient is not None and other is not None
        torch.testing.assert_close(
            torch.tensor(layer.output_gradient), torch.tensor(other)
        )
