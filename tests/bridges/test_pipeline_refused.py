"""What `compress` refuses, before it has done any work."""

from typing import Any

import pytest
import torch
from torch import nn

import ccsolve_torch as cct
from ccsolve.errors import InvalidProblem

pytestmark = pytest.mark.torch


def refused(model: Any, loader: Any, message: str, **options: Any) -> None:
    """Compress with options that are refused in one line, whatever the loader."""
    with pytest.raises(InvalidProblem, match=message) as caught:
        cct.compress(model, loader, **{"macs": 0.5, **options})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("repair", [None, "none"])
def test_what_can_be_read_once_is_refused(residual, loader, repair) -> None:
    for once in (iter(loader), (batch for batch in loader)):
        refused(residual, once, "generator|iterator", repair=repair)
        assert len(list(once)) == len(loader)


def test_wrappers_are_refused(residual, loader) -> None:
    refused(nn.DataParallel(residual), loader, "the module inside")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 2.0}, "steps = 2.0; expected a whole number"),
        ({"steps": "2"}, "steps = '2'"),
        ({"steps": True}, "steps = True"),
        ({"steps": 0}, "steps = 0"),
        ({"seed": None}, "seed = None"),
        ({"finetune": 3}, "finetune: int; expected a function"),
        ({"progress": "yes"}, "progress: str; expected a function"),
        ({"declared": {"keep": {}}}, "declared: dict; expected a Declared"),
        ({"collecting": {"unheard": 1}}, "collecting: no option 'unheard'"),
        ({"collecting": {"seed": 1}}, "collecting: no option 'seed'"),
        ({"collecting": "moments"}, "collecting: str; expected a mapping"),
        ({"collecting": {"sketches": 1.5}}, "sketches = 1.5"),
        ({"folder": 7}, "folder: int"),
    ],
)
def test_malformed_options_are_refused(residual, loader, options, message) -> None:
    refused(residual, loader, message, **options)


@pytest.mark.parametrize("model", [lambda x: x, None, nn.Linear])
def test_what_is_no_module_is_refused(loader, model) -> None:
    refused(model, loader, "model: .*expected an nn.Module")


@pytest.mark.filterwarnings("ignore:.torch.jit.*is deprecated:DeprecationWarning")
def test_scripted_modules_are_refused(residual, loader) -> None:
    scripted = torch.jit.trace(residual, loader[0][0])
    refused(scripted, loader, "TorchScript; expected the module it was made of")
