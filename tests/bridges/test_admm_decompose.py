"""What ADMM gives in the end: chains, recurrent layers in factors, weights given."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import ccsolve_torch as cct
from ccsolve import Factor
from ccsolve.errors import InvalidFile, InvalidProblem, Unsupported
from ccsolve_torch.bundling.specs import built, described
from ccsolve_torch.identity import structure
from ccsolve_torch.splitting.recurrent import FactoredRecurrent

pytestmark = pytest.mark.torch


class Sequence(nn.Module):
    """A recurrent layer, and a linear one behind it."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.rnn = layer
        wide = layer.hidden_size * (2 if layer.bidirectional else 1)
        self.head = nn.Linear(getattr(layer, "proj_size", 0) or wide, 3)

    def forward(self, x: Tensor) -> Tensor:
        self.rnn.flatten_parameters()
        return self.head(self.rnn(x)[0][:, -1])


def layers() -> dict[str, tuple[Any, dict[str, Factor]]]:
    torch.manual_seed(0)
    svd, train = Factor("svd", 2), Factor("tt", (2, 3, 2), modes=(4, 6, 2, 4))
    first = {"weight_ih_l0": svd}
    return {
        "lstm": (nn.LSTM(8, 6, batch_first=True), {"weight_ih_l0": train}),
        "hidden": (nn.LSTM(8, 6, batch_first=True), {"weight_hh_l0": svd}),
        "both": (nn.GRU(8, 6, batch_first=True), {**first, "weight_hh_l0": svd}),
        "two": (
            nn.GRU(8, 5, 2, batch_first=True, bidirectional=True),
            {**first, "weight_ih_l0_reverse": svd, "weight_ih_l1": svd},
        ),
        "one way": (nn.RNN(8, 5, batch_first=True, bidirectional=True), first),
        "projected": (nn.LSTM(8, 6, batch_first=True, proj_size=3), first),
        "relu": (nn.RNN(8, 5, nonlinearity="relu", batch_first=True), first),
        "full": (nn.LSTM(8, 6, batch_first=True), {"weight_ih_l0": Factor("tt", 1.0)}),
        "core": (
            nn.LSTM(8, 6, batch_first=True, bias=False),
            {"weight_ih_l0": Factor("tucker", (2, 3))},
        ),
        "ring": (
            nn.LSTM(8, 6, batch_first=True),
            {"weight_ih_l0": Factor("tr", 2, modes=(4, 6, 2, 4))},
        ),
    }


def decomposed(kind: str) -> tuple[Sequence, nn.Module, cct.ADMM]:
    layer, factors = layers()[kind]
    model = Sequence(layer)
    admm = cct.ADMM(model, {f"rnn.{name}": f for name, f in factors.items()})
    return model, admm.decompose(torch.randn(2, 5, 8)), admm


def dense(model: Sequence, admm: cct.ADMM) -> dict[str, Tensor]:
    """Give the projected matrices."""
    held: dict[str, Tensor] = dict(model.named_parameters())
    for name, (_, (near,)) in admm._nearest().items():
        held[name] = torch.from_numpy(near.tensor.reshape(held[name].shape))
    return held


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported")
@pytest.mark.parametrize("kind", list(layers()))
def test_a_recurrent_layer_in_factors_computes_with_their_product(kind: str) -> None:
    model, small, admm = decomposed(kind)
    rnn: Any = small.get_submodule("rnn")
    assert isinstance(rnn, FactoredRecurrent)
    x = torch.randn(3, 7, 8)
    with torch.no_grad():
        torch.testing.assert_close(
            small(x), functional_call(model, dense(model, admm), x)
        )
    for name in admm.targets:
        shapes = [tuple(part.shape) for part in getattr(rnn, name.partition(".")[2])]
        assert shapes == [part.shape for part in admm.factors()[name][0]]
        assert name.partition(".")[2] not in dict(rnn.named_parameters())


