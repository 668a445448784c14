"""How long a network takes, and how long each of its layers takes inside of it."""

import time
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from ccsolve_torch.running.calls import Call, layer_calls
from ccsolve_torch.running.latency import FEWEST, MOST, WARM_UP, timed
from ccsolve_torch.running.state import device_of

Key = tuple[str, int]
"""The weight's name, and which of its calls."""


def inside(
    model: nn.Module,
    inputs: tuple[Tensor, ...],
    weights: Iterable[str],
    *,
    seconds: float,
) -> tuple[float, dict[Key, float]]:
    """Give the median microseconds of a pass, and of each layer's calls in a pass.

    Plain passes, for the whole, and watched ones, for the layers, run in turns, so that
    what else the machine does meets both alike. Layers that a fused operator hides are
    not there.
    """
    listed, device = list(weights), device_of(model)
    whole: list[float] = []
    found: dict[Key, list[float]] = {}
    for _ in range(WARM_UP):
        spent = timed(lambda: model(*inputs), device)
        _watched(model, inputs, listed, device)
    for _ in range(int(min(MOST, max(FEWEST, 0.5 * seconds / max(spent, 1e-9))))):
        whole.append(timed(lambda: model(*inputs), device))
        for key, took in _watched(model, inputs, listed, device).items():
            found.setdefault(key, []).append(took)
    layers = {key: 1e6 * median(times) for key, times in found.items()}
    return 1e6 * median(whole), layers


def _watched(
    model: nn.Module, inputs: tuple[Tensor, ...], weights: list[str], device: Any
) -> dict[Key, float]:
    """Give the seconds of each layer's calls in one pass."""
    marks: dict[Key, tuple[Any, Any]] = {}
    starts: list[Any] = []
    mark, between = _marks(device)

    def before(call: Call) -> None:
        starts.append(mark())

    def after(call: Call, y: Tensor) -> None:
        marks[call.weight, call.index] = starts.pop(), mark()

    with layer_calls(model, weights, before, after):
        model(*inputs)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return {key: between(*pair) for key, pair in marks.items()}


def _marks(
    device: torch.device,
) -> tuple[Callable[[], Any], Callable[[Any, Any], float]]:
    """Give what marks a moment of the device's work, and the seconds between two."""
    if device.type != "cuda":
        return time.perf_counter, lambda start, end: end - start

    def mark() -> Any:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    return mark, lambda start, end: 1e-3 * start.elapsed_time(end)
