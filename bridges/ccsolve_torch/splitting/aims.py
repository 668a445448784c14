"""What the penalty pulls the weights to, on the device that they are on."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ccsolve_torch.splitting.duals import Duals
from ccsolve_torch.splitting.targets import Target

Key = tuple[torch.device, torch.dtype, tuple[str, ...]]


class Aims:
    """Z - U of all weights as one vector per device, kept until Z or U change."""

    def __init__(self, model: nn.Module, targets: Mapping[str, Target]) -> None:
        self.model, self.targets = model, targets
        self._held: dict[Key, Tensor] = {}

    def forget(self) -> None:
        """Drop the vectors: Z or U have changed."""
        self._held.clear()

    def squares(self, duals: Mapping[str, Duals]) -> Tensor:
        """Give Σ ‖W - (Z - U)‖², which gradients flow through into the weights.

        One vector, not a term per weight: a step of training has few kernels more.
        """
        sums = []
        for (device, kind), names in self._places().items():
            weights = [self.targets[name].held(self.model) for name in names]
            flat = torch.cat([weight.reshape(-1).to(kind) for weight in weights])
            aim = self._aim((device, kind, tuple(names)), duals)
            sums.append((flat - aim).square().sum())
        total = sums[0]
        for one in sums[1:]:
            total = total + one.to(total)
        return total

    def _places(self) -> dict[tuple[torch.device, torch.dtype], list[str]]:
        """Give the weights by device and by the type to compute in."""
        places: dict[Any, list[str]] = {}
        for name, target in self.targets.items():
            held = target.held(self.model)
            kind = torch.float64 if held.dtype is torch.float64 else torch.float32
            places.setdefault((held.device, kind), []).append(name)
        return places

    def _aim(self, key: Key, duals: Mapping[str, Duals]) -> Tensor:
        if key not in self._held:
            device, kind, names = key
            sizes = [math.prod(self.targets[name].shape) for name in names]
            flat = torch.empty(sum(sizes), dtype=kind)
            for name, part in zip(names, flat.split(sizes), strict=True):
                target, now = self.targets[name], duals[name]
                blocks = target.blocks(part.numpy().reshape(target.shape))
                for block, near, dual in zip(blocks, now.near, now.dual, strict=True):
                    # In the weight's order in one pass.
                    seen = target.space.seen
                    np.subtract(seen(near.tensor), seen(dual), out=block)
            self._held[key] = flat.to(device)
        return self._held[key]
