"""Filters fused while a network is trained, and plain layers of them afterwards."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import ccsolve
import ccsolve_torch as cct
from ccsolve.errors import CcsolveError, InvalidProblem, Unsupported
from ccsolve.recipes.dcff import distributions, fusion, temperature_at
from ccsolve_torch.dcff import Fused, Fusing
from ccsolve_torch.fusing.fused_layers import FusedFilters, plain_layer
from tests.bridges.plans import by_hand

pytestmark = pytest.mark.torch


PLANS: dict[str, ccsolve.Plan] = {}
"""Of models that several tests ask for: reading one takes a second."""


def planned(model: nn.Module, loader: Any) -> ccsolve.Plan:
    name = cct.fingerprint(model)
    if name not in PLANS:
        stats = cct.collect(model, loader, curvature="fisher")
        PLANS[name] = ccsolve.plan(stats, macs=0.5, recipe="dcff")
    return PLANS[name]


def fused(model: nn.Module, loader: Any, **options: Any) -> Any:
    return cct.fuse(model, planned(model, loader), loader[0][0], **options)


def layers(model: nn.Module) -> dict[str, FusedFilters]:
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, FusedFilters)
    }


def trained(model: nn.Module, loader: Any, steps: int = 1) -> None:
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(steps):
        for x, y in loader:
            optimiser.zero_grad()
            functional.cross_entropy(model(x), y).backward()
            optimiser.step()


def test_every_net_is_fused_trained_and_exported(model, loader) -> None:
    small = fused(model, loader)
    assert layers(small)
    small.train()
    for epoch in range(3):
        cct.update_fusion(small, epoch, 3)
        trained(small, loader)
    plain: Any = cct.export_fused(small, loader[0][0])
    assert not layers(plain) and isinstance(plain.fusion, Fused)
    assert plain.fusion.difference <= plain.fusion.tolerance
    assert all(
        a.training == b.training
        for a, b in zip(plain.children(), small.children(), strict=True)
    )
    with torch.no_grad():
        torch.testing.assert_close(
            plain.eval()(loader[1][0]), small.eval()(loader[1][0]), rtol=1e-4, atol=1e-5
        )
    assert cct.count(plain, loader[0][0]) == plain.report.achieved
    assert plain.report.achieved.macs <= plain.report.asked["macs"]


def test_what_is_fused_is_what_the_core_says(residual, loader) -> None:
    small = fused(residual, loader)
    plan = planned(residual, loader)
    inputs = plan.keep["stem"]
    for name in ("first.conv1", "second.conv1"):
        layer, whole = layers(small)[name], residual.get_submodule(name).weight
        rows = whole.detach()[:, inputs.tolist()]
        torch.testing.assert_close(layer.filters.detach(), rows)
        P = distributions(rows.numpy(), 1.0)[plan.keep[name]]
        np.testing.assert_allclose(layer.matrix.numpy(), P, rtol=1e-5)
        expected = np.tensordot(P, rows.numpy(), axes=1)
        np.testing.assert_allclose(layer.weight.detach().numpy(), expected, atol=1e-6)


def test_coupled_layers_keep_the_same_filters(residual, loader) -> None:
    """The stem and both blocks' last convolutions make one stream."""
    small = fused(residual, loader)
    trained(small, loader)
    t = cct.update_fusion(small, 0, 10)
    stream = [layers(small)[n] for n in ("stem", "first.conv2", "second.conv2")]
    rows = [layer.filters.detach().flatten(1).double().numpy() for layer in stream]
    found = fusion(np.concatenate(rows, axis=1), stream[0].outputs, t)
    for layer in stream:
        assert layer.kept.tolist() == found.keep.tolist()
        np.testing.assert_allclose(layer.matrix.numpy(), found.matrix, rtol=1e-5)
    assert small.fusion.temperature == t == temperature_at(0, 10)


