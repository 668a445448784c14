"""A network that tests save: tied weights, buffers of all kinds; and its surgery."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import ccsolve_torch as cct
from ccsolve_torch.bundling.recording import recorded
from ccsolve_torch.surgery import checked_keep, kept_entries, remove_channels


def cut(model: nn.Module, inputs: Any, seed: int = 0) -> Any:
    """Give the model without about half of its classes, as `apply` gives it."""
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    graph, rng = cct.trace(model, inputs), np.random.default_rng(seed)
    keep = {
        name: np.sort(rng.choice(group.size, max(1, group.size // 2), replace=False))
        for name, group in graph.groups.items()
    }
    keep = checked_keep(graph, keep)
    small: Any = remove_channels(model, graph, keep)
    small.surgery = recorded(model, small, kept_entries(graph, keep), inputs)
    return small


def altered(model: nn.Module) -> None:
    """Change every weight, as training does."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.9).add_(0.01)


class Plain(nn.Module):
    """A convolution that gives tied copies of its weight, and buffers of all kinds."""

    mask: Tensor
    order: Tensor

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, width, 3)
        self.norm = nn.BatchNorm2d(width)
        self.scale = nn.Parameter(torch.ones(width, 1, 1))
        self.b = nn.Conv2d(width, 4, 1)
        self.c = nn.Conv2d(4, 4, 1)
        self.d = nn.Conv2d(4, 4, 1)
        self.d.weight = self.c.weight
        weights = torch.linspace(1, 2, width)[:, None, None]
        self.register_buffer("order", weights, persistent=False)
        self.register_buffer("mask", torch.tensor([0.0, float("-inf")]))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.a(x)).relu() * self.scale * self.order
        x = self.c(self.b(x)) + self.mask.clamp(min=0).sum()
        return self.d(x.tanh()).mean(dim=(2, 3))


X = torch.linspace(-1, 1, 3 * 3 * 6 * 6).reshape(3, 3, 6, 6)


def changed(bundle: Path, change: Callable[[Any], Any]) -> Path:
    """Rewrite the recipe."""
    path = bundle / "recipe.json"
    recipe = json.loads(path.read_text())
    change(recipe)
    path.write_text(json.dumps(recipe))
    return bundle
