"""Tokens without attention: mixers, gated feed-forwards, ConvNeXt, language models."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.bridges.zoo.case import shown


class ConvNeXtBlock(nn.Module):
    """Depthwise, channels last, norm, hidden layer, layer scale, channels first."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.pwconv1, self.pwconv2 = nn.Linear(dim, 20), nn.Linear(20, dim)
        self.gamma = nn.Parameter(1e-6 * torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        y = self.gamma * self.pwconv2(functional.gelu(self.pwconv1(y)))
        return x + y.permute(0, 3, 1, 2)


@shown(
    {
        "stem.weight": 10,
        "block.dwconv.weight": 10,
        "block.pwconv1.weight": 20,
        "block.gamma": 10,
        "head.weight@1": 10,
    },
    approximate=("stem.weight",),
)
class ConvNeXt(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block = nn.Conv2d(3, 10, 2, stride=2), ConvNeXtBlock(10)
        self.norm, self.head = nn.LayerNorm(10), nn.Linear(10, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.block(self.stem(x)).mean([-2, -1])))


class MixerBlock(nn.Module):
    """Tokens mixed as channels, then channels."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(10), nn.LayerNorm(10)
        self.token1, self.token2 = nn.Linear(16, 9), nn.Linear(9, 16)
        self.channel1, self.channel2 = nn.Linear(10, 15), nn.Linear(15, 10)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x).transpose(1, 2)
        x = x + self.token2(functional.gelu(self.token1(y))).transpose(1, 2)
        return x + self.channel2(functional.gelu(self.channel1(self.norm2(x))))


@shown(
    {
        "stem.weight": 10,
        "block.token1.weight": 9,
        "block.token2.weight@1": 9,
        "block.channel1.weight": 15,
        "head.weight@1": 10,
    },
    approximate=("stem.weight",),
)
class Mixer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block = nn.Conv2d(3, 10, 2, stride=2), MixerBlock()
        self.norm, self.head = nn.LayerNorm(10), nn.Linear(10, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block(self.stem(x).flatten(2).transpose(1, 2))
        return self.head(self.norm(x).mean(dim=1))


@shown(
    {"embed.weight": 8, "proj1.weight": 6, "norm.weight": 6, "proj2.weight@1": 6},
    approximate=("proj1.weight",),
    shapes=((7, 5),),
)
class SpatialGating(nn.Module):
    """One half of the channels, mixed over tokens, gates the other."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.proj1 = nn.Linear(5, 8), nn.Linear(8, 12)
        self.norm, self.spatial = nn.LayerNorm(6), nn.Conv1d(7, 7, 1)
        self.proj2, self.head = nn.Linear(6, 8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        u, v = functional.gelu(self.proj1(x)).chunk(2, dim=-1)
        x = x + self.proj2(u * self.spatial(self.norm(v)))
        return self.head(x.mean(1))


@shown(
    {
        "wte.weight@1": 12,
        "wpe.weight@1": 12,
        "attn.weight": 3,
        "fc.weight": 20,
        "proj.weight@1": 3,
    },
    approximate=("wte.weight@1",),
    shapes=((6,),),
    vocabulary=13,
)
class TinyGPT(nn.Module):
    """Embedding and decoder share a weight; positions; one causal block."""

    def __init__(self) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(13, 12), nn.Embedding(8, 12)
        self.norm1, self.norm2, self.last = (nn.LayerNorm(12) for _ in range(3))
        self.attn, self.proj = nn.Linear(12, 36), nn.Linear(12, 12)
        self.fc, self.back = nn.Linear(12, 20), nn.Linear(20, 12)
        self.lm_head = nn.Linear(12, 13, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(x.shape[1])
        h = self.wte(x) + self.wpe(places)
        q, k, v = (
            part.unflatten(-1, (3, -1)).transpose(1, 2)
            for part in self.attn(self.norm1(h)).chunk(3, -1)
        )
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        h = h + self.proj(y.transpose(1, 2).flatten(2))
        h = h + self.back(functional.gelu(self.fc(self.norm2(h)), approximate="tanh"))
        return self.lm_head(self.last(h))


@shown(
    {"words.weight@1": 10, "fc1.weight": 8, "fc1.weight@1": 10},
    shapes=((6,),),
    vocabulary=9,
)
class WordBag(nn.Module):
    """Embeddings averaged over a sentence."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.fc1 = nn.Embedding(9, 10), nn.Linear(10, 8)
        self.fc2 = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(torch.relu(self.fc1(self.words(x).mean(dim=1))))


@shown(
    {"c_fc.weight@1": 16, "c_fc.bias": 16, "c_proj.weight@0": 16, "embed.weight": 8},
    shapes=((6, 5),),
)
class InputsFirst(nn.Module):
    """Weights stored inputs first, used by addmm and by @."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(5, 8), nn.Linear(8, 4)
        self.c_fc, self.c_proj = Columns(8, 16), Columns(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        return self.head(x + self.c_proj(functional.gelu(self.c_fc(x))))


class Columns(nn.Module):
    """A linear map of rows, as GPT-2 stores it."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.nf = outer
        self.weight = nn.Parameter(torch.randn(inner, outer) / inner**0.5)
        self.bias = nn.Parameter(torch.zeros(outer))

    def forward(self, x: Tensor) -> Tensor:
        size = (*x.size()[:-1], self.nf)
        return torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight).view(size)


class GlobalResponse(nn.Module):
    """Response normalisation of ConvNeXt V2: a mean over channels of their norms."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, 1, dim))
        self.beta = nn.Parameter(torch.zeros(1, 1, 1, dim))

    def forward(self, x: Tensor) -> Tensor:
        norms = torch.norm(x, p=2, dim=(1, 2), keepdim=True)
        share = norms / (norms.mean(dim=-1, keepdim=True) + 1e-6)
        return self.gamma * (x * share) + self.beta + x


@shown(
    {"stem.weight": 10, "up.weight": 20, "grn.gamma@3": 20, "down.weight": 10},
    approximate=("up.weight",),
)
class ConvNeXtV2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.up = nn.Conv2d(3, 10, 2, stride=2), nn.Linear(10, 20)
        self.grn, self.down = GlobalResponse(20), nn.Linear(20, 10)
        self.head = nn.Linear(10, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).permute(0, 2, 3, 1)
        x = x + self.down(self.grn(functional.gelu(self.up(x))))
        return self.head(x.mean((1, 2)))
