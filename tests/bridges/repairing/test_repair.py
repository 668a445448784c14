"""Repairs change nothing where nothing is wrong, and lower the error elsewhere."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ccsolve_torch as cct
from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve_torch.gates import Keep
from ccsolve_torch.surgery import checked_keep, remove_channels

pytestmark = pytest.mark.torch


def cut(model: Any, x: Tensor, every: int = 2) -> tuple[Any, cct.Graph, Keep]:
    """Give the smaller model, the graph and what is kept."""
    graph = cct.trace(model, x)
    keep = {n: range(0, g.size, every) for n, g in graph.groups.items()}
    kept = checked_keep(graph, keep)
    return remove_channels(model, graph, kept), graph, kept


def test_fitting_with_all_inputs_gives_the_dense_weights_back(
    model, loader, samples
) -> None:
    same, graph, kept = cut(model, samples[0], every=1)
    layers = list(graph.layers)
    refits = cct.fit_next_layers(same, model, graph, kept, loader, layers=layers)
    assert [fit.layer for fit in refits] == layers
    assert all(fit.before < 1e-8 and fit.after < 1e-8 for fit in refits)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(same.state_dict()[name], value, rtol=1e-4, atol=1e-4)


def test_fitting_lowers_the_error_of_every_layer(model, loader, samples) -> None:
    small, graph, kept = cut(model, samples[0])
    refits = cct.fit_next_layers(small, model, graph, kept, loader, positions=10_000)
    layers = list(graph.layers)
    first = min(layers.index(n) for n, site in graph.layers.items() if site.inputs)
    assert [fit.layer for fit in refits] == layers[first:]
    assert all(fit.after <= fit.before for fit in refits)
    assert any(fit.after < 0.9 * fit.before for fit in refits)


# Not "fork": there the second fit moves the sum that the first one was fitted to.
@pytest.mark.parametrize("name", ["residual", "plain", "tokens", "tapped"])
def test_what_a_fit_promises_is_in_the_network(name, make, loader, samples) -> None:
    model = make(name).eval()
    small, graph, kept = cut(model, samples[0])
    args = (small, model, graph, kept, loader)
    promised = cct.fit_next_layers(*args, held_back=0)
    found = cct.fit_next_layers(*args, ridges=[1e12], held_back=0)
    for first, second in zip(promised, found, strict=True):
        assert second.before == pytest.approx(first.after, rel=1e-3, abs=1e-6)


def test_fitting_brings_the_outputs_nearer(model, loader, samples) -> None:
    small, graph, kept = cut(model, samples[0])
    dense = model(samples[0])
    before = (small(samples[0]) - dense).square().mean()
    refits = cct.fit_next_layers(small, model, graph, kept, loader)
    after = (small(samples[0]) - dense).square().mean()
    assert after < 0.6 * before
    assert all(fit.residual == graph.layers[fit.layer].summed for fit in refits)


def test_drift_on_the_skip_is_corrected(residual, loader, samples) -> None:
    small, graph, kept = cut(residual, samples[0], every=1)
    with torch.no_grad():
        small.first.bn2.bias += 0.5  # the second block's skip drifts by a constant
    args = (small, residual, graph, kept, loader)
    (fit,) = cct.fit_next_layers(*args, layers=["second.conv2"], ridges=[1e-9])
    assert fit.residual
    assert fit.after < 0.2 * fit.before


def test_the_fit_is_the_ridge_solution(make, loader, samples) -> None:
    model = make("fork").eval()
    small, graph, kept = cut(model, samples[0])
    x = nn.functional.silu(small.stem(samples[0])).double()
    rows = x.movedim(1, -1).reshape(-1, x.shape[1])
    target = model.left(nn.functional.silu(model.stem(samples[0]))).double()
    skip = model.right(nn.functional.silu(model.stem(samples[0]))) - small.right(
        x.float()
    )
    target = (target + skip).movedim(1, -1).reshape(-1, 4)
    pull = 0.01 * rows.var(dim=0, unbiased=False).mean() * len(rows)
    first = small.left.weight.detach().double().flatten(1)
    centred, wanted = rows - rows.mean(dim=0), target - target.mean(dim=0)
    h = centred.T @ centred + pull * torch.eye(rows.shape[1])
    expected = torch.linalg.solve(h, centred.T @ wanted + pull * first.T).T
    args = (small, model, graph, kept, loader)
    cct.fit_next_layers(
        *args, layers=["left"], ridges=[0.01], positions=10_000, held_back=0
    )
    found = small.left.weight.detach().double().flatten(1)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_fitting_is_seeded_and_ridge_pulls(residual, loader, samples) -> None:
    small, graph, kept = cut(residual, samples[0])

    def fitted(**options: Any) -> Tensor:
        copied = copy.deepcopy(small)
        cct.fit_next_layers(copied, residual, graph, kept, loader, **options)
        return copied.first.conv2.weight

    start = small.first.conv2.weight
    assert torch.equal(fitted(positions=5, seed=1), fitted(positions=5, seed=1))
    assert not torch.equal(fitted(positions=5, seed=1), fitted(positions=5, seed=2))
    assert (fitted(ridges=[1e3], held_back=0) - start).norm() < 0.01 * (
        fitted() - start
    ).norm()


def test_dense_and_modes_stay(make, loader, samples) -> None:
    model = make("residual").train()
    small, graph, kept = cut(model, samples[0])
    before = copy.deepcopy(model.state_dict())
    cct.fit_next_layers(small, model, graph, kept, loader)
    assert all(m.training for m in (*model.modules(), *small.modules()))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


@pytest.mark.parametrize(
    "options",
    [
        {"ridges": [0.0]},
        {"ridges": []},
        {"held_back": 1.0},
        {"positions": 0},
        {"layers": ["nowhere"]},
    ],
)
def test_bad_fitting_options_are_refused(residual, loader, samples, options) -> None:
    small, graph, kept = cut(residual, samples[0])
    with pytest.raises(InvalidProblem):
        cct.fit_next_layers(small, residual, graph, kept, loader, **options)


def test_infinite_calibration_inputs_are_refused(residual, loader, samples) -> None:
    small, graph, kept = cut(residual, samples[0])
    bad = [(torch.full_like(loader[0][0], torch.inf), loader[0][1])]
    with pytest.raises(InvalidProblem, match="NaN or infinity"):
        cct.fit_next_layers(small, residual, graph, kept, bad)


def test_waiting_passes_and_passes_run_again_give_the_same(
    model, loader, samples
) -> None:
    small, graph, kept = cut(model, samples[0])
    again, args = copy.deepcopy(small), (model, graph, kept, loader)
    held = cct.fit_next_layers(small, *args, memory=10**9)
    fresh = cct.fit_next_layers(again, *args, memory=0)
    assert [fit.layer for fit in held] == [fit.layer for fit in fresh]
    for one, other in zip(small.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_a_network_runs_once_for_all_of_its_layers(residual, loader, samples) -> None:
    small, graph, kept = cut(residual, samples[0])
    seen = {"small": 0, "dense": 0}
    for name, net in (("small", small), ("dense", residual)):

        def count(module: Any, args: Any, name: str = name) -> None:
            seen[name] += len(args[0])

        net.register_forward_pre_hook(count)
    cct.fit_next_layers(small, residual, graph, kept, loader)
    # Whether it runs at all, how layers run, and what memory a pass takes.
    probes = 2 + 2 + 2
    assert seen["small"] == 24 + probes
    assert seen["dense"] == 24 + 2


class Shared(nn.Module):
    """One convolution that runs twice, between layers of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 6, 3, padding=1)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.elu(self.stem(x))
        x = nn.functional.elu(self.conv(x))
        x = nn.functional.elu(self.conv(x))
        return self.head(x.mean(dim=(2, 3)))


