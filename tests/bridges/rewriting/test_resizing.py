"""Numbers of operators, written for the channels that remain, against brute force."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.fx import Interpreter, Node
from torch.nn import functional
from torch.utils._pytree import tree_map

from ccsolve.errors import Unsupported
from ccsolve_torch.rewriting.lengths import Remains
from ccsolve_torch.rewriting.owncode import own_code
from ccsolve_torch.rewriting.retracing import retraced

pytestmark = pytest.mark.torch

# What code may do with 8 channels by number, and the channels that may remain of it.
MOVES: dict[str, tuple[Callable[[Tensor], Any], list[int]]] = {
    "view": (lambda x: x.view(-1, 8 * 6), [0, 3, 4]),
    "view of all": (lambda x: x.view(2, 8, 3, 2), [1, 7]),
    "reshape": (lambda x: x.reshape(2, 2, 4, 6), [0, 3, 4, 7]),
    "grown": (lambda x: x[:, :, None].expand(2, 8, 5, 6), [1, 2, 5]),
    "computed": (lambda x: x.reshape(x.shape[0] * 8, -1), [2, 5, 6]),
    "unflatten": (lambda x: x.unflatten(1, (2, 4)), [0, 1, 2, 4, 5, 6]),
    "split": (lambda x: x.split(4, 1), [0, 1, 4, 7]),
    "uneven split": (lambda x: x.split(3, 1), [0, 1, 4, 7]),
    "sizes": (lambda x: torch.split(x, [5, 3], 1), [0, 1, 4, 7]),
    "chunk": (lambda x: x.chunk(2, 1), [0, 1, 7]),
    "tensor split": (lambda x: x.tensor_split(3, 1), [0, 1, 7]),
    "head": (lambda x: x[:, :5], [0, 4, 6]),
    "tail": (lambda x: x[:, -3:], [0, 6, 7]),
    "stride": (lambda x: x[:, 1::2], [1, 3, 6]),
    "none of it": (lambda x: x[:, 2:4], [0, 1, 7]),
    "narrow": (lambda x: x.narrow(1, 2, 5), [1, 3, 4]),
    "select": (lambda x: x[:, 5], [1, 2, 5]),
    "pad": (lambda x: functional.pad(x, (0, 0, 4, 2), value=-1.0), [0, 2, 7]),
    "repeat": (lambda x: x.repeat(1, 3, 1), [0, 2, 7]),
    "tile": (lambda x: x[:, :, 0].tile(2), [0, 2, 7]),
}


class Move(nn.Module):
    def __init__(self, move: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.move = move

    def forward(self, x: Tensor) -> Any:
        return self.move(x)


def numbered(samples: int) -> Tensor:
    """Give a tensor in which every channel holds its own number."""
    return torch.arange(8.0)[:, None].expand(samples, 8, 6).contiguous()


def brute(graph: Any, kept: list[int]) -> Remains:
    """See by the numbers of the channels what remains of every tensor."""
    values: dict[str, Any] = {}

    class Noting(Interpreter):
        def run_node(self, n: Node) -> Any:
            values[n.name] = super().run_node(n)
            return values[n.name]

    Noting(nn.Module(), graph=graph).run(numbered(2))

    def remains(node: Node, part: int) -> list[Any]:
        value = values[node.name]
        value = value[part] if isinstance(value, list | tuple) else value
        left = [along(value, kept, axis) for axis in range(value.ndim)]
        return [None if mask.all() else mask for mask in left]

    return remains


def along(value: Tensor, kept: list[int], axis: int) -> Any:
    """Give what remains along the axis; padding, which holds -1, does."""
    here = np.isin(value.numpy(), [*kept, -1])
    if not here.any():
        return np.full(value.shape[axis], axis != 1)
    return here.any(axis=tuple(other for other in range(here.ndim) if other != axis))


def lessened(value: Tensor, kept: list[int]) -> Tensor:
    """Take out what does not remain, axis by axis."""
    masks = [along(value, kept, axis) for axis in range(value.ndim)]
    for axis, mask in enumerate(masks):
        value = value.index_select(axis, torch.from_numpy(np.flatnonzero(mask)))
    return value


@pytest.mark.parametrize("name", MOVES)
def test_numbers_become_those_of_what_remains(name: str) -> None:
    move, kept = MOVES[name]
    own = own_code(Move(move), (numbered(2),), {})
    small = retraced(Move(move), own, brute(own.graph, kept))
    # These have the number of samples in their code.
    fixed = name in ("view of all", "reshape", "grown")
    for samples in (2,) if fixed else (2, 3):
        x = numbered(samples)
        expected = tree_map(lambda full: lessened(full, kept), move(x))
        torch.testing.assert_close(small(x[:, kept]), expected)


def test_what_no_number_can_say_is_refused() -> None:
    for name, kept in (("stride", [1, 2, 3, 7]), ("select", [1, 2])):
        move, _ = MOVES[name]
        own = own_code(Move(move), (numbered(2),), {})
        with pytest.raises(Unsupported, match="by number"):
            retraced(Move(move), own, brute(own.graph, kept))


def test_groups_are_counted_anew() -> None:
    class Grouped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(8, 2, 1))

        def forward(self, x: Tensor) -> Tensor:
            y = functional.conv1d(x, self.weight, groups=4)
            return functional.layer_norm(functional.group_norm(y, 4), [8, 6])

    torch.manual_seed(0)
    module, small = Grouped(), Grouped()
    kept = [2, 3, 6, 7]
    small.weight = nn.Parameter(module.weight.detach()[kept])
    x = torch.randn(2, 8, 6)
    own = own_code(module, (x,), {})
    mask = np.isin(np.arange(8), kept)
    graph = retraced(small, own, lambda node, part: [None, mask, None])
    y = functional.group_norm(functional.conv1d(x, module.weight, groups=4), 4)
    expected = functional.layer_norm(y[:, kept], [4, 6])
    torch.testing.assert_close(graph(x[:, kept]), expected)
