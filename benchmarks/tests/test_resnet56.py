"""The parts of the ResNet-56 benchmark, on made-up images."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.cifar10 import DEVIATION, MEAN, resnet56, training_images
from benchmarks.resnet import resnet
from benchmarks.resnet56_cifar10 import Row, record, table

pytestmark = pytest.mark.torch


def test_the_network_is_the_published_one() -> None:
    assert sum(p.numel() for p in resnet(blocks=9).parameters()) == 853_018


def test_images_are_cut_from_the_grid_and_normalised(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tiles = rng.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    grid = tiles.reshape(2, 2, 32, 32, 3).transpose(0, 2, 1, 3, 4).reshape(64, 64, 3)
    encoded = BytesIO()
    Image.fromarray(grid).save(encoded, format="webp", lossless=True)
    picture = np.frombuffer(encoded.getvalue(), dtype=np.uint8)
    labels = np.arange(4, dtype=np.uint8)
    np.savez(tmp_path / "cifar10_train_sub.npz", images_webp=picture, labels=labels)
    x, y = training_images(tmp_path, 3)
    assert y.tolist() == [0, 1, 2]
    mean, deviation = (torch.tensor(v).reshape(3, 1, 1) for v in (MEAN, DEVIATION))
    back = (x * deviation + mean) * 255
    expected = torch.from_numpy(tiles[:3]).permute(0, 3, 1, 2).float()
    torch.testing.assert_close(back, expected, rtol=0, atol=1e-3)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"missing: .*resnet56"):
        resnet56(tmp_path)
    with pytest.raises(SystemExit, match=r"missing: .*train_sub"):
        training_images(tmp_path, 1)


def test_errors_are_paired() -> None:
    rng = np.random.default_rng(0)
    dense = Row("dense", "none", rng.random(4000) < 0.9, 1.0, 1.0, 0.0)
    flipped = dense.right.copy()
    flipped[-100:] = False
    other = Row("L1", "none", flipped, 1.0, 1.0, 0.0)
    figures = record(other, dense, other)
    difference = flipped.astype(float) - dense.right
    assert figures["minus_dense_all"] == pytest.approx(100 * difference.mean())
    error = 100 * difference.std(ddof=1) / 4000**0.5
    assert figures["error_dense_all"] == pytest.approx(error)
    assert figures["images_reported"] == 2000
    assert figures["error_l1_all"] == 0
    assert "L1" in table([record(dense, dense, None), figures])
