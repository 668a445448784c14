"""Fused layers, spelled out: the same results from calls that can be seen."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence

from ccsolve.errors import Unsupported
from ccsolve_torch.running.calls import Call, layer_calls
from ccsolve_torch.running.spelling import spelled_out

pytestmark = pytest.mark.torch

SAMPLES, STEPS, WIDTH = 3, 5, 4
RECURRENT: dict[str, Any] = {
    "lstm": nn.LSTM,
    "projected": lambda *a, **k: nn.LSTM(*a, proj_size=2, **k),
    "gru": nn.GRU,
    "tanh": nn.RNN,
    "relu": lambda *a, **k: nn.RNN(*a, nonlinearity="relu", **k),
}
CELLS: dict[str, Any] = {
    "lstm": nn.LSTMCell,
    "gru": nn.GRUCell,
    "tanh": nn.RNNCell,
    "relu": lambda *a, **k: nn.RNNCell(*a, nonlinearity="relu", **k),
}


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from tensors(part)


def results(model: nn.Module, *args: Any, **kwargs: Any) -> list[Tensor]:
    """Give the outputs, then the gradients of all inputs and parameters."""
    leaves = [t for t in tensors(args) if t.is_floating_point()]
    for leaf in leaves:
        leaf.requires_grad_()
    outputs = list(tensors(model(*args, **kwargs)))
    weighted = [
        (y * torch.linspace(0.5, 2, y.numel()).reshape(y.shape)).sum() for y in outputs
    ]
    wanted = [*leaves, *model.parameters()]
    given = torch.autograd.grad(torch.stack(weighted).sum(), wanted, allow_unused=True)
    zeros = [torch.zeros_like(x) for x in wanted]
    return outputs + [z if g is None else g for g, z in zip(given, zeros, strict=True)]


def assert_spelled_the_same(model: nn.Module, *args: Any, **kwargs: Any) -> None:
    expected = results(model, *args, **kwargs)
    with spelled_out(model):
        found = results(model, *args, **kwargs)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", RECURRENT)
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported")
def test_recurrent_layers_give_the_same(kind: str) -> None:
    torch.manual_seed(0)
    flags = (False, True)
    for layers, both, first, bias, batched, started in itertools.product(
        (1, 2), flags, flags, flags, flags, flags
    ):
        model = RECURRENT[kind](
            WIDTH, 6, layers, batch_first=first, bidirectional=both, bias=bias
        ).eval()
        x = torch.randn((SAMPLES, STEPS, WIDTH) if batched else (STEPS, WIDTH))
        count = (x.shape[0 if first else 1],) if batched else ()
        rows = layers * (2 if both else 1)
        h = torch.randn(rows, *count, getattr(model, "proj_size", 0) or 6)
        state = (h, torch.randn(rows, *count, 6)) if isinstance(model, nn.LSTM) else h
        assert_spelled_the_same(model, x, *((state,) if started else ()))


@pytest.mark.parametrize("kind", CELLS)
def test_cells_give_the_same(kind: str) -> None:
    torch.manual_seed(0)
    for bias, count, started in itertools.product(
        (False, True), ((SAMPLES,), ()), (False, True)
    ):
        model = CELLS[kind](WIDTH, 6, bias=bias)
        h = torch.randn(*count, 6)
        state = (h, torch.randn(*count, 6)) if kind == "lstm" else h
        x = torch.randn(*count, WIDTH)
        assert_spelled_the_same(model, x, *((state,) if started else ()))


ATTENTION: dict[str, dict[str, Any]] = {
    "plain": {},
    "no bias": {"bias": False},
    "extra keys": {"add_bias_kv": True, "add_zero_attn": True},
    "zero key": {"add_zero_attn": True, "bias": False},
    "own widths": {"kdim": 6, "vdim": 10},
    "own widths, no bias": {"kdim": 6, "vdim": 8, "bias": False, "add_bias_kv": True},
}


def attention_calls(width: int, keys: int, values: int) -> Iterator[dict[str, Any]]:
    """Give inputs and options of every kind; samples first, queries of 8 channels."""
    lengths = (STEPS, 7)
    allowed = torch.rand(SAMPLES, 7) > 0.4
    allowed[:, 0] = True
    causal = nn.Transformer.generate_square_subsequent_mask(STEPS)[:, :5]
    barred = torch.rand(*lengths) > 0.5
    barred[:, 0] = False
    x, k, v = (
        torch.randn(SAMPLES, length, size)
        for length, size in zip((5, 7, 7), (width, keys, values), strict=True)
    )
    for weights, averaged in ((True, True), (True, False), (False, True)):
        options = {"need_weights": weights, "average_attn_weights": averaged}
        crossed = {"query": x, "key": k, "value": v, **options}
        yield crossed
        yield {**crossed, "key_padding_mask": ~allowed}
        yield {**crossed, "attn_mask": barred}
        yield {**crossed, "attn_mask": torch.randn(SAMPLES * 2, *lengths)}
        yield {**crossed, "attn_mask": barred, "key_padding_mask": ~allowed}
        yield {
            **crossed,
            "attn_mask": torch.randn(*lengths),
            "key_padding_mask": torch.randn(SAMPLES, 7),
        }
        if width == keys == values:
            same = {"query": x, "key": x, "value": x, **options}
            yield same
            yield {**same, "attn_mask": causal, "is_causal": True}
            yield {**crossed, "value": k}


@pytest.mark.parametrize("kind", ATTENTION)
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")
def test_attention_gives_the_same(kind: str, first: bool) -> None:
    torch.manual_seed(0)
    model = nn.MultiheadAttention(8, 2, batch_first=first, **ATTENTION[kind]).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    for given in attention_calls(8, model.kdim, model.vdim):
        options = dict(given)
        parts = [options.pop(name) for name in ("query", "key", "value")]
        if not first:
            parts = turned(parts)
        assert_spelled_the_same(model, *parts, **options)


def turned(parts: list[Tensor]) -> list[Tensor]:
    """Put steps first; equal tensors stay one, as the packed projection asks for."""
    once = {id(part): part.transpose(0, 1).detach() for part in parts}
    return [once[id(part)] for part in parts]


def test_attention_without_samples_gives_the_same() -> None:
    torch.manual_seed(0)
    model = nn.MultiheadAttention(8, 2).eval()
    x, y = torch.randn(5, 8), torch.randn(7, 8)
    padding = torch.tensor([False] * 4 + [True] * 3)
    for averaged, mask in itertools.product(
        (True, False), (None, torch.randn(2, 5, 7), torch.rand(5, 7) > 2)
    ):
        options = {"attn_mask": mask, "average_attn_weights": averaged}
        assert_spelled_the_same(model, x, y, y, **options)
        assert_spelled_the_same(model, x, y, y, need_weights=False, attn_mask=mask)
    assert_spelled_the_same(model, x, y, y, key_padding_mask=padding)


class Everything(nn.Module):
    """An encoder, a recurrent layer read at its last step, and a loop over a cell."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.lstm = nn.LSTM(8, 6, num_layers=2, bidirectional=True)
        self.cell, self.head = nn.GRUCell(12, 5), nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.lstm(self.encoder(x).transpose(0, 1))
        h = None
        for part in y:
            h = self.cell(part, h)
        return self.head(h)


