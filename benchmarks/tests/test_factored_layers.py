"""The rows of the benchmark on factored layers, at small size."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import ccsolve_torch as cct
from benchmarks.factored_layers import FACTORS, largest, remaining, speeds

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("name", FACTORS)
def test_ranks_are_as_large_as_the_macs_allow(name: str) -> None:
    model = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1))
    factors, x = {"0": FACTORS[name]}, torch.randn(1, 16, 8, 8)
    small = largest(model, factors, x, 0.5)
    assert 0.3 < remaining(small) <= 0.5
    (found,) = small.factor_report.layers
    more = replace(found.factor, ranks=[rank + 1 for rank in found.ranks])
    assert remaining(cct.factorise(model, {"0": more}, x)) > 0.5


def test_rows_of_speeds_say_what_was_measured() -> None:
    found = list(speeds(8, 4, "svd", 0.5, seconds=0.0))
    assert [row["batch"] for row in found] == [1, 32]
    for row in found:
        assert row["macs"] <= 0.5
        assert row["gain"] == pytest.approx(row["dense_ms"] / row["chain_ms"])