def test_a_layer_that_runs_twice_is_fitted_to_both_runs(loader, samples) -> None:
    torch.manual_seed(0)
    model = Shared().eval()
    small, graph, kept = cut(model, samples[0])
    before = copy.deepcopy(small)
    (fit, *_) = cct.fit_next_layers(
        small,
        model,
        graph,
        kept,
        loader,
        layers=["conv"],
        ridges=[1e-9],
        positions=64,
        held_back=0,
    )
    left = torch.from_numpy(kept[next(iter(graph.groups))])

    def runs(net: Any) -> tuple[Tensor, Tensor]:
        seen: list[tuple[Tensor, Tensor]] = []
        hook = net.conv.register_forward_hook(lambda m, a, y: seen.append((a[0], y)))
        net(samples[0])
        hook.remove()
        x, y = (torch.cat([pair[i] for pair in seen]) for i in (0, 1))
        return x.detach().double(), y.detach().double()

    x, target = runs(before)[0], runs(model)[1][:, left]
    columns = nn.functional.unfold(x, 3, padding=1).transpose(1, 2).flatten(0, 1)
    columns = torch.cat([columns, torch.ones(len(columns), 1).double()], dim=1)
    wanted = target.flatten(2).transpose(1, 2).flatten(0, 1)
    best = torch.linalg.lstsq(columns, wanted).solution.T
    found = small.conv.weight.detach().double().flatten(1)
    torch.testing.assert_close(found, best[:, :-1], rtol=1e-2, atol=1e-3)
    assert fit.after < fit.before


def test_a_residual_stream_is_repaired_too(residual, loader, samples) -> None:
    graph = cct.trace(residual, samples[0])
    stream = next(n for n, g in graph.groups.items() if len(g.reads) > 2)
    keep = checked_keep(graph, {stream: [0, 2, 3, 5]})
    small: Any = remove_channels(residual, graph, keep)
    dense = residual(samples[0])
    before = (small(samples[0]) - dense).square().mean()
    fits = cct.fit_next_layers(small, residual, graph, keep, loader)
    assert [fit.layer for fit in fits] == list(graph.layers)[1:]
    assert (small(samples[0]) - dense).square().mean() < 0.7 * before


def test_inputs_of_a_fit_survive_work_in_place(loader, samples) -> None:
    class InPlace(nn.Module):
        """The skip is added into the very tensor that the branch was made of."""

        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 6, 1)
            self.up, self.down = nn.Conv2d(6, 8, 1), nn.Conv2d(8, 6, 1)
            self.head = nn.Linear(6, 4)

        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x)
            y = self.up(x).sigmoid()
            z = self.down(y)
            y.zero_()
            x += z
            return self.head(x.mean(dim=(2, 3)))

    torch.manual_seed(0)
    model = InPlace().eval()
    small, graph, kept = cut(model, samples[0])
    fits = cct.fit_next_layers(small, model, graph, kept, loader)
    (down,) = [fit for fit in fits if fit.layer == "down"]
    assert down.residual
    assert 0 < down.after < down.before


def test_a_model_that_does_not_always_run_the_same_layers_is_refused(
    loader, samples
) -> None:
    class Moody(nn.Module):
        """Runs other layers for other inputs."""

        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)
            self.head = nn.Conv2d(4, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.a(x)
            if len(x) != 5:  # the number of samples that are held back
                x = self.b(x)
            return self.head(x).mean(dim=(2, 3))

    model = Moody().eval()
    small, graph, kept = cut(model, samples[0])
    with pytest.raises(Unsupported, match="always calls the same layers"):
        cct.fit_next_layers(small, model, graph, kept, loader)
