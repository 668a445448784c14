"""What is collected of each layer: activations, moments, weights, positions."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ccsolve_torch as cct
from tests.bridges.zoo import CASES

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


def seen_outputs(
    model: nn.Module, stats: Any, x: tuple[Tensor, ...]
) -> tuple[dict[str, list[Tensor]], Any]:
    """Give every call's output of each layer, and the model's output."""
    seen: dict[str, list[Tensor]] = {name: [] for name in stats.layers}

    def keep(name: str) -> Any:
        # What follows may work in place: it gets a copy.
        return lambda module, args, out: (seen[name].append(out), out.clone())[1]

    modules = dict(model.named_modules())
    handles = [modules[name].register_forward_hook(keep(name)) for name in seen]
    outputs = model(*x)
    for handle in handles:
        handle.remove()
    return seen, outputs


def by_channel(layer: Any, outputs: list[Tensor]) -> Tensor:
    """Give (rows, n_out) of all calls and positions."""
    moved = [y if layer.kind == "linear" else y.movedim(1, -1) for y in outputs]
    return torch.cat([y.reshape(-1, y.shape[-1]) for y in moved])


# Transposed and grouped convolutions, one and three axes, channels last, calls twice.
STRUCTURES = ["Transposed", "Grouped", "Signals", "Volumes", "Mixer", "CalledTwice"]


@pytest.fixture(params=["residual", "plain", *STRUCTURES])
def case(request: pytest.FixtureRequest, make) -> Any:
    """Give a model, its inputs and targets for least squares."""
    if request.param in CASES:
        found = CASES[request.param]
        model, x = found.model(), found.inputs(5)
    else:
        generator = torch.Generator().manual_seed(0)
        model, x = (
            make(request.param).eval(),
            (torch.randn(5, 3, 8, 8, generator=generator),),
        )
    with torch.no_grad():
        return model, x, torch.randn_like(model(*x))


def test_moments_and_curvature_are_those_of_the_layers(case) -> None:
    model, x, y = case
    parts = [(tuple(v[part] for v in x), y[part]) for part in (slice(3), slice(3, 5))]
    stats = collect(model, parts, "least_squares", layers="moments", sketches=1)
    seen, outputs = seen_outputs(model, stats, x)
    loss = 0.5 * (outputs - y).square().sum()
    close: Any = {"rtol": 1e-3, "atol": 1e-4}
    parameters = dict(model.named_parameters())
    for name, layer in stats.layers.items():
        weight = parameters[f"{name}.weight"]
        (expected,) = torch.autograd.grad(loss, weight, retain_graph=True)
        assert layer.gradient.size == expected.numel()
        assert np.linalg.norm(layer.gradient) == pytest.approx(
            float(expected.norm()) / 5, rel=1e-3
        )
        assert layer.output_curvature.shape == (len(layer.weight),) * 2
        if layer.input_moment is None:
            # A moment for every weight group is nothing that a layer holds.
            assert model.get_submodule(name).groups > 1
            continue
        bias = 0 if layer.bias is None else torch.tensor(layer.bias)
        flat = (by_channel(layer, seen[name]).detach() - bias).double().numpy()
        matrix = layer.weight.reshape(len(layer.weight), -1).astype(float)
        np.testing.assert_allclose(layer.output_mean, flat.mean(axis=0), **close)
        second = matrix @ layer.input_moment @ matrix.T
        np.testing.assert_allclose(second, flat.T @ flat / len(flat), **close)
        np.testing.assert_allclose(matrix @ layer.cross_moment, second, **close)
        np.testing.assert_allclose(
            matrix @ layer.input_mean, layer.output_mean, **close
        )


def test_output_curvature_is_that_of_each_layers_outputs(make, loader) -> None:
    model = make("residual").eval()
    x, y = loader[0]
    stats = collect(model, [(x, y)], layers="moments")
    seen, outputs = seen_outputs(model, stats, (x,))
    p = outputs.detach().softmax(dim=1)
    sigma = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    for name, layer in stats.layers.items():
        (out,) = seen[name]
        rows = [
            torch.autograd.grad(outputs[:, k].sum(), out, retain_graph=True)[0]
            for k in range(4)
        ]
        jacobian = torch.stack(rows, dim=1).reshape(len(x), 4, out.shape[1], -1)
        expected = torch.einsum("nkcp,nkl,nldp->cd", jacobian, sigma, jacobian)
        found = layer.output_curvature * len(x)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


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
