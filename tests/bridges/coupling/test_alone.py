"""Layers run alone are those of the smaller network: same shapes, same settings."""

from collections.abc import Hashable, Mapping

import pytest
import torch

import ccsolve_torch as cct
from ccsolve_torch.coupling.alone import Alone
from tests.bridges.zoo import CASES
from tests.bridges.zoo.cutting import cut_half, networks, traced

pytestmark = [
    pytest.mark.torch,
    # torch.export says so of the flat weights of its own recurrent modules.
    pytest.mark.filterwarnings("ignore:The tensor attributes self:UserWarning"),
]

CPU = torch.device("cpu")
SAME = """ResNet OptionA ResNeXt Grouped Multiplier Transposed TransposedDepthwise
DenseNet UNet MobileNetV2 SqueezeExcite ShuffleNetV2 ConvNeXt VisionClassic Swin Signals
Volumes FlattenFunction Inception GatedConv Siamese""".split()


def keys(graph: cct.Graph, widths: Mapping[str, int], batch: int) -> list[Hashable]:
    """Give the keys of all layers at these widths of the groups."""
    found = []
    for call in graph.flow.calls:
        layer = Alone.of(call, graph.classes, graph.exported, batch)
        read, made = (
            sum(count * widths[name] for name, count in side.items())
            for side in (layer.inputs, layer.outputs)
        )
        found.append(layer.at(read, made, CPU)[0])
    return found


@pytest.mark.parametrize("name", SAME)
def test_a_layer_at_the_kept_widths_is_the_smaller_networks_layer(name: str) -> None:
    graph = traced(name)[1]
    small, keep = cut_half(name, 1)
    again = cct.trace(small, CASES[name].inputs(2))
    widths = {group: len(kept) for group, kept in keep.items()}
    sizes = {group: item.size for group, item in again.groups.items()}
    for batch in (2, 5):
        assert keys(graph, widths, batch) == keys(again, sizes, batch)


@networks(SAME)
def test_every_layer_runs_at_its_dense_and_at_one_channel_of_each_group(
    name: str,
) -> None:
    graph = traced(name)[1]
    for call in graph.flow.calls:
        layer = Alone.of(call, graph.classes, graph.exported, 2)
        for share in (1, graph.classes.sizes):
            read, made = (
                sum(
                    count * (share if isinstance(share, int) else share[group])
                    for group, count in side.items()
                )
                for side in (layer.inputs, layer.outputs)
            )
            made_of = layer.at(read, made, CPU)[1]()()
            if share is graph.classes.sizes:
                assert made_of.shape == call.node.meta["val"].shape
            assert made_of.numel() > 0
