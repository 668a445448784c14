"""Attention in windows, and scores with learnt offsets."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.bridges.zoo.case import shown

SIDE = 2


def window_partition(x: Tensor, size: int) -> Tensor:
    """Give (windows, size, size, C)."""
    B, H, W, C = x.shape
    x = x.view(B, H // size, size, W // size, size, C)
    return x.permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, size, size, C)


def window_reverse(windows: Tensor, size: int, H: int, W: int) -> Tensor:
    """Give (B, H, W, C)."""
    B = int(windows.shape[0] / (H * W / size / size))
    x = windows.view(B, H // size, W // size, size, size, -1)
    return x.permute(0, 1, 3, 2, 4, 5).contiguous().view(B, H, W, -1)


def relative_index(side: int) -> Tensor:
    """Give the row of the table for every pair of places of a window."""
    grid = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    places = torch.stack(grid).flatten(1)
    offset = (places[:, :, None] - places[:, None, :]).permute(1, 2, 0) + side - 1
    return offset[..., 0] * (2 * side - 1) + offset[..., 1]


class WindowAttention(nn.Module):
    """Attention with a table of relative positions, a column for every head."""

    relative_position_index: Tensor

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads, self.scale = num_heads, (dim // num_heads) ** -0.5
        self.relative_position_bias_table = nn.Parameter(
            torch.zeros((2 * SIDE - 1) ** 2, num_heads)
        )
        self.register_buffer("relative_position_index", relative_index(SIDE))
        self.qkv, self.proj = nn.Linear(dim, dim * 3), nn.Linear(dim, dim)

    def bias(self) -> Tensor:
        """Give (heads, places, places)."""
        bias = self.relative_position_bias_table[self.relative_position_index.view(-1)]
        bias = bias.view(SIDE * SIDE, SIDE * SIDE, -1)
        return bias.permute(2, 0, 1).contiguous()

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        B_, N, C = x.shape
        qkv = self.qkv(x).reshape(B_, N, 3, self.num_heads, C // self.num_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        attn = (q * self.scale) @ k.transpose(-2, -1) + self.bias().unsqueeze(0)
        if mask is not None:
            count = mask.shape[0]
            attn = attn.view(B_ // count, count, self.num_heads, N, N)
            attn = attn + mask.unsqueeze(1).unsqueeze(0)
            attn = attn.view(-1, self.num_heads, N, N)
        x = (attn.softmax(dim=-1) @ v).transpose(1, 2).reshape(B_, N, C)
        return self.proj(x)


class SwinBlock(nn.Module):
    """Windows, shifted by rolling where asked."""

    attn_mask: Tensor | None

    def __init__(self, dim: int, shift: int) -> None:
        super().__init__()
        self.shift_size = shift
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn, self.fc1, self.fc2 = (
            WindowAttention(dim, 3),
            nn.Linear(dim, 20),
            nn.Linear(20, dim),
        )
        mask = torch.zeros(4, 4, 4).bernoulli_(0.3) * -100.0 if shift else None
        self.register_buffer("attn_mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        B, L, C = x.shape
        H = W = int(L**0.5)
        y = self.norm1(x).view(B, H, W, C)
        if self.shift_size > 0:
            y = torch.roll(y, shifts=(-self.shift_size,) * 2, dims=(1, 2))
        windows = window_partition(y, SIDE).view(-1, SIDE * SIDE, C)
        windows = self.attn(windows, mask=self.attn_mask).view(-1, SIDE, SIDE, C)
        y = window_reverse(windows, SIDE, H, W)
        if self.shift_size > 0:
            y = torch.roll(y, shifts=(self.shift_size,) * 2, dims=(1, 2))
        x = x + y.view(B, H * W, C)
        return x + self.fc2(functional.gelu(self.fc1(self.norm2(x))))


class Merging(nn.Module):
    """Four neighbours side by side, a norm, half as many channels."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        B, L, C = x.shape
        x = x.view(B, int(L**0.5), -1, C)
        corners = [x[:, i::2, j::2, :] for j in (0, 1) for i in (0, 1)]
        return self.reduction(self.norm(torch.cat(corners, -1).view(B, -1, 4 * C)))


@shown(
    {
        "embed.weight": 12,
        "plain.attn.qkv.weight": 3,
        "plain.attn.relative_position_bias_table@1": 3,
        "shifted.attn.qkv.weight": 3,
        "shifted.attn.proj.weight@1": 3,
        "shifted.fc1.weight": 20,
        "merge.norm.weight": 12,
        "merge.reduction.weight": 24,
    },
    approximate=("embed.weight", "merge.reduction.weight"),
)
class Swin(nn.Module):
    """Two blocks of windows, merged patches, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 12, 2, stride=2)
        self.plain, self.shifted = SwinBlock(12, 0), SwinBlock(12, 1)
        self.merge, self.norm = Merging(12), nn.LayerNorm(24)
        self.head = nn.Linear(24, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2)
        x = self.norm(self.merge(self.shifted(self.plain(x))))
        return self.head(torch.flatten(nn.AdaptiveAvgPool1d(1)(x.mT), 1))


@shown(
    {
        "embed.weight": 12,
        "q.weight": 3,
        "v.weight": 3,
        "offsets.weight@1": 3,
        "proj.weight@1": 3,
    },
    shapes=((6, 5),),
)
class RelativeEmbedding(nn.Module):
    """Offsets of scores from an embedding of distances, head by head."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.offsets = nn.Linear(5, 12), nn.Embedding(11, 3)
        self.q, self.k = nn.Linear(12, 12, bias=False), nn.Linear(12, 12, bias=False)
        self.v, self.proj = nn.Linear(12, 12, bias=False), nn.Linear(12, 12)
        self.head = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        b, n, _ = x.shape
        places = torch.arange(n)
        distance = places[None, :] - places[:, None] + 5
        bias = self.offsets(distance).permute(2, 0, 1).unsqueeze(0)
        q, k, v = (
            f(x).view(b, n, -1, 4).transpose(1, 2) for f in (self.q, self.k, self.v)
        )
        scores = torch.matmul(q, k.transpose(3, 2))
        scores += bias
        y = functional.softmax(scores.float(), dim=-1).type_as(scores).matmul(v)
        return self.head(x + self.proj(y.transpose(1, 2).contiguous().view(b, n, -1)))
