"""What is collected of each layer: activations, moments, weights, positions."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

import ccsolve_torch as cct

pytestmark = pytest.mark.torch

collect: Any = cct.collect


def test_activations_are_means_of_what_the_readers_read(make, samples, loader) -> None:
    net = make("plain").eval()
    stats = collect(net, loader)
    z = net[:6](samples[0])
    found = stats.groups["2"].activation
    for key, value in {
        "mean": z,
        "mean_abs": z.abs(),
        "mean_square": z.square(),
        "zero_fraction": (z == 0).float(),
    }.items():
        expected = value.mean(dim=(0, 2, 3)).detach().numpy()
        np.testing.assert_allclose(found[key], expected, rtol=1e-4, atol=1e-6)


def test_moments_reproduce_the_layer(model, loader, samples) -> None:
    x, y = samples
    stats = collect(model, loader, layers="moments")
    seen: dict[str, Tensor] = {}
    for name in stats.layers:
        model.get_submodule(name).register_forward_hook(
            lambda module, args, out, name=name: seen.__setitem__(
                name, out.detach().clone()
            )
        )
    functional.cross_entropy(model(x), y).backward()
    for name, layer in stats.layers.items():
        module = model.get_submodule(name)
        out = seen[name] if layer.kind == "linear" else seen[name].movedim(1, -1)
        out = out - (0 if module.bias is None else module.bias.detach())
        flat = out.reshape(-1, out.shape[-1]).double()
        weight = layer.weight.reshape(len(layer.weight), -1)
        close: Any = {"rtol": 1e-3, "atol": 1e-5}
        np.testing.assert_allclose(layer.output_mean, flat.mean(dim=0), **close)
        second = weight @ layer.input_moment @ weight.T
        np.testing.assert_allclose(second, flat.T @ flat / len(flat), **close)
        np.testing.assert_allclose(weight @ layer.cross_moment, second, **close)
        np.testing.assert_allclose(layer.gradient, module.weight.grad, **close)


def test_output_curvature_of_the_last_layer_is_the_mean_hessian(
    residual, loader, samples
) -> None:
    stats = collect(residual, loader, layers="moments")
    p = residual(samples[0]).detach().softmax(dim=1)
    expected = (torch.diag_embed(p) - p[:, :, None] * p[:, None, :]).mean(dim=0)
    found = stats.layers["linear"].output_curvature
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_drawn_positions_are_seeded_and_near_the_whole(residual, loader) -> None:
    options = {"layers": "moments", "curvature": "fisher"}
    whole = collect(residual, loader, **options).layers["stem"].input_moment
    some = [
        collect(residual, loader, positions=16, seed=seed, **options)
        .layers["stem"]
        .input_moment
        for seed in (0, 0, 1)
    ]
    assert np.array_equal(some[0], some[1])
    assert not np.array_equal(some[0], some[2])
    assert np.linalg.norm(some[0] - whole) < 0.5 * np.linalg.norm(whole)


def test_weights_come_with_the_groups_of_their_channels(residual, loader) -> None:
    layer = collect(residual, loader).layers["first.conv2"]
    assert list(layer.inputs) == ["first.conv1"]
    assert layer.input_moment is None
    assert not collect(residual, loader, layers="none").layers
