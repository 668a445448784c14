"""What is collected equals what automatic differentiation of gates gives."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

import ccsolve_torch as cct
from ccsolve import Statistics
from ccsolve.errors import InvalidProblem, Unsupported

pytestmark = pytest.mark.torch


def collect(*args: Any, **options: Any) -> Any:
    """Give the statistics, every part of which the tests take to be there."""
    return cct.collect(*args, **options)


def gated(model: Any, x: Tensor) -> tuple[Callable[[Tensor], Tensor], int]:
    """Give outputs as a function of all gates, and the number of gates.

    The gates are put into the network by multiplying what each reader reads: an
    oracle that shares no code with the collection.
    """
    groups = cct.trace(model, x).groups
    starts = np.cumsum([0, *(group.size for group in groups.values())])

    def outputs(gates: Tensor) -> Tensor:
        handles = []
        for start, group in zip(starts, groups.values(), strict=False):
            for consumer in group.consumers:
                own = gates[start + torch.from_numpy(consumer.classes)]

                def close(module, args, own=own, axis=consumer.axis):
                    shape = [1] * args[0].ndim
                    shape[axis] = -1
                    return (args[0] * own.reshape(shape),)

                layer = model.get_submodule(consumer.module)
                handles.append(layer.register_forward_pre_hook(close))
        try:
            return model(x)
        finally:
            for handle in handles:
                handle.remove()

    return outputs, int(starts[-1])


def stacked(stats: Any, part: str) -> NDArray[np.float64]:
    """Give a part of all groups side by side."""
    parts = [np.asarray(getattr(group, part)) for group in stats.groups.values()]
    return np.concatenate(parts, axis=-1).astype(float)


def cross_entropies(outputs: Tensor, y: Tensor) -> Tensor:
    return functional.cross_entropy(outputs, y, reduction="none")


def test_fisher_rows_are_the_gradients_of_each_sample(model, loader, samples) -> None:
    stats = collect(model, loader, curvature="fisher")
    x, y = samples
    outputs, count = gated(model, x)
    jacobian = torch.func.jacrev(lambda gates: cross_entropies(outputs(gates), y))
    expected = jacobian(torch.ones(count)).detach().numpy()
    rows = stacked(stats, "fisher_rows") * len(x) ** 0.5
    np.testing.assert_allclose(rows, expected, rtol=1e-3, atol=1e-5)
    gradient = stacked(stats, "gradient")
    np.testing.assert_allclose(gradient, expected.mean(axis=0), rtol=1e-3, atol=1e-5)


def gauss_newton(
    model: nn.Module, x: Tensor, hessian_of: Callable[[Tensor], Tensor]
) -> NDArray[np.float64]:
    """Give mean over samples of Jᵀ Σ J, Σ (N, K, K) from the outputs."""
    outputs, count = gated(model, x)
    jacobian = torch.func.jacrev(outputs)(torch.ones(count)).detach()
    sigma = hessian_of(model(x).detach())
    return (torch.einsum("nki,nkl,nlj->ij", jacobian, sigma, jacobian) / len(x)).numpy()


def second_derivative(function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return torch.func.jacrev(torch.func.jacrev(function))


def softmax_hessian(outputs: Tensor) -> Tensor:
    p = outputs.softmax(dim=1)
    return torch.diag_embed(p) - p[:, :, None] * p[:, None, :]


def test_ggn_rows_give_the_exact_matrix_of_all_groups(model, loader, samples) -> None:
    stats = collect(model, loader)
    rows = stacked(stats, "ggn_rows")
    expected = gauss_newton(model, samples[0], softmax_hessian)
    np.testing.assert_allclose(rows.T @ rows, expected, rtol=1e-3, atol=1e-6)


def test_ggn_of_a_net_linear_in_its_gates_is_its_hessian(samples) -> None:
    x, y = samples
    net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(180, 4))
    stats = collect(net, [(x, y)])
    outputs, count = gated(net, x)
    hessian = second_derivative(lambda gates: cross_entropies(outputs(gates), y).mean())
    expected = hessian(torch.ones(count)).detach().numpy()
    np.testing.assert_allclose(
        stats.groups["0"].hessian(), expected, rtol=1e-3, atol=1e-6
    )


def test_least_squares_and_a_callable_of_it_agree(residual, loader, samples) -> None:
    batches = [(x, functional.one_hot(y, 4).float()) for x, y in loader]

    def half_square(outputs: Tensor, targets: Tensor) -> Tensor:
        return 0.5 * (outputs - targets).square().sum(dim=1)

    named = collect(residual, batches, loss="least_squares")
    own = collect(residual, batches, loss=half_square)
    expected = gauss_newton(
        residual, samples[0], lambda f: torch.eye(4).expand(len(f), 4, 4)
    )
    for stats in (named, own):
        rows = stacked(stats, "ggn_rows")
        np.testing.assert_allclose(rows.T @ rows, expected, rtol=1e-3, atol=1e-6)
    assert own.loss == "half_square"


def test_sketches_are_unbiased_and_seeded(residual, loader) -> None:
    exact = stacked(collect(residual, loader), "ggn_rows")
    exact = exact.T @ exact

    def sketched(seed: int, sketches: int) -> NDArray[np.float64]:
        stats = collect(residual, loader, sketches=sketches, seed=seed)
        rows = stacked(stats, "ggn_rows")
        assert len(rows) == 24 * sketches
        return rows.T @ rows

    mean = np.mean([sketched(seed, 32) for seed in range(8)], axis=0)
    assert np.linalg.norm(mean - exact) < 0.1 * np.linalg.norm(exact)
    assert np.array_equal(sketched(1, 2), sketched(1, 2))
    assert not np.array_equal(sketched(1, 2), sketched(2, 2))


def test_many_outputs_are_sketched_by_default(samples) -> None:
    net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(180, 20))
    stats = collect(net, [samples])
    assert stats.meta["directions_per_sample"] == 4


def test_rows_beyond_the_limit_are_folded_into_blocks(residual, loader) -> None:
    kept = collect(residual, loader)
    folded = collect(residual, loader, max_rows=20)
    for name, group in folded.groups.items():
        assert group.ggn_rows is None
        for curvature in ("ggn", "fisher"):
            np.testing.assert_allclose(
                group.hessian(curvature),
                kept.groups[name].hessian(curvature),
                rtol=1e-4,
            )


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
    cross_entropies(model(x), y).mean().backward()
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
    expected = softmax_hessian(residual(samples[0])).mean(dim=0).detach()
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


def state_of(model: nn.Module) -> list[object]:
    hooks = [
        (len(m._forward_hooks), len(m._forward_pre_hooks), m.training)
        for m in model.modules()
    ]
    grads = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    flags = [p.requires_grad for p in model.parameters()]
    return [hooks, grads, flags, {k: v.clone() for k, v in model.state_dict().items()}]


def same(a: object, b: object) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.mark.parametrize("broken", [False, True])
def test_the_model_is_given_back_as_it_was(make, loader, broken) -> None:
    model = make("residual").train()
    model.first.bn1.eval()
    model.stem.weight.requires_grad_(False)
    model(loader[0][0]).sum().backward()
    before, random = state_of(model), torch.get_rng_state()
    last = (loader[0][0], torch.full((10,), 99)) if broken else loader[0]
    if broken:
        with pytest.raises(InvalidProblem, match="class numbers"):
            collect(model, [*loader, last], layers="moments", sketches=2)
    else:
        collect(model, [*loader, last], layers="moments", sketches=2)
    assert same(before, state_of(model))
    assert torch.equal(random, torch.get_rng_state())


def test_a_frozen_model_gives_the_same(residual, loader) -> None:
    frozen = copy.deepcopy(residual).requires_grad_(False)
    expected, found = (collect(m, loader) for m in (residual, frozen))
    np.testing.assert_allclose(
        stacked(found, "ggn_rows"), stacked(expected, "ggn_rows"), rtol=1e-4, atol=1e-6
    )


def test_collection_works_where_gradients_are_off(residual, loader) -> None:
    with torch.no_grad():
        assert collect(residual, loader).samples == 24


def test_the_statistics_survive_a_file(residual, loader, tmp_path) -> None:
    stats = collect(residual, loader, layers="moments")
    stats.save(tmp_path / "net.safetensors")
    read = Statistics.load(tmp_path / "net.safetensors")
    assert read.fingerprint == cct.fingerprint(residual)
    assert read.cost() == cct.count(residual, loader[0][0])
    assert np.array_equal(stacked(read, "ggn_rows"), stacked(stats, "ggn_rows"))


def test_the_fingerprint_is_of_values_not_of_training_time(residual) -> None:
    other = copy.deepcopy(residual)
    other.norm.num_batches_tracked += 5
    assert cct.fingerprint(other) == cct.fingerprint(residual)
    with torch.no_grad():
        other.linear.bias[0] += 1
    assert cct.fingerprint(other) != cct.fingerprint(residual)


def concave(outputs: Tensor, targets: Tensor) -> Tensor:
    return -outputs.square().sum(dim=1)


def opaque(outputs: Tensor, targets: Tensor) -> Tensor:
    return outputs.sum(dim=1) * float(outputs.detach().sum())


@pytest.mark.parametrize(("loss", "why"), [(concave, "convex"), (opaque, "torch.func")])
def test_a_loss_without_gauss_newton_is_refused_clearly(
    residual, loader, loss, why
) -> None:
    with pytest.raises(Unsupported, match=why):
        collect(residual, loader, loss=loss)
    assert collect(residual, loader, loss=loss, curvature="fisher").samples == 24


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "hinge"}, "cross_entropy or least_squares"),
        ({"loss": 3}, "callable"),
        ({"loss": "least_squares"}, "equal shapes"),
        ({"loss": lambda f, y: f.sum()}, "one value per sample"),
        ({"loss": lambda f, y: f.sum(dim=1) * float("nan")}, "NaN"),
        ({"curvature": "hessian"}, "'ggn' or 'fisher'"),
        ({"layers": "all"}, "none, weights, moments"),
        ({"sketches": 0}, "sketches 0"),
        ({"sketches": 2, "curvature": "fisher"}, "only with curvature='ggn'"),
        ({"positions": 0, "layers": "moments"}, "positions 0"),
        ({"positions": 4}, "only with layers='moments'"),
        ({"max_rows": -1}, "max_rows -1"),
    ],
)
def test_bad_options_are_refused(residual, loader, options, message) -> None:
    with pytest.raises(InvalidProblem, match=message):
        collect(residual, loader, **options)


@pytest.mark.parametrize("batches", [[], iter([]), [torch.zeros(2, 3, 8, 8)], [(1, 2)]])
def test_bad_loaders_are_refused(residual, batches) -> None:
    with pytest.raises(InvalidProblem, match=r"loader|inputs"):
        collect(residual, batches)


def test_a_generator_that_cannot_be_read_twice_is_refused(residual, loader) -> None:
    with pytest.raises(InvalidProblem, match="several times"):
        collect(residual, iter(loader[:1]))
