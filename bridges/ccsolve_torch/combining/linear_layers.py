"""LinearConv: a convolution that holds some of its filters, and makes the others.

Kahatapitiya and Rodrigo, "Exploiting the redundancy in convolutional filters for
parameter reduction", WACV 2021.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ccsolve.errors import InvalidProblem
from ccsolve.recipes.linear_conv import primary_count, rank_count
from ccsolve_torch.reasons import first_line

_PLAIN = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_RUN: dict[int, Any] = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}

RANGE = 0.1
"""Coefficients and biases begin uniformly within this of 0."""

STEP = 1e-5
"""The most that a threshold moves at once."""


class LinearConv(nn.Module):
    """A convolution of n filters, of which n_p are held: W = [V; L·V], y = W * x + b.

    V (n_p, c / groups, kernel...) are the primary filters, L (n - n_p, n_p) the linear
    coefficients, both trained. W is made anew in every forward pass, with
    (n - n_p)·n_p multiplications per weight of a filter, whatever the batch is;
    `ccsolve_torch.fold` makes it once. So parameters are saved, not multiplications:
    as long as n_p < (c / groups)·Π kernel.

    V begins as Xavier's uniform numbers, coefficients and bias uniformly in ±0.1.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
    padding_mode
        As torch's convolution has them.
    ratio
        How many filters are primary: a float in (0, 1], a part, rounded down, at least
        one; or their number.
    rank
        L is a product of factors (n - n_p, r) and (r, n_p): r an int, or a float in
        (0, 1], a part of n_p. None: L is held as it is.
    sparsity
        In (0, 1): coefficients up to a threshold in size count as 0. It begins at 0,
        and `update_threshold` moves it until this part of them does. Not with a rank.

    Raises
    ------
    InvalidProblem
        For arguments that do not fit together.
    """

    axes = 0
    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...] | str
    dilation: tuple[int, ...]
    groups: int
    padding_mode: str
    order: Tensor
    threshold: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] | str = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        ratio: float | int = 0.5,
        rank: float | int | None = None,
        sparsity: float | None = None,
    ) -> None:
        super().__init__()
        geometry = (kernel_size, stride, padding, dilation, groups, bias, padding_mode)
        plain = _checked(self.axes, in_channels, out_channels, geometry)
        for name in _SPOKEN:
            setattr(self, name, getattr(plain, name))
        self._around = tuple(plain._reversed_padding_repeated_twice)
        held = primary_count(ratio, out_channels)
        self.ratio, self.rank, self.sparsity = ratio, rank, _share(sparsity, rank)
        filters = plain.weight.shape[1:]
        self.primary = nn.Parameter(torch.empty(held, *filters))
        made = out_channels - held
        if rank is None:
            self.coefficients = nn.Parameter(torch.empty(made, held))
        else:
            inner = rank_count(rank, held)
            self.left = nn.Parameter(torch.empty(made, inner))
            self.right = nn.Parameter(torch.empty(inner, held))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.register_buffer("order", torch.arange(out_channels))
        cut = None if sparsity is None else torch.zeros(())
        self.register_buffer("threshold", cut)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew, with torch's generator."""
        nn.init.xavier_uniform_(self.primary)
        for name, value in self.named_parameters():
            if name != "primary" and value.numel():
                nn.init.uniform_(value, -RANGE, RANGE)

    @property
    def combination(self) -> Tensor:
        """L (n - n_p, n_p): what of each primary filter is in each other filter."""
        if self.rank is not None:
            return self.left @ self.right
        if self.threshold is None:
            return self.coefficients
        return self.coefficients * (self.coefficients.abs() > self.threshold)

    @property
    def weight(self) -> Tensor:
        """W (n, c / groups, kernel...), as torch's convolution holds it."""
        rows = self.primary.flatten(1)
        if self.rank is None:
            others = self.combination @ rows
        else:
            others = self.left @ (self.right @ rows)
        whole = torch.cat([rows, others]).index_select(0, self.order)
        return whole.reshape(-1, *self.primary.shape[1:])

    def forward(self, x: Tensor) -> Tensor:
        """Give the convolution of x with W, and the bias added."""
        padding = self.padding
        if self.padding_mode != "zeros":
            x = functional.pad(x, self._around, mode=self.padding_mode)  # pyright: ignore
            padding = 0
        geometry: Any = (self.stride, padding, self.dilation, self.groups)
        return _RUN[self.axes](x, self.weight, self.bias, *geometry)

    @torch.no_grad()
    def update_threshold(self) -> None:
        """Move the threshold one step towards the sparsity that is wanted.

        By 1e-5·(2 / (1 + 10^(10(s - sparsity))) - 1), s the part that is 0 now: up
        where too few are, down where too many. The paper does it every 500 batches.
        """
        if self.threshold is None:
            raise InvalidProblem(
                "update_threshold: a LinearConv without sparsity; give sparsity= when "
                "it is made"
            )
        if self.coefficients.numel():
            s = float((self.combination == 0).float().mean())
            rise = 2 / (1 + 10 ** (10 * (s - _given(self.sparsity)))) - 1
            self.threshold.add_(STEP * rise).clamp_(min=0)

    def extra_repr(self) -> str:
        """Give the arguments that matter."""
        held = f"{len(self.primary)} of {self.out_channels} filters held"
        rank = "" if self.rank is None else f", rank={self.right.shape[0]}"
        sparse = "" if self.sparsity is None else f", sparsity={self.sparsity}"
        return (
            f"{self.in_channels}, {self.out_channels}, "
            f"kernel_size={self.kernel_size}, stride={self.stride}, "
            f"groups={self.groups}, {held}{rank}{sparse}"
        )


