"""Options, loaders and models that cannot be collected from are refused."""

from typing import Any

import pytest
import torch
from torch import nn

import ccsolve_torch as cct
from ccsolve.errors import InvalidProblem

pytestmark = pytest.mark.torch

collect: Any = cct.collect


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "hinge"}, "cross_entropy or least_squares"),
        ({"loss": 3}, "callable"),
        ({"loss": lambda f, y: f.sum()}, "one value per sample"),
        ({"loss": lambda f, y: f.sum(dim=1) * float("nan")}, "NaN"),
        ({"curvature": "hessian"}, "'ggn' or 'fisher'"),
        ({"layers": "all"}, "none, weights, gradients, moments"),
        ({"sketches": 0}, "sketches = 0"),
        ({"sketches": 2, "curvature": "fisher"}, "only with curvature='ggn'"),
        ({"positions": 0, "layers": "moments"}, "positions = 0"),
        ({"positions": 4}, "only with layers='moments'"),
        ({"max_rows": -1}, "max_rows = -1"),
        ({"layers": {"stem": "all"}}, "none, weights, gradients, moments"),
        ({"layers": {"trunk": "moments"}}, "no layer 'trunk'"),
        ({"layers": "moments", "max_bytes": 1e3}, "choose layers"),
    ],
)
def test_bad_options_are_refused(residual, loader, options, message) -> None:
    with pytest.raises(InvalidProblem, match=message):
        collect(residual, loader, **options)


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "no batch"),
        (iter([]), "no batch"),
        (3, "expected an iterable"),
        ([torch.zeros(2, 3, 8, 8)], r"expected \(inputs, targets\)"),
        ([(1, 2)], "expected a tensor or a tuple"),
        ([{"x": torch.zeros(2, 3, 8, 8), "y": torch.zeros(2)}], "dict of x, y"),
        ([({"x": torch.zeros(2, 3, 8, 8)}, torch.zeros(2))], "inputs: dict"),
        ([(torch.zeros(2, 3, 8, 8), {"y": 1})], "targets are a dict"),
        ([(torch.zeros(2, 5, 8, 8), torch.zeros(2))], "does not run on the loader"),
    ],
)
def test_bad_loaders_are_refused(residual, batches, message) -> None:
    with pytest.raises(InvalidProblem, match=message):
        collect(residual, batches)


@pytest.mark.parametrize(
    ("wrap", "message"),
    [
        (nn.DataParallel, r"DataParallel is a wrapper.*model\.module"),
        pytest.param(
            torch.compile,
            r"model\._orig_mod",
            # What `torch.compile` imports uses what torch itself deprecates.
            marks=pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning"),
        ),
        (lambda model: model.to("meta"), r"stem\.weight is on the meta device"),
        (lambda model: model.half(), r"does not run.*float32"),
    ],
)
def test_models_that_cannot_be_read_are_refused(
    residual, loader, wrap, message
) -> None:
    with pytest.raises(InvalidProblem, match=message):
        collect(wrap(residual), loader)


@pytest.mark.parametrize("tensor", ["first.conv1.weight", "norm.running_var"])
def test_a_model_that_holds_nan_is_refused(residual, loader, tensor) -> None:
    with torch.no_grad():
        residual.state_dict()[tensor].view(-1)[1] = torch.nan
    with pytest.raises(InvalidProblem, match=f"{tensor} holds NaN"):
        cct.collect(residual, loader)
    with pytest.raises(InvalidProblem, match=f"{tensor} holds NaN"):
        cct.compress(residual, loader, macs=0.5)
