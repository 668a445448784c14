"""Steps of training: their precision and their rates."""

import pytest
import torch

from ccsolve_torch.training.objectives import objective
from ccsolve_torch.training.stepping import Steps, optimiser_of, share

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_lower_precisions_train_float32_weights(mlp, clouds, precision) -> None:
    """What a GPU does: forward passes in the precision, scaled losses for float16."""
    steps = Steps(
        model=mlp,
        aim=objective("cross_entropy", 0.0, None, 1.0, 0.0),
        optimiser=optimiser_of(mlp, "sgd", 0.05, 0.0, 0.9),
        precision=precision,
        warmup=0.0,
        total=40,
        clip=1.0,
        freeze_norms=False,
    )
    assert steps.scaler.is_enabled() == (precision is torch.float16)
    losses = [steps.epoch(clouds) for _ in range(10)]
    assert losses[-1] < 0.8 * losses[0]
    assert {value.dtype for value in mlp.parameters()} == {torch.float32}


def test_the_rate_rises_then_falls_to_nothing() -> None:
    rates = [share(step, 100, 0.1) for step in range(100)]
    peak = rates.index(max(rates))
    assert rates[0] == pytest.approx(0.1) and peak in (9, 10)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert max(rates) == 1 and 0 < rates[-1] < 1e-3
    assert share(0, 1, 0.0) == 1
