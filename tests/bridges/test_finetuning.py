"""Training: losses fall, teachers are met, and nothing else is touched."""

import copy
import math
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ccsolve.errors import InvalidProblem
from ccsolve_torch.finetuning import finetune
from ccsolve_torch.training.objectives import distillation
from ccsolve_torch.training.stepping import precision_of
from tests.bridges.states import same, state

pytestmark = pytest.mark.torch

Loader = list[tuple[Tensor, Tensor]]


def mean_loss(model: nn.Module, clouds: Loader) -> float:
    with torch.no_grad():
        x, y = (torch.cat(part) for part in zip(*clouds, strict=True))
        return float(functional.cross_entropy(model.eval()(x), y))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_loss_falls(mlp, clouds, optimizer) -> None:
    before = mean_loss(mlp, clouds)
    training = finetune(
        mlp, clouds, epochs=8, optimizer=optimizer, lr=0.02, label_smoothing=0.1
    )
    assert mean_loss(mlp, clouds) < 0.8 * before
    assert [epoch.number for epoch in training.epochs] == list(range(1, 9))
    assert training.epochs[-1].loss < training.epochs[0].loss
    assert training.best == 8 and training.before is None


def test_other_losses_are_minimised(mlp, clouds) -> None:
    def hinge(outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.multi_margin_loss(outputs, targets, reduction="none")

    losses = [
        epoch.loss for epoch in finetune(mlp, clouds, epochs=6, loss=hinge).epochs
    ]
    assert losses[-1] < losses[0]
    numbers = [(x, functional.one_hot(y, 3).float()) for x, y in clouds]
    training = finetune(mlp, numbers, epochs=6, loss="least_squares")
    assert training.epochs[-1].loss < training.epochs[0].loss


@pytest.mark.gpu
def test_on_a_gpu_the_loss_falls_in_lower_precision(mlp, clouds) -> None:
    mlp = mlp.cuda()
    assert precision_of(mlp, "auto") in (torch.bfloat16, torch.float16)
    assert precision_of(mlp, "off") is None
    training = finetune(mlp, clouds, epochs=8, lr=0.05, teacher=copy.deepcopy(mlp))
    assert training.epochs[-1].loss < training.epochs[0].loss


def test_pixels_are_classified() -> None:
    torch.manual_seed(0)
    net = nn.Conv2d(2, 3, 1)
    x = torch.randn(8, 2, 4, 4)
    y = x.argmax(dim=1)
    y[:, 0] = -100
    training = finetune(net, [(x, y)], epochs=20, lr=0.1)
    assert training.epochs[-1].loss < training.epochs[0].loss
    assert math.isfinite(training.epochs[-1].loss)


def test_distillation_moves_towards_the_teacher(mlp, clouds) -> None:
    torch.manual_seed(4)
    teacher = nn.Sequential(nn.Linear(5, 12), nn.Dropout(0.5), nn.Linear(12, 3))
    modes, x = state(teacher), torch.cat([x for x, _ in clouds])

    def apart() -> float:
        with torch.no_grad():
            return float(distillation(mlp.eval()(x), teacher.eval()(x), 2.0))

    before = apart()
    teacher.train()
    finetune(mlp, clouds, epochs=8, teacher=teacher, alpha=1.0, temperature=2.0)
    assert teacher.training and same(modes, state(teacher))
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert apart() < 0.5 * before


def test_hints_move_features_towards_those_of_the_teacher(mlp, clouds) -> None:
    torch.manual_seed(4)
    teacher = nn.Sequential(nn.Linear(5, 12), nn.Tanh(), nn.Linear(12, 3))
    x = torch.cat([x for x, _ in clouds])

    def apart(model: nn.Sequential) -> float:
        with torch.no_grad():
            wanted = teacher[0](x)
            return float((model[0](x) - wanted).norm() / wanted.norm())

    plain, hinted = copy.deepcopy(mlp), copy.deepcopy(mlp)
    known = {"epochs": 8, "teacher": teacher, "alpha": 0.0}
    finetune(plain, clouds, **known)
    finetune(hinted, clouds, **known, hints=["0"], beta=5.0)
    assert apart(hinted) < 0.5 * apart(plain)
    for model in (hinted, teacher):
        assert all(not module._forward_hooks for module in model.modules())


def test_hints_at_the_teachers_own_features_change_nothing(mlp, clouds) -> None:
    twin = copy.deepcopy(mlp)
    others = {"epochs": 1, "lr": 1e-6, "freeze_norms": True, "alpha": 1.0}
    mlp[3].p = 0.0
    training = finetune(mlp, clouds, teacher=twin, hints=["0", "4"], **others)
    assert training.epochs[0].loss == pytest.approx(0.0, abs=1e-6)


def test_the_same_seed_gives_the_same_weights(mlp, clouds) -> None:
    others = [copy.deepcopy(mlp) for _ in range(2)]
    around = torch.get_rng_state()
    for model, seed in ((mlp, 1), (others[0], 1), (others[1], 2)):
        finetune(model, clouds, epochs=2, seed=seed)
        torch.rand(1)
    torch.set_rng_state(around)
    assert same(state(mlp), state(others[0]))
    assert not same(state(mlp), state(others[1]))


def test_the_random_state_and_the_modes_come_back(mlp, clouds) -> None:
    mlp[1].train()
    before = torch.get_rng_state()
    finetune(mlp, clouds, epochs=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert [module.training for module in mlp] == [False, True, False, False, False]
    assert all(parameter.grad is None for parameter in mlp.parameters())


def test_frozen_parameters_stay(mlp, clouds) -> None:
    mlp[0].requires_grad_(False)
    before = state(mlp)
    finetune(mlp, clouds, epochs=2, freeze_norms=True)
    after = state(mlp)
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    assert moved == {"1.weight", "1.bias", "4.weight", "4.bias"}


def test_parameters_with_one_axis_do_not_decay(mlp, clouds) -> None:
    """Without a gradient the weights shrink, biases and norms do not."""
    before = state(mlp)

    def nothing(outputs: Tensor, targets: Tensor) -> Tensor:
        return 0 * outputs.sum(dim=1)

    finetune(mlp, clouds, epochs=1, loss=nothing, weight_decay=0.1, freeze_norms=True)
    for name, value in state(mlp).items():
        if value.ndim > 1:
            assert float(value.norm()) < float(before[name].norm())
        else:
            assert torch.equal(value, before[name])


def test_a_clipped_step_is_no_longer_than_asked(mlp, clouds) -> None:
    before = nn.utils.parameters_to_vector(mlp.parameters()).detach()
    finetune(
        mlp, clouds[:1], epochs=1, momentum=0.0, weight_decay=0.0, lr=1.0, warmup=0.0,
        clip=1e-3,
    )  # fmt: skip
    moved = nn.utils.parameters_to_vector(mlp.parameters()).detach() - before
    assert 0 < float(moved.norm()) <= 1e-3 * (1 + 1e-4)


def test_the_best_weights_are_kept(mlp, clouds) -> None:
    """The score is made to be best after the second of four epochs."""
    scores, seen = iter([0.0, 1.0, 3.0, 2.0, 2.5]), []

    def validate(model: nn.Module) -> float:
        assert not model.training and not torch.is_grad_enabled()
        seen.append(state(model))
        return next(scores)

    training = finetune(mlp, clouds, epochs=4, validate=validate)
    assert training.best == 2 and training.before == 0.0
    assert [epoch.score for epoch in training.epochs] == [1.0, 3.0, 2.0, 2.5]
    assert same(seen[2], state(mlp))


def test_a_model_is_never_left_worse_by_its_score(mlp, clouds) -> None:
    before, scores = state(mlp), iter([1.0, 0.5, 0.2])
    training = finetune(mlp, clouds, epochs=2, validate=lambda model: next(scores))
    assert training.best == 0 and same(before, state(mlp))


def test_progress_is_told_every_epoch(mlp, clouds) -> None:
    told: list[Any] = []
    training = finetune(mlp, clouds, epochs=3, progress=told.append)
    assert tuple(told) == training.epochs


def test_iterables_without_a_length_are_counted(mlp, clouds) -> None:
    class Stream:
        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            return iter(clouds)

    other = copy.deepcopy(mlp)
    finetune(mlp, clouds, epochs=2)
    finetune(other, Stream(), epochs=2)
    assert same(state(mlp), state(other))


class Wrapped(nn.Module):
    """Gives more than one tensor, or that one under a name."""

    def __init__(self, inner: nn.Module, give: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.inner, self.give = inner, give

    def forward(self, x: Tensor) -> Any:
        return self.give(self.inner(x))


@pytest.mark.parametrize("loss", ["cross_entropy", "user"])
@pytest.mark.parametrize(
    "give",
    [
        lambda y: {"logits": y},
        lambda y: SimpleNamespace(logits=y),
        lambda y: (y, y.argmax(dim=1)),
    ],
)
def test_outputs_that_statistics_take_train_alike(mlp, clouds, give, loss) -> None:
    def user(outputs: Any, targets: Tensor) -> Tensor:
        kinds = {dict: "logits", tuple: 0}
        if isinstance(outputs, SimpleNamespace):
            outputs = outputs.logits
        elif not isinstance(outputs, Tensor):
            outputs = outputs[kinds[type(outputs)]]
        return functional.cross_entropy(outputs, targets, reduction="none")

    plain, other = copy.deepcopy(mlp), Wrapped(copy.deepcopy(mlp), give)
    if loss == "cross_entropy" and isinstance(give(torch.ones(1, 1)), tuple):
        with pytest.raises(InvalidProblem, match="the logits alone"):
            finetune(other, clouds, epochs=1)
        return
    if loss == "user" and isinstance(give(torch.ones(1, 1)), SimpleNamespace):
        return  # collect does not know what is in it either
    chosen: Any = loss if loss == "cross_entropy" else user
    finetune(plain, clouds, epochs=2, loss=chosen)
    finetune(other, clouds, epochs=2, loss=chosen)
    for one, two in zip(plain.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two)


def test_a_teacher_may_give_logits_by_name(mlp, clouds) -> None:
    teacher = Wrapped(copy.deepcopy(mlp), lambda y: {"logits": y})
    again = Wrapped(copy.deepcopy(mlp), lambda y: {"logits": y})
    training = finetune(again, clouds, epochs=1, teacher=teacher)
    assert math.isfinite(training.epochs[0].loss)


def test_batches_of_ignored_targets_change_nothing(mlp, clouds) -> None:
    before = state(mlp)
    padding = [(x, torch.full_like(y, -100)) for x, y in clouds]
    options: Any = {"weight_decay": 0.0, "freeze_norms": True, "epochs": 2}
    training = finetune(mlp, padding, **options)
    assert [epoch.loss for epoch in training.epochs] == [0.0, 0.0]
    assert same(before, state(mlp))
