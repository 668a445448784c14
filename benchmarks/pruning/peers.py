"""Torch-Pruning's choices of channels, as plans that the same repairs can follow.

Its pruner is asked which channels it would remove, and is not let remove them. It
cannot follow the parameter-free shortcuts of these networks, so it is given the
channels inside the blocks, as the other choices are.
"""

import copy
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy

import ccsolve
from benchmarks.pruning.scene import Scene, is_inner

IMPORTANCES = ("magnitude", "Taylor", "Hessian")
SCOPES = ("uniform", "global")

_SCOPE_OPTIONS: dict[str, dict[str, Any]] = {
    "uniform": {},
    "global": {"global_pruning": True},
}
_HALVINGS = 14


def plan(scene: Scene, macs: float, importance: str, scope: str) -> ccsolve.Plan:
    """Give the plan whose MACs are nearest to the fraction that may remain.

    The pruner takes a ratio of channels; it is found by bisection.
    """
    model, measure = _measured(scene, importance)
    low, high = 0.0, 1.0
    asked = macs * scene.stats.cost().macs
    tried: list[tuple[float, dict[str, NDArray[np.int64]]]] = []
    for _ in range(_HALVINGS):
        ratio = 0.5 * (low + high)
        keep = _kept(scene, model, measure, ratio, _SCOPE_OPTIONS[scope])
        left = scene.stats.cost({name: len(kept) for name, kept in keep.items()}).macs
        tried.append((abs(left - asked), keep))
        low, high = (ratio, high) if left > asked else (low, ratio)
    nearest = min(tried, key=lambda pair: pair[0])
    return ccsolve.Plan(
        recipe=f"torch_pruning {importance} {scope}",
        keep=nearest[1],
        sizes={name: group.size for name, group in scene.stats.groups.items()},
        fingerprint=scene.stats.fingerprint,
    )


def _kept(
    scene: Scene, model: nn.Module, measure: Any, ratio: float, options: dict[str, Any]
) -> dict[str, NDArray[np.int64]]:
    """Give what the pruner would leave of every group."""
    keep = {name: np.arange(g.size) for name, g in scene.stats.groups.items()}
    for name, removed in _removed(
        model, measure, scene.loader[0][0][:1], ratio, options
    ):
        keep[name] = np.setdiff1d(keep[name], removed)
    return keep


def _removed(
    model: nn.Module,
    measure: Any,
    example: torch.Tensor,
    ratio: float,
    options: dict[str, Any],
) -> Iterator[tuple[str, list[int]]]:
    import torch_pruning as tp

    layers = {name: m for name, m in model.named_modules() if _prunable(m)}
    names = {module: name for name, module in layers.items()}
    pruner = tp.pruner.BasePruner(
        model,
        example,
        measure,
        pruning_ratio=ratio,
        max_pruning_ratio=0.95,
        ignored_layers=[m for name, m in layers.items() if not is_inner(name)],
        **options,
    )
    # Interactive steps are offered, not taken: the model stays whole.
    for group in pruner.step(interactive=True):  # pyright: ignore
        root, removed = group[0]
        yield names[root.target.module], removed


def _prunable(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d | nn.Linear)


@lru_cache(maxsize=len(IMPORTANCES))
def _measured(scene: Scene, importance: str) -> tuple[nn.Module, Any]:
    """Give a copy of the model that holds the gradients which the importance reads."""
    import torch_pruning as tp

    model = copy.deepcopy(scene.model)
    if importance == "magnitude":
        return model, tp.importance.GroupMagnitudeImportance()
    if importance == "Taylor":
        for images, labels in scene.loader:
            cross_entropy(model(images), labels, reduction="sum").backward()
        return model, tp.importance.GroupTaylorImportance()
    # Its own sum over samples keeps the last one alone (the tensors are filed by one
    # key and looked up by another), so it is handed the mean that it documents.
    for parameter, square in _mean_squares(scene, model).items():
        parameter.grad = square
    return model, tp.importance.GroupHessianImportance()


def _mean_squares(scene: Scene, model: nn.Module) -> dict[nn.Parameter, torch.Tensor]:
    """Give the mean over images of the squared gradient of each parameter."""
    sums = {p: torch.zeros_like(p) for p in model.parameters()}
    count = 0
    for images, labels in scene.loader:
        for image, label in zip(images.split(1), labels.split(1), strict=True):
            model.zero_grad()
            cross_entropy(model(image), label).backward()
            for parameter, total in sums.items():
                total += parameter.grad.square()  # pyright: ignore
            count += 1
    return {parameter: total / count for parameter, total in sums.items()}
