"""Networks whose layers become chains: the same function, smaller, and ordinary."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import ccsolve_torch as cct
from ccsolve import Factor
from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve_torch.factoring.candidates import KINDS
from ccsolve_torch.layers import with_chains
from ccsolve_torch.running.comparison import difference_of
from ccsolve_torch.running.state import as_inputs
from tests.bridges.zoo import CASES

pytestmark = pytest.mark.torch

FORMATS = {
    "svd": Factor("svd", 0.5),
    "tucker": Factor("tucker", 0.5),
    "tt": Factor("tt", 0.5),
    "full": Factor("tucker", 1.0),
}


def layers_of(model: nn.Module) -> dict[str, nn.Module]:
    return {name: m for name, m in model.named_modules() if type(m) in KINDS}


def with_dense_weights(model: nn.Module, small: nn.Module) -> nn.Module:
    """Give the model with the weights that its chains stand for, found by running them.

    A chain is linear in its input: impulses through its stages without bias give it.
    """
    dense = copy.deepcopy(model)
    for name, layer in layers_of(dense).items():
        whole = small.get_submodule(name)
        if isinstance(whole, nn.Sequential):
            weight: Any = layer.weight
            weight.data = impulses(layer, copy.deepcopy(whole))
    return dense


def impulses(layer: Any, whole: nn.Module) -> Tensor:
    """Give the weight of a chain for one group, the geometry set to the plainest."""
    parts: list[Any] = list(whole.modules())
    for part in parts:
        if not isinstance(part, nn.Sequential):
            part.bias = None
        if not isinstance(part, nn.Sequential | nn.Linear):
            part.stride = part.dilation = (1,) * len(part.stride)
            part.padding = (0,) * len(part.stride)
            part.padding_mode = "zeros"
    n, c, *kernel = layer.weight.shape
    x = torch.eye(c * layer.weight[0, 0].numel()).reshape(-1, c, *kernel)
    with torch.no_grad():
        return whole(x).flatten(1).T.reshape(n, c, *kernel)


@pytest.mark.parametrize("kind", FORMATS)
def test_chains_give_what_dense_weights_give(model, samples, kind: str) -> None:
    x = samples[0]
    factors = dict.fromkeys(layers_of(model), FORMATS[kind])
    small: Any = cct.factorise(model, factors, x)
    assert small.factor_report.equivalence < 1e-4
    with torch.no_grad():
        found = small(x)
        dense = with_dense_weights(model, small)
        torch.testing.assert_close(found, dense(x), rtol=1e-4, atol=1e-5)
        if kind == "full":
            torch.testing.assert_close(found, model(x), rtol=1e-4, atol=1e-5)


def test_the_report_counts_what_is_there(model, samples) -> None:
    x = samples[0]
    factors = dict.fromkeys(layers_of(model), FORMATS["tucker"])
    small: Any = cct.factorise(model, factors, x)
    report = small.factor_report
    assert report.original == cct.count(model, x)
    assert report.achieved == cct.count(small, x)
    assert report.achieved.params == sum(p.numel() for p in small.parameters())
    for entry in report.layers:
        layer, whole = (m.get_submodule(entry.name) for m in (model, small))
        assert entry.before.params == sum(p.numel() for p in layer.parameters())
        assert entry.after.params == sum(p.numel() for p in whole.parameters())
    text = str(report)
    assert all(f"{name}: tucker (" in text for name in factors)
    assert "% removed" in text


def test_errors_are_of_the_weights(residual, samples) -> None:
    small: Any = cct.factorise(
        residual, {"stem": Factor("svd", 2), "linear": Factor("svd", 3)}, samples[0]
    )
    dense = with_dense_weights(residual, small)
    for entry in small.factor_report.layers:
        weight = residual.get_submodule(entry.name).weight
        off = dense.get_submodule(entry.name).weight - weight
        assert entry.error == pytest.approx(
            float((off.norm() / weight.norm()).detach())
        )
        assert entry.weighted_error is None


def test_a_chain_larger_than_its_layer_is_said(residual, samples) -> None:
    small: Any = cct.factorise(residual, {"stem": Factor("svd", 6)}, samples[0])
    (entry,) = small.factor_report.layers
    assert entry.warning == "larger than the layer: 1.22x the macs, 1.22x the params"
    assert "WARNING larger" in str(small.factor_report)
    small = cct.factorise(residual, {"stem": Factor("svd", 2)}, samples[0])
    assert small.factor_report.layers[0].warning == ""  # pyright: ignore


def test_the_result_is_an_ordinary_model(make, loader, tmp_path) -> None:
    model, (x, y) = make("plain").train(), loader[0]
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    factors = {"0": Factor("tt", 2), "2": Factor("svd", 3), "7": Factor("svd", 4)}
    small: Any = cct.factorise(model, factors, x)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, before[n]) for n, v in model.state_dict().items())
    assert all(not m._forward_hooks for m in model.modules())
    assert small.training and small[2].filter.dilation == (2, 2)
    functional.cross_entropy(small(x), y).backward()
    assert all(p.grad is not None for p in small.parameters())
    small.eval()
    exported = torch.export.export(small, (x,)).module()
    torch.testing.assert_close(exported(x), small(x))
    again = cct.factorise(make("plain"), factors, x).eval()
    nn.init.zeros_(again.get_parameter("10.weight"))
    again.load_state_dict(small.state_dict())
    torch.testing.assert_close(again(x), small(x))
    torch.testing.assert_close(copy.deepcopy(small)(x), small(x))
    cct.save(small, tmp_path / "bundle")
    loaded = cct.load(lambda: make("plain"), tmp_path / "bundle")
    torch.testing.assert_close(loaded(x), small(x))


def test_a_chain_can_be_cut_and_factored_again(residual, samples) -> None:
    x = samples[0]
    small = cct.factorise(residual, {"first.conv1": Factor("tucker", 3)}, x)
    again: Any = cct.factorise(small, {"first.conv1.filter": Factor("svd", 2)}, x)
    assert again.factor_report.equivalence < 1e-4
    assert set(again.first.conv1.filter._modules) == {"filter", "restore"}


def test_the_same_every_time(residual, samples) -> None:
    factors = dict.fromkeys(layers_of(residual), FORMATS["tucker"])
    one, other = (cct.factorise(residual, factors, samples[0]) for _ in range(2))
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_compared_by_their_own_rounding(
    dtype: torch.dtype,
) -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(40, 60), nn.ReLU(), nn.Linear(60, 30)).to(dtype)
    small: Any = cct.factorise(
        model,
        dict.fromkeys(("0", "2"), Factor("svd", 20)),
        torch.randn(64, 40).to(dtype),
    )
    assert small.factor_report.equivalence <= max(1e-4, 8 * torch.finfo(dtype).eps)
    assert {p.dtype for p in small.parameters()} == {dtype}


class Shared(nn.Module):
    """One layer under two names, called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(6, 6)
        self.b = self.a

    def forward(self, x: Tensor) -> Tensor:
        return self.b(functional.relu(self.a(x)))


