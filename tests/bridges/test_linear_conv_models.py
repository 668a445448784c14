"""Models whose convolutions become LinearConv layers, are saved, exported, folded."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import ccsolve
import ccsolve_torch as cct
from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.recipes.linear_conv import linear_filters
from ccsolve_torch.combining.linear_layers import LinearConv
from tests.bridges.plans import every_other

pytestmark = pytest.mark.torch

BATCH = torch.export.Dim("batch", min=2, max=64)


def linear_of(model: nn.Module) -> dict[str, LinearConv]:
    return {n: m for n, m in model.named_modules() if isinstance(m, LinearConv)}


def test_fresh_layers_are_trained_from_scratch(residual, samples) -> None:
    small = cct.linear_convolutions(residual, 0.5, fresh=True)
    x, y = samples
    made = linear_of(small)
    assert "first.conv1" in made and not linear_of(residual)
    before = cct.count(residual, x)
    after = cct.count(small, x)
    assert after.params < before.params and after.macs == before.macs
    optimiser = torch.optim.Adam(small.parameters(), 0.01)
    losses = []
    for step in range(40):
        loss = nn.functional.cross_entropy(small(x), y)
        losses.append(loss.item())
        if step % 10 == 0:
            loss = loss + 0.01 * cct.correlation_penalty(small)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < 0.7 * losses[0]


def test_all_filters_primary_changes_nothing(residual, samples) -> None:
    names = ["stem", "first.conv1", "second.conv2"]
    small = cct.linear_convolutions(residual, dict.fromkeys(names, 1.0))
    torch.testing.assert_close(small(samples[0]), residual(samples[0]))


def test_a_redundant_layer_is_converted_exactly(samples) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
    with torch.no_grad():
        mixed = torch.randn(8, 4) @ torch.randn(4, 27)
        conv.weight.copy_(mixed.reshape(8, 3, 3, 3))
    model = nn.Sequential(conv, nn.ReLU(), nn.Flatten(), nn.Linear(128, 3)).eval()
    small: Any = cct.linear_convolutions(model, {"0": 0.5})
    x = samples[0]
    torch.testing.assert_close(small(x), model(x), rtol=1e-4, atol=1e-4)
    primary = small[0].primary.detach().flatten(1)
    distances = torch.cdist(primary, conv.weight.detach().flatten(1))
    assert (distances.min(dim=1).values == 0).all()


def weighted_error(model: nn.Module, name: str, small: nn.Module, stats) -> float:
    layer = stats.layers[name]
    dense = layer.weight.reshape(len(layer.weight), -1)
    new: Any = small.get_submodule(name)
    off = new.weight.detach().numpy().reshape(dense.shape) - dense
    C = layer.input_moment
    return float(np.sqrt(np.vdot(off @ C, off) / np.vdot(dense @ C, dense)))


def test_moments_make_the_outputs_nearer(residual, loader) -> None:
    stats = cct.collect(residual, loader, layers="moments")
    plain = cct.linear_convolutions(residual, {"second.conv1": 3})
    white = cct.linear_convolutions(residual, {"second.conv1": 3}, statistics=stats)
    errors = [
        weighted_error(residual, "second.conv1", small, stats)
        for small in (white, plain)
    ]
    assert errors[0] < errors[1]
    layer = stats.layers["second.conv1"]
    rows = layer.weight.reshape(len(layer.weight), -1)
    found = linear_filters(rows, 3, moment=layer.input_moment)
    assert errors[0] == pytest.approx(found.error, rel=1e-4)


def test_a_rank_above_what_the_other_filters_need(residual, samples) -> None:
    """Four of six filters are primary: two others, whose fit has at most rank 2."""
    small = cct.linear_convolutions(residual, {"stem": 4}, rank=3)
    full = cct.linear_convolutions(residual, {"stem": 4})
    torch.testing.assert_close(small(samples[0]), full(samples[0]))


@pytest.mark.parametrize("form", [{}, {"rank": 1}, {"sparsity": 0.5}])
def test_what_is_saved_is_loaded(make, samples, tmp_path, form) -> None:
    model, x = make("residual").eval(), samples[0]
    small = cct.linear_convolutions(model, 0.5, **form)
    with torch.no_grad():
        next(iter(linear_of(small).values())).primary.add_(0.1)
    cct.save(small, tmp_path / "bundle")
    loaded = cct.load(lambda: make("residual"), tmp_path / "bundle")
    assert torch.equal(loaded(x), small(x))
    cct.save(cct.fold(small), tmp_path / "folded")
    folded = cct.load(lambda: make("residual"), tmp_path / "folded")
    torch.testing.assert_close(folded(x), small(x), rtol=1e-4, atol=1e-5)
    assert not linear_of(folded)


def test_what_was_cut_is_converted_and_its_report_follows(residual, samples) -> None:
    x = samples[0]
    cut = cct.apply(residual, every_other(residual, x), x, timed=False)
    small: Any = cct.linear_convolutions(cut, {"stem": 1})
    assert small.report.achieved == cct.count(small, x)
    back: Any = cct.fold(small, x)
    assert back.report.achieved == cct.count(back, x) == cct.count(cut, x)


@pytest.mark.parametrize("name", ["residual", "plain", "fork"])
@pytest.mark.parametrize("given", [True, False])
def test_folded_models_are_plain_and_the_same(make, samples, name, given) -> None:
    model, x = make(name).eval(), samples[0]
    small = cct.linear_convolutions(model, 0.5, fresh=True)
    folded = cct.fold(small, x if given else None)
    assert not linear_of(folded) and linear_of(small)
    torch.testing.assert_close(folded(x), small(x), rtol=1e-5, atol=1e-5)
    assert cct.count(folded, x) == cct.count(model, x)


def test_half_precision_is_folded(residual, samples) -> None:
    small = cct.linear_convolutions(residual, 0.5).to(torch.bfloat16)
    x = samples[0].to(torch.bfloat16)
    folded = cct.fold(small, x)
    torch.testing.assert_close(folded(x), small(x), rtol=0.05, atol=0.05)


def test_shared_layers_stay_shared() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 4, 3, padding=1)
    model = nn.Sequential(conv, nn.ReLU(), conv)
    small: Any = cct.linear_convolutions(model, 0.5)
    assert small[0] is small[2] and isinstance(small[0], LinearConv)


@pytest.mark.parametrize("form", [{}, {"rank": 1}, {"sparsity": 0.5}])
def test_it_is_exported_with_any_batch(residual, samples, form) -> None:
    small, x = cct.linear_convolutions(residual, 0.5, **form), samples[0]
    program = torch.export.export(small, (x,), dynamic_shapes=({0: BATCH},))
    torch.testing.assert_close(program.module()(x[:5]), small(x[:5]))


def test_the_other_layers_are_still_cut(residual, samples) -> None:
    small = cct.linear_convolutions(residual, {"stem": 2, "second.conv1": 3})
    stats = cct.collect(small, [samples])
    assert stats.cost().params == cct.count(small, samples[0]).params
    groups = {group.partition(".")[0] for group in stats.groups}
    assert "first" in groups and "second" not in groups


@pytest.mark.slow
# The exporter copies trees of torch.export in a way that torch itself has deprecated.
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
def test_onnxruntime_computes_what_torch_computes(residual, samples, tmp_path) -> None:
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    small, x = cct.linear_convolutions(residual, 0.5, rank=1), samples[0]
    path = str(tmp_path / "small.onnx")
    torch.onnx.export(
        small, (x,), path, dynamo=True, dynamic_shapes=({0: BATCH},), verbose=False
    )
    session = runtime.InferenceSession(path)
    found = session.run(None, {session.get_inputs()[0].name: x[:5].numpy()})[0]
    np.testing.assert_allclose(
        found, small(x[:5]).detach().numpy(), rtol=1e-4, atol=1e-5
    )


def test_what_cannot_be_is_refused(residual, loader) -> None:
    for ratio, message in [
        ({"third": 0.5}, "^no layer 'third'"),
        ({}, "names no layer"),
        ({"linear": 0.5}, "expected a convolution"),
        (1.0, "fewer parameters"),
        (2.5, "ratio"),
    ]:
        with pytest.raises(InvalidProblem, match=message):
            cct.linear_convolutions(residual, ratio)
    with pytest.raises(InvalidProblem, match="without LinearConv"):
        cct.fold(residual)
    with pytest.raises(InvalidProblem, match="holds it"):
        cct.linear_convolutions(nn.Conv2d(4, 8, 3))
    stats = cct.collect(residual, loader, layers="moments")
    with pytest.raises(InvalidProblem, match="fresh"):
        cct.linear_convolutions(residual, 0.5, fresh=True, statistics=stats)
    residual.stem.register_forward_hook(lambda *_: None)
    with pytest.raises(Unsupported, match="hooks"):
        cct.linear_convolutions(residual, {"stem": 2})
    assert "stem" not in linear_of(cct.linear_convolutions(residual, 0.5))


@pytest.mark.parametrize("level", ["weights", "gradients", "moments"])
def test_a_network_of_these_layers_alone_gives_statistics_of_the_others(level) -> None:
    """No channel can go; linear layers have the statistics of a folded network's."""
    torch.manual_seed(0)
    convolutions = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(),
    )  # fmt: skip
    model = nn.Sequential(convolutions, nn.Linear(32, 8)).eval()
    combined: Any = cct.linear_convolutions(model, 0.5)
    x = torch.randn(12, 3, 9, 9)
    batches = [(part, torch.arange(6) % 8) for part in x.split(6)]
    stats = cct.collect(combined, batches, layers=level)
    assert not stats.groups and list(stats.layers) == ["1"]
    plain = cct.collect(cct.fold(combined), batches, layers=level)
    for name in ("gradient", "input_moment", "output_curvature"):
        found, wanted = (
            getattr(stats.layers["1"], name),
            getattr(plain.layers["1"], name),
        )
        assert (found is None) == (wanted is None)
        if wanted is not None:
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)
    plan = ccsolve.plan(stats, params=0.9, recipe="svd")
    small: Any = cct.apply(combined, plan, x, timed=False)
    assert list(plan.factors) == ["1"]
    assert small.report.achieved.params == plan.achieved["params"]
    with pytest.raises(Unsupported, match="`fold` makes LinearConv layers plain ones"):
        cct.collect(combined[0], batches)
