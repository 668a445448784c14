"""Ranks of the benchmark on tensor trains, and the page that is drawn from its rows."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

import ccsolve_torch as cct
from benchmarks import low_rank_accuracy
from benchmarks.admm_training import drawing
from benchmarks.admm_training.rows import ARMS, CHOSEN_ON, Settings
from benchmarks.admm_training.rows import Row as Epoch
from benchmarks.pruning.scoring import packed
from benchmarks.resnet import resnet
from benchmarks.tensor_trains import FITS, RANKS, Row, parameters, published, same_part
from ccsolve.recipes.chains import Chainable, chainables

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def layers() -> Mapping[str, Chainable]:
    model = resnet(blocks=1, widths=(8, 12, 16)).eval()
    loader = [(torch.randn(4, 3, 8, 8), torch.arange(4))]
    found = chainables(cct.collect(model, loader))
    return {name: layer for name, layer in found.items() if name.startswith("layer")}


def test_published_ranks_are_of_every_block_convolution() -> None:
    shapes = {
        name: module.weight.shape
        for name, module in resnet(blocks=9).named_modules()
        if name.startswith("layer") and isinstance(module, torch.nn.Conv2d)
    }
    assert set(published()) == set(shapes)
    for name, factor in published().items():
        assert isinstance(factor.ranks, tuple)
        rows, columns = factor.ranks
        assert rows <= shapes[name][0]
        assert columns <= shapes[name][1]


def test_published_ranks_are_what_the_authors_call_three_times_fewer() -> None:
    kept = whole = 0
    for name, module in resnet(blocks=9).named_modules():
        if isinstance(module, torch.nn.Conv2d) and name in published():
            factor = published()[name]
            assert isinstance(factor.ranks, tuple)
            rows, columns = factor.ranks
            n, c, *_ = module.weight.shape
            kept += n * rows + 9 * rows * columns + columns * c
            whole += 9 * n * c
    assert 3.0 < whole / kept < 3.3


@pytest.mark.parametrize("part", [0.3, 0.5])
def test_the_same_part_is_the_largest_that_fits(
    part: float, layers: Mapping[str, Chainable]
) -> None:
    whole = parameters(layers, {})
    factors = same_part(layers, part * whole)
    assert parameters(layers, factors) <= part * whole
    (ranks,) = {factor.ranks for factor in factors.values()}
    assert isinstance(ranks, tuple)
    more = dict.fromkeys(layers, cct.Factor("tt", float(ranks[0]) + 0.0025))
    assert parameters(layers, more) > part * whole


def test_the_page_shows_every_row(tmp_path: Path) -> None:
    trains, epochs = _trains(), _epochs()
    text = low_rank_accuracy.page(trains, epochs)
    assert "ResNet-20" in text
    for row in trains:
        assert f"{row.accuracy(False):.1f} / {row.accuracy(True):.1f}" in text or (
            row.fit == "dense"
        )
    for row in epochs:
        assert f"| {row.arm} | {row.epoch} |" in text
        assert f"{row.accuracy(CHOSEN_ON):.2f}" in text
    assert drawing.epochs(epochs, tmp_path).stat().st_size > 0


def test_what_admm_would_become_is_a_curve_of_its_own() -> None:
    epochs = _epochs()
    assert len(drawing.curve(epochs, "ADMM")) == len(drawing.curve(epochs, "dense"))
    assert [e for e, _ in drawing.curve(epochs, drawing.DECOMPOSED)] == [0, 1]


def _trains() -> list[Row]:
    keys = [("resnet20", 1.0, "-", "dense")]
    keys += [("resnet20", 2.0, ranks, fit) for ranks in RANKS for fit in FITS]
    return [Row(*key, 0.5, 0.0, 64, _bits(64), _bits(64)) for key in keys]


def _epochs() -> list[Epoch]:
    settings = asdict(Settings(epochs=1, finetune=1))
    return [
        Epoch(
            arm=arm,
            epoch=epoch,
            chains=arm == "direct" or epoch == 2,
            settings=settings,
            params=1e5,
            macs=1e7,
            loss=0.5 if epoch else None,
            distance=None,
            primal=None,
            dual=None,
            right=_bits(3000),
            projected=_bits(3000) if arm == "ADMM" and epoch < 2 else None,
            tests=3000,
            seconds=1.0,
            versions={},
        )
        for arm in ARMS
        for epoch in range(3)
    ]


def _bits(count: int) -> str:
    return packed(np.random.default_rng(count).random(count) < 0.7)