@pytest.fixture
def everything() -> nn.Module:
    torch.manual_seed(0)
    return Everything().eval()


def test_every_matrix_is_seen_once_for_each_call(everything) -> None:
    x = torch.randn(SAMPLES, STEPS, 8)
    matrices = [n for n, p in everything.named_parameters() if p.ndim == 2]
    seen: list[Call] = []
    with (
        torch.no_grad(),
        spelled_out(everything),
        layer_calls(everything, matrices, before=seen.append),
    ):
        found = everything(x)
    torch.testing.assert_close(found, everything(x), rtol=1e-9, atol=1e-9)
    assert {call.weight for call in seen} == set(matrices)
    assert all(call.x.shape[0] == SAMPLES for call in seen)
    assert all(call.axis == call.x.ndim - 1 for call in seen)
    for name in matrices:
        stepwise = "weight_hh" in name or name.startswith("cell.")
        calls = [call.index for call in seen if call.weight == name]
        assert calls == list(range(STEPS if stepwise else 1))


def test_a_gate_on_every_reader_is_the_removal_of_the_unit() -> None:
    torch.manual_seed(0)
    gate = torch.tensor([1.0, 0, 1, 1, 0, 1])
    for kind in (nn.LSTM, nn.GRU, nn.RNN):
        model = nn.Sequential(kind(WIDTH, 6, num_layers=2, batch_first=True)).eval()
        readers = ["0.weight_hh_l0", "0.weight_ih_l1"]
        x = torch.randn(SAMPLES, STEPS, WIDTH)
        with (
            torch.no_grad(),
            spelled_out(model),
            layer_calls(model, readers, before=lambda call: call.x * gate),
        ):
            found = model(x)[0]
        with torch.no_grad():
            for name in readers:
                model.get_parameter(name).mul_(gate)
        torch.testing.assert_close(found, model(x)[0], rtol=1e-9, atol=1e-9)


