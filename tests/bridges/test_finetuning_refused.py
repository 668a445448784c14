"""Where training cannot go on, the last whole epoch is kept; options are checked."""

import copy
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ccsolve.errors import InvalidProblem
from ccsolve_torch.finetuning import finetune
from tests.bridges.states import same, state

pytestmark = pytest.mark.torch

Loader = list[tuple[Tensor, Tensor]]


class Failing:
    """A loader that gives one good epoch and then something else."""

    def __init__(self, clouds: Loader, then: Any) -> None:
        self.batches, self.then, self.epochs = clouds, then, 0

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        self.epochs += 1
        yield from self.batches
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
def test_an_early_end_keeps_the_last_whole_epoch(mlp, clouds, then, error) -> None:
    after: list[Any] = []
    with pytest.raises(error):
        finetune(
            mlp,
            Failing(clouds, then),
            epochs=3,
            progress=lambda _: after.append(state(mlp)),
        )
    assert len(after) == 1 and same(after[0], state(mlp))
    assert not mlp.training
    assert all(parameter.grad is None for parameter in mlp.parameters())


def test_a_diverging_training_is_stopped(mlp, clouds) -> None:
    before = state(mlp)
    with pytest.raises(InvalidProblem, match=r"smaller lr"):
        finetune(mlp, clouds * 4, epochs=1, lr=1e30, optimizer="sgd", warmup=0.0)
    assert same(before, state(mlp))


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
        ({"teacher": nn.Linear(5, 3), "alpha": 2.0}, "alpha 2.0"),
        ({"teacher": nn.Linear(5, 3), "temperature": 0.0}, "temperature 0.0"),
        ({"alpha": 0.5}, "alpha 0.5: is for a teacher"),
        ({"temperature": 4.0}, "temperature 4.0: is for a teacher"),
        ({"optimizer": "adamw", "momentum": 0.9}, "for optimizer='sgd'"),
        ({"label_smoothing": 1.5}, "label_smoothing"),
        ({"clip": 0.0}, "clip"),
        ({"amp": "bf16"}, "amp"),
        ({"loss": "least_squares", "label_smoothing": 0.1}, "label_smoothing"),
        ({"loss": "hinge"}, "hinge"),
        ({"validate": lambda model: math.nan}, "validate"),
        ({"teacher": nn.Linear(5, 4)}, "teacher"),
        ({"hints": ["0"]}, "give teacher= as well"),
        ({"hints": "0", "teacher": nn.Linear(5, 3)}, "a sequence of names"),
        ({"beta": 1.0, "teacher": nn.Linear(5, 3)}, "beta 1.0: is for hints"),
        ({"hints": ["0"], "beta": 0.0, "teacher": nn.Linear(5, 3)}, "beta 0.0"),
        ({"hints": ["0"], "teacher": nn.Linear(5, 3)}, "no module of the teacher"),
        ({"hints": ["0", "0"], "teacher": nn.Linear(5, 3)}, "each name once"),
        ({"hints": ["9"], "teacher": nn.Linear(5, 3)}, "no module of the model"),
        (
            {"hints": ["0"], "teacher": nn.Sequential(nn.Linear(5, 3))},
            r"\(16, 12\) in the model and \(16, 3\) in the teacher",
        ),
    ],
)
def test_bad_options_are_refused(mlp, clouds, options, message) -> None:
    before = state(mlp)
    with pytest.raises(InvalidProblem, match=message):
        finetune(mlp, clouds, **options)
    assert same(before, state(mlp)) and not mlp.training
    assert all(not module._forward_hooks for module in mlp.modules())


def test_hints_have_to_run(mlp, clouds) -> None:
    model, teacher = Idle(mlp), Idle(copy.deepcopy(mlp))
    with pytest.raises(InvalidProblem, match="'spare', which the forward pass does"):
        finetune(model, clouds, teacher=teacher, hints=["spare"])


class Idle(nn.Module):
    """Has a layer that it does not run."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.spare = inner, nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x)


def test_bad_models_and_loaders_are_refused(mlp, clouds) -> None:
    with pytest.raises(InvalidProblem, match="no batch"):
        finetune(mlp, [])
    with pytest.raises(InvalidProblem, match="no batch"):
        finetune(mlp, (batch for batch in clouds), epochs=2)
    with pytest.raises(InvalidProblem, match="model itself"):
        finetune(mlp, clouds, teacher=mlp)
    with pytest.raises(InvalidProblem, match="float16"):
        finetune(copy.deepcopy(mlp).half(), clouds)
    with pytest.raises(InvalidProblem, match="requires a gradient"):
        finetune(copy.deepcopy(mlp).requires_grad_(False), clouds)
    with pytest.raises(InvalidProblem, match="the logits alone"):
        finetune(nn.LSTM(5, 3), [(torch.zeros(2, 4, 5), torch.zeros(2))])
