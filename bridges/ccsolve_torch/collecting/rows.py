"""Rows of a curvature's factor: kept, or folded into the blocks that they give."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ccsolve_torch.collecting.pooling import gathered, largest, summed
from ccsolve_torch.running.precision import gram

Array = NDArray[Any]


@dataclass
class Rows:
    """Factor rows of all groups, folded into the blocks rowsᵀrows beyond `most` rows.

    A sample has one or more rows, one behind the other; rows of all groups are folded
    together, so that what is left is aligned. Rows are float32, in the memory of the
    CPU; products of a batch are taken in float32 on the model's device, and summed in
    float64. Besides, per group, Σ over samples of ‖s‖² and ‖diag s‖², s the sample's
    own block: what the noise of the block follows from.
    """

    most: int
    samples: int = 0
    count: int = 0
    folded: bool = False
    parts: dict[str, list[Tensor]] = field(default_factory=dict)
    blocks: dict[str, Tensor] = field(default_factory=dict)
    powers: dict[str, Tensor] = field(default_factory=dict)

    def add(self, rows: Mapping[str, Tensor]) -> None:
        """Take the (N, rows per sample, size) rows of every group, if there are any."""
        if not rows:
            return
        for name, values in rows.items():
            exact = values.float()
            self.powers[name] = self.powers.get(name, 0) + _powers(exact)
            self.parts.setdefault(name, []).append(exact.flatten(0, 1))
        first = next(iter(rows.values()))
        self.samples += len(first)
        self.count += first.shape[0] * first.shape[1]
        if self.folded or self.count > self.most:
            self._fold()
        else:
            for parts in self.parts.values():
                parts[-1] = parts[-1].cpu()

    def pool(self, device: torch.device) -> None:
        """Put the rows of all processes together, in their order; a collective call."""
        total = summed(torch.tensor([self.samples, self.count]), device)
        if largest(int(self.folded), device) or int(total[1]) > self.most:
            self._fold()
            self.blocks = {k: summed(v, device) for k, v in self.blocks.items()}
        else:
            for parts in self.parts.values():
                parts[:] = [gathered(torch.cat(parts), device)]
        self.powers = {k: summed(v, device) for k, v in self.powers.items()}
        self.samples, self.count = (int(number) for number in total)

    def of(self, name: str, curvature: str, device: torch.device) -> dict[str, Array]:
        """Give the group's `Group` fields: rows or block, and noise."""
        n = self.samples
        block = self._block(name, device) / n
        square, diagonal = block.square().sum(), block.diagonal().square().sum()
        noise = (self.powers[name] / n - torch.stack([square, diagonal])) / n
        # Of one sample both are 0 but for rounding.
        noise = noise.clamp(min=0).cummin(dim=0).values
        found = {f"{curvature}_noise": noise.cpu().numpy()}
        if self.folded:
            return found | {curvature: block.cpu().numpy()}
        rows = np.concatenate([part.numpy() for part in self.parts.pop(name)])
        rows /= np.float32(n**0.5)
        # `Group` copies what can be written.
        rows.flags.writeable = False
        return found | {f"{curvature}_rows": rows}

    def _block(self, name: str, device: torch.device) -> Tensor:
        """Give Σ rowsᵀrows in float64."""
        if self.folded:
            return self.blocks.pop(name).to(device)
        size = self.parts[name][0].shape[1]
        total = torch.zeros((size, size), dtype=torch.float64, device=device)
        return _added(total, self.parts[name])

    def _fold(self) -> None:
        self.folded = True
        for name, parts in self.parts.items():
            if name not in self.blocks:
                size = parts[0].shape[1]
                self.blocks[name] = parts[-1].new_zeros(size, size, dtype=torch.float64)
            _added(self.blocks[name], parts)
            parts.clear()


def _added(total: Tensor, parts: list[Tensor]) -> Tensor:
    for part in parts:
        total += gram(part.to(total.device).T)
    return total


def _powers(rows: Tensor) -> Tensor:
    """Give Σ ‖s‖² and Σ ‖diag s‖² over the samples, s = rowsᵀrows of one sample.

    ‖XᵀX‖ = ‖XXᵀ‖, and a sample has few rows.
    """
    exact = rows.double()
    own = [torch.einsum("nri,nqi->nrq", exact, exact), exact.square().sum(dim=1)]
    sums = [part.square().sum() for part in own]
    return torch.stack(sums)
