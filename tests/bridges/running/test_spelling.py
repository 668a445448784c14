"""Fused layers, spelled out, give the same results and gradients."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ccsolve_torch.running.spelling import spelled_out

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("double_precision")]

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
