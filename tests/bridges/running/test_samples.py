"""Gate derivatives of whole structures, sample by sample, and where samples stand."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import ccsolve_torch as cct
from ccsolve.errors import Unsupported
from ccsolve_torch.running.calls import Call, layer_calls
from ccsolve_torch.running.samples import Samples, sample_places
from ccsolve_torch.running.spelling import spelled_out
from tests.bridges.zoo import CASES

pytestmark = [
    pytest.mark.torch,
    # torch.export says so of the flat weights of its own recurrent modules.
    pytest.mark.filterwarnings("ignore:The tensor attributes self:UserWarning"),
]

collect: Any = cct.collect

# Streams with many readers, calls twice, concatenation, shuffles, heads, windows,
# tokens, time steps, transposed and grouped convolutions.
STRUCTURES = [
    "ResNet",
    "CalledTwice",
    "UNet",
    "ShuffleNetV2",
    "QueryGroupsKernel",
    "Swin",
    "EncoderNormFirst",
    "Bidirectional",
    "Transposed",
    "ResNeXt",
    "Siamese",
    "Language",
]


def gated(model: nn.Module, graph: cct.Graph, x: tuple[Tensor, ...]) -> Any:
    """Give outputs and gates that multiply what is read: nothing of it is clever."""
    gates = {
        name: torch.ones(group.size, requires_grad=True)
        for name, group in graph.groups.items()
    }
    reads = [
        (read.weight, name, torch.from_numpy(read.classes))
        for name, group in graph.groups.items()
        for read in group.reads
    ]

    def close(call: Call) -> Tensor:
        z = call.x.movedim(call.axis, -1)
        for weight, name, classes in reads:
            if weight == call.weight:
                z = z * torch.cat([gates[name], torch.ones(1)])[classes]
        return z.movedim(-1, call.axis)

    weights = [weight for weight, _, _ in reads]
    with spelled_out(model), layer_calls(model, weights, before=close):
        return model(*x), gates


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_sample_has_its_own_derivatives(name: str) -> None:
    case = CASES[name]
    model, x = case.model(), case.inputs(4)
    y = torch.randn_like(model(*x))
    batches = [(tuple(v[part] for v in x), y[part]) for part in (slice(3), slice(3, 4))]
    stats = collect(model, batches, "least_squares", layers="moments", sketches=1)
    graph = cct.trace(model, x)
    for n in range(4):
        outputs, gates = gated(model, graph, tuple(v[n : n + 1] for v in x))
        loss = 0.5 * (outputs - y[n : n + 1]).square().sum()
        wanted = torch.autograd.grad(loss, list(gates.values()))
        for group, expected in zip(gates, wanted, strict=True):
            found = stats.groups[group].fisher_rows[n] * len(y) ** 0.5
            scale = float(expected.abs().max())
            np.testing.assert_allclose(found, expected, atol=1e-4 * scale)


class TimeFirst(nn.Module):
    """Time before samples, and both folded into one axis in two orders."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 6), nn.Linear(6, 5)
        self.third, self.last = nn.Linear(5, 7), nn.Linear(7, 2)

    def forward(self, x: Tensor) -> Tensor:
        count, length = x.shape[:2]
        x = functional.relu(self.first(x.transpose(0, 1)))
        x = functional.relu(self.second(x)).reshape(length * count, 5)
        x = functional.relu(self.third(x)).reshape(length, count, 7)
        return self.last(x.transpose(0, 1).reshape(count * length, 7)).reshape(
            count, length, 2
        )