def test_narrow_inputs_go_through_the_recurrence() -> None:
    for kind, width in [("lstm", 3), ("two", 4), ("hidden", 8), ("one way", 8)]:
        _, small, _ = decomposed(kind)
        rnn: Any = small.get_submodule("rnn")
        assert rnn._layer[0].input_size == width


def test_it_is_called_like_the_layer() -> None:
    model, small, admm = decomposed("two")
    rnn: Any = small.get_submodule("rnn")
    whole = copy.deepcopy(model)
    whole.load_state_dict(dense(model, admm))
    x = torch.randn(3, 6, 8)
    states = torch.randn(4, 3, 5)
    packed = pack_padded_sequence(
        x, torch.tensor([4, 6, 2]), batch_first=True, enforce_sorted=False
    )
    with torch.no_grad():
        for given in [(x,), (x, states), (packed,), (x[0], states[:, 0])]:
            found, expected = rnn(*given), whole.rnn(*given)
            if isinstance(found[0], PackedSequence):
                found = (found[0].data, found[1])
                expected = (expected[0].data, expected[1])
            for one, other in zip(found, expected, strict=True):
                torch.testing.assert_close(one, other)
    assert rnn.hidden_size == 5 and rnn.bidirectional and "tt" not in repr(rnn)


def test_it_trains_copies_saves_and_moves() -> None:
    _, small, _ = decomposed("lstm")
    x, y = torch.randn(16, 5, 8), torch.arange(16) % 3
    losses = [e.loss for e in cct.finetune(small, [(x, y)], epochs=20, lr=0.1).epochs]
    assert losses[-1] < losses[0]
    twin = copy.deepcopy(small)
    _, other, _ = decomposed("lstm")
    other.load_state_dict(small.state_dict())
    with torch.no_grad():
        assert torch.equal(twin.eval()(x), small.eval()(x))
        assert torch.equal(other.eval()(x), small(x))
        assert twin.double()(x.double()).dtype is torch.float64
    assert cct.count(small, x).params == sum(p.numel() for p in small.parameters())


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported")
@pytest.mark.parametrize("kind", list(layers()))
def test_what_is_saved_is_loaded(kind: str, tmp_path) -> None:
    _, small, _ = decomposed(kind)
    cct.finetune(small, [(torch.randn(4, 5, 8), torch.arange(4) % 3)], epochs=1)
    cct.save(small, tmp_path / "bundle")

    def net() -> nn.Module:
        return Sequence(layers()[kind][0])

    again = cct.load(net, tmp_path / "bundle")
    x = torch.randn(3, 7, 8)
    with torch.no_grad():
        assert torch.equal(again(x), small(x))
    cct.save(again, tmp_path / "twice")
    assert structure(cct.load(net, tmp_path / "twice")) == structure(small)


def test_chains_and_recurrent_layers_are_saved_together(tmp_path) -> None:
    model = Sequence(layers()["lstm"][0])
    factors = {"rnn.weight_ih_l0": Factor("svd", 2), "head": Factor("svd", 1)}
    x = torch.randn(2, 5, 8)
    small: Any = cct.ADMM(model, factors).decompose(x)
    assert small.factor_report.achieved == cct.count(small, x)
    cct.save(small, tmp_path / "bundle")
    again: Any = cct.load(lambda: Sequence(layers()["lstm"][0]), tmp_path / "bundle")
    assert torch.equal(again(x), small(x))
    assert again.factor_report.achieved == small.factor_report.achieved


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "Linear"),
        ("layer", {"input_size": 8}),
        ("layer", {"input_size": 8, "hidden_size": -1}),
        ("factors", {"weight_ih_l0": {"format": "svd"}}),
        ("factors", 3),
    ],
)
def test_damaged_descriptions_are_refused(field: str, value: Any) -> None:
    _, small, _ = decomposed("lstm")
    spec = {**described(small.get_submodule("rnn")), field: value}
    with pytest.raises(InvalidFile, match="here: FactoredRecurrent cannot be made"):
        built(spec, nn.LSTM(8, 6), "here")


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported")
def test_products_of_recurrent_layers_are_counted() -> None:
    """Per step and matrix as many as it has entries; narrow inputs are less."""
    x, steps = torch.randn(2, 5, 8), 5
    for kind, macs in [
        ("lstm", 3 * 8 + 24 * 3 + 24 * 6),  # through the middle bond of its train
        ("hidden", 24 * 8 + 24 * 6),  # multiplied out
        ("relu", 2 * 8 + 5 * 2 + 5 * 5),
        ("projected", 2 * 8 + 24 * 2 + 24 * 3 + 3 * 6),
        # Two directions side by side, with zeros beside each one's columns.
        ("two", 4 * 8 + 2 * (15 * 4 + 15 * 5) + 2 * (15 * 10 + 15 * 5)),
    ]:
        _, small, _ = decomposed(kind)
        head: Any = small.get_submodule("head")
        assert cct.count(small, x).macs == steps * macs + head.weight.numel()
    cell = nn.LSTMCell(8, 6)
    assert cct.count(Cells(cell), x).macs == 24 * 8 + 24 * 6
    assert cct.count(Cells(weight_norm(cell, "weight_hh")), x).macs == 24 * 8 + 24 * 6


