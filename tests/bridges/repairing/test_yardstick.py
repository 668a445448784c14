"""Distances of outputs are relative to how far the dense network's differ."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from ccsolve.errors import InvalidProblem
from ccsolve_torch.repairing.yardstick import Yardstick

pytestmark = pytest.mark.torch


class Given(nn.Module):
    """Gives its input times a weight, and beside it what it was told."""

    def __init__(self, weight: float, beside: Tensor | None = None) -> None:
        super().__init__()
        self.weight, self.beside = nn.Parameter(torch.tensor(weight)), beside

    def forward(self, x: Tensor) -> list[Tensor]:
        return [x * self.weight] + ([] if self.beside is None else [self.beside])


def batches(x: Tensor, size: int) -> list[tuple[Tensor, ...]]:
    return [(part,) for part in x.split(size)]


def test_distances_are_relative_to_the_spread_over_all_samples(residual, loader):
    samples = [(x,) for x, _ in loader]
    yardstick = Yardstick.of(residual, samples)
    assert yardstick.distance(residual) == 0.0
    mean = copy.deepcopy(residual)
    with torch.no_grad():
        given = torch.cat([residual(x) for (x,) in samples])
        mean.linear.weight.zero_()
        mean.linear.bias.fill_(float(given.mean()))
    assert yardstick.distance(mean) == pytest.approx(1.0)


def test_how_samples_are_batched_does_not_matter() -> None:
    x = torch.arange(12.0)[:, None]
    found = [
        Yardstick.of(Given(1.0), batches(x, size)).distance(Given(1.5))
        for size in (1, 5, 12)
    ]
    expected = float((0.5 * x).square().sum() / (x - x.mean()).square().sum())
    assert found == pytest.approx([expected] * 3)


def test_every_output_has_its_own_mean() -> None:
    x = torch.arange(4.0)[:, None]
    yardstick = Yardstick.of(Given(1.0, torch.tensor([1e3, 1e3])), batches(x, 2))
    expected = float((0.5 * x).square().sum() / (x - x.mean()).square().sum())
    other = Given(1.5, torch.tensor([1e3, 1e3]))
    assert yardstick.distance(other) == pytest.approx(expected)


@pytest.mark.parametrize("count", [1, 5])
def test_outputs_that_do_not_differ_are_measured_by_their_power(count) -> None:
    x = torch.full((count, 1), 3.0)
    yardstick = Yardstick.of(Given(1.0), batches(x, 2))
    assert yardstick.distance(Given(1.0)) == 0.0
    assert yardstick.distance(Given(1.5)) == pytest.approx(0.25)
    nothing = Yardstick.of(Given(0.0), batches(x, 2))
    assert nothing.distance(Given(0.0)) == 0.0
    assert nothing.distance(Given(1.0)) == 9.0 * count


def test_one_infinity_in_both_counts_nothing_and_another_one_all() -> None:
    x, masked = torch.arange(4.0)[:, None], torch.tensor([2.0, -math.inf])
    plain = Yardstick.of(Given(1.0, masked[:1]), batches(x, 2))
    yardstick = Yardstick.of(Given(1.0, masked), batches(x, 2))
    found = yardstick.distance(Given(1.5, masked))
    assert found == plain.distance(Given(1.5, masked[:1])) > 0
    for other in (math.inf, 0.0, math.nan):
        model = Given(1.0, torch.tensor([2.0, other]))
        assert yardstick.distance(model) == math.inf


def test_a_dense_network_that_gives_nan_is_refused() -> None:
    with pytest.raises(InvalidProblem, match="gives NaN"):
        Yardstick.of(Given(math.nan), batches(torch.ones(2, 1), 2))