def test_samples_are_found_along_any_axis() -> None:
    torch.manual_seed(0)
    model, x = TimeFirst(), torch.randn(4, 5, 3)
    weights = ["first.weight", "second.weight", "third.weight", "last.weight"]
    places = sample_places(model, weights, (x,))
    assert [places[weight, 0] for weight in weights] == [
        Samples(1, inner=False),
        Samples(1, inner=False),
        Samples(0, inner=True),
        Samples(0, inner=False),
    ]
    value = torch.arange(20.0)[:, None].expand(20, 3)
    by_time = Samples(0, inner=True).sums(value, 1, 4)
    assert torch.equal(by_time[:, 0], torch.arange(20.0).reshape(5, 4).sum(dim=0))
    by_sample = Samples(0, inner=False).sums(value, 1, 4)
    assert torch.equal(by_sample[:, 0], torch.arange(20.0).reshape(4, 5).sum(dim=1))
    assert torch.equal(Samples(None).sums(value, 1, 1), value.sum(dim=0)[None])


def test_time_before_samples_gives_each_sample_its_own() -> None:
    torch.manual_seed(0)
    model, x, y = TimeFirst(), torch.randn(4, 5, 3), torch.randn(4, 5, 2)
    whole = collect(model, [(x, y)], "least_squares")
    single = [
        collect(model, [(a[None], b[None])], "least_squares")
        for a, b in zip(x, y, strict=True)
    ]
    for name, group in whole.groups.items():
        rows = np.concatenate([stats.groups[name].fisher_rows for stats in single])
        np.testing.assert_allclose(group.fisher_rows * 2, rows, rtol=1e-4, atol=1e-6)


class Mixed(nn.Sequential):
    """A batch norm with the batch's own statistics."""

    def __init__(self) -> None:
        super().__init__(
            nn.Linear(3, 6),
            nn.BatchNorm1d(6, track_running_stats=False),
            nn.ReLU(),
            nn.Linear(6, 2),
        )


class Sampleless(nn.Module):
    """A layer that makes weights out of constants, the same for all samples."""

    def __init__(self) -> None:
        super().__init__()
        self.code = nn.Parameter(torch.ones(1, 3))
        self.inner, self.outer = nn.Linear(3, 6), nn.Linear(6, 3)
        self.first, self.last = nn.Linear(3, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        scale = self.outer(functional.relu(self.inner(self.code)))
        return self.last(functional.relu(self.first(x * scale)))


class Switched(nn.Module):
    """A part that the model's own code keeps gradients out of."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 6), nn.Linear(6, 5)
        self.last = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            x = self.second(functional.relu(self.first(x)))
        return self.last(functional.relu(x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Mixed, r"3\.weight.*depends on others of the batch"),
        (Switched, r"second\.weight.*gradients off"),
    ],
)
def test_where_samples_have_no_derivatives_of_their_own(make, message) -> None:
    torch.manual_seed(0)
    x, y = torch.randn(6, 3), torch.randint(0, 2, (6,))
    with pytest.raises(Unsupported, match=message):
        collect(make(), [(x, y)])


def test_what_is_of_no_sample_stays_and_is_refused_where_it_is_asked_for() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(6, 3), torch.randint(0, 2, (6,))
    model = Sampleless()
    assert list(collect(model, [(x, y)]).groups) == ["first"]
    assert "alike for all samples" in cct.trace(model, x).frozen["inner"]
    with pytest.raises(Unsupported, match=r"outer\.weight.*of no sample"):
        sample_places(model, ["outer.weight"], (x,))


class Placed(nn.Module):
    """Adds positions, one row for all samples or one for each, to what it reads."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.head = nn.Linear(12, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        return self.head(torch.relu(self.embed(x + positions)).mean(dim=1))


@pytest.mark.parametrize("count", [1, 2, 4])
def test_what_all_samples_share_goes_with_each(count: int) -> None:
    model, x, y = Placed().eval(), torch.randn(count, 5, 12), torch.arange(count) % 3
    shared = torch.randn(1, 5, 12)
    found, wanted = (
        collect(model, [((x, positions), y)])
        for positions in (shared, shared.expand(count, 5, 12))
    )
    for part in ("gradient", "fisher_rows"):
        one, other = (getattr(s.groups["embed"], part) for s in (found, wanted))
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-7)
