"""ADMM in training, at small size: batches, the schedule of updates, and going on."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

import ccsolve_torch as cct
from benchmarks.admm_training.images import PADDING, cropped, drawn_batches
from benchmarks.admm_training.rows import ARMS, Row, Settings
from benchmarks.admm_training.scene import Scene
from benchmarks.admm_training.training import run, update_steps
from benchmarks.cifar10 import in_batches, normalised
from benchmarks.resnet import resnet

pytestmark = pytest.mark.torch

SMALL = Settings(epochs=2, finetune=2, updates=2, batch=4, images=16, lr=0.01)


@pytest.fixture
def scene() -> Scene:
    torch.manual_seed(0)
    x = torch.randint(0, 256, (16, 3, 16, 16), dtype=torch.uint8)
    y = torch.arange(16) % 10
    calibration = in_batches(normalised(x), y, 8)
    tests = (normalised(x), y)
    factors = {"layer1.0.conv1": cct.Factor("tt", (3, 2))}
    model = resnet(blocks=1, widths=(8, 8, 8)).eval()
    return Scene(model, factors, tests[0][:2], (x, y), calibration, tests)


def test_cropped_pictures_are_windows_of_their_own() -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(1, 256, size=(40, 3, 9, 7), dtype=np.uint8)
    wide = np.pad(pictures, [(0, 0), (0, 0), *[(PADDING, PADDING)] * 2])
    flipped = 0
    for one, found in zip(wide, cropped(pictures, rng), strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(one, (3, 9, 7))[0]
        same, mirrored = (
            bool((windows == way).all(axis=(-3, -2, -1)).any())
            for way in (found, found[:, :, ::-1])
        )
        assert same or mirrored
        flipped += mirrored
    assert 0 < flipped < len(pictures)


def test_batches_hold_every_image_once_and_follow_the_seed() -> None:
    images = torch.zeros(10, 3, 8, 8, dtype=torch.uint8)
    labels = torch.arange(10)
    first, again, other = (
        torch.cat([y for _, y in drawn_batches(images, labels, 3, seed)])
        for seed in (0, 0, 1)
    )
    assert first.sort().values.equal(labels)
    assert first.equal(again)
    assert not first.equal(other)


@pytest.mark.parametrize(("images", "updates"), [(640, 3), (640, 10), (4, 1)])
def test_updates_are_spread_over_the_epoch(images: int, updates: int) -> None:
    settings = Settings(images=images, updates=updates)
    starts = sorted(update_steps(settings))
    assert len(starts) == updates
    assert starts[0] == 0
    gaps = np.diff([*starts, settings.steps])
    assert gaps.max() - gaps.min() <= 1


def test_the_pull_is_what_the_penalty_takes_off_between_updates() -> None:
    settings = Settings(images=6400, updates=2, momentum=0.0, lr=1e-3, pull=0.5)
    weight = 1.0
    for _ in range(settings.steps // settings.updates):
        weight -= settings.lr * settings.rho * weight
    assert weight == pytest.approx(np.exp(-settings.pull), rel=0.01)


@pytest.mark.slow
def test_what_is_cut_short_goes_on_as_if_it_were_not(
    scene: Scene, tmp_path: Path
) -> None:
    whole = [timeless(row) for row in run("ADMM", scene, SMALL, tmp_path / "whole")]
    assert [row.epoch for row in whole] == [0, 1, 2, 3, 4]
    # Cut between row and state: the last epoch is done again.
    for cut in (3, 5):
        folder = tmp_path / str(cut)
        list(islice(run("ADMM", scene, SMALL, folder), cut))
        again = [timeless(row) for row in run("ADMM", scene, SMALL, folder)]
        assert again == whole[cut - 1 :]


def timeless(row: Row) -> Row:
    return replace(row, seconds=0.0)


@pytest.mark.slow
def test_admm_ends_in_chains_of_the_direct_arms_size(
    scene: Scene, tmp_path: Path
) -> None:
    ends = {arm: list(run(arm, scene, SMALL, tmp_path))[-1] for arm in ARMS}
    assert ends["ADMM"].chains
    assert ends["ADMM"].params == ends["direct"].params < ends["dense"].params
    assert ends["ADMM"].macs == ends["direct"].macs
