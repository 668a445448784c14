"""Training with labels: a few steps, or the papers' epochs with checkpoints.

Both minimise, per image, (1 - α)·cross-entropy with the label + α·T²·KL(dense ‖ small)
at temperature T (Hinton, Vinyals, Dean 2015), on images shifted by up to 4 pixels and
mirrored, drawn anew for every epoch; the short one also the distance of the features
between the stages. Forward and backward passes are in bfloat16, the weights and their
steps in float32.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

import ccsolve_torch as cct
from benchmarks.cifar10 import normalised

Batch = tuple[Tensor, Tensor]

SHIFT = 4
HINTS = ("layer1", "layer2", "layer3")
"""The modules whose outputs keep their shape: the features that are met."""

ALPHA, TEMPERATURE = 0.9, 4.0


@dataclass(frozen=True)
class Short:
    """The short fine-tuning: steps of batches, the largest rate, the features' weight.

    Batch norms use their running statistics; chosen on test images 0 to 1,999.
    """

    steps: int = 1000
    batch: int = 64
    lr: float = 0.001
    decay: float = 1e-4
    beta: float = 300.0


@dataclass(frozen=True)
class Full:
    """The full fine-tuning: epochs, and where it runs and keeps its states."""

    epochs: int
    device: str
    folder: Path
    batch: int = 128
    lr: float = 0.05
    decay: float = 1e-4


def distilled(outputs: Tensor, targets: Tensor) -> Tensor:
    """Give the loss per image; targets (N, 1 + classes): label, dense outputs."""
    labels, dense = targets[:, 0].long(), targets[:, 1:]
    own = functional.log_softmax(outputs / TEMPERATURE, dim=1)
    other = functional.log_softmax(dense / TEMPERATURE, dim=1)
    apart = functional.kl_div(own, other, reduction="none", log_target=True).sum(1)
    hard = functional.cross_entropy(outputs, labels, reduction="none")
    return (1 - ALPHA) * hard + ALPHA * TEMPERATURE**2 * apart


@dataclass(frozen=True, eq=False)
class Stream:
    """The batches of the short training: images and labels, the same each time."""

    pictures: Batch
    short: Short
    seed: int

    def __len__(self) -> int:
        """Count the batches."""
        return self.short.steps

    def __iter__(self) -> Iterator[Batch]:
        """Give the images in a new order for every pass, shifted and mirrored."""
        draw = torch.Generator().manual_seed(self.seed)
        count, size = len(self.pictures[1]), self.short.batch
        passes = -(-len(self) * size // count)
        orders = [torch.randperm(count, generator=draw) for _ in range(passes)]
        for part in torch.cat(orders)[: len(self) * size].split(size):
            yield _batch(self.pictures, part, draw)


def trained_short(
    model: nn.Module, teacher: nn.Module, batches: Stream, short: Short
) -> int:
    """Train in place; give the steps."""
    layout = torch.channels_last
    model.to(memory_format=layout)  # pyright: ignore[reportCallIssue]
    with halved("cpu"):
        cct.finetune(
            model,
            batches,
            epochs=1,
            optimizer="adamw",
            lr=short.lr,
            weight_decay=short.decay,
            teacher=teacher,
            temperature=TEMPERATURE,
            alpha=ALPHA,
            hints=HINTS,
            beta=short.beta,
            freeze_norms=True,
        )
    return len(batches)


def trained_full(
    model: nn.Module, pictures: Batch, teacher: nn.Module, full: Full, name: str
) -> int:
    """Train in place, from the last epoch that the folder has; give the steps.

    The learning rate falls like a cosine over all epochs. A state is written after
    each epoch, under another name first; it holds tensors and numbers alone.
    """
    device, file = torch.device(full.device), full.folder / f"{name}.pt"
    full.folder.mkdir(parents=True, exist_ok=True)
    model.to(device)
    teacher.to(device)
    at = tuple(part.to(device) for part in pictures)
    optimiser = torch.optim.SGD(
        model.parameters(), full.lr, 0.9, weight_decay=full.decay, nesterov=True
    )
    done = _resumed(file, model, optimiser, device)
    each = math.ceil(len(at[1]) / full.batch)
    for epoch in range(done, full.epochs):
        draw = torch.Generator().manual_seed(epoch)
        order = torch.randperm(len(at[1]), generator=draw).to(device)
        model.train()
        for step, part in enumerate(order.split(full.batch)):
            share = (epoch + step / each) / full.epochs
            for group in optimiser.param_groups:
                group["lr"] = full.lr * 0.5 * (1 + math.cos(math.pi * share))
            _step(model, teacher, optimiser, _batch((at[0], at[1]), part, draw))
        _written(file, model, optimiser, epoch + 1)
    model.to("cpu").eval()
    teacher.to("cpu")
    return full.epochs * each


def _step(
    model: nn.Module, teacher: nn.Module, optimiser: torch.optim.SGD, batch: Batch
) -> None:
    images, targets = _with_outputs(teacher, *batch)
    optimiser.zero_grad()
    with halved(images.device.type):
        loss = distilled(model(images), targets).mean()
    loss.backward()
    optimiser.step()


def halved(device: str) -> torch.autocast:
    """Give the context in which products are in bfloat16."""
    return torch.autocast(device, torch.bfloat16)


def _with_outputs(teacher: nn.Module, images: Tensor, labels: Tensor) -> Batch:
    with torch.no_grad(), halved(images.device.type):
        dense = teacher(images).float()
    return images, torch.cat([labels[:, None].to(dense.dtype), dense], dim=1)


def _batch(pictures: Batch, part: Tensor, draw: torch.Generator) -> Batch:
    """Give the images of these numbers, shifted and mirrored at random."""
    images = normalised(pictures[0][part])
    return augmented(images, draw), pictures[1][part]


def augmented(images: Tensor, draw: torch.Generator) -> Tensor:
    """Give images (N, C, H, W) shifted by up to `SHIFT` with zeros, half mirrored."""
    count, _, height, width = images.shape
    down, right = torch.randint(2 * SHIFT + 1, (2, count), generator=draw)
    mirrored = torch.randint(2, (count,), generator=draw).bool()
    rows = down[:, None] + torch.arange(height)
    columns = right[:, None] + torch.arange(width)
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    padded = functional.pad(images, (SHIFT,) * 4).permute(0, 2, 3, 1)
    device = images.device
    every = torch.arange(count, device=device)[:, None, None]
    rows, columns = rows.to(device)[:, :, None], columns.to(device)[:, None, :]
    return padded[every, rows, columns].permute(0, 3, 1, 2).contiguous()


def _resumed(
    file: Path, model: nn.Module, optimiser: torch.optim.SGD, device: torch.device
) -> int:
    if not file.is_file():
        return 0
    state = torch.load(file, map_location=device, weights_only=True)
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    return state["epoch"]


def _written(
    file: Path, model: nn.Module, optimiser: torch.optim.SGD, epoch: int
) -> None:
    state = {
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "epoch": epoch,
    }
    beside = file.with_suffix(".part")
    torch.save(state, beside)
    beside.replace(file)


def epochs_done(folder: Path) -> Iterator[tuple[str, int]]:
    """Give the names in a folder of states, and the epochs that each has."""
    for file in sorted(folder.glob("*.pt")):
        yield file.stem, torch.load(file, weights_only=True)["epoch"]
