"""Attention with fewer heads: masked heads of torch's own, same calls, same keys."""

import copy
import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve_torch.running.attention import (
    SlimAttention,
    replace_attention,
    slim_attention,
)
from ccsolve_torch.running.calls import Call, layer_calls
from ccsolve_torch.running.spelling import spelled_out

pytestmark = pytest.mark.torch

WIDTH, HEADS, HEAD = 12, 4, 3
KEPT = [0, 2, 3]
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no bias": {"bias": False},
    "extra keys": {"add_bias_kv": True, "add_zero_attn": True},
    "own widths": {"kdim": 6, "vdim": 10},
}


def attention(**options: Any) -> nn.MultiheadAttention:
    torch.manual_seed(0)
    model = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, **options).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    return model


def rows(kept: list[int], parts: int = 1) -> Tensor:
    """Give the rows of the kept heads in a projection that stacks so many parts."""
    entries = torch.arange(parts * WIDTH).reshape(parts, HEADS, HEAD)
    return entries[:, kept].flatten()


def sliced(model: nn.MultiheadAttention, kept: list[int]) -> Any:
    """Give a copy whose parameters hold the kept heads alone."""
    small: Any = copy.deepcopy(model)
    for name, parameter in list(small.named_parameters()):
        axis = {"bias_k": 2, "bias_v": 2, "out_proj.weight": 1}.get(name, 0)
        parts = 3 if name.startswith("in_proj") else 1
        if name == "out_proj.bias":
            continue
        shorter = parameter.detach().index_select(axis, rows(kept, parts))
        owner = small.out_proj if name == "out_proj.weight" else small
        setattr(owner, name.rpartition(".")[2], nn.Parameter(shorter))
    return small


def inputs(model: nn.MultiheadAttention) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return tuple(  # pyright: ignore[reportReturnType]
        torch.randn(2, length, width, generator=generator)
        for length, width in ((5, WIDTH), (7, model.kdim), (7, model.vdim))
    )


@pytest.mark.parametrize("kind", KINDS)
def test_with_all_heads_it_is_torchs_own(kind: str) -> None:
    model = attention(**KINDS[kind])
    slim = slim_attention(copy.deepcopy(model), HEADS)
    padding = torch.tensor([[False] * 7, [False] * 3 + [True] * 4])
    for options in ({}, {"need_weights": False}, {"key_padding_mask": padding}):
        torch.testing.assert_close(
            slim(*inputs(model), **options),
            model(*inputs(model), **options),
            rtol=1e-4,
            atol=1e-5,
        )


