"""Modules that run their graph: the same module, with other lengths where told so."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.fx import Node
from torch.nn import functional

from ccsolve.errors import Unsupported
from ccsolve_torch.rewriting.owncode import own_code
from ccsolve_torch.rewriting.retracing import Retraced, retraced
from ccsolve_torch.running.calls import layer_calls

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