def test_in_the_end_the_network_is_the_cut_of_the_kept(residual, loader) -> None:
    """Cold from the start, nothing is fused: the export is what `apply` gives."""
    small = fused(residual, loader, temperature=1e-5)
    plain: Any = cct.export_fused(small, loader[0][0])
    cut = cct.apply(residual, planned(residual, loader), loader[0][0], timed=False)
    state = cut.state_dict()
    assert list(plain.state_dict()) == list(state)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(value, state[name])


def test_gradients_reach_all_filters_and_no_distribution(residual, loader) -> None:
    small = fused(residual, loader).train()
    x, y = loader[0]
    functional.cross_entropy(small(x), y).backward()
    for layer in layers(small).values():
        assert layer.filters.grad is not None
        # Every filter has a share in what is computed.
        assert bool((layer.filters.grad.flatten(1).abs().amax(dim=1) > 0).all())
        assert not layer.matrix.requires_grad


def test_an_update_keeps_the_parameters_for_the_optimiser(residual, loader) -> None:
    small = fused(residual, loader)
    before = [id(value) for value in small.parameters()]
    matrices = [layer.matrix.clone() for layer in layers(small).values()]
    cct.update_fusion(small, 5, 10)
    assert [id(value) for value in small.parameters()] == before
    after = [layer.matrix for layer in layers(small).values()]
    assert not any(torch.equal(a, b) for a, b in zip(matrices, after, strict=True))


def test_the_choice_is_frozen_once_filters_stand_for_themselves(
    residual, loader
) -> None:
    small = fused(residual, loader)
    kept = {name: layer.kept.clone() for name, layer in layers(small).items()}
    cct.update_fusion(small, 30, 30)
    for name, layer in layers(small).items():
        assert torch.equal(layer.kept, kept[name])
        assert torch.equal(layer.weight, layer.filters[layer.kept])


def test_the_choice_follows_the_filters(residual, loader) -> None:
    small = fused(residual, loader)
    layer = layers(small)["first.conv1"]
    gone = next(k for k in range(len(layer.filters)) if k not in layer.kept.tolist())
    with torch.no_grad():
        layer.filters[gone] += 5.0
    cct.update_fusion(small, 0, 10)
    assert gone in layer.kept.tolist()
    plain: Any = cct.export_fused(small, loader[0][0])
    assert plain.report.kept["first.conv1"].tolist() == layer.kept.tolist()


def test_training_goes_on_from_a_checkpoint(residual, loader) -> None:
    small = fused(residual, loader)
    trained(small, loader)
    cct.update_fusion(small, 0, 10)
    again = fused(residual, loader)
    again.load_state_dict(small.state_dict())
    for model in (small, again):
        cct.update_fusion(model, 1, 10)
    state = again.state_dict()
    assert all(torch.equal(v, state[k]) for k, v in small.state_dict().items())


def test_what_is_exported_is_saved_and_loaded(residual, loader, tmp_path, make) -> None:
    small = fused(residual, loader)
    trained(small, loader)
    plain: Any = cct.export_fused(small, loader[0][0])
    cct.save(plain, tmp_path / "bundle")
    loaded = cct.load(lambda: make("residual"), tmp_path / "bundle").eval()
    x = loader[0][0]
    with torch.no_grad():
        torch.testing.assert_close(loaded(x), plain.eval()(x))
    with pytest.raises(CcsolveError, match="changed since apply made it"):
        cct.save(small, tmp_path / "training")


def test_the_model_stays_and_copies_are_free(residual, loader) -> None:
    before = {name: value.clone() for name, value in residual.state_dict().items()}
    small = fused(residual, loader)
    other = copy.deepcopy(small)
    trained(small, loader)
    cct.update_fusion(small, 3, 10)
    after = residual.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert isinstance(other.fusion, Fusing) and other.fusion.temperature == 1.0