def test_everything_is_given_back(everything) -> None:
    before = [dict(vars(module)) for module in everything.modules()]
    x = torch.randn(SAMPLES, STEPS, 8)
    with spelled_out(everything), spelled_out(everything):
        everything(x)
    with pytest.raises(ZeroDivisionError), spelled_out(everything):
        raise ZeroDivisionError
    assert torch.backends.mha.get_fastpath_enabled()
    for module, own in zip(everything.modules(), before, strict=True):
        assert vars(module).keys() == own.keys()
        assert all(vars(module)[name] is value for name, value in own.items())


def test_the_inner_of_two_contexts_leaves_the_outer_working(everything) -> None:
    seen: list[Call] = []
    name = "encoder.layers.0.self_attn.in_proj_weight"
    with torch.no_grad(), spelled_out(everything):
        with spelled_out(everything):
            pass
        with layer_calls(everything, [name], before=seen.append):
            everything(torch.randn(SAMPLES, STEPS, 8))
    assert len(seen) == 1


def test_what_computes_something_else_is_left_alone() -> None:
    class Doubled(nn.LSTM):
        def forward(self, input: Tensor, hx: Any = None) -> Any:
            output, state = super().forward(input, hx)
            return 2 * output, state

    torch.manual_seed(0)
    model, patched = Doubled(WIDTH, 6), nn.GRU(WIDTH, 6)
    vars(patched)["forward"] = own = lambda x: functional.relu(x)
    x = torch.randn(STEPS, SAMPLES, WIDTH)
    with spelled_out(nn.ModuleList([model, patched])):
        torch.testing.assert_close(model(x)[0], 2 * nn.LSTM.forward(model, x)[0])
        assert patched.forward is own
    assert patched.forward is own


def test_what_cannot_be_spelled_out_is_refused() -> None:
    model = nn.LSTM(WIDTH, 6, batch_first=True)
    x = torch.randn(SAMPLES, STEPS, WIDTH)
    packed = pack_padded_sequence(x, torch.tensor([5, 3, 1]), batch_first=True)
    with spelled_out(model), pytest.raises(Unsupported, match="PackedSequence"):
        model(packed)
    with spelled_out(model), pytest.raises(RuntimeError, match="hidden"):
        model(x, (torch.zeros(1, 1, 6), torch.zeros(1, 1, 6)))
    trained = nn.GRU(WIDTH, 6, num_layers=2, dropout=0.5).train()
    with spelled_out(trained), pytest.raises(Unsupported, match="dropout"):
        trained(x)


def test_spelled_layers_can_be_exported(everything) -> None:
    x = torch.randn(SAMPLES, STEPS, 8)
    with spelled_out(everything):
        program = torch.export.export(everything, (x,))
    torch.testing.assert_close(program.module()(x), everything(x), rtol=1e-9, atol=1e-9)
