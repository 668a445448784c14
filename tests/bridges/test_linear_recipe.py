"""The recipe "linear_conv" carried out: filters made of others, as planned."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import ccsolve
import ccsolve_torch as cct
from ccsolve_torch.combining.linear_layers import LinearConv

pytestmark = pytest.mark.torch


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.Conv2d(12, 16, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 4),
    ).eval()


def loader() -> list[tuple[torch.Tensor, torch.Tensor]]:
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(48, 3, 8, 8, generator=draw)
    y = torch.randint(4, (48,), generator=draw)
    return list(zip(x.split(16), y.split(16), strict=True))


def test_compress_makes_the_planned_layers_and_keeps_the_budget(tmp_path: Path) -> None:
    model, batches = net(), loader()
    small = cct.compress(model, batches, params=0.7, recipe="linear_conv", timed=False)
    stats = cct.collect(model, batches, layers="moments")
    plan = ccsolve.plan(stats, params=0.7, recipe="linear_conv")
    made = {
        name: module.primary.shape[0]
        for name, module in small.named_modules()
        if isinstance(module, LinearConv)
    }
    assert made == dict(plan.primary)
    report = small.report
    assert isinstance(report, cct.Report)
    assert report.achieved.params == plan.achieved["params"] <= plan.asked["params"]
    assert report.achieved.params == sum(p.numel() for p in small.parameters())
    assert report.achieved.macs == report.original.macs
    x = batches[0][0]
    cct.save(small, tmp_path / "bundle")
    again = cct.load(net, tmp_path / "bundle").eval()
    with torch.no_grad():
        assert torch.equal(again(x), small(x))


def test_filters_are_fitted_to_the_calibration() -> None:
    model, batches = net(), loader()
    stats = cct.collect(model, batches, layers="moments")
    plan = ccsolve.plan(stats, params=0.7, recipe="linear_conv")
    x = batches[0][0]
    applied: dict[str, Any] = {
        "repair": "none",
        "timed": False,
    }
    small = cct.apply(model, plan, x, calibration=batches, **applied)
    weighted = cct.linear_convolutions(model, dict(plan.primary), statistics=stats)
    bare = cct.apply(model, plan, x, **applied)
    plain = cct.linear_convolutions(model, dict(plan.primary))
    with torch.no_grad():
        torch.testing.assert_close(small(x), weighted(x), rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(bare(x), plain(x))


def test_a_plan_of_channels_and_primary_filters_does_both() -> None:
    model, batches = net(), loader()
    stats = cct.collect(model, batches)
    channels = ccsolve.plan(stats, macs=0.6, recipe="l1")
    (group,) = (n for n, size in channels.sizes.items() if size == 12)
    plan = ccsolve.Plan(
        recipe="both",
        keep=channels.keep,
        sizes=channels.sizes,
        primary={"3": 4},
        fingerprint=channels.fingerprint,
    )
    small = cct.apply(model, plan, batches[0][0], calibration=batches, timed=False)
    layer = small.get_submodule("3")
    assert isinstance(layer, LinearConv)
    assert layer.primary.shape[:2] == (4, channels.widths[group])
