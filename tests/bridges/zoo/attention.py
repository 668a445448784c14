"""Attention on tokens of 12 channels: every way to make heads, and to weigh them."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.bridges.zoo.case import shown

WIDTH, HEADS, SIZE = 12, 3, 4
TOKENS = ((6, 5),)


class Block(nn.Module):
    """Embedding, attention with a residual sum, a classifier: no norm, so exact."""

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.embed, self.attn = nn.Linear(5, WIDTH), attention
        self.head = nn.Linear(WIDTH, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        return self.head((x + self.attn(x)).mean(dim=1))


STREAM = {"embed.weight": WIDTH, "head.weight@1": WIDTH, "attn.proj.weight": WIDTH}
FUSED = {"attn.qkv.weight": HEADS, "attn.qkv.bias": HEADS, "attn.proj.weight@1": HEADS}
SEPARATE = {f"attn.{name}.weight": HEADS for name in ("q", "k", "v")}
SEPARATE["attn.proj.weight@1"] = HEADS


class Fused(nn.Module):
    """One layer for queries, keys and values."""

    def __init__(self) -> None:
        super().__init__()
        self.num_heads, self.head_dim, self.scale = HEADS, SIZE, SIZE**-0.5
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)


class ByHeadSize(Fused):
    def forward(self, x: Tensor) -> Tensor:
        b, n, _ = x.shape
        qkv = self.qkv(x).reshape(b, n, 3, self.num_heads, self.head_dim)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        y = functional.scaled_dot_product_attention(q, k, v)
        return self.proj(y.transpose(1, 2).reshape(b, n, -1))


@shown({**STREAM, **FUSED}, shapes=TOKENS)
class FusedHeadSize(Block):
    def __init__(self) -> None:
        super().__init__(ByHeadSize())


class ByChunk(Fused):
    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            part.view(*part.shape[:-1], -1, SIZE).transpose(1, 2)
            for part in self.qkv(x).chunk(3, dim=-1)
        )
        weights = torch.matmul(q, k.transpose(-1, -2)) * self.scale
        y = torch.matmul(weights.softmax(dim=-1), v)
        return self.proj(y.transpose(1, 2).flatten(2))


@shown({**STREAM, **FUSED}, shapes=TOKENS)
class FusedChunk(Block):
    def __init__(self) -> None:
        super().__init__(ByChunk())


class BySplit(Fused):
    """The way of small GPT codes: split by the width of the stream, causal mask."""

    mask: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.n_embd = WIDTH
        self.register_buffer("mask", torch.tril(torch.ones(8, 8)).view(1, 1, 8, 8))

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.size()
        q, k, v = self.qkv(x).split(self.n_embd, dim=2)
        q = q.view(b, n, self.num_heads, c // self.num_heads).transpose(1, 2)
        k = k.view(b, n, self.num_heads, c // self.num_heads).transpose(1, 2)
        v = v.view(b, n, self.num_heads, c // self.num_heads).transpose(1, 2)
        weights = (q @ k.transpose(-2, -1)) * (1.0 / k.size(-1) ** 0.5)
        weights = weights.masked_fill(self.mask[:, :, :n, :n] == 0, float("-inf"))
        y = functional.softmax(weights, dim=-1) @ v
        return self.proj(y.transpose(1, 2).contiguous().view(b, n, c))


@shown({**STREAM, **FUSED}, shapes=TOKENS)
class FusedSplit(Block):
    def __init__(self) -> None:
        super().__init__(BySplit())


class ByUnflatten(nn.Module):
    """Values of another size than queries and keys; parts made by indexing."""

    def __init__(self) -> None:
        super().__init__()
        self.qk, self.v = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(WIDTH, HEADS * 2)
        self.proj = nn.Linear(HEADS * 2, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        qk = self.qk(x).unflatten(-1, (2, -1, SIZE)).permute(2, 0, 3, 1, 4)
        v = self.v(x).unflatten(-1, (-1, 2)).transpose(1, 2)
        y = functional.scaled_dot_product_attention(qk[0], qk[1], v, is_causal=True)
        return self.proj(y.transpose(1, 2).flatten(start_dim=-2))


@shown({**STREAM, "attn.qk.weight": HEADS, "attn.v.weight": HEADS}, shapes=TOKENS)
class UnlikeSizes(Block):
    def __init__(self) -> None:
        super().__init__(ByUnflatten())


class Separate(nn.Module):
    """A layer each for queries, keys and values, of some numbers of heads."""

    def __init__(self, heads: int = HEADS, groups: int = HEADS) -> None:
        super().__init__()
        self.heads, self.groups, self.head_dim = heads, groups, SIZE
        self.q = nn.Linear(WIDTH, heads * SIZE)
        self.k = nn.Linear(WIDTH, groups * SIZE, bias=False)
        self.v, self.proj = (
            nn.Linear(WIDTH, groups * SIZE),
            nn.Linear(heads * SIZE, WIDTH),
        )

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give (N, heads, tokens, size) each."""
        lead = (*x.shape[:-1], -1, self.head_dim)
        return (
            self.q(x).view(lead).transpose(1, 2),
            self.k(x).view(lead).transpose(1, 2),
            self.v(x).view(lead).transpose(1, 2),
        )

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Give (N, heads, tokens, size)."""
        return functional.scaled_dot_product_attention(q, k, v)

    def forward(self, x: Tensor) -> Tensor:
        y = self.attend(*self.split(x)).transpose(1, 2)
        return self.proj(y.reshape(*x.shape[:-1], -1).contiguous())


class ByTransposedScores(Separate):
    """All heads of `torch.bmm`, as in old translation code."""

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        b, n, _ = x.shape

        def shape(y: Tensor) -> Tensor:
            return y.view(b, n, self.heads, self.head_dim).transpose(1, 2).contiguous()

        return shape(self.q(x) * SIZE**-0.5), shape(self.k(x)), shape(self.v(x))

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        b, n = q.shape[0], q.shape[2]
        lead = (b * self.heads, -1, self.head_dim)
        q, k, v = q.view(*lead), k.view(*lead), v.view(*lead)
        y = torch.bmm(functional.softmax(torch.bmm(q, k.transpose(1, 2)), -1), v)
        return y.view(b, self.heads, n, self.head_dim)


@shown({**STREAM, **SEPARATE}, shapes=TOKENS)
class BatchOfHeads(Block):
    def __init__(self) -> None:
        super().__init__(ByTransposedScores())


class ByEinsum(Separate):
    """Scores and sums by einsum, heads behind tokens."""

    def forward(self, x: Tensor) -> Tensor:
        b, n, _ = x.shape
        q = self.q(x).view(b, n, self.heads, self.head_dim)
        k = self.k(x).view(b, n, self.heads, self.head_dim)
        v = self.v(x).view(b, n, self.heads, self.head_dim)
        weights = torch.einsum("bihd,bjhd->bhij", q, k) / self.head_dim**0.5
        y = torch.einsum("bhij,bjhd->bihd", weights.softmax(-1), v)
        return self.proj(y.reshape(b, n, -1))


@shown({**STREAM, **SEPARATE}, shapes=TOKENS)
class EinsumHeads(Block):
    def __init__(self) -> None:
        super().__init__(ByEinsum())


def rotate_half(x: Tensor) -> Tensor:
    """Turn the halves of a head."""
    x1, x2 = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]
    return torch.cat((-x2, x1), dim=-1)


class Rotary(Separate):
    """Positions turned into queries and keys, which are normed head by head."""

    inv_freq: Tensor

    def __init__(self, heads: int, groups: int) -> None:
        super().__init__(heads, groups)
        self.register_buffer("inv_freq", 1 / 100 ** (torch.arange(0, SIZE, 2) / SIZE))
        self.q_norm, self.k_norm = nn.RMSNorm(SIZE), nn.LayerNorm(SIZE)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = super().split(x)
        places = torch.arange(x.shape[1], dtype=torch.float32)[:, None] * self.inv_freq
        angle = torch.cat((places, places), dim=-1)[None, None]
        q, k = self.q_norm(q), self.k_norm(k)
        q = q * angle.cos() + rotate_half(q) * angle.sin()
        k = k * angle.cos() + rotate_half(k) * angle.sin()
        return q, k, v


class GroupedExpand(Rotary):
    """Two query heads share a key head, by expanding and reshaping."""

    def repeat(self, x: Tensor) -> Tensor:
        b, h, n, d = x.shape
        times = self.heads // self.groups
        return x[:, :, None, :, :].expand(b, h, times, n, d).reshape(b, h * times, n, d)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return functional.scaled_dot_product_attention(
            q, self.repeat(k), self.repeat(v), is_causal=True
        )


class GroupedRepeat(Rotary):
    """The same by repeat_interleave."""

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        k, v = (x.repeat_interleave(self.heads // self.groups, dim=1) for x in (k, v))
        weights = q @ k.mT / self.head_dim**0.5
        mask = torch.full(weights.shape[-2:], float("-inf")).triu(diagonal=1)
        return torch.softmax(weights + mask, dim=-1, dtype=torch.float32) @ v


class GroupedKernel(Separate):
    """The same by the kernel itself."""

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return functional.scaled_dot_product_attention(q, k, v, enable_gqa=True)


GQA = {
    **STREAM,
    "attn.q.weight": 3,
    "attn.k.weight": 3,
    "attn.v.weight": 3,
    "attn.proj.weight@1": 3,
}


@shown(GQA, shapes=TOKENS)
class QueryGroupsExpand(Block):
    def __init__(self) -> None:
        super().__init__(GroupedExpand(6, 3))


@shown(GQA, shapes=TOKENS)
class QueryGroupsRepeat(Block):
    def __init__(self) -> None:
        super().__init__(GroupedRepeat(6, 3))


@shown(GQA, shapes=TOKENS)
class QueryGroupsKernel(Block):
    def __init__(self) -> None:
        super().__init__(GroupedKernel(6, 3))


class SharedKey(Separate):
    """One key head for all queries."""

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        weights: Any = torch.softmax(q @ k.transpose(-1, -2) / 2.0, dim=-1)
        return weights @ v


@shown({**STREAM, "attn.q.weight": 6, "attn.proj.weight@1": 6}, shapes=TOKENS)
class MultiQuery(Block):
    """Query heads go one by one; the shared key head stays."""

    def __init__(self) -> None:
        super().__init__(SharedKey(6, 1))
