"""Several steps where a layer is left with one weight group, or one channel."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ccsolve_torch as cct
from ccsolve import errors
from ccsolve.statistics.cost import cost_at

pytestmark = pytest.mark.torch


class Grouped(nn.Module):
    """A stem, a convolution of some weight groups, a plain one, and a classifier."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.stem, self.pair = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=groups)
        self.plain, self.head = nn.Conv2d(8, 12, 1), nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.pair(torch.relu(self.stem(x))))
        return self.head(torch.relu(self.plain(x)).mean(dim=(2, 3)))


@pytest.fixture(params=[2, 4, 8])
def grouped(request) -> nn.Module:
    torch.manual_seed(request.param)
    return Grouped(request.param).eval()


def widths_of(report: Any) -> dict[str, int]:
    return {name: len(kept) for name, kept in report.kept.items()}


def one_left(model: nn.Module, loader: Any, plain: int) -> tuple[str, int]:
    """The name of the stem's group, and the MACs with one class left of it."""
    graph = cct.trace(model, loader[0][0])
    stem, other = graph.groups
    return stem, int(cost_at(graph.operations, {stem: 1, other: plain}).macs)


@pytest.mark.parametrize("recipe", ["auto", "uniform"])
def test_what_is_left_of_a_weight_group_stays_whole(grouped, loader, recipe):
    """Its channels could go one by one, were they those of a plain layer."""
    stem, macs = one_left(grouped, loader, plain=3)
    small: Any = cct.compress(
        grouped, loader, macs=macs, steps=3, recipe=recipe, fixed={stem: 1}, timed=False
    )
    report, left = small.report, 8 // grouped.pair.groups
    # A grouped convolution has no moments.
    assert report.recipe == ("ccp" if recipe == "auto" else recipe)
    assert widths_of(report)[stem] == 1 and widths_of(report) != {stem: 1}
    assert small.pair.groups == 1 and small.pair.weight.shape[:2] == (left, left)
    assert report.achieved.macs <= macs
    assert small(loader[0][0]).isfinite().all()


@pytest.mark.parametrize("plain", [2, 6, 11])
def test_no_class_is_left_out_that_fits(grouped, loader, plain):
    """Also where a step but the last left one weight group."""
    _, macs = one_left(grouped, loader, plain)
    small: Any = cct.compress(grouped, loader, macs=macs, steps=3, timed=False)
    graph, widths = cct.trace(grouped, loader[0][0]), widths_of(small.report)
    assert small.report.achieved == cost_at(graph.operations, widths)
    for name, group in graph.groups.items():
        more = widths | {name: min(widths[name] + 1, group.size)}
        assert more == widths or cost_at(graph.operations, more).macs > macs, name


class Paired(nn.Module):
    """Two convolutions, the second of two weight groups: two classes in all."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.pair = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=2)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.pair(torch.relu(self.stem(x))))
        return self.head(x.mean(dim=(2, 3)))


@pytest.fixture
def paired() -> nn.Module:
    torch.manual_seed(0)
    return Paired().eval()


@pytest.mark.parametrize("trains", [False, True])
def test_steps_that_have_nothing_left_to_take_leave_the_network(paired, loader, trains):
    trained: list[nn.Module] = []
    options: Any = {"finetune": trained.append} if trains else {}
    once: Any = cct.compress(paired, loader, macs=0.6, timed=False)
    small: Any = cct.compress(paired, loader, macs=0.6, steps=3, timed=False, **options)
    assert widths_of(small.report) == widths_of(once.report) == {"stem": 1}
    assert small.report.achieved == once.report.achieved
    first, *later = small.report.steps
    assert len(later) == 2 and first.achieved["macs"] == later[-1].achieved["macs"]
    assert all(step.predicted is None for step in later)
    assert [step.asked["macs"] for step in later] == sorted(
        (step.asked["macs"] for step in later), reverse=True
    )
    assert len(trained) == (3 if trains else 0)
    if not trains:
        x = loader[0][0]
        torch.testing.assert_close(small(x), once(x))


def test_a_budget_below_what_one_class_each_takes_is_refused(paired, loader):
    with pytest.raises(errors.Infeasible, match="one channel class is left"):
        cct.compress(paired, loader, macs=0.3, steps=3, timed=False)
