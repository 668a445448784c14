"""Layers as regressions: columns times weight matrices are the layer's outputs."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ccsolve_torch.running.calls import Call, layer_calls
from ccsolve_torch.running.columns import (
    as_matrices,
    as_weight,
    inputs_at,
    outputs_at,
    position_count,
)

pytestmark = pytest.mark.torch

LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(6, 4), (5, 6)),
    "tokens": (lambda: nn.Linear(6, 4, bias=False), (5, 3, 6)),
    "conv1d": (lambda: nn.Conv1d(6, 4, 3, stride=2, padding=1), (5, 6, 9)),
    "reflect": (
        lambda: nn.Conv2d(6, 4, 3, padding=1, padding_mode="reflect"),
        (5, 6, 7, 8),
    ),
    "dilated": (
        lambda: nn.Conv2d(6, 4, (3, 2), stride=(2, 1), padding=(2, 0), dilation=2),
        (5, 6, 9, 8),
    ),
    "same": (lambda: nn.Conv2d(6, 4, (4, 3), padding="same", dilation=2), (2, 6, 9, 8)),
    "valid": (lambda: nn.Conv2d(6, 4, 2, padding="valid"), (2, 6, 4, 4)),
    "grouped": (lambda: nn.Conv2d(6, 4, 3, padding=1, groups=2), (5, 6, 5, 5)),
    "depthwise": (lambda: nn.Conv2d(6, 12, 3, padding=1, groups=6), (5, 6, 5, 5)),
    "conv3d": (lambda: nn.Conv3d(2, 4, 2, stride=2), (2, 2, 4, 4, 4)),
    "transposed": (lambda: nn.ConvTranspose2d(6, 4, 3), (3, 6, 4, 5)),
    "transposed 1d": (
        lambda: nn.ConvTranspose1d(6, 4, 4, stride=3, padding=2, output_padding=1),
        (3, 6, 5),
    ),
    "transposed grouped": (
        lambda: nn.ConvTranspose2d(
            6, 4, (3, 2), stride=2, padding=(1, 0), dilation=(2, 1), groups=2
        ),
        (3, 6, 4, 5),
    ),
    "cropped": (lambda: nn.ConvTranspose2d(2, 3, 2, stride=2, padding=1), (3, 2, 4, 4)),
}


@pytest.fixture(params=LAYERS)
def run(request: pytest.FixtureRequest) -> tuple[Any, Call, Tensor]:
    """Give a layer, a call of it, and what it gave without the bias."""
    torch.manual_seed(0)
    make, shape = LAYERS[request.param]
    layer, seen = make().double(), []
    with (
        torch.no_grad(),
        layer_calls(layer, ["weight"], after=lambda c, y: seen.append((c, y))),
    ):
        layer(torch.randn(shape, dtype=torch.float64))
    (call, y) = seen[0]
    if layer.bias is not None:
        y = y - layer.bias.detach().reshape(-1, *[1] * (y.ndim - call.axis - 1))
    return layer, call, y


def test_columns_times_matrices_are_the_outputs(run) -> None:
    layer, call, y = run
    groups = getattr(layer, "groups", 1)
    weight = layer.weight.detach()
    matrices = as_matrices(weight, call.kind, groups)
    every = torch.arange(position_count(call, y))
    for places in (every, every[1::3]):
        columns = torch.cat(list(inputs_at(call, weight, places)), dim=1)
        found = columns @ matrices.transpose(1, 2)
        expected = outputs_at(call, y, places).unflatten(1, (groups, -1))
        torch.testing.assert_close(found, expected.transpose(0, 1))


def test_weights_come_back_from_matrices(run) -> None:
    layer, call, _ = run
    weight = layer.weight.detach()
    matrices = as_matrices(weight, call.kind, getattr(layer, "groups", 1))
    assert torch.equal(as_weight(matrices, weight, call.kind), weight)


def test_a_call_runs_again(run) -> None:
    layer, call, y = run
    again = call.run(call.x).detach()
    if layer.bias is not None:
        again = again - layer.bias.detach().reshape(-1, *[1] * (y.ndim - call.axis - 1))
    torch.testing.assert_close(again, y)


def test_long_inputs_come_in_chunks(monkeypatch) -> None:
    layer, seen = nn.Conv2d(3, 4, 3), []
    with torch.no_grad(), layer_calls(layer, ["weight"], before=seen.append):
        layer(torch.randn(7, 3, 5, 5))
    places = torch.arange(9)
    (whole,) = inputs_at(seen[0], layer.weight, places)
    monkeypatch.setattr("ccsolve_torch.running.columns.CHUNK", 9 * 27 * 2)
    parts = list(inputs_at(seen[0], layer.weight, places))
    assert [part.shape[1] for part in parts] == [18, 18, 18, 9]
    assert torch.equal(torch.cat(parts, dim=1), whole)
