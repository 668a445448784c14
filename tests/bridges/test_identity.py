"""A fingerprint is of values."""

import copy

import pytest
import torch

import ccsolve_torch as cct

pytestmark = pytest.mark.torch


def test_the_fingerprint_is_of_values_not_of_training_time(residual) -> None:
    other = copy.deepcopy(residual)
    other.norm.num_batches_tracked += 5
    assert cct.fingerprint(other) == cct.fingerprint(residual)
    with torch.no_grad():
        other.linear.bias[0] += 1
    assert cct.fingerprint(other) != cct.fingerprint(residual)
