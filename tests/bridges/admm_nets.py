"""A network with every kind of layer that ADMM draws to low ranks, and data."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import ccsolve_torch as cct
from ccsolve import Factor


def train_svd(tensor: np.ndarray, ranks: tuple[int, ...]) -> np.ndarray:
    """Give the TT-SVD by singular values, as the published code projects."""
    rest, before, cores = tensor.astype(np.float64), 1, []
    for mode, rank in zip(tensor.shape, ranks, strict=False):
        u, s, v = np.linalg.svd(rest.reshape(before * mode, -1), full_matrices=False)
        cores.append(u[:, :rank].reshape(before, mode, -1))
        rest, before = s[:rank, None] * v[:rank], cores[-1].shape[2]
    whole = cores[0]
    for core in cores[1:]:
        whole = np.tensordot(whole, core, 1)
    return np.tensordot(whole, rest.reshape(before, -1), 1).reshape(tensor.shape)


def aim_of(admm: cct.ADMM, name: str) -> np.ndarray:
    """Give Z - U of a weight of one group."""
    (near,), (dual,) = admm._duals[name].near, admm._duals[name].dual
    return near.tensor - dual


class Wide(nn.Module):
    """Every kind of layer that has a weight to be projected."""

    def __init__(self) -> None:
        super().__init__()
        self.volume = nn.Conv3d(1, 4, (2, 3, 3))
        self.flat = nn.Conv2d(4, 6, 3, bias=False)
        self.grouped = nn.Conv2d(6, 8, 3, groups=2)
        self.back = nn.ConvTranspose2d(8, 6, 2)
        self.line = nn.Conv1d(6, 6, 3)
        self.lstm = nn.LSTM(6, 5, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.volume(x)).mean(dim=2)
        x = self.back(functional.relu(self.grouped(functional.relu(self.flat(x)))))
        x = functional.relu(self.line(x.flatten(2))).transpose(1, 2)
        return self.head(self.lstm(x)[0][:, -1])


FACTORS = {
    "volume": Factor("tucker", (2, 1)),
    "flat": Factor("tt", (2, 3, 2), modes=(2, 3, 9, 4)),
    "grouped": Factor("tucker", 2),
    "back": Factor("svd", 3),
    "line": Factor("tt", 0.5),
    "lstm.weight_ih_l0": Factor("svd", 2),
    "lstm.weight_hh_l0": Factor("tt", (3, 2), modes=(5, 4, 5)),
    "head": Factor("svd", 1),
}
INPUT = (4, 1, 3, 9, 9)


def clouds(shape: tuple[int, ...], classes: int, batches: int = 4) -> Any:
    torch.manual_seed(7)
    samples = [torch.randn(shape) for _ in range(batches)]
    return [(x, torch.arange(len(x)) % classes) for x in samples]


def steps(
    model: nn.Module, admm: cct.ADMM, data: Any, epochs: int, optimizer: Any
) -> None:
    for _ in range(epochs):
        admm.update()
        for x, y in data:
            loss = functional.cross_entropy(model(x), y) + admm.penalty()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
