"""Vision transformers as published: head sizes computed from the stream's width."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.bridges.zoo.case import shown


class Classic(nn.Module):
    """The first ViT code: `C // heads`, and back to C."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = (dim // num_heads) ** -0.5
        self.qkv = nn.Linear(dim, dim * 3, bias=True)
        self.attn_drop, self.proj = nn.Dropout(0.1), nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        B, N, C = x.shape
        qkv = self.qkv(x).reshape(B, N, 3, self.num_heads, C // self.num_heads)
        qkv = qkv.permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        attn = (q @ k.transpose(-2, -1)) * self.scale
        attn = self.attn_drop(attn.softmax(dim=-1))
        x = (attn @ v).transpose(1, 2).reshape(B, N, C)
        return self.proj(x)


class Later(Classic):
    """The later one: a size of heads, fused kernel, back to C."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__(dim, num_heads)
        self.head_dim = dim // num_heads

    def forward(self, x: Tensor) -> Tensor:
        B, N, C = x.shape
        qkv = self.qkv(x).reshape(B, N, 3, self.num_heads, self.head_dim)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        x = functional.scaled_dot_product_attention(q, k, v, scale=self.scale)
        return self.proj(x.transpose(1, 2).reshape(B, N, C))


class Encoder(nn.Module):
    """Norm, attention, norm, hidden layer; layer scales on both branches."""

    def __init__(self, attention: nn.Module, dim: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim)
        self.attn = attention
        self.ls1, self.ls2 = (nn.Parameter(0.1 * torch.ones(dim)) for _ in range(2))
        self.mlp = nn.Sequential(nn.Linear(dim, 20), nn.GELU(), nn.Linear(20, dim))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1 * self.attn(self.norm1(x))
        return x + self.ls2 * self.mlp(self.norm2(x))


class Vision(nn.Module):
    """Patches, a class token, positions, two blocks, the class token's logits."""

    def __init__(self, attention: type[Classic]) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, 12, 4, stride=4)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 12))
        self.pos_embed = nn.Parameter(torch.zeros(1, 5, 12))
        self.blocks = nn.ModuleList(Encoder(attention(12, 3), 12) for _ in range(2))
        self.norm, self.head = nn.LayerNorm(12), nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1)
        x = x + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


VIT = {
    "patch_embed.weight": 12,
    "cls_token@2": 12,
    "pos_embed@2": 12,
    "norm.weight": 12,
    "blocks.0.ls1": 12,
    "blocks.0.attn.qkv.weight": 3,
    "blocks.0.attn.proj.weight@1": 3,
    "blocks.1.attn.qkv.bias": 3,
    "blocks.0.mlp.0.weight": 20,
    "blocks.1.mlp.2.weight@1": 20,
}


@shown(VIT, approximate=("patch_embed.weight",))
class VisionClassic(Vision):
    def __init__(self) -> None:
        super().__init__(Classic)


@shown(VIT, approximate=("patch_embed.weight",))
class VisionLater(Vision):
    def __init__(self) -> None:
        super().__init__(Later)


class Covariance(nn.Module):
    """Attention of channels to channels within a head, with a learnt temperature."""

    def __init__(self) -> None:
        super().__init__()
        self.num_heads = 3
        self.temperature = nn.Parameter(torch.ones(3, 1, 1))
        self.qkv, self.proj = nn.Linear(12, 36), nn.Linear(12, 12)

    def forward(self, x: Tensor) -> Tensor:
        B, N, _ = x.shape
        qkv = self.qkv(x).reshape(B, N, 3, self.num_heads, 4).permute(2, 0, 3, 4, 1)
        q, k, v = (functional.normalize(part, dim=-1) for part in qkv.unbind(0))
        attn = ((q @ k.transpose(-2, -1)) * self.temperature).softmax(dim=-1)
        return self.proj((attn @ v).permute(0, 3, 1, 2).reshape(B, N, -1))


@shown(
    {"embed.weight": 12, "attn.qkv.weight": 3, "attn.temperature": 3}, shapes=((6, 5),)
)
class CrossCovariance(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.attn = nn.Linear(5, 12), Covariance()
        self.head = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        return self.head(x + self.attn(x))


class Reduced(nn.Module):
    """Keys and values of fewer places, by a strided convolution of the tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.num_heads = 3
        self.q, self.kv, self.proj = (
            nn.Linear(12, 12),
            nn.Linear(12, 24),
            nn.Linear(12, 12),
        )
        self.sr, self.norm = nn.Conv2d(12, 12, 2, stride=2), nn.LayerNorm(12)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        B, N, C = x.shape
        q = self.q(x).reshape(B, N, self.num_heads, C // self.num_heads)
        y = x.permute(0, 2, 1).reshape(B, C, height, width)
        y = self.norm(self.sr(y).reshape(B, C, -1).permute(0, 2, 1))
        kv = self.kv(y).reshape(B, -1, 2, self.num_heads, C // self.num_heads)
        k, v = kv.permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(q.transpose(1, 2), k, v)
        return self.proj(y.transpose(1, 2).reshape(B, N, C))


@shown(
    {
        "embed.weight": 12,
        "attn.q.weight": 3,
        "attn.kv.weight": 3,
        "attn.sr.weight": 12,
        "attn.proj.weight@1": 3,
        "attn.kv.weight@1": 12,
    },
    approximate=("attn.sr.weight",),
)
class SpatialReduction(nn.Module):
    """The attention of PVT and Segformer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.attn = nn.Conv2d(3, 12, 2, stride=2), Reduced()
        self.head = nn.Conv2d(12, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        B, C, H, W = x.shape
        y = self.attn(x.flatten(2).transpose(1, 2), H, W)
        return self.head(x + y.transpose(1, 2).view(B, C, H, W))


class ImageHeads(nn.Module):
    """Attention of feature maps: heads made of channels, 1x1 convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Conv2d(8, 24, 1, bias=False), nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        q, k, v = (t.reshape(b, -1, 4, h * w) for t in self.qkv(x).chunk(3, dim=1))
        weights = torch.einsum("bhdi,bhdj->bhij", q * 0.5, k).softmax(dim=-1)
        y = torch.einsum("bhij,bhdj->bhid", weights, v)
        y = y.permute(0, 1, 3, 2).reshape(b, -1, h, w)
        return self.out(y) + x


@shown({"stem.weight": 8, "attn.qkv.weight": 2, "attn.out.weight@1": 2})
class DiffusionAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.attn = nn.Conv2d(3, 8, 3, 2, 1), ImageHeads()
        self.last = nn.Conv2d(8, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(functional.silu(self.attn(self.stem(x))))
