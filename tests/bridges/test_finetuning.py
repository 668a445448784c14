"""Training: losses fall, teachers are met, and nothing else is touched."""

import copy
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ccsolve.errors import InvalidProblem
from ccsolve_torch.finetuning import finetune
from ccsolve_torch.training.objectives import distillation, objective
from ccsolve_torch.training.stepping import Steps, optimiser_of, precision_of, share

pytestmark = pytest.mark.torch

Data = list[tuple[Tensor, Tensor]]


@pytest.fixture
def data() -> Data:
    """Four batches of 16 points of three clouds."""
    generator = torch.Generator().manual_seed(7)
    y = torch.arange(64) % 3
    x = torch.randn(64, 5, generator=generator) + 2 * functional.one_hot(y, 5)
    return list(zip(x.split(16), y.split(16), strict=True))


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(2)
    return nn.Sequential(
        nn.Linear(5, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.1),
        nn.Linear(12, 3),
    ).eval()  # fmt: skip


def mean_loss(model: nn.Module, data: Data) -> float:
    with torch.no_grad():
        x, y = (torch.cat(part) for part in zip(*data, strict=True))
        return float(functional.cross_entropy(model.eval()(x), y))


def state(model: nn.Module) -> dict[str, Tensor]:
    return copy.deepcopy(model.state_dict())


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_loss_falls(net, data, optimizer) -> None:
    before = mean_loss(net, data)
    training = finetune(
        net, data, epochs=8, optimizer=optimizer, lr=0.02, label_smoothing=0.1
    )
    assert mean_loss(net, data) < 0.8 * before
    assert [epoch.number for epoch in training.epochs] == list(range(1, 9))
    assert training.epochs[-1].loss < training.epochs[0].loss
    assert training.best == 8 and training.before is None


