"""Multi-head attention whose heads need not fill the width of its input.

`nn.MultiheadAttention` insists on heads · head_dim = embed_dim. One that lost heads, or
whose input lost channels while its heads stayed, is a `SlimAttention`: the same
parameters under the same names, the same call, the same results.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ccsolve.errors import InvalidProblem, Unsupported

Projections = tuple[Tensor, Tensor, Tensor]
Project = Callable[[Any, Tensor, Tensor, Tensor], Projections]


class SlimAttention(nn.Module):
    """What `nn.MultiheadAttention` computes, for any number of heads of any width.

    With n heads of width d on embed_dim channels: in_proj_weight (3nd, embed_dim), or
    q_proj_weight, k_proj_weight, v_proj_weight (nd, their inputs); in_proj_bias (3nd,);
    bias_k, bias_v (1, 1, nd); out_proj.weight (outputs, nd). Scores are q·k / √d.
    The keys of its state dict are those of `nn.MultiheadAttention`.
    """

    def __init__(self, module: nn.Module, heads: int) -> None:
        """Take over everything the module holds, its parameters as they are."""
        super().__init__()
        for name, value in vars(module).items():
            vars(self)[name] = value.copy() if isinstance(value, dict | set) else value
        self.num_heads = heads
        self.head_dim = _projected(self) // heads
        widths = [weight.shape[1] for weight in _weights(self)]
        self.embed_dim, self.kdim, self.vdim = widths[0], widths[-2], widths[-1]
        # torch's fused encoder layer asks for this one before it runs; it would
        # take embed_dim / num_heads for the width of a head.
        self._qkv_same_embed_dim = False
        out_proj: Any = self.out_proj
        out_proj.out_features, out_proj.in_features = out_proj.weight.shape

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Give the outputs and, where asked, the attention weights.

        Arguments and shapes as in `nn.MultiheadAttention`; a mask for every head has
        as many slices per sample as there are heads now.
        """
        return attend(
            self,
            query,
            key,
            value,
            key_padding_mask,
            need_weights,
            attn_mask,
            average_attn_weights,
            is_causal,
            project=by_parts,
        )


def slim_attention(module: nn.Module, heads: int) -> SlimAttention:
    """Give the attention around the sliced parameters of one that has `heads` left.

    The parameters are the module's own objects; hooks and modes are taken over. The
    width of a head is what the parameters say.

    Raises
    ------
    InvalidProblem
        If the rows of the projections or the columns of out_proj are no `heads` heads.
    """
    rows, columns = _projected(module), module.out_proj.weight.shape[1]  # pyright: ignore
    if heads < 1 or rows % heads or columns != rows:
        raise InvalidProblem(
            f"attention: {heads} heads, {rows} rows of the query projection and "
            f"{columns} columns of out_proj; expected equal multiples of the heads"
        )
    return SlimAttention(module, heads)


def replace_attention(model: nn.Module, name: str, heads: int) -> None:
    """Put a `SlimAttention` in the place of the model's module of that name.

    An encoder around it no longer makes nested tensors of padded batches: only its
    fused layers can read those.
    """
    model.set_submodule(name, slim_attention(model.get_submodule(name), heads))
    for path, module in model.named_modules():
        if isinstance(module, nn.TransformerEncoder) and _within(name, path):
            module.use_nested_tensor = False


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
    *,
    project: Project,
) -> tuple[Tensor, Tensor | None]:
    """Give what the attention module gives, by linear maps and plain operators.

    `project` gives its queries, keys and values, (N, length, heads · head_dim) each.
    Every linear map reads samples along axis 0, whatever `batch_first` says.
    """
    inputs, back = _samples_first(module, query, key, value)
    mask = _merged(module, attn_mask, key_padding_mask, inputs[0].shape[0], query.dtype)
    if is_causal and attn_mask is None:
        raise InvalidProblem("attention: is_causal without attn_mask; give the mask")
    # As in torch: the hint replaces the mask where nothing else needs it.
    hinted = is_causal and key_padding_mask is None and not need_weights
    q, k, v = _heads(module, *project(module, *inputs))
    dropout = module.dropout if module.training else 0.0
    if not need_weights:
        mixed = functional.scaled_dot_product_attention(
            q, k, v, None if hinted else mask, dropout, hinted
        )
        return back(_outputs(module, mixed)), None
    scores = q * q.shape[-1] ** -0.5 @ k.transpose(-2, -1)
    weights = (scores if mask is None else scores + mask).softmax(dim=-1)
    weights = functional.dropout(weights, dropout) if dropout else weights
    shown = weights.mean(dim=1) if average_attn_weights else weights
    return back(_outputs(module, weights @ v)), (
        shown if query.dim() == 3 else shown.squeeze(0)
    )


