"""Cut networks of the zoo are saved, loaded and exported like any others."""

import io
from typing import Any

import onnxruntime
import pytest
import torch

from ccsolve_torch.surgery import remove_channels
from tests.bridges.zoo import CASES
from tests.bridges.zoo.cutting import assert_same, cut_half, few, networks, traced

pytestmark = [
    pytest.mark.torch,
    # torch.export says so of the flat weights of its own recurrent modules.
    pytest.mark.filterwarnings("ignore:The tensor attributes self:UserWarning"),
]


@few
def test_the_smaller_network_is_saved_and_loaded(name: str) -> None:
    graph = traced(name)[1]
    small, keep = cut_half(name, 2)
    file = io.BytesIO()
    torch.save(small.state_dict(), file)
    file.seek(0)
    other = remove_channels(CASES[name].model(seed=7), graph, keep).eval()
    other.load_state_dict(torch.load(file, weights_only=True))
    x = CASES[name].inputs(4)
    with torch.no_grad():
        assert_same(small(*x), other(*x), 0.0)


@few
def test_the_smaller_network_is_exported(name: str) -> None:
    small, _ = cut_half(name, 2)
    x = CASES[name].inputs(2)
    program = torch.export.export(small, x)
    with torch.no_grad():
        assert_same(small(*x), program.module()(*x), 1e-5)


@networks(("ResNet", "FusedHeadSize"))
# The exporter copies trees of torch.export in a way that torch itself has deprecated.
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
def test_onnxruntime_computes_what_the_smaller_network_computes(name: str) -> None:
    small, _ = cut_half(name, 2)
    x = CASES[name].inputs(2)
    program: Any = torch.onnx.export(small, x, dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [item.name for item in session.get_inputs()]
    found = session.run(None, dict(zip(names, (v.numpy() for v in x), strict=True)))
    with torch.no_grad():
        assert_same(small(*x), [torch.from_numpy(value) for value in found], 1e-4)
