"""Results leave torch: `torch.export`, and ONNX run by onnxruntime."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ccsolve_torch as cct
from ccsolve import Factor
from ccsolve_torch.surgery import checked_keep, remove_channels
from tests.bridges.zoo import CASES

pytestmark = pytest.mark.torch

BATCH = torch.export.Dim("batch", min=2, max=64)

# A residual network, separate attention, code that was written anew, torch's encoder.
NAMES = ("ResNet", "QueryGroupsKernel", "FusedSplit", "EncoderNormFirst")


def cut(name: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Give the network with every other class of every group, and inputs."""
    case = CASES[name]
    model, inputs = case.model(), case.inputs(3)
    graph = cct.trace(model, inputs)
    keep = {g: np.arange(0, item.size, 2) for g, item in graph.groups.items()}
    return remove_channels(model, graph, checked_keep(graph, keep)).eval(), inputs


def factorised() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Give a network whose layers are chains."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(128, 6),
    ).eval()  # fmt: skip
    x = torch.randn(3, 3, 8, 8)
    factors = {
        "0": Factor("svd", 4, split="spatial"),
        "3": Factor("tucker", (4, 4)),
        "6": Factor("svd", 3),
    }
    return cct.factorise(model, factors, x), (x,)


def made(name: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    return factorised() if name == "factorised" else cut(name)


def longer(inputs: tuple[Tensor, ...], count: int) -> tuple[Tensor, ...]:
    """Give inputs of another batch size."""
    return tuple(torch.cat([x] * count)[:count].flip(0) for x in inputs)


@pytest.mark.parametrize(
    "name",
    [
        *("ResNet", "QueryGroupsKernel", "EncoderNormFirst", "factorised"),
        pytest.param("FusedSplit", marks=pytest.mark.slow),
    ],
)
def test_results_are_exported_with_any_batch(name: str) -> None:
    model, inputs = made(name)
    shapes = tuple({0: BATCH} for _ in inputs)
    program = torch.export.export(model, inputs, dynamic_shapes=shapes).module()
    for count in (2, 5):
        given = longer(inputs, count)
        torch.testing.assert_close(program(*given), model(*given))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*NAMES, "factorised"])
# The exporter copies trees of torch.export in a way that torch itself has deprecated.
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
def test_onnxruntime_computes_what_torch_computes(name: str) -> None:
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    model, inputs = made(name)
    shapes = tuple({0: BATCH} for _ in inputs)
    program: Any = torch.onnx.export(
        model, inputs, dynamo=True, dynamic_shapes=shapes, verbose=False
    )
    session = runtime.InferenceSession(
        program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [item.name for item in session.get_inputs()]
    assert all(item.shape[0] == "batch" for item in session.get_inputs())
    for count in (2, 5):
        given = longer(inputs, count)
        fed = dict(zip(names, (x.numpy() for x in given), strict=True))
        (found,) = session.run(None, fed)
        with torch.no_grad():
            expected = model(*given)
        torch.testing.assert_close(
            torch.from_numpy(found), expected, rtol=1e-4, atol=1e-5
        )
