"""Rows and blocks equal what automatic differentiation of gates gives."""

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
from ccsolve.errors import Unsupported

pytestmark = pytest.mark.torch

collect: Any = cct.collect


def gated(model: Any, x: Tensor) -> tuple[Callable[[Tensor], Tensor], int]:
    """Give outputs as a function of all gates, and the number of gates.

    The gates are put into the network by multiplying what each reader reads: an
    oracle that shares no code with the collection.
    """
    groups = cct.trace(model, x).groups
    starts = np.cumsum([0, *(group.size for group in groups.values())])
    modules = dict(model.named_modules())

    def outputs(gates: Tensor) -> Tensor:
        handles = []
        for start, group in zip(starts, groups.values(), strict=False):
            for read in group.reads:
                layer = modules[read.weight.rpartition(".")[0]]
                classes = torch.from_numpy(read.classes)
                every = torch.cat([gates[start : start + group.size], torch.ones(1)])

                def close(module, args, own=every[classes]):
                    axis = -1 if isinstance(module, nn.Linear) else 1
                    shape = [1] * args[0].ndim
                    shape[axis] = -1
                    return (args[0] * own.reshape(shape),)

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

    mean = np.mean([sketched(seed, 32) for seed in range(4)], axis=0)
    assert np.linalg.norm(mean - exact) < 0.15 * np.linalg.norm(exact)
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


def test_a_frozen_model_gives_the_same(residual, loader) -> None:
    frozen = copy.deepcopy(residual).requires_grad_(False)
    expected, found = (collect(m, loader) for m in (residual, frozen))
    np.testing.assert_allclose(
        stacked(found, "ggn_rows"), stacked(expected, "ggn_rows"), rtol=1e-4, atol=1e-6
    )


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
