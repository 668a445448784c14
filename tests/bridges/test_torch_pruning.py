"""The classes are those that Torch-Pruning finds, where it finds the right ones.

Needs the extra `peers`: make test-peers.
"""

import contextlib
import io
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

import ccsolve_torch as cct
from tests.bridges.zoo import CASES
from tests.bridges.zoo.published import PUBLISHED

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.peers]

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d)
Entries = set[tuple[str, int, int]]

# Networks in which Torch-Pruning prunes every layer rightly but the last. Elsewhere it
# fails (attention with fixed heads, grouped convolutions, chunks, pixel shuffles,
# functions), or names entries that are not coupled (rows of a flattened axis in another
# order, slopes and scalars that all channels share).
RIGHT = """Modules FlattenFunction ViewBySize ViewByProduct Signals Volumes Transposed
TransposedDepthwise ResNet TimesZero MobileNetV2 MobileNetV3 SqueezeExcite DenseNet UNet
UNetInterpolated Inception Pyramid Stacked Focus Moved GatedLinear CalledTwice TwoInputs
Named Reparametrised OneGroup LayerNormByHand ConvNeXt ConvNeXtV2 WordBag""".split()


def entries(module: nn.Module, path: str, out: bool, index: list[int]) -> Entries:
    """Give the entries that Torch-Pruning takes from a module."""
    found: Entries = set()
    own = (
        *module.named_parameters(recurse=False),
        *module.named_buffers(recurse=False),
    )
    for name, tensor in own:
        axis = 0
        if isinstance(module, (*LAYERS, *TRANSPOSED)):
            depthwise = getattr(module, "groups", 1) > 1
            turned = isinstance(module, TRANSPOSED)
            axis = 0 if depthwise or name == "bias" else int(out is turned)
            if name == "bias" and not out and not depthwise:
                continue
        elif isinstance(module, nn.Embedding):
            axis = 1
        if tensor.ndim:
            found |= {(f"{path}.{name}".lstrip("."), axis, i) for i in index}
    return found


def theirs(model: nn.Module, graph: Any, layer: nn.Module, index: int) -> Entries:
    """Give all entries of Torch-Pruning's group of one output channel."""
    paths = {id(module): path for path, module in model.named_modules()}
    names = {id(p): name for name, p in model.named_parameters()}
    prune = graph.get_pruner_of_module(layer).prune_out_channels
    found: Entries = set()
    for dependency, kept in graph.get_pruning_group(layer, prune, idxs=[index]):
        module = dependency.target.module
        numbers = [getattr(i, "idx", i) for i in kept]
        if isinstance(module, nn.Parameter):
            axis = dependency.target.pruning_dim
            found |= {(names[id(module)], axis, i) for i in numbers}
        elif id(module) in paths:
            out = graph.is_out_channel_pruning_fn(dependency.handler)
            found |= entries(module, paths[id(module)], out, numbers)
    return found


def ours(graph: cct.Graph, tensor: str, axis: int, index: int) -> Entries | None:
    """Give all entries of the class that holds this one, None where it has none."""
    for group in graph.groups.values():
        for slot in group.slots:
            if (slot.tensor, slot.axis) == (tensor, axis) and slot.classes[index] >= 0:
                number = slot.classes[index]
                return {
                    (other.tensor, other.axis, int(i))
                    for other in group.slots
                    for i in np.flatnonzero(other.classes == number)
                }
    return None


def compare(model: nn.Module, x: tuple[Tensor, ...]) -> int:
    """Compare every layer's first and last channel; give how many were equal."""
    pruning = import_module("torch_pruning")
    graph = cct.trace(model, x)
    with contextlib.redirect_stdout(io.StringIO()):
        other = pruning.DependencyGraph().build_dependency(model, x)
    equal = 0
    for path, layer in model.named_modules():
        if not isinstance(layer, (*LAYERS, *TRANSPOSED)):
            continue
        turned = isinstance(layer, TRANSPOSED) and layer.groups == 1
        length: Any = layer.weight.shape[int(turned)]
        for index in (0, length - 1):
            found = ours(graph, f"{path}.weight", int(turned), index)
            if found is None and length > 1:
                assert "an output of the model" in graph.frozen[path], path
            if found is None:
                continue
            assert found == theirs(model, other, layer, index), (path, index)
            equal += 1
    return equal


# Torch-Pruning meets operators that it does not know, and says so.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", RIGHT)
def test_classes_of_the_zoo_are_torch_prunings(name: str) -> None:
    assert compare(CASES[name].model(), CASES[name].inputs(2))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", ["resnet50", "mobilenet_v2", "convnext_tiny", "efficientnet_b0"]
)
def test_classes_of_published_networks_are_torch_prunings(name: str) -> None:
    published = PUBLISHED[name]
    assert compare(published.build(small=True), (published.samples(True, 2),)) > 10
