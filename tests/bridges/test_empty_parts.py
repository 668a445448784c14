"""Of a split, a slice or a shift all channels of one part may go."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ccsolve_torch as cct
from tests.bridges.plans import by_hand

pytestmark = pytest.mark.torch


class Split(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        a, b = x.split([4, 12], 1)
        return torch.cat([torch.relu(a), b], 1)


class Slices(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        a, b = x[:, :4], x[:, 4:]
        return torch.cat([2 * a, b.abs()], 1)


class TemporalShift(nn.Module):
    """Channels of a clip's next frame, of its last one, and of its own."""

    def forward(self, x: Tensor) -> Tensor:
        n = x.shape[1] // 4
        x, y = x.unflatten(0, (-1, 2)), torch.zeros_like(x).unflatten(0, (-1, 2))
        y[:, :-1, :n] = x[:, 1:, :n]
        y[:, 1:, n : 2 * n] = x[:, :-1, n : 2 * n]
        y[:, :, 2 * n :] = x[:, :, 2 * n :]
        return y.flatten(0, 1)


class SpatialShift(nn.Module):
    """A quarter of the channels moves by a column."""

    def forward(self, x: Tensor) -> Tensor:
        n, y = x.shape[1] // 4, torch.zeros_like(x)
        y[:, :n, :, :-1] = x[:, :n, :, 1:]
        y[:, n:] = x[:, n:]
        return y


@pytest.mark.parametrize("part", [Split, Slices, TemporalShift, SpatialShift])
@pytest.mark.parametrize(
    "keep",
    [
        range(4, 16),
        pytest.param(range(8, 16), marks=pytest.mark.slow),
        range(4),
        pytest.param([1, 2, 5, 6, 9, 10], marks=pytest.mark.slow),
    ],
)
def test_a_part_may_lose_all_of_its_channels(part, keep) -> None:
    torch.manual_seed(0)
    first, last = nn.Conv2d(3, 16, 3), nn.Conv2d(16, 4, 1)
    model = nn.Sequential(first, part(), last).eval()
    x = torch.randn(4, 3, 8, 8)
    small: Any = cct.apply(model, by_hand(model, x, {"0": keep}), x, timed=False)
    assert small.report.equivalence < 1e-5
    with torch.no_grad():
        gone = np.setdiff1d(range(16), keep)
        for parameter in first.parameters():
            parameter[gone] = 0
        torch.testing.assert_close(small(x), model(x), rtol=1e-4, atol=1e-5)
    again = cct.trace(small, x)
    assert sum(group.size for group in again.groups.values()) == len(keep)