def test_other_losses_are_minimised(net, data) -> None:
    def hinge(outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.multi_margin_loss(outputs, targets, reduction="none")

    losses = [epoch.loss for epoch in finetune(net, data, epochs=6, loss=hinge).epochs]
    assert losses[-1] < losses[0]
    numbers = [(x, functional.one_hot(y, 3).float()) for x, y in data]
    training = finetune(net, numbers, epochs=6, loss="least_squares")
    assert training.epochs[-1].loss < training.epochs[0].loss


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_lower_precisions_train_float32_weights(net, data, precision) -> None:
    """What a GPU does: forward passes in the precision, scaled losses for float16."""
    steps = Steps(
        model=net,
        aim=objective("cross_entropy", 0.0, None, 1.0, 0.0),
        optimiser=optimiser_of(net, "sgd", 0.05, 0.0, 0.9),
        precision=precision,
        warmup=0.0,
        total=40,
        clip=1.0,
        freeze_norms=False,
    )
    assert steps.scaler.is_enabled() == (precision is torch.float16)
    losses = [steps.epoch(data) for _ in range(10)]
    assert losses[-1] < 0.8 * losses[0]
    assert {value.dtype for value in net.parameters()} == {torch.float32}


@pytest.mark.gpu
def test_on_a_gpu_the_loss_falls_in_lower_precision(net, data) -> None:
    net = net.cuda()
    assert precision_of(net, "auto") in (torch.bfloat16, torch.float16)
    assert precision_of(net, "off") is None
    training = finetune(net, data, epochs=8, lr=0.05, teacher=copy.deepcopy(net))
    assert training.epochs[-1].loss < training.epochs[0].loss


def test_pixels_are_classified(data) -> None:
    torch.manual_seed(0)
    net = nn.Conv2d(2, 3, 1)
    x = torch.randn(8, 2, 4, 4)
    y = x.argmax(dim=1)
    y[:, 0] = -100
    training = finetune(net, [(x, y)], epochs=20, lr=0.1)
    assert training.epochs[-1].loss < training.epochs[0].loss
    assert math.isfinite(training.epochs[-1].loss)


def test_distillation_moves_towards_the_teacher(net, data) -> None:
    torch.manual_seed(4)
    teacher = nn.Sequential(nn.Linear(5, 12), nn.Dropout(0.5), nn.Linear(12, 3))
    modes, x = state(teacher), torch.cat([x for x, _ in data])

    def apart() -> float:
        with torch.no_grad():
            return float(distillation(net.eval()(x), teacher.eval()(x), 2.0))

    before = apart()
    teacher.train()
    finetune(net, data, epochs=8, teacher=teacher, alpha=1.0, temperature=2.0)
    assert teacher.training and same(modes, state(teacher))
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert apart() < 0.5 * before


def test_distillation_is_the_divergence_of_the_softened_outputs() -> None:
    z, v = torch.randn(2, 6, 4, dtype=torch.float64)
    temperature = 3.0
    p, q = (v / temperature).softmax(1), (z / temperature).softmax(1)
    expected = temperature**2 * (p * (p / q).log()).sum(dim=1).mean()
    torch.testing.assert_close(distillation(z, v, temperature).double(), expected)
    assert float(distillation(v, v, temperature)) == pytest.approx(0, abs=1e-6)


def test_soft_targets_weigh_the_same_at_any_temperature() -> None:
    """T² keeps the gradient at high T: (z - v) / classes, for centred outputs."""
    z, v = (t - t.mean(1, keepdim=True) for t in torch.randn(2, 1, 5))
    z.requires_grad_()
    (gradient,) = torch.autograd.grad(distillation(z, v, 1e3), z)
    torch.testing.assert_close(gradient, (z - v).detach() / 5, atol=1e-3, rtol=1e-2)


def test_the_same_seed_gives_the_same_weights(net, data) -> None:
    others = [copy.deepcopy(net) for _ in range(2)]
    around = torch.get_rng_state()
    for model, seed in ((net, 1), (others[0], 1), (others[1], 2)):
        finetune(model, data, epochs=2, seed=seed)
        torch.rand(1)
    torch.set_rng_state(around)
    assert same(state(net), state(others[0]))
    assert not same(state(net), state(others[1]))


def test_the_random_state_and_the_modes_come_back(net, data) -> None:
    net[1].train()
    before = torch.get_rng_state()
    finetune(net, data, epochs=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert [module.training for module in net] == [False, True, False, False, False]
    assert all(parameter.grad is None for parameter in net.parameters())


def test_frozen_parameters_stay(net, data) -> None:
    net[0].requires_grad_(False)
    before = state(net)
    finetune(net, data, epochs=2, freeze_norms=True)
    after = state(net)
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    assert moved == {"1.weight", "1.bias", "4.weight", "4.bias"}


def test_parameters_with_one_axis_do_not_decay(net, data) -> None:
    """Without a gradient the weights shrink, biases and norms do not."""
    before = state(net)

    def nothing(outputs: Tensor, targets: Tensor) -> Tensor:
        return 0 * outputs.sum(dim=1)

    finetune(net, data, epochs=1, loss=nothing, weight_decay=0.1, freeze_norms=True)
    for name, value in state(net).items():
        if value.ndim > 1:
            assert float(value.norm()) < float(before[name].norm())
        else:
            assert torch.equal(value, before[name])


def test_a_clipped_step_is_no_longer_than_asked(net, data) -> None:
    before = nn.utils.parameters_to_vector(net.parameters()).detach()
    finetune(
        net, data[:1], epochs=1, momentum=0.0, weight_decay=0.0, lr=1.0, warmup=0.0,
        clip=1e-3,
    )  # fmt: skip
    moved = nn.utils.parameters_to_vector(net.parameters()).detach() - before
    assert 0 < float(moved.norm()) <= 1e-3 * (1 + 1e-4)


def test_the_rate_rises_then_falls_to_nothing() -> None:
    rates = [share(step, 100, 0.1) for step in range(100)]
    peak = rates.index(max(rates))
    assert rates[0] == pytest.approx(0.1) and peak in (9, 10)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert max(rates) == 1 and 0 < rates[-1] < 1e-3
    assert share(0, 1, 0.0) == 1


def test_the_best_weights_are_kept(net, data) -> None:
    """The score is made to be best after the second of four epochs."""
    scores, seen = iter([0.0, 1.0, 3.0, 2.0, 2.5]), []

    def validate(model: nn.Module) -> float:
        assert not model.training and not torch.is_grad_enabled()
        seen.append(state(model))
        return next(scores)

    training = finetune(net, data, epochs=4, validate=validate)
    assert training.best == 2 and training.before == 0.0
    assert [epoch.score for epoch in training.epochs] == [1.0, 3.0, 2.0, 2.5]
    assert same(seen[2], state(net))


def test_a_model_is_never_left_worse_by_its_score(net, data) -> None:
    before, scores = state(net), iter([1.0, 0.5, 0.2])
    training = finetune(net, data, epochs=2, validate=lambda model: next(scores))
    assert training.best == 0 and same(before, state(net))


def test_progress_is_told_every_epoch(net, data) -> None:
    told: list[Any] = []
    training = finetune(net, data, epochs=3, progress=told.append)
    assert tuple(told) == training.epochs


class Failing:
    """A loader that gives one good epoch and then something else."""

    def __init__(self, data: Data, then: Any) -> None:
        self.data, self.then, self.epochs = data, then, 0

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Any]:
        self.epochs += 1
        yield from self.data
        if self.epochs > 1:
            if isinstance(self.then, BaseException):
                raise self.then
            yield self.then


@pytest.mark.parametrize(
    ("then", "error"),
    [
        ((torch.full((4, 5), math.nan), torch.zeros(4).long()), InvalidProblem),
        ((torch.zeros(4, 5), torch.full((4,), 9)), InvalidProblem),
        ("no batch", InvalidProblem),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError("disk"), OSError),
    ],
)
def test_an_early_end_keeps_the_last_whole_epoch(net, data, then, error) -> None:
    after: list[Any] = []
    with pytest.raises(error):
        finetune(
            net,
            Failing(data, then),
            epochs=3,
            progress=lambda _: after.append(state(net)),
        )
    assert len(after) == 1 and same(after[0], state(net))
    assert not net.training
    assert all(parameter.grad is None for parameter in net.parameters())


