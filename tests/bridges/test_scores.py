"""Scores that take runs of the network: brute force, known cases, nothing is left."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import ccsolve
import ccsolve_torch as cct
from ccsolve.errors import InvalidProblem, MissingStatistics, Unsupported
from ccsolve.recipes.reconstructing.programs import Model, parts_of, program_of
from ccsolve.statistics import Statistics
from ccsolve_torch.scoring.by_recipe import SCORES, with_scores
from ccsolve_torch.scoring.class_wise import _trained
from ccsolve_torch.scoring.scenes import scene

pytestmark = pytest.mark.torch

Loader = list[tuple[Tensor, Tensor]]

QUICK: dict[str, dict[str, Any]] = {
    "ablation": {},
    "class_wise": {"epochs": 1},
    "dcp": {"rounds": 2, "steps": 1},
    "sfp": {"epochs": 1},
}


def added(name: str, model: nn.Module, loader: Loader, **options: Any) -> Statistics:
    """Give statistics with a score."""
    stats = cct.collect(model, loader)
    return SCORES[name](model, loader, stats, **{**QUICK[name], **options})


def state(model: nn.Module) -> list[Tensor]:
    return [tensor.detach().clone() for tensor in model.state_dict().values()]


@pytest.mark.parametrize("name", SCORES)
def test_every_net_is_scored_and_given_back(
    name: str, model: nn.Module, loader: Loader
):
    before, modes = state(model), [module.training for module in model.modules()]
    flags = [parameter.requires_grad for parameter in model.parameters()]
    stats = added(name, model, loader)
    for group in stats.groups.values():
        assert group.scores[name].shape == (group.size,)
        assert np.isfinite(group.scores[name]).all()
    for old, new in zip(before, state(model), strict=True):
        assert torch.equal(old, new)
    assert modes == [module.training for module in model.modules()]
    assert flags == [parameter.requires_grad for parameter in model.parameters()]
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("name", SCORES)
def test_the_same_again(name: str, residual: nn.Module, loader: Loader):
    first, second = (added(name, residual, loader) for _ in range(2))
    for group in first.groups:
        np.testing.assert_array_equal(
            first.groups[group].scores[name], second.groups[group].scores[name]
        )


def test_ablation_is_what_removing_the_channel_does(
    residual: nn.Module, loader: Loader, samples: tuple[Tensor, Tensor]
):
    """A channel is cut out for good, and the loss is taken of what is left."""
    stats = added("ablation", residual, loader)
    x, y = samples

    def loss(net: nn.Module) -> float:
        with torch.no_grad():
            return float(functional.cross_entropy(net(x), y))

    for name, group in stats.groups.items():
        for gone in (0, group.size - 1):
            keep = {
                other: np.delete(np.arange(item.size), gone if other == name else [])
                for other, item in stats.groups.items()
            }
            plan = ccsolve.Plan(
                recipe="test",
                keep=keep,
                sizes={other: item.size for other, item in stats.groups.items()},
                fingerprint=stats.fingerprint,
            )
            small = cct.apply(residual, plan, x, timed=False)
            rise = loss(small) - loss(residual)
            assert group.scores["ablation"][gone] == pytest.approx(rise, abs=1e-5)


class Told(nn.Module):
    """Channels that hand on one input each, and a readout with one logit for each."""

    def __init__(self, scales: list[float]) -> None:
        super().__init__()
        size = len(scales)
        self.first, self.last = nn.Linear(size, size), nn.Linear(size, size)
        with torch.no_grad():
            self.first.weight.copy_(torch.eye(size))
            self.last.weight.copy_(torch.diag(torch.tensor(scales)))
            self.first.bias.zero_()
            self.last.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(functional.relu(self.first(x)))


def told(scales: list[float], per_class: int = 4) -> tuple[nn.Module, Loader]:
    """Give a net whose channel k says all there is about class k, and samples."""
    y = torch.arange(len(scales)).repeat(per_class)
    generator = torch.Generator().manual_seed(0)
    x = functional.one_hot(y).float() + 0.01 * torch.rand(
        len(y), len(scales), generator=generator
    )
    return Told(scales), list(zip(x.split(8), y.split(8), strict=True))


def test_channels_that_say_nothing_are_ablated_for_free():
    """The readout ignores channels 1 and 3."""
    model, loader = told([3.0, 0.0, 4.0, 0.0, 5.0])
    (group,) = added("ablation", model, loader).groups.values()
    scores = group.scores["ablation"]
    assert scores[[1, 3]].tolist() == [0.0, 0.0] and scores[[0, 2, 4]].min() > 0


def test_each_class_votes_for_its_own_channel():
    model, loader = told([3.0, 3.0, 3.0, 3.0])
    (group,) = added("class_wise", model, loader, share=0.25).groups.values()
    votes = np.floor(group.scores["class_wise"])
    assert votes.tolist() == [1.0, 1.0, 1.0, 1.0]


def test_the_penalty_pulls_every_mask_down():
    """By λ units in each step, beside what the loss asks for."""
    model, loader = told([3.0, 3.0, 3.0, 3.0])
    stats = cct.collect(model, loader)
    means = []
    for penalty in (0.0, 1.0, 2.0):
        with scene(model, loader, stats, "cross_entropy", None) as seen:
            masks = _trained(seen, epochs=1, rate=0.05, penalty=penalty)
        means.append(float(torch.cat(list(masks.values())).mean()))
    falls = -np.diff(means)
    np.testing.assert_allclose(falls, 0.05 * len(loader), rtol=0.3)


def test_votes_are_as_many_as_classes_have(residual: nn.Module, loader: Loader):
    stats = added("class_wise", residual, loader, share=0.5)
    sizes = sum(group.size for group in stats.groups.values())
    votes = [np.floor(group.scores["class_wise"]) for group in stats.groups.values()]
    assert np.concatenate(votes).sum() == 4 * round(0.5 * sizes)


def test_dcp_orders_a_group_without_ties(residual: nn.Module, loader: Loader):
    for group in added("dcp", residual, loader).groups.values():
        scores = np.sort(group.scores["dcp"])
        np.testing.assert_allclose(scores, np.arange(1, group.size + 1) / group.size)


def test_dcp_takes_first_what_the_gradient_asks_for():
    """One round: the order is that of ‖∂L/∂W_j‖ with all channels gone."""
    model, loader = told([3.0, 1.0, 4.0, 2.0])
    assert isinstance(model, Told)
    (group,) = added("dcp", model, loader, rounds=1, weight=0.5).groups.values()
    total = torch.zeros_like(model.last.weight)
    whole = model.last.weight.detach().clone()
    for x, y in loader:
        hidden = functional.relu(model.first(x)).detach()
        aim = hidden @ whole.T
        W = torch.zeros_like(whole, requires_grad=True)
        out = hidden @ W.T
        loss = 0.5 * functional.cross_entropy(out, y)
        loss = loss + 0.5 * (aim - out).square().sum() / aim.square().sum()
        total += torch.autograd.grad(loss, W)[0]
    order = total.abs().sum(dim=0).argsort(descending=True)
    assert group.scores["dcp"].argsort()[::-1].tolist() == order.tolist()


def norms(model: nn.Module) -> np.ndarray:
    weight = model.get_submodule("0").weight
    assert isinstance(weight, Tensor)
    return weight.detach().norm(dim=1).numpy()


def test_soft_pruning_zeroes_the_smallest_filters(mlp: nn.Module, clouds: Loader):
    soft = cct.soft_filter_pruning(mlp, clouds, rate=0.4, epochs=2)
    assert (norms(soft) == 0).sum() == int(0.4 * 12)
    assert (norms(mlp) > 0).all()
    # A plan by the norm removes those that are zero.
    stats = cct.collect(soft, clouds)
    plan = ccsolve.plan(stats, params=0.7, recipe="l2", fixed={"0": 8})
    assert (norms(soft)[plan.keep["0"]] > 0).all()


def test_soft_filters_grow_back_while_training_goes_on():
    """A training that adds 1 to every weight: what was zeroed is the smallest again."""
    first = nn.Linear(1, 4, bias=False)
    net = nn.Sequential(first, nn.ReLU(), nn.Linear(4, 2))
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[3.0], [1.0], [4.0], [2.0]]))
    x, y = torch.ones(4, 1), torch.tensor([0, 1, 0, 1])

    def train(model: nn.Module) -> None:
        with torch.no_grad():
            model.get_submodule("0").weight.add_(1.0)  # pyright: ignore

    options: dict[str, Any] = {"rate": 0.5, "epochs": 2, "train": train}
    stats = cct.sfp_scores(net, [(x, y)], cct.collect(net, [(x, y)]), **options)
    assert stats.groups["0"].scores["sfp"].tolist() == [5.0, 1.0, 6.0, 1.0]
    soft = cct.soft_filter_pruning(net, [(x, y)], **options)
    assert norms(soft).tolist() == [5.0, 0.0, 6.0, 0.0]


def test_scales_of_batch_norms_come_with_the_statistics(residual: Any, loader: Loader):
    stats = cct.collect(residual, loader)
    inner = residual.first.bn1.weight.detach().abs().double().numpy()
    np.testing.assert_allclose(stats.groups["first.conv1"].scores["bn_scale"], inner)
    plan = ccsolve.plan(stats, macs=0.6, recipe="bn_scale")
    assert plan.achieved["macs"] <= plan.asked["macs"]


def test_streams_add_the_scales_of_all_their_norms(residual: Any, loader: Loader):
    stats = cct.collect(residual, loader)
    layers = (residual.norm, residual.first.bn2, residual.second.bn2)
    total = sum(layer.weight.detach().abs().double().numpy() for layer in layers)
    (stream,) = (group for group in stats.groups.values() if group.size == 6)
    np.testing.assert_allclose(stream.scores["bn_scale"], total)


def test_nets_without_scales_have_none(
    make: Callable[[str], nn.Module], loader: Loader
):
    stats = cct.collect(make("fork").eval(), loader)
    assert all("bn_scale" not in group.scores for group in stats.groups.values())
    with pytest.raises(MissingStatistics, match=r"'bn_scale'; .*with batch norms"):
        ccsolve.plan(stats, macs=0.5, recipe="bn_scale")


@pytest.mark.parametrize("recipe", ["l1", "bn_scale", "cpli", "taylor_weight", *SCORES])
def test_compress_collects_what_the_recipe_asks_for(
    recipe: str, residual: nn.Module, loader: Loader
):
    small: Any = cct.compress(residual, loader, macs=0.6, recipe=recipe, timed=False)
    report = small.report
    assert report.recipe == recipe
    assert report.achieved.macs <= 0.6 * report.original.macs


def test_a_criterion_by_name_is_scored_too(residual: nn.Module, loader: Loader):
    small: Any = cct.compress(
        residual, loader, macs=0.6, recipe="uniform", criterion="ablation", timed=False
    )
    assert small.report.achieved.macs <= 0.6 * small.report.original.macs


def test_other_names_add_nothing(mlp: nn.Module, clouds: Loader):
    stats = cct.collect(mlp, clouds)
    assert with_scores(stats, "l1", mlp, clouds) is stats


def test_statistics_of_another_model_are_refused(mlp: nn.Module, clouds: Loader):
    stats = replace(cct.collect(mlp, clouds), fingerprint="other")
    for score in SCORES.values():
        with pytest.raises(InvalidProblem, match="stats: of the fingerprint 'other'"):
            score(mlp, clouds, stats)


def test_bad_options_are_refused(mlp: nn.Module, clouds: Loader):
    stats = cct.collect(mlp, clouds)
    with pytest.raises(Unsupported, match="class_wise scores of the loss 'least_squ"):
        cct.class_wise_scores(mlp, clouds, stats, loss="least_squares")
    with pytest.raises(InvalidProblem, match="share = 0"):
        cct.class_wise_scores(mlp, clouds, stats, share=0)
    with pytest.raises(InvalidProblem, match="rate = 1"):
        cct.sfp_scores(mlp, clouds, stats, rate=1)
    with pytest.raises(InvalidProblem, match="epochs"):
        cct.soft_filter_pruning(mlp, clouds, epochs=0)
    with pytest.raises(InvalidProblem, match="rounds"):
        cct.dcp_scores(mlp, clouds, stats, rounds=0)
    numbers = [(x, y.float()) for x, y in clouds]
    with pytest.raises(InvalidProblem, match="class numbers"):
        cct.class_wise_scores(mlp, numbers, stats)


def test_reconstruction_layer_by_layer_is_what_collecting_by_hand_gives(
    residual: nn.Module, loader: Loader
):
    """Cut by hand, collect by hand, solve by hand."""
    options: dict[str, Any] = {"widths": 0.6, "timed": False, "sequential": True}
    small: Any = cct.compress(residual, loader, macs=1.0, recipe="osscar", **options)
    stats = cct.collect(residual, loader, layers="moments")
    keep = {name: np.arange(group.size) for name, group in stats.groups.items()}
    now = stats
    for name, group in stats.groups.items():
        width = int(0.6 * group.size)
        parts = parts_of(now, name, Model("none", 0.0, 1e-3), {})
        program = program_of(parts, width, 1e-3)
        keep[name] = np.flatnonzero(ccsolve.solve(program, "swap_search").x)
        plan = ccsolve.Plan(
            recipe="by hand",
            keep=keep,
            sizes={other: item.size for other, item in stats.groups.items()},
            fingerprint=stats.fingerprint,
        )
        cut = cct.apply(residual, plan, loader[0][0], calibration=loader, timed=False)
        now = cct.collect(cut, loader, layers="moments")
    for name, classes in small.report.kept.items():
        assert classes.tolist() == keep[name].tolist()