class Cells(nn.Module):
    """One step of a recurrent cell."""

    def __init__(self, cell: Any) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor) -> Tensor:
        return self.cell(x[:, 0])[0]


def test_dropout_between_layers_follows_the_mode() -> None:
    model = Sequence(nn.LSTM(8, 6, 2, batch_first=True, dropout=0.5))
    admm = cct.ADMM(model, {"rnn.weight_ih_l0": Factor("svd", 2)})
    small, x = admm.decompose(torch.randn(2, 5, 8)), torch.randn(2, 5, 8)
    assert not torch.equal(small.train()(x), small(x))
    assert torch.equal(small.eval()(x), small(x))


def test_what_cannot_hold_factors_is_refused_in_words() -> None:
    class Cell(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.LSTMCell(8, 6)

        def forward(self, x: Tensor) -> Tensor:
            return self.cell(x)[0]

    admm = cct.ADMM(Cell(), {"cell.weight_ih": Factor("svd", 2)})
    assert admm.factors()["cell.weight_ih"][0][0].shape == (24, 2)
    with pytest.raises(Unsupported, match="of a LSTMCell, which cannot hold factors"):
        admm.decompose(torch.randn(2, 8))
    model = Sequence(nn.LSTM(8, 6, batch_first=True))
    admm = cct.ADMM(model, {"rnn.weight_ih_l0": Factor("svd", 2)})
    handle = model.rnn.register_forward_hook(lambda *_: None)
    with pytest.raises(Unsupported, match="hooks"):
        admm.decompose(torch.randn(2, 5, 8))
    handle.remove()
    model.tied = nn.Linear(8, 24)
    model.tied.weight = model.rnn.weight_ih_l0
    with pytest.raises(Unsupported, match="tied"):
        admm.decompose(torch.randn(2, 5, 8))


class Convolutions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.b = nn.Conv2d(8, 8, 3, groups=2)
        self.c = nn.ConvTranspose2d(8, 4, 3)
        self.d = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.d(self.c(self.b(self.a(x))).mean((2, 3)))


FACTORS = {
    "a": Factor("tt", (4, 2)),
    "b": Factor("tucker", (2, 3)),
    "c": Factor("svd", 3, split="spatial"),
    "d": Factor("svd", 2),
}


def test_chains_are_the_projected_weights() -> None:
    torch.manual_seed(0)
    model, x = Convolutions(), torch.randn(2, 3, 12, 12)
    admm = cct.ADMM(model, FACTORS)
    small = admm.decompose(x)
    near = {name: found for name, (_, found) in admm._nearest().items()}
    held: Any = {}
    for name, target in admm.targets.items():
        whole = target.weight([one.tensor for one in near[name]])
        held[f"{name}.weight"] = torch.from_numpy(whole)
    with torch.no_grad():
        expected = functional_call(model, held, x)
        torch.testing.assert_close(small(x), expected, rtol=1e-4, atol=1e-5)
    report: Any = small.factor_report
    distances = {layer.name: layer.distance for layer in admm.report().layers}
    for layer in report.layers:
        assert layer.error == pytest.approx(distances[layer.name], rel=1e-4)


def test_with_calibration_chains_are_weighed_by_the_inputs() -> None:
    torch.manual_seed(0)
    model, x = Convolutions(), torch.randn(8, 3, 12, 12)
    admm = cct.ADMM(model, {"a": Factor("svd", 2)})
    small: Any = admm.decompose(x, calibration=[(x, torch.zeros(8))])
    assert small.factor_report.layers[0].weighted_error is not None


def test_given_weights_of_these_ranks_are_what_the_chains_are() -> None:
    torch.manual_seed(0)
    model, x = Convolutions(), torch.randn(2, 3, 12, 12)
    other = Convolutions()
    plain = cct.ADMM(other, FACTORS)
    weights = {
        name: target.weight([one.tensor for one in plain._nearest()[name][1]])
        for name, target in plain.targets.items()
    }
    small: Any = cct.factorise(model, FACTORS, x, weights=weights)
    held = dict(model.named_parameters())
    held |= {f"{name}.weight": torch.from_numpy(w) for name, w in weights.items()}
    with torch.no_grad():
        torch.testing.assert_close(
            small(x), functional_call(model, held, x), rtol=1e-4, atol=1e-5
        )
    # Errors are those from the model's own weights.
    for layer in small.factor_report.layers:
        own = model.get_parameter(f"{layer.name}.weight").detach()
        off = own - held[f"{layer.name}.weight"]
        assert layer.error == pytest.approx(float(off.norm() / own.norm()), rel=1e-4)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1], "weights: list"),
        ({"d": np.ones((5, 4))}, "of 'd', which is not factored"),
        ({"a": np.ones((8, 3))}, r"weights\['a'\]: shape \(8, 3\)"),
        ({"a": np.full((8, 3, 3, 3), np.nan)}, "expected finite numbers"),
    ],
)
def test_given_weights_must_be_of_factored_layers(weights: Any, message: str) -> None:
    x = torch.randn(2, 3, 12, 12)
    with pytest.raises(InvalidProblem, match=message):
        cct.factorise(Convolutions(), {"a": FACTORS["a"]}, x, weights=weights)