def test_a_layer_under_two_names_is_one_chain() -> None:
    torch.manual_seed(0)
    model, x = Shared(), torch.randn(5, 6)
    small: Any = cct.factorise(model, {"b": Factor("svd", 2)}, x)
    assert small.a is small.b and isinstance(small.a, nn.Sequential)
    (entry,) = small.factor_report.layers
    assert entry.before.macs == 2 * 36 and entry.after.macs == 2 * 24
    with pytest.raises(InvalidProblem, match="'a' and 'b' are one layer"):
        cct.factorise(model, dict.fromkeys("ab", Factor("svd", 2)), x)


@pytest.mark.parametrize("training", [True, False])
def test_encoders_leave_the_kernel_that_reads_weights(training: bool, tmp_path) -> None:
    def make() -> nn.Module:
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        return nn.TransformerEncoder(layer, 2).train(training)

    model, x = make(), torch.randn(2, 5, 8)
    factors = {f"layers.1.linear{place}": Factor("svd", 4) for place in (1, 2)}
    small: Any = cct.factorise(model, factors, x)
    with torch.no_grad():
        found = small(x)
        padded = small(x, src_key_padding_mask=torch.eye(2, 5) > 0)
        dense = with_dense_weights(model, small)
        torch.testing.assert_close(found, dense(x), rtol=1e-4, atol=1e-5)
        assert padded.shape == found.shape
        cct.save(small, tmp_path / "bundle")
        loaded = cct.load(make, tmp_path / "bundle")
        torch.testing.assert_close(loaded(x), found)


class Padding(nn.Module):
    """Code that reads from the layer how to pad, and a width."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 4, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        (length, _), (step, _) = self.a.kernel_size, self.a.stride
        return self.a(functional.pad(x, (0, length - step) * 2)) / self.a.out_channels


def test_chains_tell_the_widths_and_the_geometry_of_the_layer(
    samples, tmp_path
) -> None:
    model, x = Padding(), samples[0]
    small = cct.factorise(model, {"a": Factor("tucker", 2)}, x)
    cct.save(small, tmp_path / "bundle")
    loaded = cct.load(Padding, tmp_path / "bundle")
    torch.testing.assert_close(loaded(x), small(x))


TIED, OUTSIDE = "its weight is tied to", "function call outside of its module"
LEFT_OUT = {
    ("Functions", "conv2"): OUTSIDE,
    ("Functions", "fc1"): OUTSIDE,
    ("TiedHeads", "heads"): TIED,
    ("TiedHeads", "other"): TIED,
    ("TinyGPT", "lm_head"): TIED,
    ("Unreached", "unused.0"): "not called as a module",
}


@pytest.mark.parametrize("name", CASES)
def test_every_plain_layer_of_the_zoo_becomes_a_chain(name: str) -> None:
    model, x = CASES[name].model(), as_inputs(CASES[name].inputs(2))
    for layer, reason in ((b, why) for (a, b), why in LEFT_OUT.items() if a == name):
        with pytest.raises(Unsupported, match=reason):
            with_chains(model, {layer: Factor("svd", 1)}, x, {})
    chosen = [layer for layer in layers_of(model) if (name, layer) not in LEFT_OUT]
    for kind in ("svd", "tucker", "tt"):
        factors = dict.fromkeys(chosen, Factor(kind, 0.5))
        _, layers, distance = with_chains(model, factors, x, {})
        assert len(layers) == len(chosen)
        assert distance <= 1e-4


def test_differences_of_outputs() -> None:
    one = {"a": torch.ones(2), "b": (torch.zeros(3), [torch.ones(0)]), "c": None}
    other = {"a": torch.tensor([1.0, 0.5]), "b": (torch.zeros(3), [torch.ones(0)])}
    assert difference_of(one, other) == 0.5
    assert difference_of(one, {**one, "a": torch.full((2,), torch.nan)}) == float("inf")
    with pytest.raises(Exception, match="shapes"):
        difference_of(one, torch.ones(2))
