"""Told memory against what a forward pass is seen to hold, dense and cut."""

import pytest
import torch
from torch import Tensor, nn

from ccsolve.statistics import Memory
from ccsolve_torch.coupling.memory import memory
from ccsolve_torch.graph import trace
from ccsolve_torch.running.footprint import Footprint, footprint, lives
from ccsolve_torch.surgery import remove_channels
from tests.bridges.zoo import CASES
from tests.bridges.zoo.cutting import FEW, cut_half, networks, random_half, traced

pytestmark = [
    pytest.mark.torch,
    # torch.export says so of the flat weights of its own recurrent modules.
    pytest.mark.filterwarnings("ignore:The tensor attributes self:UserWarning"),
]

# The smaller model runs the same operators in the same Python code, and no operator
# copies for two samples what it views for one: these must be equal to the byte.
EQUAL = """ResNet OptionA ResNeXt Modules ChannelsLast Functions Volumes Transposed
Activations VisionClassic VisionLater Siamese Recommender DenseNet UNet
UNetInterpolated Inception GatedConv Maxout MobileNetV2 MobileNetV3 SqueezeExcite
ShuffleNetV2 ConvNeXt Mixer SelfAttention EncoderNormFirst Swin""".split()


def told(found: Memory, widths: dict[str, int]) -> Footprint:
    weights = int(Memory(found.weights).at(widths))
    return Footprint(weights, int(found.at(widths)) - weights)


def both(name: str) -> list[tuple[Footprint, Footprint]]:
    """Give what is told and what is seen of one sample, dense and cut in half."""
    model, graph = traced(name)
    found = memory(model, graph.flow, graph.classes)
    small, keep = cut_half(name, 1)
    dense = {group: item.size for group, item in graph.groups.items()}
    fewer = {group: len(kept) for group, kept in keep.items()}
    return [
        (told(found, widths), footprint(net, CASES[name].inputs(1)))
        for net, widths in ((model, dense), (small, fewer))
    ]


@networks([name for name in FEW if name not in EQUAL])
def test_memory_is_never_told_too_small(name: str) -> None:
    for mine, seen in both(name):
        assert mine.weights == seen.weights
        # Vectors of two entries, made of parameters, are taken for two samples.
        assert mine.activations >= 0.995 * seen.activations


@pytest.mark.parametrize("name", EQUAL)
def test_memory_is_told_to_the_byte(name: str) -> None:
    for mine, seen in both(name):
        assert mine == seen


class TwoBranches(nn.Module):
    """A branch that stays alive while the other one runs."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = nn.Conv2d(3, 6, 1)
        self.inner = nn.Conv2d(3, 8, 1)
        self.back = nn.Conv2d(8, 6, 1)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        kept = self.kept(x)
        return self.head((kept + self.back(self.inner(x).relu_())).mean((2, 3)))


def test_memory_of_two_branches_is_as_by_hand() -> None:
    model, x = TwoBranches(), torch.randn(2, 3, 5, 5)
    graph = trace(model, x)
    found = memory(model, graph.flow, graph.classes)
    kept, inner = graph.groups
    weights = [
        4 * (3 * k + k + 3 * i + i + i * k + k + 4 * k + 4)
        for k, i in ((6, 8), (2, 8), (5, 1))
    ]
    # kept, inner and back live at once; with few of inner kept, back and their sum do.
    peaks = [4 * 25 * (2 * 6 + 8), 4 * 25 * (2 * 2 + 8), 4 * 25 * 3 * 5]
    for (k, i), weight, peak in zip(
        ((6, 8), (2, 8), (5, 1)), weights, peaks, strict=True
    ):
        assert found.at({kept: k, inner: i}) == weight + peak


def test_double_precision_takes_twice_the_bytes() -> None:
    x = torch.randn(2, 3, 5, 5)
    sizes = []
    for kind in (torch.float32, torch.float64):
        model = TwoBranches().to(kind)
        graph = trace(model, x.to(kind))
        found = memory(model, graph.flow, graph.classes)
        sizes.append(found.at({name: g.size for name, g in graph.groups.items()}))
    assert sizes[1] == 2 * sizes[0]


def test_lives_are_written_down_with_their_modules() -> None:
    model, x = TwoBranches().eval(), torch.randn(1, 3, 5, 5)
    seen = lives(model, x)
    assert [life.module for life in seen[:3]] == ["kept", "inner", "back"]
    assert [life.bytes for life in seen[:3]] == [600, 800, 600]
    assert seen[1].end == 3 and seen[0].end is not None
    assert all(life.end is None or life.end > place for place, life in enumerate(seen))


def test_a_step_smaller_than_another_everywhere_is_left_out() -> None:
    model, graph = traced("ResNet")
    steps = memory(model, graph.flow, graph.classes).steps
    assert len(steps) < len(lives(model, graph.exported.example))
    keep = random_half(graph, 5)
    small = remove_channels(model, graph, keep)
    widths = {group: len(kept) for group, kept in keep.items()}
    found = memory(model, graph.flow, graph.classes)
    assert told(found, widths) == footprint(small, CASES["ResNet"].inputs(1))
