"""Collecting leaves the model as it was, survives a file, and holds what was asked."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ccsolve_torch as cct
from ccsolve import Statistics
from ccsolve.errors import InvalidProblem
from ccsolve.statistics.shrinkage import block_noise

pytestmark = pytest.mark.torch

collect: Any = cct.collect


def state_of(model: nn.Module) -> list[object]:
    hooks = [
        (len(m._forward_hooks), len(m._forward_pre_hooks), m.training)
        for m in model.modules()
    ]
    grads = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    flags = [p.requires_grad for p in model.parameters()]
    whose = [id(t) for t in (*model.parameters(), *model.buffers())]
    values = {k: v.clone() for k, v in model.state_dict().items()}
    own = [sorted(vars(m)) for m in model.modules()]
    return [hooks, grads, flags, whose, values, own]


def same(a: object, b: object) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


class Counting(nn.Module):
    """Draws random numbers, writes one buffer, replaces another, and may break."""

    def __init__(self, model: nn.Module, fails_at: int = -1) -> None:
        super().__init__()
        self.model, self.runs, self.fails_at = model, 0, fails_at
        self.register_buffer("written", torch.zeros(3))
        self.register_buffer("replaced", torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        if not torch.compiler.is_compiling():
            self.written += torch.rand(3)
            self.replaced = self.replaced + 1
            if len(x) == self.fails_at:
                raise RuntimeError("broken")
        return self.model(x)


def bad_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Break in the first batch whose labels say so."""
    if int(targets.max()) == 99:
        raise KeyError("broken")
    return outputs.square().sum(dim=1)


BREAKS: dict[str, tuple[dict[str, Any], int, type[BaseException]]] = {
    "nothing": ({}, -1, Exception),
    "targets": ({}, -1, InvalidProblem),
    "loss": ({"loss": bad_loss, "curvature": "fisher", "sketches": None}, -1, KeyError),
    "model": ({}, 7, RuntimeError),
    "interrupt": ({}, -1, KeyboardInterrupt),
}


@pytest.mark.parametrize("what", BREAKS)
def test_the_model_is_given_back_as_it_was(make, loader, what) -> None:
    options, fails_at, error = BREAKS[what]
    inner = make("residual").train()
    inner.first.bn1.eval()
    inner.stem.weight.requires_grad_(False)
    inner(loader[0][0]).sum().backward()
    model = Counting(inner, fails_at)
    before, random = state_of(model), torch.get_rng_state()

    def batches() -> Any:
        yield from loader
        if what == "interrupt":
            raise KeyboardInterrupt
        yield loader[0][0][:7], torch.full((7,), 0 if what == "nothing" else 99)

    given: Any = {"layers": "moments", "sketches": 2, **options}
    if what == "nothing":
        collect(model, batches(), **given)
    else:
        with pytest.raises(error):
            collect(model, batches(), **given)
    assert same(before, state_of(model))
    assert torch.equal(random, torch.get_rng_state())
    assert not torch.is_autocast_enabled("cpu")
    assert torch.is_grad_enabled()


def test_nothing_of_the_models_memory_is_shared(residual, loader) -> None:
    stats = collect(residual, loader, layers={"stem": "moments"})
    held = [layer.weight.copy() for layer in stats.layers.values()]
    with torch.no_grad():
        for parameter in residual.parameters():
            parameter.zero_()
    for layer, weight in zip(stats.layers.values(), held, strict=True):
        np.testing.assert_array_equal(layer.weight, weight)


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_collection_works_where_gradients_are_off(residual, loader, off) -> None:
    with off():
        assert collect(residual, loader).samples == 24


def test_a_first_batch_of_one_sample_hides_nothing(make, loader) -> None:
    model = make("tokens").eval()
    x, y = (torch.cat(parts) for parts in zip(*loader, strict=True))
    whole = collect(model, [(x, y)])
    parted = collect(model, [(x[:1], y[:1]), (x[1:], y[1:])])
    for name, group in whole.groups.items():
        np.testing.assert_allclose(
            parted.groups[name].fisher_rows, group.fisher_rows, rtol=1e-4, atol=1e-7
        )


def test_the_statistics_survive_a_file(residual, loader, tmp_path) -> None:
    stats = collect(residual, loader, layers="moments")
    stats.save(tmp_path / "net.safetensors")
    read = Statistics.load(tmp_path / "net.safetensors")
    assert read.fingerprint == cct.fingerprint(residual)
    assert replace(read.cost(), memory=None) == cct.count(residual, loader[0][0])
    assert read.memory == stats.memory is not None
    for name, group in stats.groups.items():
        np.testing.assert_array_equal(read.groups[name].ggn_rows, group.ggn_rows)


def test_a_generator_is_read_once_and_whole(residual, loader) -> None:
    expected = collect(residual, loader)
    found = collect(residual, (batch for batch in loader))
    assert found.samples == 24
    for name, group in expected.groups.items():
        np.testing.assert_array_equal(found.groups[name].ggn_rows, group.ggn_rows)


def test_the_users_hooks_run_and_stay(residual, loader) -> None:
    plain, calls = collect(residual, loader), []
    residual.stem.register_forward_hook(lambda module, args, out: 2 * out)
    residual.second.conv1.register_full_backward_hook(lambda *_: calls.append(1))
    hooked = collect(residual, loader)
    assert calls
    one, other = (s.groups["first.conv1"].gradient for s in (plain, hooked))
    assert not np.allclose(one, other)


def test_the_same_seed_gives_the_same_numbers(residual, loader) -> None:
    options: Any = {"layers": "moments", "sketches": 2, "positions": 5}
    one, same_seed, other = (
        collect(residual, loader, seed=seed, **options) for seed in (4, 4, 5)
    )
    for name, group in one.groups.items():
        rows = [s.groups[name].ggn_rows for s in (same_seed, other)]
        np.testing.assert_array_equal(group.ggn_rows, rows[0])
        assert not np.array_equal(group.ggn_rows, rows[1])
    moments = [s.layers["first.conv2"].input_moment for s in (one, same_seed, other)]
    np.testing.assert_array_equal(moments[0], moments[1])
    assert not np.array_equal(moments[0], moments[2])


def test_every_layer_has_the_level_that_was_asked(residual, loader) -> None:
    levels = {"stem": "moments", "linear": "gradients", "first.conv2": "none"}
    stats = collect(residual, loader, layers=levels)
    held = {
        name: (layer.gradient is not None, layer.input_moment is not None)
        for name, layer in stats.layers.items()
    }
    assert held["stem"] == (True, True)
    assert held["linear"] == (True, False)
    assert held["second.conv2"] == (False, False)
    assert "first.conv2" not in held


def test_the_noise_is_that_of_the_samples(residual, loader) -> None:
    kept = collect(residual, loader)
    folded = collect(residual, loader, max_rows=0)
    for name, group in kept.groups.items():
        for curvature, each in (("ggn", 4), ("fisher", 1)):
            found = getattr(group, f"{curvature}_noise")
            expected = block_noise(group.rows(curvature), each)
            np.testing.assert_allclose(found, expected, rtol=1e-3)
            other = getattr(folded.groups[name], f"{curvature}_noise")
            np.testing.assert_allclose(other, found, rtol=1e-3)
            assert 0 < group.intensity(curvature) <= 1