def test_finetune_takes_the_penalty_and_the_updates() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    x = torch.randn(96, 6)
    data = [(part, part[:, :3].argmax(dim=1)) for part in x.split(16)]
    admm = cct.ADMM(model, {"0": Factor("svd", 2)}, rho=0.5)
    before = admm.report().distance
    cct.finetune(
        model, data, epochs=30, lr=0.1, penalty=admm.penalty, on_epoch=admm.update
    )
    assert admm.updates == 30
    assert admm.report().distance < 0.2 * before
    small = admm.decompose(x[:2])
    with torch.no_grad():
        labels = torch.cat([y for _, y in data])
        right = [(net(x).argmax(dim=1) == labels).sum() for net in (model, small)]
    assert right[1] >= right[0] - 5


def test_a_penalty_alone_is_part_of_the_reported_loss() -> None:
    model = nn.Linear(2, 2)
    data = [(torch.randn(4, 2), torch.tensor([0, 1, 0, 1]))]
    seen: list[int] = []
    options: Any = {"epochs": 2, "lr": 1e-9}
    plain = cct.finetune(copy.deepcopy(model), data, **options)
    more = cct.finetune(
        model,
        data,
        **options,
        penalty=lambda: 0.0 * model.weight.sum() + 3.0,
        on_epoch=lambda: seen.append(1),
    )
    assert more.epochs[0].loss == pytest.approx(plain.epochs[0].loss + 3, rel=1e-5)
    assert len(seen) == 2


def test_a_recurrent_layer_alone_is_refused_in_a_line() -> None:
    admm = cct.ADMM(nn.LSTM(6, 4), {"weight_ih_l0": Factor("svd", 2)})
    with pytest.raises(Unsupported, match=r"the model itself.*ADMM.factors"):
        admm.decompose(torch.randn(3, 2, 6))
