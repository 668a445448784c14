"""ADMM goes on exactly from its state, and what it refuses."""

import copy
import io
from typing import Any

import pytest
import torch
from torch import nn

import ccsolve_torch as cct
from ccsolve import Factor
from ccsolve.errors import InvalidProblem, Unsupported
from tests.bridges.admm_nets import (
    FACTORS,
    INPUT,
    Wide,
    clouds,
    steps,
)

pytestmark = pytest.mark.torch


@pytest.fixture
def wide() -> Wide:
    torch.manual_seed(0)
    return Wide()


def test_training_resumes_exactly(wide: Wide) -> None:
    data = clouds(INPUT, 3, batches=2)
    other = copy.deepcopy(wide)

    def begin(model: nn.Module) -> tuple[cct.ADMM, Any]:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        return cct.ADMM(model, FACTORS, rho=0.05), optimizer

    admm, optimizer = begin(wide)
    # Enough updates for projections that begin anew.
    steps(wide, admm, data, 13, optimizer)
    steps(wide, admm, data, 12, optimizer)

    first, opt = begin(other)
    steps(other, first, data, 13, opt)
    file = io.BytesIO()
    torch.save([other.state_dict(), opt.state_dict(), first.state_dict()], file)
    file.seek(0)
    weights, moments, state = torch.load(file, weights_only=True)
    torch.manual_seed(3)
    third = Wide()
    third.load_state_dict(weights)
    again, opt = begin(third)
    opt.load_state_dict(moments)
    again.load_state_dict(state)
    assert again.updates == 13 and again.rho == 0.05
    steps(third, again, data, 12, opt)
    for name, held in wide.state_dict().items():
        assert torch.equal(held, third.state_dict()[name])
    assert again.report() == admm.report()


def test_a_state_can_be_saved_before_the_first_update(wide: Wide) -> None:
    admm = cct.ADMM(wide, FACTORS)
    other = cct.ADMM(wide, FACTORS, rho=2.0)
    other.load_state_dict(admm.state_dict())
    assert other.updates == 0 and other.rho == 1e-3
    assert torch.equal(other.penalty(), admm.penalty()) and admm.updates == 1


def _damaged(state: Any, name: str) -> Any:
    # The shape of U is not that of the weight.
    layer = state["layers"][name]
    return layer | {"dual": [torch.zeros(2) for _ in layer["dual"]]}


def test_states_of_others_are_refused(wide: Wide) -> None:
    admm = cct.ADMM(wide, FACTORS)
    admm.update()
    state = admm.state_dict()
    fewer = {n: f for n, f in FACTORS.items() if n != "head"}
    for factors, message in [
        (fewer, "other weights than here, such as 'head'"),
        (FACTORS | {"head": Factor("svd", 2)}, "head is held in another form"),
        (FACTORS | {"flat": Factor("tt", 0.5)}, "flat is held in another form"),
    ]:
        with pytest.raises(InvalidProblem, match=message):
            cct.ADMM(wide, factors).load_state_dict(state)
    for changed, message in [
        ({}, "has nothing"),
        (state | {"schema": 9}, "schema 9"),
        (state | {"layers": {n: {"kind": "os"} for n in FACTORS}}, "a record of kind"),
        (state | {"layers": {n: 3 for n in FACTORS}}, "in another form"),
        (state | {"layers": {n: _damaged(state, n) for n in FACTORS}}, "another form"),
        (state | {"layers": None}, "layers is a NoneType"),
        (state | {"updates": "x"}, "updates = 'x'"),
        (None, "has nothing"),
        (state | {"rho": -1.0}, "rho -1"),
    ]:
        with pytest.raises(InvalidProblem, match=message):
            admm.load_state_dict(changed)


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"nothing": Factor("svd", 1)}, InvalidProblem, "no layer or parameter 'noth"),
        ({}, InvalidProblem, "no layer"),
        ("head", InvalidProblem, "expected a Plan"),
        ({"head": 3}, InvalidProblem, r"factors\['head'\]"),
        ({"head": Factor("svd", 9)}, InvalidProblem, "layer head: rank 9"),
        ({"lstm": Factor("svd", 1)}, Unsupported, "such as 'lstm.weight_ih_l0'"),
        ({"head.bias": Factor("svd", 1)}, Unsupported, "parameter head.bias: of shape"),
        ({"head.weight": Factor("svd", 1)}, Unsupported, "or the name of a conv"),
        ({"": Factor("svd", 1)}, InvalidProblem, "no layer or parameter ''"),
    ],
)
def test_what_is_no_weight_is_refused(
    wide: Wide, asked: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        cct.ADMM(wide, asked)


def test_models_and_options_that_do_not_fit_are_refused(wide: Wide) -> None:
    with pytest.raises(InvalidProblem, match=r"give model\.module"):
        cct.ADMM(nn.DataParallel(wide), FACTORS)
    for rho in (0, -1.0, float("inf"), float("nan"), True, "1"):
        with pytest.raises(InvalidProblem, match="rho"):
            cct.ADMM(wide, FACTORS, rho=rho)  # pyright: ignore
    for threads in (0, 1.5, True):
        with pytest.raises(InvalidProblem, match="threads"):
            cct.ADMM(wide, FACTORS, threads=threads)  # pyright: ignore
    twin = nn.Linear(5, 3)
    twin.weight = wide.head.weight
    wide.add_module("twin", twin)
    with pytest.raises(InvalidProblem, match="'head' and 'twin' are one weight"):
        cct.ADMM(wide, {"head": Factor("svd", 1), "twin": Factor("svd", 1)})
    nn.utils.parametrizations.weight_norm(wide.line)
    with pytest.raises(Unsupported, match="layer line"):
        cct.ADMM(wide, {"line": Factor("svd", 1)})


def test_weights_that_training_spoilt_are_named(wide: Wide) -> None:
    admm = cct.ADMM(wide, FACTORS)
    with torch.no_grad():
        wide.line.weight[0] = float("nan")
    with pytest.raises(InvalidProblem, match=r"model: line\.weight is not finite"):
        admm.update()
