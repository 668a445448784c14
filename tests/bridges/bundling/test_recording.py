"""What surgery has not made, or data cannot describe, is not saved."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ccsolve_torch as cct
from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve_torch.bundling.recording import recorded
from tests.bridges.bundling.bundled import Plain

pytestmark = pytest.mark.torch


def test_other_models_are_not_saved(small: Any, tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    with pytest.raises(InvalidProblem, match="a Plain that `apply` has not made"):
        cct.save(Plain(), path)
    with pytest.raises(InvalidProblem, match="not a wrapper"):
        cct.save(nn.Sequential(small), path)
    other = copy.deepcopy(small)
    other.d = nn.Conv2d(4, 7, 1)
    with pytest.raises(InvalidProblem, match=r"changed since .* d.weight"):
        cct.save(other, path)
    other = copy.deepcopy(small)
    other.a.weight.data[0, 0, 0, 0] = float("nan")
    with pytest.raises(InvalidProblem, match=r"a.weight is not finite"):
        cct.save(other, path)
    assert not path.exists()


class Odd(nn.Module):
    """No layer of torch."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def test_unknown_modules_are_not_saved(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    small: Any = copy.deepcopy(model)
    small[0] = nn.Sequential(nn.Linear(3, 1), Odd())
    small.surgery = recorded(model, small, {}, (torch.zeros(1, 3),))
    with pytest.raises(Unsupported, match="0 became a Odd"):
        cct.save(small, tmp_path / "bundle")
