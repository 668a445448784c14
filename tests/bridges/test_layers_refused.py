"""Layers that a chain cannot replace, and what else `factorise` refuses."""

from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune

import ccsolve_torch as cct
from ccsolve import Factor
from ccsolve.errors import InvalidProblem, Unsupported

pytestmark = pytest.mark.torch


class Functional(nn.Module):
    """A weight that is used without its module, beside a call of the module."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(self.a(x), self.a.weight)


class Unused(Functional):
    def forward(self, x: Tensor) -> Tensor:
        return x


class Reading(Functional):
    """Code that asks the layer for more than its output."""

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x.to(self.a.weight.dtype))


class Hidden(Functional):
    """A layer that the code reaches by a list that torch does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.known = [self.a]

    def forward(self, x: Tensor) -> Tensor:
        return self.known[0](x)


class Tied(Functional):
    def __init__(self) -> None:
        super().__init__()
        self.b = nn.Conv2d(3, 3, 1)
        self.b.weight = self.a.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x))


class Own(nn.Conv2d):
    """A convolution with arithmetic of its own."""


def plain_with(change: Any) -> nn.Module:
    model = nn.Sequential()
    model.add_module("a", nn.Conv2d(3, 4, 1))
    change(model)
    return model


def hooked(model: Any) -> None:
    model.a.register_forward_hook(lambda *_: None)


def not_finite(model: Any) -> None:
    model.a.weight.data[0] = float("inf")


REFUSED: list[tuple[Any, str]] = [
    (Functional(), r"function call outside of its module \(1 of 2 uses\)"),
    (Unused(), "not called as a module on the example inputs"),
    (Reading(), "reads more of a factored layer than its output .*'weight'"),
    (Hidden(), "its chain is not run"),
    (Tied(), r"its weight is tied to b\.weight"),
    (plain_with(hooked), "it has hooks"),
    (plain_with(not_finite), "not finite"),
    (plain_with(lambda m: parametrizations.weight_norm(m.a)), "weight is computed"),
    (plain_with(lambda m: prune.l1_unstructured(m.a, "weight", 2)), "is computed"),
    (plain_with(lambda m: setattr(m, "a", Own(3, 4, 1))), "a Own; expected"),
    (plain_with(lambda m: setattr(m, "a", nn.ReLU())), "a ReLU; expected"),
    (
        nn.Sequential(OrderedDict(a=nn.Conv2d(3, 4, 1, dtype=torch.complex64))),
        "complex64",
    ),
]


@pytest.mark.parametrize(("model", "message"), REFUSED)
def test_what_a_chain_cannot_replace_is_refused(
    model: nn.Module, message: str, samples
) -> None:
    before = [dict(module._forward_hooks) for module in model.modules()]
    with pytest.raises(Unsupported, match=message) as caught:
        cct.factorise(model, {"a": Factor("svd", 1)}, samples[0])
    assert "\n" not in str(caught.value)
    assert [dict(module._forward_hooks) for module in model.modules()] == before


def test_the_projection_inside_attention_is_refused() -> None:
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    with pytest.raises(Unsupported, match="expected one of torch's own Linear"):
        cct.factorise(
            model, {"self_attn.out_proj": Factor("svd", 2)}, torch.randn(2, 5, 8)
        )


@pytest.mark.parametrize("name", ["", "b", "a.weight"])
def test_layers_that_are_not_there_are_refused(name: str, samples) -> None:
    with pytest.raises(InvalidProblem, match=f"no layer '{name}'.*expected one of a"):
        cct.factorise(Functional(), {name: Factor("svd", 1)}, samples[0])


def test_models_that_cannot_be_run_as_they_stand_are_refused(samples) -> None:
    factors = {"a": Factor("svd", 1)}
    with pytest.raises(InvalidProblem, match="meta device"):
        cct.factorise(Functional().to("meta"), factors, samples[0])
    with pytest.raises(InvalidProblem, match=r"model\.module"):
        cct.factorise(nn.DataParallel(Functional()), factors, samples[0])


def test_factors_are_taken_as_plain_data(residual, samples) -> None:
    factors: Any = {"stem": {"format": "svd", "ranks": 2}}
    small: Any = cct.factorise(residual, factors, samples[0])
    assert small.factor_report.layers[0].factor == Factor("svd", 2)
    with pytest.raises(InvalidProblem, match=r"factors\['stem'\] is 2; expected a"):
        cct.factorise(residual, {"stem": 2}, samples[0])  # pyright: ignore


def test_ranks_that_do_not_fit_name_the_layer(residual, samples) -> None:
    with pytest.raises(InvalidProblem, match=r"layer first\.conv1: rank 9"):
        cct.factorise(residual, {"first.conv1": Factor("tucker", 9)}, samples[0])
