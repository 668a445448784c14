"""Spelled out, fused layers are seen call by call; afterwards all is as it was."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence

from ccsolve.errors import Unsupported
from ccsolve_torch.running.calls import Call, layer_calls
from ccsolve_torch.running.spelling import spelled_out

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("double_precision")]

SAMPLES, STEPS, WIDTH = 3, 5, 4


class Everything(nn.Module):
    """An encoder, a recurrent layer read at its last step, and a loop over a cell."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.lstm = nn.LSTM(8, 6, num_layers=2, bidirectional=True)
        self.cell, self.head = nn.GRUCell(12, 5), nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.lstm(self.encoder(x).transpose(0, 1))
        h = None
        for part in y:
            h = self.cell(part, h)
        return self.head(h)


@pytest.fixture
def everything() -> nn.Module:
    torch.manual_seed(0)
    return Everything().eval()


def test_every_matrix_is_seen_once_for_each_call(everything) -> None:
    x = torch.randn(SAMPLES, STEPS, 8)
    matrices = [n for n, p in everything.named_parameters() if p.ndim == 2]
    seen: list[Call] = []
    with (
        torch.no_grad(),
        spelled_out(everything),
        layer_calls(everything, matrices, before=seen.append),
    ):
        found = everything(x)
    torch.testing.assert_close(found, everything(x), rtol=1e-9, atol=1e-9)
    assert {call.weight for call in seen} == set(matrices)
    assert all(call.x.shape[0] == SAMPLES for call in seen)
    assert all(call.axis == call.x.ndim - 1 for call in seen)
    for name in matrices:
        stepwise = "weight_hh" in name or name.startswith("cell.")
        calls = [call.index for call in seen if call.weight == name]
        assert calls == list(range(STEPS if stepwise else 1))


def test_a_gate_on_every_reader_is_the_removal_of_the_unit() -> None:
    torch.manual_seed(0)
    gate = torch.tensor([1.0, 0, 1, 1, 0, 1])
    for kind in (nn.LSTM, nn.GRU, nn.RNN):
        model = nn.Sequential(kind(WIDTH, 6, num_layers=2, batch_first=True)).eval()
        readers = ["0.weight_hh_l0", "0.weight_ih_l1"]
        x = torch.randn(SAMPLES, STEPS, WIDTH)
        with (
            torch.no_grad(),
            spelled_out(model),
            layer_calls(model, readers, before=lambda call: call.x * gate),
        ):
            found = model(x)[0]
        with torch.no_grad():
            for name in readers:
                model.get_parameter(name).mul_(gate)
        torch.testing.assert_close(found, model(x)[0], rtol=1e-9, atol=1e-9)


def test_everything_is_given_back(everything) -> None:
    before = [dict(vars(module)) for module in everything.modules()]
    x = torch.randn(SAMPLES, STEPS, 8)
    with spelled_out(everything), spelled_out(everything):
        everything(x)
    with pytest.raises(ZeroDivisionError), spelled_out(everything):
        raise ZeroDivisionError
    assert torch.backends.mha.get_fastpath_enabled()
    for module, own in zip(everything.modules(), before, strict=True):
        assert vars(module).keys() == own.keys()
        assert all(vars(module)[name] is value for name, value in own.items())


def test_the_inner_of_two_contexts_leaves_the_outer_working(everything) -> None:
    seen: list[Call] = []
    name = "encoder.layers.0.self_attn.in_proj_weight"
    with torch.no_grad(), spelled_out(everything):
        with spelled_out(everything):
            pass
        with layer_calls(everything, [name], before=seen.append):
            everything(torch.randn(SAMPLES, STEPS, 8))
    assert len(seen) == 1


def test_what_computes_something_else_is_left_alone() -> None:
    class Doubled(nn.LSTM):
        def forward(self, input: Tensor, hx: Any = None) -> Any:
            output, state = super().forward(input, hx)
            return 2 * output, state

    torch.manual_seed(0)
    model, patched = Doubled(WIDTH, 6), nn.GRU(WIDTH, 6)
    vars(patched)["forward"] = own = lambda x: functional.relu(x)
    x = torch.randn(STEPS, SAMPLES, WIDTH)
    with spelled_out(nn.ModuleList([model, patched])):
        torch.testing.assert_close(model(x)[0], 2 * nn.LSTM.forward(model, x)[0])
        assert patched.forward is own
    assert patched.forward is own


def test_what_cannot_be_spelled_out_is_refused() -> None:
    model = nn.LSTM(WIDTH, 6, batch_first=True)
    x = torch.randn(SAMPLES, STEPS, WIDTH)
    packed = pack_padded_sequence(x, torch.tensor([5, 3, 1]), batch_first=True)
    with spelled_out(model), pytest.raises(Unsupported, match="PackedSequence"):
        model(packed)
    with spelled_out(model), pytest.raises(RuntimeError, match="hidden"):
        model(x, (torch.zeros(1, 1, 6), torch.zeros(1, 1, 6)))
    trained = nn.GRU(WIDTH, 6, num_layers=2, dropout=0.5).train()
    with spelled_out(trained), pytest.raises(Unsupported, match="dropout"):
        trained(x)


def test_spelled_layers_can_be_exported(everything) -> None:
    x = torch.randn(SAMPLES, STEPS, 8)
    with spelled_out(everything):
        program = torch.export.export(everything, (x,))
    torch.testing.assert_close(program.module()(x), everything(x), rtol=1e-9, atol=1e-9)
