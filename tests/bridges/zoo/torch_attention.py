"""The attention and transformer modules of torch itself."""

import torch
from torch import Tensor, nn

from tests.bridges.zoo.case import shown

TOKENS = ((6, 5),)


@shown(
    {
        "embed.weight": 12,
        "attn.in_proj_weight": 3,
        "attn.in_proj_weight@1": 12,
        "attn.in_proj_bias": 3,
        "attn.out_proj.weight@1": 3,
        "attn.out_proj.weight": 12,
    },
    shapes=TOKENS,
)
class SelfAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(5, 12)
        self.attn = nn.MultiheadAttention(12, 3, batch_first=True, dropout=0.1)
        self.head = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        return self.head(x + self.attn(x, x, x, need_weights=False)[0])


@shown(
    {
        "embed.weight": 12,
        "memory.weight": 8,
        "cross.q_proj_weight": 3,
        "cross.k_proj_weight": 3,
        "cross.v_proj_weight@1": 8,
        "cross.out_proj.weight@1": 3,
    },
    shapes=((6, 5), (4, 3)),
)
class CrossModule(nn.Module):
    """Queries of one input, keys and values of another width; time first."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.memory = nn.Linear(5, 12), nn.Linear(3, 8)
        self.cross = nn.MultiheadAttention(12, 3, kdim=8, vdim=8)
        self.head = nn.Linear(12, 4)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        x, y = self.embed(x).transpose(0, 1), self.memory(y).transpose(0, 1)
        return self.head((x + self.cross(x, y, y)[0]).transpose(0, 1))


class CrossAttention(nn.Module):
    """Queries of one input, fused keys and values of another."""

    def __init__(self) -> None:
        super().__init__()
        self.to_q, self.to_kv = nn.Linear(12, 12, bias=False), nn.Linear(8, 24)
        self.to_out = nn.Sequential(nn.Linear(12, 12), nn.Dropout(0.1))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        q = self.to_q(x)
        k, v = self.to_kv(context).chunk(2, dim=-1)
        q, k, v = (
            t.reshape(t.shape[0], t.shape[1], -1, 4).permute(0, 2, 1, 3)
            for t in (q, k, v)
        )
        y = (torch.matmul(q, k.transpose(-1, -2)) * 0.5).softmax(dim=-1).matmul(v)
        return self.to_out(y.permute(0, 2, 1, 3).reshape(x.shape[0], x.shape[1], -1))


@shown(
    {
        "embed.weight": 12,
        "memory.weight": 8,
        "cross.to_q.weight": 3,
        "cross.to_kv.weight": 3,
        "cross.to_out.0.weight@1": 3,
    },
    shapes=((6, 5), (4, 3)),
)
class CrossByHand(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.memory = nn.Linear(5, 12), nn.Linear(3, 8)
        self.cross, self.head = CrossAttention(), nn.Linear(12, 4)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        x = self.embed(x)
        return self.head(x + self.cross(x, self.memory(y)))


class Layered(nn.Module):
    """A stack of torch's own encoder layers."""

    def __init__(self, norm_first: bool, activation: str) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            12, 3, 20, activation=activation, batch_first=True, norm_first=norm_first
        )
        self.embed = nn.Linear(5, 12)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.embed(x)).mean(1))


LAYERS = {
    "embed.weight": 12,
    "encoder.layers.0.self_attn.in_proj_weight": 3,
    "encoder.layers.1.self_attn.out_proj.weight@1": 3,
    "encoder.layers.0.linear1.weight": 20,
    "encoder.layers.1.linear2.weight@1": 20,
    "encoder.layers.1.norm2.weight": 12,
}


@shown(LAYERS, approximate=("embed.weight",), shapes=TOKENS)
class EncoderNormFirst(Layered):
    def __init__(self) -> None:
        super().__init__(norm_first=True, activation="gelu")


@shown(
    LAYERS,
    approximate=(
        "embed.weight",
        "encoder.layers.0.norm1.weight",
        "encoder.layers.0.norm2.weight",
        "encoder.layers.1.norm1.weight",
    ),
    shapes=TOKENS,
)
class EncoderNormLast(Layered):
    def __init__(self) -> None:
        super().__init__(norm_first=False, activation="relu")


@shown(
    {
        "embed.weight": 12,
        "layer.self_attn.in_proj_weight": 3,
        "layer.multihead_attn.in_proj_weight": 3,
        "layer.linear1.weight": 20,
        "memory.weight": 12,
    },
    approximate=("embed.weight",),
    shapes=((6,), (4, 5)),
)
class Decoder(nn.Module):
    """torch's decoder layer: causal attention, then attention to a memory."""

    mask: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.memory = nn.Linear(1, 12), nn.Linear(5, 12)
        self.layer = nn.TransformerDecoderLayer(12, 3, 20, batch_first=True)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(6))
        self.head = nn.Linear(12, 4)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        x = self.embed(x.unsqueeze(-1))
        return self.head(self.layer(x, self.memory(y), tgt_mask=self.mask))
