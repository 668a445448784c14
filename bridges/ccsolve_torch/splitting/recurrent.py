"""Recurrent layers whose matrices are products of factors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.rnn import PackedSequence

RECURRENT = (nn.LSTM, nn.GRU, nn.RNN)

# What code reads from a recurrent layer, to make states that fit.
_SPOKEN = (
    *("input_size", "hidden_size", "num_layers", "batch_first", "bidirectional"),
    *("dropout", "proj_size"),
)


@dataclass(frozen=True)
class Form:
    """A matrix (n, c) as factors: the format, its modes, how many are of n."""

    format: str
    modes: tuple[int, ...]
    leading: int


class FactoredRecurrent(nn.Module):
    """An `nn.LSTM`, `nn.GRU` or `nn.RNN` that holds some of its matrices as factors.

    It is called like the layer that it takes the place of, with padded or packed
    sequences, and has a parameter for every factor. Where all matrices of the first
    layer's inputs, W = L R, are factored, the sequence is multiplied by R once, and the
    recurrence reads r numbers per step in place of its inputs. Other matrices are
    multiplied out in every forward pass, once for all steps: these save parameters, not
    time. In training all parameters can be trained, the factors too.

    Parameters
    ----------
    layer
        The layer; its other parameters become this module's.
    forms, factors
        Name of a matrix -> its form, and the values of its factors.
    """

    def __init__(
        self,
        layer: Any,
        forms: Mapping[str, Form],
        factors: Mapping[str, Sequence[Tensor]],
    ) -> None:
        super().__init__()
        self.forms = dict(forms)
        for name, value in layer.named_parameters():
            if name not in forms:
                self.register_parameter(name, value)
        for name, parts in factors.items():
            wanted = getattr(layer, name).requires_grad
            held = [nn.Parameter(part, wanted) for part in parts]
            self.add_module(name, nn.ParameterList(held))
        self._names = tuple(name for name, _ in layer.named_parameters())
        first = [f"weight_ih_l0{end}" for end in _ends(layer)]
        ranks = [self._rank(name) for name in first]
        narrow = sum(rank or layer.input_size for rank in ranks)
        self.projected = tuple(first) if narrow < layer.input_size else ()
        width = narrow if self.projected else layer.input_size
        # Of this one only the settings are used; it has no values and is no submodule.
        self._layer = (_empty(layer, width),)
        for name in _SPOKEN:
            setattr(self, name, getattr(layer, name))
        self.train(layer.training)

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Give what the recurrent layer gives."""
        weights = {
            name: self._matrix(name) if name in self.forms else getattr(self, name)
            for name in self._names
        }
        if self.projected:
            halves = [self._halves(name) for name in self.projected]
            input = _narrowed(input, torch.cat([right for _, right in halves]))
            lefts = torch.block_diag(*(left for left, _ in halves))
            parts = lefts.chunk(len(halves))
            weights |= dict(zip(self.projected, parts, strict=True))
        (layer,) = self._layer
        layer.train(self.training)
        return functional_call(layer, weights, (input, hx))

    def flatten_parameters(self) -> None:
        """Do nothing: what is multiplied out anew every time has no place to lie."""

    def extra_repr(self) -> str:
        """Give the settings and the formats."""
        (layer,) = self._layer
        formats = ", ".join(f"{n}: {form.format}" for n, form in self.forms.items())
        return f"{type(layer).__name__}({layer.extra_repr()}), {formats}"

    def _rank(self, name: str) -> int | None:
        """Give r of W = L R, None for a matrix that is not factored so."""
        form = self.forms.get(name)
        if form is None or form.format == "tr":
            return None
        with torch.no_grad():
            return self._halves(name)[1].shape[0]

    def _halves(self, name: str) -> tuple[Tensor, Tensor]:
        parts: Any = getattr(self, name)
        return halves(self.forms[name], list(parts))

    def _matrix(self, name: str) -> Tensor:
        if name in self.projected:
            # Its left half takes its place.
            return torch.empty(0)
        left, right = self._halves(name)
        return left @ right


def halves(form: Form, parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Give L (n, r) and R (r, c) with W = L R.

    Of a ring r is the product of two bonds.
    """
    if form.format == "svd":
        return parts[0], parts[1]
    if form.format == "tucker":
        return parts[1] @ parts[0], parts[2].T
    left, right = (_joined(p) for p in (parts[: form.leading], parts[form.leading :]))
    ring, middle = left.shape[0], left.shape[2]
    left = left.permute(1, 0, 2).reshape(-1, ring * middle)
    return left, right.permute(2, 0, 1).reshape(ring * middle, -1)


def _joined(cores: Sequence[Tensor]) -> Tensor:
    """Give the cores' product as (r_first, all modes, r_last)."""
    whole = cores[0]
    for core in cores[1:]:
        whole = torch.tensordot(whole, core, 1).flatten(1, 2)
    return whole


def _narrowed(input: Any, right: Tensor) -> Any:
    if isinstance(input, PackedSequence):
        data = nn.functional.linear(input.data, right)
        rest = (input.batch_sizes, input.sorted_indices, input.unsorted_indices)
        return PackedSequence(data, *rest)
    return nn.functional.linear(input, right)


def _ends(layer: Any) -> tuple[str, ...]:
    return ("", "_reverse") if layer.bidirectional else ("",)


def _empty(layer: Any, input_size: int) -> Any:
    """Give a layer of the same settings for another width of inputs, without values."""
    given: dict[str, Any] = {
        "num_layers": layer.num_layers,
        "bias": layer.bias,
        "batch_first": layer.batch_first,
        "dropout": layer.dropout,
        "bidirectional": layer.bidirectional,
        "device": "meta",
    }
    if isinstance(layer, nn.LSTM):
        given["proj_size"] = layer.proj_size
    if isinstance(layer, nn.RNN):
        given["nonlinearity"] = layer.nonlinearity
    return type(layer)(input_size, layer.hidden_size, **given)