@pytest.mark.parametrize("kind", KINDS)
def test_lost_heads_are_heads_that_nothing_reads(kind: str) -> None:
    model = attention(**KINDS[kind])
    slim = slim_attention(sliced(model, KEPT), len(KEPT))
    closed = copy.deepcopy(model)
    with torch.no_grad():
        gone = rows([head for head in range(HEADS) if head not in KEPT])
        closed.out_proj.weight[:, gone] = 0
    options = {"average_attn_weights": False}
    expected, weights = closed(*inputs(model), **options)
    found, seen = slim(*inputs(model), **options)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(seen, weights[:, KEPT], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_its_state_and_its_attributes_are_those_of_the_module(kind: str) -> None:
    small = sliced(attention(**KINDS[kind]), KEPT)
    slim: Any = slim_attention(small, len(KEPT))
    assert list(slim.state_dict()) == list(small.state_dict())
    pairs = zip(slim.parameters(), small.parameters(), strict=True)
    assert all(mine is own for mine, own in pairs)
    assert (slim.num_heads, slim.head_dim) == (3, HEAD)
    assert (slim.embed_dim, slim.kdim, slim.vdim) == (12, small.kdim, small.vdim)
    assert slim.out_proj.in_features == 9
    assert vars(slim).keys() >= vars(small).keys()


def test_one_that_lost_channels_of_its_input_keeps_its_heads() -> None:
    model: Any = attention()
    for name in ("in_proj_weight", "out_proj.weight", "out_proj.bias"):
        parameter = model.get_parameter(name)
        axis = 1 if name == "in_proj_weight" else 0
        shorter = parameter.detach().narrow(axis, 0, 5)
        owner = model.out_proj if "out_proj" in name else model
        setattr(owner, name.rpartition(".")[2], nn.Parameter(shorter))
    slim = slim_attention(model, HEADS)
    x = torch.randn(2, 6, 5)
    y, weights = slim(x, x, x)
    assert y.shape == x.shape and weights.shape == (2, 6, 6)
    assert (slim.embed_dim, slim.head_dim) == (5, HEAD)


def test_it_trains_saves_copies_and_exports(tmp_path) -> None:
    small = sliced(attention(dropout=0.5), KEPT)
    slim = slim_attention(small, len(KEPT))
    x = torch.randn(2, 5, WIDTH)
    for options in ({}, {"need_weights": False}):
        slim.train()(x, x, x, **options)[0].sum().backward()
    assert all(parameter.grad is not None for parameter in slim.parameters())
    # Dropout acts in training mode alone.
    assert not torch.equal(slim(x, x, x)[0], slim(x, x, x)[0])
    expected = slim.eval()(x, x, x)[0]
    twin = slim_attention(sliced(attention(), [0, 1, 2]), 3)
    file = io.BytesIO()
    torch.save(slim.state_dict(), file)
    file.seek(0)
    twin.load_state_dict(torch.load(file))
    torch.testing.assert_close(twin(x, x, x)[0], expected)
    torch.testing.assert_close(copy.deepcopy(slim)(x, x, x)[0], expected)
    program = torch.export.export(slim, (x, x, x), {"need_weights": False})
    found = program.module()(x, x, x, need_weights=False)[0]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_hooks_of_the_module_go_on() -> None:
    model = attention()
    called: list[int] = []
    model.register_forward_hook(lambda *_: called.append(1))
    slim = slim_attention(model, HEADS)
    x = torch.randn(2, 5, WIDTH)
    slim(x, x, x)
    assert called == [1]


def encoder(**options: Any) -> nn.TransformerEncoder:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(
        WIDTH, HEADS, 10, batch_first=True, dropout=0.1, **options
    )
    return nn.TransformerEncoder(layer, 2).eval()


NESTED = pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")


@NESTED
@pytest.mark.parametrize("grad", [True, False])
def test_it_works_inside_torchs_encoder(grad: bool) -> None:
    model = encoder()
    small = copy.deepcopy(model)
    kept = [1, 3]
    for index, layer in enumerate(model.layers):
        name = f"layers.{index}.self_attn"
        small.set_submodule(name, sliced(layer.self_attn, kept))  # pyright: ignore
        replace_attention(small, name, len(kept))
        with torch.no_grad():
            weight = layer.self_attn.out_proj.weight  # pyright: ignore
            weight[:, rows([0, 2])] = 0  # pyright: ignore
    x = torch.randn(2, 6, WIDTH)
    padding = torch.tensor([[False] * 6, [False] * 4 + [True] * 2])
    for mask in (None, padding):
        with torch.set_grad_enabled(grad):
            found = small(x, src_key_padding_mask=mask)
            expected = model(x, src_key_padding_mask=mask)
        real = ~padding if mask is not None else ...
        torch.testing.assert_close(found[real], expected[real], rtol=1e-4, atol=1e-4)
    assert small.layers[0].self_attn.num_heads == 2  # pyright: ignore


@NESTED
def test_a_nested_tensor_is_refused_by_name() -> None:
    model = encoder()
    layer: Any = model.layers[0]
    layer.self_attn = slim_attention(layer.self_attn, HEADS)
    padding = torch.tensor([[False] * 6, [False] * 4 + [True] * 2])
    with torch.no_grad(), pytest.raises(Unsupported, match="use_nested_tensor"):
        model(torch.randn(2, 6, WIDTH), src_key_padding_mask=padding)


def test_it_is_spelled_out_by_whole_weights() -> None:
    slim = slim_attention(sliced(attention(), KEPT), len(KEPT))
    x, y = torch.randn(2, 5, WIDTH), torch.randn(2, 7, WIDTH)
    seen: list[Call] = []
    with (
        spelled_out(slim),
        layer_calls(slim, ["in_proj_weight", "out_proj.weight"], before=seen.append),
    ):
        found = slim(x, y, y)
    assert [call.weight for call in seen] == ["in_proj_weight"] * 2 + [
        "out_proj.weight"
    ]
    torch.testing.assert_close(found, slim(x, y, y), rtol=1e-4, atol=1e-5)


def test_parameters_that_are_no_whole_heads_are_refused() -> None:
    model = sliced(attention(), KEPT)
    for heads in (0, 2, 4):
        with pytest.raises(InvalidProblem, match="heads"):
            slim_attention(model, heads)
    model.out_proj.weight = nn.Parameter(torch.randn(WIDTH, WIDTH))
    with pytest.raises(InvalidProblem, match="columns"):
        slim_attention(model, 3)


def test_a_mask_for_every_head_must_have_one_for_every_head() -> None:
    slim = slim_attention(sliced(attention(), KEPT), len(KEPT))
    x = torch.randn(2, 5, WIDTH)
    mask = torch.randn(2 * len(KEPT), 5, 5)
    assert slim(x, x, x, attn_mask=mask)[0].shape == x.shape
    with pytest.raises(InvalidProblem, match="attn_mask"):
        slim(x, x, x, attn_mask=torch.randn(2 * HEADS, 5, 5))
    with pytest.raises(InvalidProblem, match="is_causal"):
        slim(x, x, x, is_causal=True)


def test_it_is_a_module_of_its_own() -> None:
    slim = slim_attention(attention(), HEADS)
    assert type(slim) is SlimAttention and not slim.training