def by_whole_weights(module: Any, q: Tensor, k: Tensor, v: Tensor) -> Projections:
    """Project by calls that are given the module's own parameters, nothing cut.

    Keys and values that are other tensors than the queries cost the packed projection
    once more for each.
    """
    if module.in_proj_weight is None:
        return _separately(module, q, k, v)
    done: dict[int, Tensor] = {}
    for x in (q, k, v):
        if id(x) not in done:
            done[id(x)] = functional.linear(
                x, module.in_proj_weight, module.in_proj_bias
            )
    parts = [done[id(x)].chunk(3, dim=-1) for x in (q, k, v)]
    return parts[0][0], parts[1][1], parts[2][2]


def by_parts(module: Any, q: Tensor, k: Tensor, v: Tensor) -> Projections:
    """Project each input by its own part of the packed weight."""
    if q is k and k is v:
        return by_whole_weights(module, q, k, v)
    if module.in_proj_weight is None:
        return _separately(module, q, k, v)
    weights = module.in_proj_weight.chunk(3)
    return _linear(module, (q, k, v), weights)


def _separately(module: Any, q: Tensor, k: Tensor, v: Tensor) -> Projections:
    return _linear(module, (q, k, v), _weights(module))


def _linear(module: Any, inputs: Any, weights: Any) -> Projections:
    bias = module.in_proj_bias
    biases = (None,) * 3 if bias is None else bias.chunk(3)
    q, k, v = map(functional.linear, inputs, weights, biases)
    return q, k, v


def _samples_first(
    module: Any, *inputs: Tensor
) -> tuple[tuple[Tensor, ...], Callable[[Tensor], Tensor]]:
    """Give the inputs as (N, length, channels), and the way back for the output."""
    if any(x.is_nested for x in inputs):
        raise Unsupported(
            "attention: a nested tensor; expected padded tensors (set "
            "use_nested_tensor of the TransformerEncoder to False)"
        )
    # Equal tensors stay one tensor: their projection is computed once.
    once = {id(x): x for x in inputs}
    if inputs[0].dim() == 2:
        first = {key: x.unsqueeze(0) for key, x in once.items()}
        return tuple(first[id(x)] for x in inputs), lambda y: y.squeeze(0)
    if module.batch_first:
        return inputs, lambda y: y
    first = {key: x.transpose(0, 1) for key, x in once.items()}
    return tuple(first[id(x)] for x in inputs), lambda y: y.transpose(0, 1)


def _merged(
    module: Any,
    attn_mask: Tensor | None,
    padding: Tensor | None,
    samples: int,
    dtype: torch.dtype,
) -> Tensor | None:
    """Give the sum of the masks, to be added to scores (N, heads, L, S)."""
    masks = []
    if attn_mask is not None:
        mask = _additive(attn_mask, dtype)
        if mask.dim() == 3:
            _check_mask(mask, samples * module.num_heads)
            mask = mask.unflatten(0, (samples, module.num_heads))
        masks.append(mask)
    if padding is not None:
        masks.append(_additive(padding, dtype).reshape(samples, 1, 1, -1))
    if not masks:
        return None
    merged = masks[0] if len(masks) == 1 else masks[0] + masks[1]
    extra = int(module.bias_k is not None) + int(module.add_zero_attn)
    return functional.pad(merged, (0, extra)) if extra else merged


def _additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    if mask.dtype != torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(mask, float("-inf"))


def _check_mask(mask: Tensor, expected: int) -> None:
    if mask.shape[0] != expected:
        raise InvalidProblem(
            f"attention: attn_mask with {mask.shape[0]} slices; expected one per "
            f"sample and head, {expected}"
        )


def _heads(module: Any, q: Tensor, k: Tensor, v: Tensor) -> Projections:
    """Give (N, heads, length, head_dim) each, with the extra keys and values."""
    if module.bias_k is not None:
        k, v = (
            torch.cat((x, bias.expand(x.shape[0], 1, -1)), dim=1)
            for x, bias in ((k, module.bias_k), (v, module.bias_v))
        )
    split = (module.num_heads, -1)
    q, k, v = (x.unflatten(-1, split).transpose(1, 2) for x in (q, k, v))
    if module.add_zero_attn:
        k, v = (functional.pad(x, (0, 0, 0, 1)) for x in (k, v))
    return q, k, v


def _outputs(module: Any, mixed: Tensor) -> Tensor:
    merged = mixed.transpose(1, 2).flatten(2)
    return functional.linear(merged, module.out_proj.weight, module.out_proj.bias)


def _weights(module: Any) -> tuple[Tensor, ...]:
    if module.in_proj_weight is not None:
        return (module.in_proj_weight,) * 3
    return module.q_proj_weight, module.k_proj_weight, module.v_proj_weight


def _projected(module: Any) -> int:
    """Give the number of rows of the query projection."""
    packed = module.in_proj_weight
    return len(module.q_proj_weight) if packed is None else len(packed) // 3


def _within(name: str, path: str) -> bool:
    return not path or name.startswith(f"{path}.")
