"""Chains against the layer that holds their weight, in float64, at any geometry."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ccsolve import Factor
from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve_torch import count
from ccsolve_torch.factoring.chains import chain, laid_out, weight_of
from ccsolve_torch.factoring.factorisation import factored, product
from ccsolve_torch.factoring.train_map import TrainMap

pytestmark = pytest.mark.torch

CONVOLUTIONS: tuple[Any, ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED: tuple[Any, ...] = (
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)
INPUT = (9, 8, 7)


def factors(axes: int) -> list[Factor]:
    """Give factors of every format that a weight with so many kernel axes can have."""
    plain = [
        Factor("svd", 0.5),
        Factor("tucker", 0.5),
        Factor("tucker", (1.0, 0.5)),
        Factor("tucker", (0.5, 1.0)),
        Factor("tt", 0.5),
    ]
    return [*plain, Factor("svd", 0.4, split="spatial")] if axes > 1 else plain


def axis_by_axis(layer: nn.Module, part: float) -> Factor:
    """Give the train whose kernel stands axis by axis."""
    _, n, c, *kernel = weight_of(layer).shape
    return Factor("tt", part, modes=(n, *kernel, c))


def assert_equals_layer(layer: nn.Module, factor: Factor, x: Tensor) -> nn.Module:
    """Compare the chain with the layer holding its product; give the chain."""
    layer = layer.double()
    held: Any = layer.weight
    stages, _ = factored(weight_of(layer), factor, "layer")
    whole = chain(layer, stages)
    held.data = laid_out(layer, product(stages), held.data)
    torch.testing.assert_close(whole(x), layer(x), rtol=1e-9, atol=1e-9)
    assert sum(p.numel() for p in whole.parameters()) == sum(
        stage.size for stage in stages
    ) + (0 if layer.bias is None else layer.bias.numel())  # pyright: ignore
    return whole


def layers(axes: int) -> list[nn.Module]:
    """Give convolutions with every setting, unlike along the axes."""
    make, back = CONVOLUTIONS[axes - 1], TRANSPOSED[axes - 1]
    kernel, stride, dilation = (3, 2, 4)[:axes], (2, 1, 3)[:axes], (1, 2, 2)[:axes]
    padding = (1, 2, 0)[:axes]
    spread = {"stride": stride, "dilation": dilation, "padding": padding}
    made: list[nn.Module] = [
        make(4, 6, kernel),
        make(4, 6, kernel, **spread, bias=False),
        make(4, 6, kernel, **spread, groups=2),
        make(6, 6, kernel, padding=padding, groups=6),
        make(6, 12, kernel, padding=padding, groups=6),
        make(4, 6, kernel, dilation=dilation, padding="same"),
        make(4, 6, kernel, dilation=dilation, padding="same", padding_mode="reflect"),
        make(4, 6, kernel, stride=stride, padding="valid"),
        make(4, 6, 1, stride=stride, padding=padding),
        make(4, 6, 1),
        *(
            make(4, 6, kernel, **spread, padding_mode=mode)
            for mode in ("reflect", "replicate", "circular")
        ),
    ]
    out = (1, 0, 2)[:axes]
    made += [
        back(4, 6, kernel),
        back(4, 6, kernel, **spread, output_padding=out, bias=False),
        back(4, 6, kernel, **spread, output_padding=out, groups=2),
        back(6, 6, kernel, stride=stride, groups=6),
        back(4, 6, 1, stride=stride, output_padding=out),
    ]
    return made


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_chains_of_convolutions_equal_the_layer(axes: int) -> None:
    torch.manual_seed(0)
    for layer in layers(axes):
        weight: Any = layer.weight
        x = torch.randn(2, layer.in_channels, *INPUT[:axes]).double()  # pyright: ignore
        for factor in [*factors(axes), axis_by_axis(layer, 0.6)]:
            weight.data = torch.randn_like(weight)
            assert_equals_layer(layer, factor, x)


@pytest.mark.parametrize("bias", [True, False])
def test_chains_of_linear_layers_equal_the_layer(bias: bool) -> None:
    torch.manual_seed(0)
    for sizes, factor in [
        ((12, 8), Factor("svd", 3)),
        ((12, 8), Factor("tucker", (2, 3))),
        ((12, 8), Factor("tt", (2, 3, 2), modes=(4, 2, 3, 4))),
        ((5, 1), Factor("svd", 1)),
    ]:
        whole = assert_equals_layer(
            nn.Linear(*sizes, bias=bias), factor, torch.randn(2, 3, sizes[0]).double()
        )
        kinds = {type(part) for part in whole.children()}
        assert kinds == ({TrainMap} if factor.modes else {nn.Linear})


def test_stages_say_what_they_do() -> None:
    def names(layer: nn.Module, factor: Factor) -> list[str]:
        stages, _ = factored(weight_of(layer), factor, "layer")
        return [name for name, _ in chain(layer, stages).named_children()]

    layer = nn.Conv2d(8, 12, 3)
    assert names(layer, Factor("svd", 2)) == ["filter", "restore"]
    assert names(layer, Factor("svd", 2, split="spatial")) == ["filter0", "filter1"]
    assert names(layer, Factor("tucker", 2)) == ["project", "filter", "restore"]
    assert names(layer, Factor("tucker", (1.0, 2))) == ["project", "filter"]
    assert names(layer, Factor("tt", 2, modes=(12, 3, 3, 8))) == [
        *("project", "filter0", "filter1", "restore")
    ]
    assert names(nn.Linear(8, 12), Factor("svd", 2)) == ["project", "restore"]
    assert names(nn.Conv2d(8, 12, 1), Factor("svd", 2)) == ["project", "restore"]
    assert names(layer, Factor("tucker", 1.0)) == []


def test_strides_come_where_least_is_left_to_do() -> None:
    def strides(layer: nn.Module, factor: Factor) -> list[Any]:
        stages, _ = factored(weight_of(layer), factor, "layer")
        return [part.stride for part in chain(layer, stages).children()]

    assert strides(nn.Conv2d(8, 8, 1, stride=2), Factor("svd", 2)) == [(2, 2), (1, 1)]
    assert strides(nn.Conv2d(8, 8, (3, 1), stride=2), Factor("tucker", 2)) == [
        *((1, 2), (2, 1), (1, 1))
    ]
    back = nn.ConvTranspose2d(8, 8, 1, stride=2)
    assert strides(back, Factor("svd", 2)) == [(1, 1), (2, 2)]


def test_chains_take_over_type_mode_bias_and_training() -> None:
    layer = nn.Conv2d(4, 6, 3).to(torch.bfloat16).eval()
    layer.weight.requires_grad_(False)
    before = torch.get_rng_state()
    stages, _ = factored(weight_of(layer), Factor("tucker", 2), "layer")
    whole: Any = chain(layer, stages)
    assert torch.equal(torch.get_rng_state(), before)
    assert whole.restore.bias is layer.bias
    assert not any(module.training for module in whole.modules())
    for name, value in whole.named_parameters():
        assert value.dtype == torch.bfloat16 and value.device == layer.weight.device
        assert value.requires_grad == (name == "restore.bias")


def test_chains_lie_in_memory_as_the_layer_does() -> None:
    for layer, order in [
        (nn.Conv2d(4, 6, 3), torch.channels_last),
        (nn.Conv3d(4, 6, 3), torch.channels_last_3d),
    ]:
        layer = layer.to(memory_format=order)  # pyright: ignore
        whole: Any = chain(layer, factored(weight_of(layer), Factor("svd", 2), "a")[0])
        assert whole.filter.weight.is_contiguous(memory_format=order)
        assert not whole.filter.weight.is_contiguous()


@st.composite
def geometries(draw: st.DrawFn) -> tuple[nn.Module, Factor]:
    axes, groups = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    transposed = draw(st.booleans())

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    kernel, stride, dilation = each(1, 3), each(1, 3), each(1, 2)
    options: dict[str, Any] = {
        "stride": stride,
        "dilation": dilation,
        "padding": tuple(
            min(p, k - 1) for p, k in zip(each(0, 2), kernel, strict=True)
        ),
        "groups": groups,
        "bias": draw(st.booleans()),
    }
    if transposed:
        most = [max(s, d) - 1 for s, d in zip(stride, dilation, strict=True)]
        options["output_padding"] = tuple(
            min(o, m) for o, m in zip(each(0, 2), most, strict=True)
        )
    else:
        modes = ("zeros", "reflect", "replicate", "circular")
        options["padding_mode"] = draw(st.sampled_from(modes))
    kinds = TRANSPOSED if transposed else CONVOLUTIONS
    channels = [groups * draw(st.integers(1, 4)) for _ in range(2)]
    layer = kinds[axes - 1](*channels, kernel, **options)
    part = draw(st.floats(0.01, 1.0))
    found = [*factors(axes), axis_by_axis(layer, part)]
    chosen = draw(st.sampled_from(found))
    alone = chosen.ranks if len(chosen.ranks) > 1 else part
    return layer, Factor(chosen.format, alone, chosen.split, chosen.modes)


@settings(deadline=None, max_examples=60)
@given(geometries())
def test_any_geometry(drawn: tuple[nn.Module, Factor]) -> None:
    layer, factor = drawn
    torch.manual_seed(0)
    axes = weight_of(layer).ndim - 3
    x = torch.randn(1, layer.in_channels, *INPUT[:axes]).double()  # pyright: ignore
    whole = assert_equals_layer(layer, factor, x)
    assert len(list(whole.children())) != 1


def trains(layer: nn.Module) -> list[Factor]:
    """Give trains over factors of 6 outputs and 4 inputs, held as cores or in part."""
    size = weight_of(layer)[0, 0, 0].size
    middle = (size,) if size > 1 else ()
    modes = (3, 2, *middle, 2, 2)
    count = len(modes) - 1
    ranks = [(1,) * count, (1, *(2,) * (count - 1)), (*(2,) * (count - 1), 1)]
    return [Factor("tt", some, modes=modes) for some in ranks]


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_trains_as_chains(axes: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 4, *INPUT[:axes], dtype=torch.float64)
    held = 0
    for layer in layers(axes):
        conv: Any = layer
        pointwise = 1 in conv.kernel_size and conv.padding != (0,) * axes
        if (conv.in_channels, conv.out_channels, conv.groups) == (4, 6, 1) and not (
            pointwise or (1 in conv.kernel_size and isinstance(conv, TRANSPOSED))
        ):
            for factor in trains(layer):
                whole = assert_equals_layer(layer, factor, x)
                held += sum(isinstance(part, TrainMap) for part in whole.modules())
    assert held > 0


def test_trains_of_linear_layers_and_of_strided_kernels_of_one_weight() -> None:
    torch.manual_seed(0)
    for factor in trains(nn.Linear(4, 6)):
        assert_equals_layer(
            nn.Linear(4, 6), factor, torch.randn(3, 5, 4, dtype=torch.float64)
        )
        assert_equals_layer(
            nn.Linear(4, 6, bias=False), factor, torch.randn(4, dtype=torch.float64)
        )
        x = torch.randn(2, 4, 7, 6, dtype=torch.float64)
        assert_equals_layer(nn.Conv2d(4, 6, 1, stride=(2, 3)), factor, x)
        assert_equals_layer(nn.Conv2d(4, 6, 1, stride=2, padding="valid"), factor, x[0])
    thin, x = Factor("tt", (1, 1, 1), modes=(3, 3, 3, 3)), torch.randn(2, 9, 7, 6)
    for layer in (nn.Conv2d(9, 9, 1, padding=1), nn.ConvTranspose2d(9, 9, 1, stride=2)):
        with pytest.raises(Unsupported, match="kernel of one weight"):
            assert_equals_layer(layer, thin, x)


def test_maps_are_applied_core_by_core() -> None:
    torch.manual_seed(0)
    for inputs in (True, False):
        for axes in (0, 2):
            part = TrainMap((2, 3, 2), (3, 2, 4), inputs=inputs, axes=axes).double()
            n, c = part.shape
            assert part.matrix().shape == (n, c)
            x = torch.randn(5, *((c, 3, 2) if axes else (3, 2, c)), dtype=torch.float64)
            sides = "nc,bcij->bnij" if axes else "nc,bijc->bijn"
            assert part.bias is not None
            nn.init.normal_(part.bias)
            bias = part.bias.reshape(-1, *(1,) * axes)
            expected = torch.einsum(sides, part.matrix(), x) + bias
            torch.testing.assert_close(part(x), expected)
            assert part.macs(6) == count(part, x).macs
            assert part(x).sum().backward() is None
            assert all(p.grad is not None for p in part.parameters())
    for wrong in ({"ranks": (2,)}, {"stride": (2,)}):
        with pytest.raises(InvalidProblem, match="TrainMap"):
            TrainMap(**{"modes": (2, 2), "ranks": (2, 2), "axes": 0, **wrong},
                     inputs=True)  # fmt: skip