class Shared(nn.Module):
    """A grouped convolution reads one group; a tied layer stands twice."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Conv2d(3, 8, 1)
        self.depth = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.down = nn.Conv2d(8, 4, 1)
        self.head = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.depth(functional.relu(self.up(x))))
        return self.head(functional.relu(self.down(x)).mean(dim=(2, 3)))


def test_grouped_layers_are_cut_and_not_fused(loader) -> None:
    torch.manual_seed(1)
    small = fused(Shared().eval(), loader)
    assert "up" in layers(small) and "depth" not in layers(small)
    assert small.depth.groups == layers(small)["up"].outputs < 8
    plain: Any = cct.export_fused(small, loader[0][0])
    assert isinstance(plain.up, nn.Conv2d)


@pytest.mark.parametrize(
    ("plain", "shape"),
    [
        (nn.Conv1d(3, 4, 3, stride=2, padding=1, bias=False), (2, 3, 9)),
        (nn.Conv2d(3, 4, (3, 2), padding="same", dilation=2), (2, 3, 9, 8)),
        (nn.Conv2d(3, 4, 3, padding=2, padding_mode="reflect"), (2, 3, 9, 8)),
        (nn.Conv3d(3, 4, 2), (2, 3, 4, 4, 4)),
        (nn.Linear(3, 4), (2, 5, 3)),
        (nn.Linear(3, 4, bias=False, dtype=torch.float64), (2, 3)),
    ],
)
def test_a_layer_is_the_plain_one_of_its_weight(plain: Any, shape) -> None:
    layer = FusedFilters(plain, 7)
    with torch.no_grad():
        layer.matrix.uniform_()
    x = torch.randn(shape, dtype=plain.weight.dtype)
    made: Any = plain_layer(layer)
    assert type(made) is type(plain) and made.weight.shape == plain.weight.shape
    torch.testing.assert_close(layer(x), made(x))
    assert (made.bias is None) == (plain.bias is None)
    assert "fused of 7 filters" in repr(layer)


def test_layers_draw_their_numbers_anew(residual, loader) -> None:
    layer = layers(fused(residual, loader))["first.conv1"]
    before = layer.filters.detach().clone()
    torch.manual_seed(0)
    layer.reset_parameters()
    again = layer.filters.detach().clone()
    torch.manual_seed(0)
    layer.reset_parameters()
    assert torch.equal(layer.filters, again) and not torch.equal(again, before)


def test_what_cannot_be_fused_is_refused(residual, loader) -> None:
    inputs = loader[0][0]
    whole = by_hand(residual, inputs, {})
    with pytest.raises(Unsupported, match="no convolution or linear layer"):
        cct.fuse(residual, whole, inputs)
    for call in (
        lambda: cct.update_fusion(residual, 0, 1),
        lambda: cct.export_fused(residual, inputs),
    ):
        with pytest.raises(InvalidProblem, match="expected what fuse gives"):
            call()
    residual.fusion = nn.Identity()
    with pytest.raises(InvalidProblem, match="attribute 'fusion', a Identity"):
        cct.fuse(residual, whole, inputs)


def test_a_layer_that_was_rebuilt_is_named(residual, loader) -> None:
    small = fused(residual, loader)
    small.first.conv1 = plain_layer(small.first.conv1)
    with pytest.raises(Unsupported, match=r"layer first\.conv1"):
        cct.update_fusion(small, 1, 10)


def test_the_small_training_loop_takes_it(residual, loader) -> None:
    """As the recipe's page has it."""
    small = fused(residual, loader)
    for epoch in range(2):
        cct.update_fusion(small, epoch, 2)
        cct.finetune(small, loader, epochs=1)
    plain: Any = cct.export_fused(small, loader[0][0])
    assert plain.fusion.temperature == temperature_at(1, 2)


def test_compress_makes_the_choice_and_the_cut(residual, loader) -> None:
    small: Any = cct.compress(residual, loader, 0.5, recipe="dcff", timed=False)
    plan = planned(residual, loader)
    for name, kept in small.report.kept.items():
        assert kept.tolist() == plan.keep[name].tolist()
