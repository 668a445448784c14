"""The parts of the benchmark of predicted losses, on made-up rows and a small net."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from benchmarks.honesty.report import page
from benchmarks.honesty.rows import Job, Row
from benchmarks.honesty.running import intensity, losses, mean_and_error
from benchmarks.honesty.settings import MODELS
from benchmarks.pruning.scoring import packed
from benchmarks.resnet import resnet
from ccsolve.statistics.generate import random_chain

pytestmark = pytest.mark.torch

RNG = np.random.default_rng(0)
STATS = random_chain()


def row_of(job: Job, rise: float, repaired: float) -> Row:
    bits = RNG.random(40) < 0.5
    return Row(
        **vars(job),
        calibration=10,
        images=40,
        fields={},
        shrinkage=0.25,
        predictions={job.model: 0.1},
        predicted=0.1 * rise,
        removed_macs=50.0,
        widths={"a": 3},
        dense_loss=0.3,
        seen_dense_loss=0.01,
        seen_rise=1.1 * rise,
        seen_error=0.1,
        rise=rise,
        error=0.1,
        right=packed(bits),
        repaired_rise=repaired,
        repaired_error=0.01,
        repaired_right=packed(~bits),
        versions={"torch": "2"},
    )


def test_the_page_ranks_and_chooses() -> None:
    names = ("diagonal", "blocks", "whole")
    rows = [
        row_of(Job("resnet20", 0, "trained", name, 50), 1.0 + k, 3.0 - k)
        for k, name in enumerate(names)
    ]
    text = page(rows)
    assert "| 50 % | 1.00 | 1.00 | -1.00 | diagonal" in text
    line = next(each for each in text.splitlines() if each.startswith("| 50 %"))
    assert "whole" in line.split("|")[-2]
    assert "## ResNet-20, statistics of training images" in text
    assert rows[0].accuracy(repaired=True) == 100 - rows[0].accuracy(repaired=False)
    assert all("| - |" in each for each in text.splitlines() if "| blocks | 0" in each)
    assert rows[0].job == Job("resnet20", 0, "trained", "diagonal", 50)


@pytest.mark.parametrize("name", list(MODELS))
def test_every_model_has_a_program_and_an_intensity(name: str) -> None:
    model = MODELS[name](STATS)
    assert STATS.network_program(macs=0.5, **model.options()).n == 19
    assert 0 <= intensity(STATS, model) <= 1


def test_losses_are_of_every_image() -> None:
    model = resnet(blocks=1).eval()
    x, y = torch.randn(60, 3, 32, 32), torch.randint(0, 10, (60,))
    found, right = losses(model, (x, y))
    with torch.no_grad():
        logits = model(x)
    expected = functional.cross_entropy(logits, y, reduction="none")
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-3, atol=1e-5)
    assert right.tolist() == (logits.argmax(1) == y).tolist()
    mean, error = mean_and_error(found)
    assert mean == pytest.approx(found.mean()) and error > 0
