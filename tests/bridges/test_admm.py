"""ADMM in training: the published loop, and how near it comes."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import ccsolve_torch as cct
from ccsolve import Factor, Plan
from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve_torch.splitting.duals import nearest
from tests.bridges.admm_nets import (
    FACTORS,
    INPUT,
    Wide,
    aim_of,
    clouds,
    steps,
    train_svd,
)

pytestmark = pytest.mark.torch


@pytest.fixture
def wide() -> Wide:
    torch.manual_seed(0)
    return Wide()


def test_the_loop_is_the_published_one() -> None:
    # Two epochs of gradient steps on a loss of two layers, against numpy.
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(4, 6, 3), nn.Flatten(), nn.Linear(24, 5))
    model = model.double()
    factors = {"0": Factor("tt", (3, 2)), "2": Factor("tt", (2, 3), modes=(5, 4, 6))}
    rho, rate = 0.7, 0.05
    admm = cct.ADMM(model, factors, rho=rho)
    x, y = torch.randn(3, 4, 4, 4).double(), torch.tensor([0, 3, 1])
    names = {"0": (0, 2, 3, 1), "2": (0, 1)}
    modes, ranks = {"0": (6, 9, 4), "2": (5, 4, 6)}, {"0": (3, 2), "2": (2, 3)}

    def now(name: str) -> np.ndarray:
        weight = model.get_parameter(f"{name}.weight").detach().numpy()
        return weight.transpose(names[name]).reshape(modes[name]).copy()

    U = {name: np.zeros(modes[name]) for name in names}
    for epoch in range(2):
        admm.update()
        for name in names:
            W = now(name)
            Z = train_svd(W + U[name], ranks[name])
            if epoch:
                # A warm half-sweep is nearer than TT-SVD or as near: take its Z.
                tensor = admm._duals[name].near[0].tensor
                aim = W + U[name]
                assert np.linalg.norm(aim - tensor) <= np.linalg.norm(aim - Z) * 1.02
                Z = tensor
                U[name] = U[name] + W - Z
            np.testing.assert_allclose(aim_of(admm, name), Z - U[name], atol=1e-8)
        for _ in range(2):
            W = {name: now(name) for name in names}
            pulls = {n: W[n] - aim_of(admm, n) for n in names}
            expected = 0.5 * rho * sum(float(np.sum(p**2)) for p in pulls.values())
            penalty = admm.penalty()
            assert penalty.item() == pytest.approx(expected, rel=1e-10)
            plain = torch.autograd.grad(
                functional.cross_entropy(model(x), y), list(model.parameters())
            )
            model.zero_grad()
            (functional.cross_entropy(model(x), y) + penalty).backward()
            for (path, held), alone in zip(
                model.named_parameters(), plain, strict=True
            ):
                assert held.grad is not None
                extra = (held.grad - alone).numpy()
                if path.endswith("weight"):
                    name = path[0]
                    extra = extra.transpose(names[name]).reshape(modes[name])
                    np.testing.assert_allclose(extra, rho * pulls[name], atol=1e-9)
                else:
                    assert not extra.any()
            with torch.no_grad():
                for held in model.parameters():
                    held -= rate * held.grad  # pyright: ignore


def test_training_draws_the_weights_to_the_set(wide: Wide) -> None:
    data = clouds(INPUT, 3)
    admm = cct.ADMM(wide, FACTORS, rho=1.0)
    optimizer = torch.optim.SGD(wide.parameters(), lr=0.1, momentum=0.5)
    before = admm.report()
    losses = [
        sum(functional.cross_entropy(wide(x), y).item() for x, y in data)
        for _ in (steps(wide, admm, data, n, optimizer) for n in (1, 15))
    ]
    after = admm.report()
    assert after.updates == 16 and after.rho == 1
    for one, other in zip(before.layers, after.layers, strict=True):
        assert other.distance < 0.5 * one.distance
        assert other.primal >= other.distance * (1 - 1e-6)
    assert losses[1] < losses[0]
    assert "16 updates" in str(after) and len(str(after).splitlines()) == 9


def test_updates_in_the_background_are_the_same(wide: Wide) -> None:
    both = [cct.ADMM(wide, FACTORS, threads=n) for n in (1, 3)]
    for wait in (True, False, False):
        for admm in both:
            admm.update(wait=wait)
        with torch.no_grad():
            # The copies were made before: later changes do not reach the threads.
            wide.flat.weight.mul_(1.01)
    assert torch.equal(both[0].penalty(), both[1].penalty())
    assert both[0].updates == both[1].updates == 3


def test_the_model_is_only_read(wide: Wide) -> None:
    before = copy.deepcopy(wide.state_dict())
    keys = {name: set(vars(module)) for name, module in wide.named_modules()}
    admm = cct.ADMM(wide, FACTORS)
    admm.update()
    admm.penalty()
    admm.report()
    small = admm.decompose(torch.randn(INPUT))
    assert keys == {name: set(vars(module)) for name, module in wide.named_modules()}
    for name, held in wide.state_dict().items():
        assert torch.equal(held, before[name])
    assert all(p.grad is None for p in wide.parameters()) and small is not wide


def test_rho_can_be_set_and_keeps_the_dual(wide: Wide) -> None:
    admm = cct.ADMM(wide, {"head": Factor("svd", 1)}, rho=0.5)
    admm.update()
    admm.update()
    before = 0.5 * admm._duals["head"].dual[0]
    admm.rho = 2.0
    np.testing.assert_allclose(2.0 * admm._duals["head"].dual[0], before, rtol=1e-6)
    pull = wide.head.weight.detach().numpy() - aim_of(admm, "head")
    assert admm.penalty().item() == pytest.approx(np.sum(pull**2), rel=1e-5)


def test_parameters_may_be_replaced_and_moved(wide: Wide) -> None:
    admm = cct.ADMM(wide, FACTORS)
    admm.update()
    wide.head.weight = nn.Parameter(wide.head.weight.detach() * 2)
    admm.penalty().backward()
    assert wide.head.weight.grad is not None
    wide.double()
    assert admm.penalty().dtype is torch.float64
    admm.update()
    wide.head = nn.Linear(5, 4)
    with pytest.raises(InvalidProblem, match=r"head.weight is of shape \(4, 5\) now"):
        admm.update()


def test_low_precision_is_penalised_in_float32(wide: Wide) -> None:
    admm = cct.ADMM(wide, FACTORS, rho=1.0)
    admm.update()
    full = admm.penalty().item()
    with torch.autocast("cpu", torch.bfloat16):
        within = admm.penalty()
    assert within.dtype is torch.float32 and within.item() == full
    half = wide.bfloat16()
    value = cct.ADMM(half, FACTORS, rho=1.0).penalty()
    assert value.dtype is torch.float32
    assert float(value.detach()) == pytest.approx(full, rel=1e-2)
    value.backward()
    assert half.head.weight.grad is not None


def test_one_number_is_for_all_layers_that_can_be_reduced() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=8), nn.BatchNorm2d(8), nn.ReLU()
    )
    head = nn.Linear(8, 4)
    model.add_module("head", head)
    model.add_module("again", head)
    admm = cct.ADMM(model, 0.5)
    assert list(admm.targets) == ["0", "head"]
    assert {t.factor for t in admm.targets.values()} == {Factor("tt", 0.5)}
    other = cct.ADMM(model, 5, format="svd")
    assert list(other.targets) == ["0"] and other.targets["0"].space.ranks == (5,)
    plan = Plan(recipe="x", keep={}, sizes={}, factors={"head": Factor("svd", 1)})
    assert list(cct.ADMM(model, plan).targets) == ["head"]


def test_rings_are_drawn_to_but_not_decomposed(wide: Wide) -> None:
    admm = cct.ADMM(wide, {"flat": {"format": "tr", "ranks": 2}}, rho=0.1)
    admm.update()
    admm.update()
    assert 0 < admm.report().distance < 1
    assert [core.shape[1] for core in admm.factors()["flat"][0]] == [6, 9, 4]
    with pytest.raises(Unsupported, match="no chain of plain layers"):
        admm.decompose(torch.randn(INPUT))


def test_zero_weights_stay(wide: Wide) -> None:
    nn.init.zeros_(wide.head.weight)
    admm = cct.ADMM(wide, {"head": Factor("svd", 1)})
    admm.update()
    admm.update()
    assert float(admm.penalty().detach()) == 0
    assert admm.report().distance == 0


def test_refined_projections_are_no_farther_than_the_train_svd(wide: Wide) -> None:
    admm = cct.ADMM(wide, {"flat": FACTORS["flat"]})
    target = admm.targets["flat"]
    (tensor,) = target.copied(wide)
    plain = np.linalg.norm(tensor - train_svd(tensor, target.space.ranks))
    (refined,) = nearest(target, (tensor,))
    assert np.linalg.norm(tensor - refined.tensor) <= plain * (1 + 1e-5)


@pytest.mark.parametrize("pull", [0.0, 0.05, 0.5])
def test_projections_are_followed_as_near_as_made_anew(wide: Wide, pull: float) -> None:
    # With little pull from training U grows, and the nearest subspaces turn.
    generator = torch.Generator().manual_seed(1)
    admm = cct.ADMM(wide, {"flat": Factor("tt", (3, 2)), "head": Factor("svd", 1)})
    for _ in range(25):
        before = dict(admm._duals)
        weights = {name: t.copied(wide)[0] for name, t in admm.targets.items()}
        admm.update()
        for name, one in before.items():
            aim = weights[name] + one.dual[0]
            exact = train_svd(aim, admm.targets[name].space.ranks)
            off = np.linalg.norm(aim - admm._duals[name].near[0].tensor)
            assert off <= 1.03 * np.linalg.norm(aim - exact)
            held = wide.get_parameter(f"{name}.weight").data
            aim = torch.from_numpy(admm.targets[name].weight([aim_of(admm, name)]))
            noise = torch.randn(held.shape, generator=generator)
            held += pull * (aim - held) + 0.02 * held.std() * noise


@pytest.mark.parametrize("format", ["svd", "tucker", "tt", "tr"])
def test_full_ranks_leave_the_weights_alone(wide: Wide, format: str) -> None:
    admm = cct.ADMM(wide, {"flat": Factor(format, 1.0)}, rho=1.0)
    for _ in range(3):
        admm.update()
    (near,) = admm._duals["flat"].near
    (tensor,) = admm.targets["flat"].copied(wide)
    np.testing.assert_allclose(near.tensor, tensor, atol=1e-5)
    assert admm.penalty().item() < 1e-8