def test_a_diverging_training_is_stopped(net, data) -> None:
    before = state(net)
    with pytest.raises(InvalidProblem, match=r"smaller lr"):
        finetune(net, data * 4, epochs=1, lr=1e30, optimizer="sgd", warmup=0.0)
    assert same(before, state(net))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs 0"),
        ({"epochs": 1.5}, "epochs 1.5"),
        ({"epochs": True}, "epochs True"),
        ({"optimizer": "lbfgs"}, "lbfgs"),
        ({"lr": 0.0}, "lr 0.0; expected above 0"),
        ({"lr": math.nan}, "lr nan"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"momentum": 1.0}, "momentum 1.0; expected at least 0 and below 1"),
        ({"warmup": 1.0}, "warmup"),
        ({"alpha": 2.0}, "alpha"),
        ({"temperature": 0.0}, "temperature"),
        ({"label_smoothing": 1.5}, "label_smoothing"),
        ({"clip": 0.0}, "clip"),
        ({"amp": "bf16"}, "amp"),
        ({"loss": "least_squares", "label_smoothing": 0.1}, "label_smoothing"),
        ({"loss": "hinge"}, "hinge"),
        ({"validate": lambda model: math.nan}, "validate"),
        ({"teacher": nn.Linear(5, 4)}, "teacher"),
    ],
)
def test_bad_options_are_refused(net, data, options, message) -> None:
    before = state(net)
    with pytest.raises(InvalidProblem, match=message):
        finetune(net, data, **options)
    assert same(before, state(net)) and not net.training


def test_bad_models_and_loaders_are_refused(net, data) -> None:
    with pytest.raises(InvalidProblem, match="no batch"):
        finetune(net, [])
    with pytest.raises(InvalidProblem, match="no batch"):
        finetune(net, (batch for batch in data), epochs=2)
    with pytest.raises(InvalidProblem, match="model itself"):
        finetune(net, data, teacher=net)
    with pytest.raises(InvalidProblem, match="float16"):
        finetune(copy.deepcopy(net).half(), data)
    with pytest.raises(InvalidProblem, match="requires a gradient"):
        finetune(copy.deepcopy(net).requires_grad_(False), data)
    with pytest.raises(InvalidProblem, match="the logits alone"):
        finetune(nn.LSTM(5, 3), [(torch.zeros(2, 4, 5), torch.zeros(2))])


def test_iterables_without_a_length_are_counted(net, data) -> None:
    class Stream:
        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            return iter(data)

    other = copy.deepcopy(net)
    finetune(net, data, epochs=2)
    finetune(other, Stream(), epochs=2)
    assert same(state(net), state(other))
