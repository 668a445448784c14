"""CIFAR-10 images and the ResNets trained on them, read from a folder.

The folder (`--data DIR`) holds:

    cifar10_test.npz                      images_webp, labels uint8[10000]
    cifar10_train_sub.npz                 images_webp, labels uint8[N]
    cifar10_train_near.npz                images_avif_0 to 4, labels uint8[50000]
    weights/resnet20_cifar10.safetensors  the names of benchmarks/resnet.py
    weights/resnet56_cifar10.safetensors  the same, deeper

`images_webp` are the bytes (uint8) of one lossless WebP picture: a grid of 32 x 32
tiles, 100 per row, row by row; `images_avif_k` are one AVIF picture of 10,000 images
each, nearly exact, for training alone. Inputs are x/255, minus the mean, divided by
the standard deviation, per colour.
"""

from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmarks.resnet import resnet

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
TILE = 32


def test_images(folder: Path) -> tuple[Tensor, Tensor]:
    """Give the 10,000 test images, normalised (N, 3, 32, 32), and their labels."""
    return _images(folder / "cifar10_test.npz")


def training_images(folder: Path, count: int) -> tuple[Tensor, Tensor]:
    """Give the first `count` training images of the subset, and their labels."""
    images, labels = _images(folder / "cifar10_train_sub.npz", count)
    return images, labels


def calibration_images(folder: Path, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Give `count` training images of the subset, drawn by the seed, and labels."""
    images, labels = _images(folder / "cifar10_train_sub.npz")
    drawn = np.random.default_rng(seed).permutation(len(labels))[:count]
    return images[drawn], labels[drawn]


def every_training_image(folder: Path) -> tuple[Tensor, Tensor]:
    """Give all 50,000 training images, uint8 (N, 3, 32, 32), and their labels.

    They are nearly exact: for training, not for statistics. Needs Pillow with AVIF.
    """
    path = _present(folder / "cifar10_train_near.npz")
    with np.load(path, allow_pickle=False) as file:
        labels = file["labels"].astype(np.int64)
        parts = sorted(name for name in file.files if name.startswith("images_avif_"))
        pictures = np.concatenate([_tiles(file[name].tobytes()) for name in parts])
    x = torch.from_numpy(pictures[: len(labels)]).permute(0, 3, 1, 2)
    return x.contiguous(), torch.from_numpy(labels)


def normalised(pictures: Tensor) -> Tensor:
    """Give images uint8 (N, 3, H, W) as the networks read them."""
    mean, deviation = (
        torch.tensor(v, device=pictures.device).reshape(3, 1, 1)
        for v in (MEAN, DEVIATION)
    )
    return ((pictures.float() / 255 - mean) / deviation).contiguous()


def resnet56(folder: Path) -> nn.Module:
    """Give the trained ResNet-56 in evaluation mode."""
    return trained(folder, depth=56)


def trained(folder: Path, depth: int) -> nn.Module:
    """Give the trained ResNet of a depth, 20 or 56, in evaluation mode."""
    path = _present(folder / "weights" / f"resnet{depth}_cifar10.safetensors")
    model = resnet(blocks=(depth - 2) // 6)
    missing, unexpected = model.load_state_dict(load_file(path), strict=False)
    left = [name for name in missing if not name.endswith("num_batches_tracked")]
    if left or unexpected:
        raise SystemExit(
            f"{path}: other tensors than ResNet-{depth}'s: {left or unexpected}"
        )
    return model.eval()


def in_batches(
    images: Tensor, labels: Tensor, size: int = 125
) -> list[tuple[Tensor, Tensor]]:
    """Give (images, labels) batches in order."""
    return list(zip(images.split(size), labels.split(size), strict=True))


def _images(path: Path, count: int | None = None) -> tuple[Tensor, Tensor]:
    with np.load(_present(path), allow_pickle=False) as file:
        labels = file["labels"][:count].astype(np.int64)
        pictures = _tiles(file["images_webp"].tobytes())[: len(labels)]
    x = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2)
    return normalised(x), torch.from_numpy(labels)


def _tiles(encoded: bytes) -> NDArray[np.uint8]:
    grid = np.asarray(Image.open(BytesIO(encoded)).convert("RGB"))
    rows, columns = grid.shape[0] // TILE, grid.shape[1] // TILE
    split = grid.reshape(rows, TILE, columns, TILE, 3).transpose(0, 2, 1, 3, 4)
    return split.reshape(-1, TILE, TILE, 3)


def _present(path: Path) -> Path:
    if not path.is_file():
        raise SystemExit(
            f"missing: {path}; --data names a folder with cifar10_test.npz, "
            f"cifar10_train_sub.npz and weights/ "
            f"(layout: benchmarks/cifar10.py)"
        )
    return path