class LinearConv1d(LinearConv):
    """`LinearConv` over one axis."""

    axes = 1


class LinearConv2d(LinearConv):
    """`LinearConv` over two axes."""

    axes = 2


class LinearConv3d(LinearConv):
    """`LinearConv` over three axes."""

    axes = 3


KINDS: dict[int, type[LinearConv]] = {1: LinearConv1d, 2: LinearConv2d, 3: LinearConv3d}
"""By the number of axes."""

_SPOKEN = (
    *("in_channels", "out_channels", "kernel_size", "stride", "padding"),
    *("dilation", "groups", "padding_mode"),
)


def plain_convolution(layer: LinearConv) -> nn.Module:
    """Give torch's convolution with the same weight and bias, which it shares."""
    given = {name: getattr(layer, name) for name in _SPOKEN}
    biased = layer.bias is not None
    plain = _PLAIN[layer.axes](**given, bias=biased, device="meta")
    plain.weight = nn.Parameter(layer.weight.detach(), layer.primary.requires_grad)
    plain.bias = layer.bias
    return plain.train(layer.training)


def linear_like(
    plain: Any,
    ratio: float | int,
    rank: float | int | None = None,
    sparsity: float | None = None,
) -> LinearConv:
    """Give a fresh LinearConv of the geometry, type and device of a convolution."""
    given = {name: getattr(plain, name) for name in _SPOKEN}
    biased = plain.bias is not None
    options: dict[str, Any] = {"ratio": ratio, "rank": rank, "sparsity": sparsity}
    made = KINDS[len(plain.kernel_size)](**given, bias=biased, **options)
    return made.to(plain.weight.device, plain.weight.dtype).train(plain.training)


def example_of(layer: LinearConv) -> torch.Tensor:
    """Give random numbers of a length that the layer convolves to several positions."""
    kernel, dilation, stride = layer.kernel_size, layer.dilation, layer.stride
    lengths = [
        d * (k - 1) + 1 + 2 * s
        for k, d, s in zip(kernel, dilation, stride, strict=True)
    ]
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, layer.in_channels, *lengths, generator=generator)
    return x.to(layer.primary)


def _checked(
    axes: int, in_channels: int, out_channels: int, geometry: tuple[Any, ...]
) -> Any:
    """Give torch's own layer of the arguments, without memory for weights."""
    if axes not in _PLAIN:
        raise InvalidProblem(
            "LinearConv: has no number of axes; take LinearConv1d, LinearConv2d or "
            "LinearConv3d"
        )
    kernel, stride, padding, dilation, groups, bias, mode = geometry
    try:
        return _PLAIN[axes](
            *(in_channels, out_channels, kernel, stride, padding, dilation, groups),
            *(bias, mode),
            device="meta",
        )
    except (ValueError, TypeError, RuntimeError) as error:
        raise InvalidProblem(
            f"LinearConv{axes}d: {first_line(error)}; expected the arguments of a "
            f"Conv{axes}d"
        ) from error


def _share(sparsity: float | None, rank: float | int | None) -> float | None:
    if sparsity is None:
        return None
    if rank is not None:
        raise InvalidProblem(
            f"sparsity = {sparsity!r} with rank = {rank!r}; expected one of them"
        )
    if not isinstance(sparsity, float) or not 0 < sparsity < 1:
        raise InvalidProblem(f"sparsity = {sparsity!r}; expected a float in (0, 1)")
    return sparsity


def _given(sparsity: float | None) -> float:
    return 0.0 if sparsity is None else sparsity
