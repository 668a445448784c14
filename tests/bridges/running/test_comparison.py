"""Outputs are compared wherever their tensors stand, and infinities where they are."""

import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ccsolve.errors import Unsupported, WrongAnswer
from ccsolve_torch.running.comparison import difference_of

pytestmark = pytest.mark.torch

A, B = torch.tensor([4.0, 1.0]), torch.tensor([4.0, 2.0])


@dataclass
class Known:
    """Registered with torch."""

    prediction: Tensor


@dataclass
class Unknown:
    """Known to nobody."""

    parts: dict[str, Any]


class Tree:
    """A class of torch's trees that is no dataclass."""

    def __init__(self, part: Tensor) -> None:
        self.part = part


torch.export.register_dataclass(Known)
pytree.register_pytree_node(Tree, lambda t: ([t.part], None), lambda p, _: Tree(*p))


@pytest.mark.parametrize(
    "nest",
    [
        lambda x: x,
        lambda x: (x,),
        lambda x: [torch.zeros(3), {"a": x}],
        Known,
        lambda x: Unknown({"a": [Known(x)]}),
        Tree,
    ],
)
def test_tensors_are_compared_wherever_they_stand(nest) -> None:
    assert difference_of(nest(A), nest(B)) == 0.25
    assert difference_of(nest(A), nest(A)) == 0.0


@pytest.mark.parametrize("empty", [None, (), {}, 3.0, SimpleNamespace(x=A)])
def test_outputs_without_tensors_are_refused(empty) -> None:
    with pytest.raises(Unsupported, match="no tensor"):
        difference_of(empty, empty)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(WrongAnswer, match="shapes"):
        difference_of(A, (A, B))


def test_one_infinity_in_both_agrees_and_is_no_scale() -> None:
    masked = [torch.cat([x, torch.tensor([-math.inf])]) for x in (A, B)]
    assert difference_of(*masked) == 0.25
    every = torch.full((3,), math.inf)
    assert difference_of(every, every) == 0.0


@pytest.mark.parametrize("other", [math.inf, 1.0, math.nan])
def test_what_is_infinite_or_no_number_alone_differs(other) -> None:
    one = torch.tensor([2.0, -math.inf])
    assert difference_of(one, torch.tensor([2.0, other])) == math.inf
    assert difference_of(torch.tensor([2.0, other]), one) == math.inf
    none = torch.tensor([math.nan])
    assert difference_of(none, none) == math.inf


def test_flags_and_counts_are_compared() -> None:
    flags = torch.tensor([True, False])
    assert difference_of(flags, flags) == 0.0
    assert difference_of(flags, ~flags) == 1.0
    counts = torch.tensor([4, 1], dtype=torch.uint8)
    assert difference_of(counts, counts + 1) == 0.25
