"""Auxiliary classifiers: where they read, what they add, and that nothing stays."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import ccsolve
import ccsolve_torch as cct
from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve_torch.collecting.losses import as_loss
from ccsolve_torch.heads.auxiliary import Auxiliary
from ccsolve_torch.heads.classifier import Classifier
from ccsolve_torch.heads.places import spread
from ccsolve_torch.heads.training import trained_heads

pytestmark = pytest.mark.torch

AT = Auxiliary(at=("first", "second"), weight=(0.5, 2.0), epochs=2)
LAYERS = {"stem", "first.conv1", "first.conv2", "second.conv1", "second.conv2"}


def losses_by_hand(model: nn.Module, reader: str, size: int, loader: Any) -> Any:
    """Give all outputs of all samples, with a gate on what the reader reads.

    The classifiers are trained once more: the same seed gives the same.
    """
    heads = trained_heads(
        model, loader, LAYERS | {"linear"}, as_loss("cross_entropy"), AT, 0
    )
    gate = torch.ones(size, requires_grad=True)
    heard: dict[str, Tensor] = {}
    handles = [
        model.get_submodule(reader).register_forward_pre_hook(
            lambda module, given: (given[0] * gate[:, None, None],)
        )
    ]
    for name in heads.names:
        handles.append(
            model.get_submodule(name).register_forward_hook(
                lambda module, given, output, name=name: heard.update({name: output})
            )
        )

    def outputs(x: Tensor) -> list[Tensor]:
        final = model(x)
        read = [heard[name] for name in heads.names]
        return [
            final,
            *(h(f) for h, f in zip(heads.classifiers, read, strict=True)),
        ]

    return gate, outputs, handles


@pytest.mark.parametrize("group", ["first.conv1", "second.conv1"])
def test_rows_are_derivatives_of_the_sum_of_all_losses(residual, loader, group) -> None:
    stats = cct.collect(residual, loader, auxiliary=AT)
    held: Any = stats.groups[group]
    reader = group.replace("conv1", "conv2")
    gate, outputs, handles = losses_by_hand(residual, reader, held.size, loader)
    fisher, ggn = [], torch.zeros(held.size, held.size)
    for x, y in loader:
        for n in range(len(x)):
            parts = outputs(x[n : n + 1])
            total: Any = sum(
                eta * functional.cross_entropy(part, y[n : n + 1])
                for eta, part in zip((1.0, 0.5, 2.0), parts, strict=True)
            )
            fisher.append(torch.autograd.grad(total, gate, retain_graph=True)[0])
            for eta, part in zip((1.0, 0.5, 2.0), parts, strict=True):
                p = part.detach()[0].softmax(0)
                rows = [
                    torch.autograd.grad(
                        z, gate, retain_graph=True, materialize_grads=True
                    )[0]
                    for z in part[0]
                ]
                J = torch.stack(rows)
                ggn += eta * J.T @ (p.diag() - torch.outer(p, p)) @ J
    for handle in handles:
        handle.remove()
    count = stats.samples
    expected = torch.stack(fisher).numpy() / count**0.5
    np.testing.assert_allclose(held.rows("fisher"), expected, atol=2e-5)
    np.testing.assert_allclose(
        held.gradient, expected.mean(axis=0) * count**0.5, atol=2e-5
    )
    np.testing.assert_allclose(held.hessian(), ggn.numpy() / count, atol=1e-4)


def test_channels_behind_all_classifiers_are_as_without(residual, loader) -> None:
    without = cct.collect(residual, loader)
    stats = cct.collect(residual, loader, auxiliary=["first"])
    for kind in ("fisher", "ggn"):
        deep, shallow = (
            [each.groups[name].hessian(kind) for each in (without, stats)]
            for name in ("second.conv1", "first.conv1")
        )
        np.testing.assert_allclose(deep[0], deep[1], rtol=1e-4, atol=1e-7)
        assert np.abs(shallow[0] - shallow[1]).max() > 1e-3 * np.abs(shallow[0]).max()


def test_the_model_comes_back_as_it_was(residual, loader) -> None:
    before = {name: value.clone() for name, value in residual.state_dict().items()}
    residual.train()
    torch.manual_seed(7)
    drawn = torch.rand(1)
    torch.manual_seed(7)
    cct.collect(residual, loader, auxiliary=2)
    assert torch.equal(torch.rand(1), drawn)
    assert all(torch.equal(v, before[k]) for k, v in residual.state_dict().items())
    assert residual.training and all(p.grad is None for p in residual.parameters())
    assert not any(
        module._forward_hooks or module._forward_pre_hooks
        for module in residual.modules()
    )
    assert all(p.requires_grad for p in residual.parameters())


def test_the_cost_and_the_groups_know_nothing_of_them(residual, loader) -> None:
    without = cct.collect(residual, loader)
    stats = cct.collect(residual, loader, auxiliary=2)
    assert stats.cost() == without.cost()
    assert list(stats.groups) == list(without.groups)
    assert list(stats.layers) == list(without.layers)
    assert stats.fingerprint == without.fingerprint
    assert "auxiliary" not in without.meta


@pytest.mark.parametrize("shuffled", [False, True])
def test_the_same_seed_gives_the_same_classifiers(residual, samples, shuffled) -> None:
    data = torch.utils.data.TensorDataset(*samples)
    loader = torch.utils.data.DataLoader(data, batch_size=8, shuffle=shuffled)

    def made(seed: int) -> list[float]:
        torch.manual_seed(0)  # of the order in which the samples are collected
        stats = cct.collect(residual, loader, auxiliary=1, seed=seed)
        return stats.meta["auxiliary"]["losses"]

    assert made(1) == made(1)
    assert made(1) != made(2)


def test_training_brings_their_losses_down(residual, loader) -> None:
    """The classes are those of the brightest colour, which the first layers can see."""
    data = [(x, x.mean(dim=(2, 3)).argmax(dim=1)) for x, _ in loader]

    def losses(epochs: int) -> list[float]:
        auxiliary = Auxiliary(2, epochs=epochs)
        stats = cct.collect(residual, data, curvature="fisher", auxiliary=auxiliary)
        return stats.meta["auxiliary"]["losses"]

    pairs = list(zip(losses(1), losses(60), strict=True))
    assert all(last < 0.8 * first for first, last in pairs), pairs


def test_they_are_spread_over_the_blocks(residual, loader) -> None:
    stats = cct.collect(residual, loader, auxiliary=2)
    assert stats.meta["auxiliary"]["at"] == ["first", "second"]
    assert stats.meta["auxiliary"]["weights"] == [1.0, 1.0]


def test_without_blocks_they_are_spread_over_all_modules() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.ReLU(),
        nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3),
    )  # fmt: skip
    layers, x = {"0", "2", "4", "7"}, torch.rand(2, 3, 2, 2)
    assert spread(model, layers, (x,), 1) == ("3",)
    assert spread(model, layers, (x,), 3) == ("1", "3", "6")
    with pytest.raises(InvalidProblem, match="has room for 3"):
        spread(model, layers, (x,), 4)


@pytest.mark.parametrize(
    "sequential", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_ccp_ac_is_one_argument(residual, loader, sequential) -> None:
    options: dict[str, Any] = {"timed": False, "repair": "none", "widths": 0.5}
    options["sequential"] = sequential
    plain = cct.compress(residual, loader, 1.0, **options)
    small: Any = cct.compress(residual, loader, 1.0, auxiliary=2, **options)
    kept = [
        {name: k.tolist() for name, k in each.report.kept.items()}  # pyright: ignore
        for each in (plain, small)
    ]
    assert kept[0] != kept[1]


def test_a_folder_knows_the_classifiers(residual, loader, tmp_path) -> None:
    options: dict[str, Any] = {"timed": False, "repair": "none", "folder": tmp_path}
    cct.compress(residual, loader, 0.6, auxiliary=["first"], **options)
    cct.compress(residual, loader, 0.6, auxiliary=Auxiliary(("first",)), **options)
    with pytest.raises(InvalidProblem, match="begun with collecting"):
        cct.compress(residual, loader, 0.6, auxiliary=1, **options)


def test_the_plan_says_which_losses_it_saw(residual, loader) -> None:
    stats = cct.collect(residual, loader, auxiliary=2)
    record = ccsolve.plan(stats, macs=0.6).provenance["auxiliary"]
    assert record["at"] == ["first", "second"] and len(record["losses"]) == 2


def test_least_squares_and_losses_of_the_user(residual, loader) -> None:
    def half(outputs: Tensor, targets: Tensor) -> Tensor:
        wanted = torch.arange(outputs.shape[-1]) == targets[..., None]
        return 0.5 * (outputs - wanted.float()).square().sum(dim=-1)

    named = cct.collect(residual, loader, "least_squares", auxiliary=AT)
    own = cct.collect(residual, loader, half, auxiliary=AT)
    for name, group in named.groups.items():
        np.testing.assert_allclose(
            own.groups[name].hessian(), group.hessian(), rtol=1e-3, atol=1e-5
        )


@pytest.mark.parametrize(
    ("shape", "axis", "channels"),
    [
        ((4, 3, 5, 6), None, 3),
        ((4, 5, 3), None, 3),
        ((4, 3), None, 3),
        ((4, 3, 5), 1, 3),
    ],
)
def test_a_classifier_standardises_its_channels(shape, axis, channels) -> None:
    torch.manual_seed(0)
    x = 3 + 2 * torch.randn(shape)
    head = Classifier.reading(x, 2, axis)
    rows = head.by_position(x)
    assert rows.shape == (4, x.numel() // (4 * channels), channels)
    assert head(x).shape == (4, 2)
    whole = head(x)
    torch.testing.assert_close(head(x[1:2]), whole[1:2])


@pytest.mark.parametrize(
    ("auxiliary", "message"),
    [
        ("first", "expected the names of modules"),
        (0, "auxiliary: at"),
        ([], "one or more names"),
        (["first", "first"], "every name once"),
        (["third"], "no module 'third'"),
        (9, "has room for"),
    ],
)
def test_what_cannot_be_attached_is_refused(
    residual, loader, auxiliary: Any, message
) -> None:
    with pytest.raises(InvalidProblem, match=message):
        cct.collect(residual, loader, auxiliary=auxiliary)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": (1.0,)}, "1 weights for 2"),
        ({"weight": 0.0}, "expected a finite number > 0"),
        ({"epochs": 0}, "epochs"),
        ({"lr": -1.0}, "lr"),
    ],
)
def test_bad_options_are_refused(options: Any, message: str) -> None:
    with pytest.raises(InvalidProblem, match=message):
        Auxiliary(2, **options)


def test_a_loader_is_read_several_times(residual, loader) -> None:
    def once() -> Iterator[Any]:
        yield from loader

    with pytest.raises(InvalidProblem, match="is an iterator"):
        cct.collect(residual, once(), auxiliary=1)


def test_outputs_at_positions_have_no_classifier(residual, loader) -> None:
    class Map(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.down = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.down(functional.relu(self.up(x)))

    data = [(x, y[:, None, None].expand(-1, 8, 8) % 3) for x, y in loader]
    with pytest.raises(Unsupported, match="expected one tensor"):
        cct.collect(Map().eval(), data, auxiliary=["up"])
