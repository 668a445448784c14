"""A map of channels that is held as a tensor train and applied core by core."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from ccsolve.errors import InvalidProblem
from ccsolve.recipes.trains import Train
from ccsolve_torch.running.state import hooks

Shape = tuple[int, ...]


class TrainMap(nn.Module):
    """y = W x (+ b) at every position, W held as the cores of a tensor train.

    Of outputs, W (n_1·...·n_k, r) is the product of cores (1, n_1, r_1), ...,
    (r_{k-1}, n_k, r); of inputs, W (r, c_1·...·c_k) that of cores (r, c_1, r_1), ...,
    (r_{k-1}, c_k, 1). They are applied one after another, the last one first: W is not
    made, and where ranks are small neither its weights nor its multiplications are
    paid (Yin et al., CVPR 2021).

    Parameters
    ----------
    modes
        n_1, ..., n_k or c_1, ..., c_k.
    ranks
        Of the k bonds: r_1, ..., r_{k-1}, r of outputs, r, r_1, ..., r_{k-1} of inputs.
    inputs
        Whether the modes are of the inputs.
    axes
        How many axes stand behind the channels, as of a convolution; 0 for a linear
        map, whose channels are the last axis.
    bias
        Whether b is added.
    stride
        Every how many positions along each axis W is applied; 1 by default.

    Raises
    ------
    InvalidProblem
        Another number of ranks than modes, or none; of strides than axes.
    """

    def __init__(
        self,
        modes: Sequence[int],
        ranks: Sequence[int],
        *,
        inputs: bool,
        axes: int,
        bias: bool = True,
        stride: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.modes, self.ranks = tuple(modes), tuple(ranks)
        self.inputs, self.axes = bool(inputs), int(axes)
        self.stride = tuple(stride) or (1,) * self.axes
        if len(self.stride) != self.axes:
            raise InvalidProblem(
                f"TrainMap: stride {self.stride} of {self.axes} axes; expected one "
                f"number for each"
            )
        if not self.modes or len(self.modes) != len(self.ranks):
            raise InvalidProblem(
                f"TrainMap: modes {self.modes} with ranks {self.ranks}; expected one "
                f"rank for each mode"
            )
        bonds = (*self.ranks, 1) if self.inputs else (1, *self.ranks)
        self.cores = nn.ParameterList(
            nn.Parameter(torch.empty(bonds[place], mode, bonds[place + 1]))
            for place, mode in enumerate(self.modes)
        )
        made = self.ranks[0] if self.inputs else prod(self.modes)
        self.bias = nn.Parameter(torch.empty(made)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all cores anew, so that W has the variance of Xavier's numbers."""
        n, c = self.shape
        terms = prod(self.ranks) / (self.ranks[0] if self.inputs else self.ranks[-1])
        scale = (2.0 / (n + c) / terms) ** (0.5 / len(self.modes))
        for core in self.cores:
            nn.init.normal_(core, std=scale)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    @property
    def shape(self) -> tuple[int, int]:
        """Give (outputs, inputs)."""
        whole = prod(self.modes)
        return (self.ranks[0], whole) if self.inputs else (whole, self.ranks[-1])

    def matrix(self) -> Tensor:
        """Give W, (outputs, inputs)."""
        whole: Tensor = self.cores[0]
        for core in list(self.cores)[1:]:
            whole = torch.tensordot(whole, core, 1)
        return whole.reshape(self.shape)

    def forward(self, x: Tensor) -> Tensor:
        """Give W x + b, along the last axis or the one before the last `axes`."""
        channels = x.ndim - 1 - self.axes
        if max(self.stride, default=1) > 1:
            x = x[(..., *(slice(None, None, step) for step in self.stride))]
        if self.axes:
            before, behind = x.shape[:channels], x.shape[channels + 1 :]
            flat = x.reshape(prod(before), x.shape[channels], prod(behind))
            made = self._applied(flat)
            y = made.reshape(*before, made.shape[1], *behind)
        else:
            # Samples along the last axis: a core meets all of them in one product.
            flat = x.reshape(1, -1, x.shape[-1]).transpose(1, 2)
            made = self._applied(flat).transpose(1, 2)
            y = made.reshape(*x.shape[:-1], made.shape[-1])
        if self.bias is None:
            return y
        return y + self.bias.reshape(-1, *(1,) * self.axes)

    def _applied(self, x: Tensor) -> Tensor:
        """Give W x of x (batch, inputs, positions)."""
        batch, positions = x.shape[0], x.shape[2]
        state = x
        for core in reversed(list(self.cores)):
            first, mode, last = core.shape
            if self.inputs:
                state = state.reshape(-1, mode * last, positions)
                state = core.reshape(first, mode * last) @ state
            else:
                state = state.reshape(batch, last, -1)
                state = core.reshape(first * mode, last) @ state
        return state.reshape(batch, self.shape[0], positions)

    def macs(self, positions: int) -> int:
        """Give the multiply-accumulates at so many positions."""
        shapes = tuple(tuple(core.shape) for core in self.cores)
        return positions * Train(shapes, self.inputs).work

    def extra_repr(self) -> str:
        """Give the arguments."""
        side = "inputs" if self.inputs else "outputs"
        return (
            f"{side} {self.modes}, ranks={self.ranks}, axes={self.axes}, "
            f"stride={self.stride}"
        )


def train_map(
    cores: Sequence[Any], inputs: bool, stride: Sequence[int], bias: Any, like: Tensor
) -> TrainMap:
    """Give the map of these cores, of the type and on the device of `like`."""
    modes = [core.shape[1] for core in cores]
    ranks = [core.shape[0 if inputs else 2] for core in cores]
    axes = len(stride)
    with torch.device("meta"):
        made = TrainMap(
            modes, ranks, inputs=inputs, axes=axes, bias=False, stride=stride
        )
    made.cores = nn.ParameterList(
        nn.Parameter(torch.from_numpy(core.copy()).to(like), like.requires_grad)
        for core in cores
    )
    made.bias = bias
    return made


@contextmanager
def train_macs(
    parts: Mapping[str, nn.Module], samples: int
) -> Iterator[dict[str, int]]:
    """Count, by name, the multiply-accumulates per sample of the maps that run inside.

    Of `parts` those that are no `TrainMap` are left out.
    """
    found = {name: 0 for name, one in parts.items() if isinstance(one, TrainMap)}

    def see(name: str, part: TrainMap, _: Any, y: Tensor) -> None:
        found[name] += part.macs(y.numel() // part.shape[0]) // samples

    handles = [
        part.register_forward_hook(partial(see, name))
        for name, part in parts.items()
        if isinstance(part, TrainMap)
    ]
    with hooks(handles):
        yield found
