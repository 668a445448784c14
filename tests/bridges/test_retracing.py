"""Modules that run their graph: the same module, with other lengths where told so."""

import copy
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
from ccsolve_torch.calls import layer_calls
from ccsolve_torch.lengths import Remains
from ccsolve_torch.owncode import own_code
from ccsolve_torch.retracing import Retraced, retraced

pytestmark = pytest.mark.torch

WIDTH, HEADS = 12, 3


class Attention(nn.Module):
    """Classic attention: literal heads, a width computed from a shape."""

    def __init__(self) -> None:
        super().__init__()
        self.heads, self.drop = HEADS, nn.Dropout(0.5)
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.norm = nn.BatchNorm1d(WIDTH)

    def forward(self, x: Tensor, scale: float = 0.5, *, mask: Any = None) -> Any:
        b, n, c = x.shape
        qkv = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        scores = q @ k.transpose(-2, -1) * scale
        scores = scores if mask is None else scores + mask
        shares = functional.dropout(scores.softmax(-1), 0.5, self.training)
        y = self.proj((shares @ v).transpose(1, 2).reshape(b, n, c))
        return self.drop(self.norm(y.transpose(1, 2)).transpose(1, 2)), {"w": shares}


class Rest(nn.Module):
    """A recurrent layer, one that is called twice, one in place, tensors of numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.fc = nn.LSTM(4, 4, batch_first=True), nn.Linear(4, 4)
        self.relu, self.same = nn.ReLU(inplace=True), nn.Identity()
        self.place = nn.Parameter(torch.randn(4))
        self.register_buffer("shift", torch.randn(4))

    def forward(self, x: Tensor) -> Any:
        y, (h, _) = self.lstm(x, None)
        y = self.same(self.relu(self.fc(self.fc(y) + self.place)))
        y[:, :, 1:2] = 3.0
        times = torch.arange(x.shape[1], device=x.device)
        y = y * torch.tensor([1.0, 2.0, 3.0, 4.0]) + times[:, None]
        return {"y": y + self.shift, "none": None, "h": h}


def whole(node: Node, part: int) -> list[None]:
    value = node.meta["val"]
    return [None] * (value[part] if isinstance(value, list | tuple) else value).ndim


def as_graph(module: nn.Module, *args: Any, **kwargs: Any) -> Retraced:
    return retraced(module, own_code(module, args, kwargs), whole)


@pytest.fixture(params=[Attention, Rest])
def module(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return request.param().eval()


def example(module: nn.Module, samples: int = 2, steps: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    width = WIDTH if isinstance(module, Attention) else 4
    return torch.randn(samples, steps, width, generator=generator)


def test_a_graph_gives_what_the_module_gives(module) -> None:
    graph = as_graph(module, example(module))
    # torch.export writes recurrent layers for one number of steps.
    most = 3 if isinstance(module, Attention) else 5
    for samples, steps in ((2, 5), (1, 5), (4, most)):
        x = example(module, samples, steps)
        torch.testing.assert_close(graph(x), module(x))


def test_it_holds_what_the_module_holds(module) -> None:
    before = [dict(vars(part)) for part in module.modules()]
    graph = as_graph(module, example(module))
    assert [dict(vars(part)) for part in module.modules()] == before
    assert list(graph.state_dict()) == list(module.state_dict())
    pairs = zip(graph.parameters(), module.parameters(), strict=True)
    assert all(mine is own for mine, own in pairs)
    assert [n for n, _ in graph.named_modules()] == [
        n for n, _ in module.named_modules()
    ]
    assert not graph.training and isinstance(graph, type(module))


def test_a_copy_is_a_module_of_its_own(module) -> None:
    graph = as_graph(module, example(module))
    twin = copy.deepcopy(graph)
    x = example(module)
    torch.testing.assert_close(twin(x), graph(x))
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    torch.testing.assert_close(graph(x), module(x))


def test_it_learns_and_drops_out_and_normalises_in_training_mode() -> None:
    torch.manual_seed(0)
    module = Attention().eval()
    x = example(module)
    graph = as_graph(module, x).train()
    torch.manual_seed(1)
    found = graph(x)
    torch.manual_seed(1)
    torch.testing.assert_close(found, module.train()(x))
    assert (found[1]["w"] == 0).any() and (found[0] == 0).any()
    before = graph.norm.running_mean.clone()  # pyright: ignore
    graph(x)[0].sum().backward()
    assert not torch.equal(graph.norm.running_mean, before)  # pyright: ignore
    assert all(p.grad is not None for p in graph.parameters())


@pytest.mark.filterwarnings("ignore:The tensor attributes self:UserWarning")
def test_it_can_be_exported_again(module) -> None:
    x = example(module)
    graph = as_graph(module, x)
    batch = torch.export.Dim("batch", min=2)
    program = torch.export.export(graph, (x,), dynamic_shapes={"x": {0: batch}})
    larger = example(module, 7)
    torch.testing.assert_close(program.module()(larger), module(larger))


def test_arguments_may_be_given_in_any_way_and_others_are_refused() -> None:
    module = Attention().eval()
    x, mask = example(module), torch.randn(5, 5)
    graph = as_graph(module, x, 0.25, mask=mask)
    torch.testing.assert_close(
        graph(mask=mask, x=x, scale=0.25), module(x, 0.25, mask=mask)
    )
    with pytest.raises(Unsupported, match=r"0\.5; expected 0\.25"):
        graph(x, mask=mask)
    with pytest.raises(Unsupported, match="expected"):
        graph(x, 0.25)


def test_code_that_cannot_be_followed_is_refused() -> None:
    class Branching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.reshape(-1) if x.sum() > 0 else x

    module = Branching()
    with pytest.raises(Unsupported, match="Branching"):
        own_code(module, (torch.randn(2, 3),), {})
    assert not vars(module).keys() & {"forward"}


def test_work_in_place_is_done_in_place() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            self.calls.add_(1)  # pyright: ignore
            return x.reshape(-1)

    module = Counting()
    graph = as_graph(module, torch.randn(2, 3))
    before = module.calls.clone()  # pyright: ignore
    graph(torch.randn(4, 3))
    assert graph.calls == before + 1  # pyright: ignore


# --- other lengths ---------------------------------------------------------------

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


def test_layers_by_functions_are_seen() -> None:
    class Functions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv1d(3, 4, 1), nn.Linear(20, 4)
            self.c = nn.Parameter(torch.randn(4, 2))
            self.d = nn.Parameter(torch.randn(3, 2))

        def forward(self, x: Tensor) -> Tensor:
            y = functional.conv1d(x, self.a.weight, self.a.bias, stride=1)
            y = functional.linear(y.reshape(-1, 20), self.b.weight, self.b.bias)
            return torch.einsum("nc,dc->nd", y @ self.c, self.d)

    torch.manual_seed(0)
    module, x = Functions(), torch.randn(2, 3, 5)
    seen: list[list[str]] = []
    for net in (module, as_graph(module, x)):
        seen.append([])
        with layer_calls(
            net,
            ["a.weight", "b.weight", "c", "d"],
            before=lambda call, names=seen[-1]: names.append(call.weight),
        ):
            net(x)
    assert seen[0] == seen[1] == ["a.weight", "b.weight", "c", "d"]


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
