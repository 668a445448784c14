"""How long two models take for the same inputs, measured in turns."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from ccsolve_torch.running.state import Inputs, as_inputs, device_of, evaluating

WARM_UP = 2
FEWEST, MOST = 3, 25


@dataclass(frozen=True)
class Latency:
    """Median seconds of a forward pass, before and after, of so many runs each."""

    before: float
    after: float
    runs: int
    samples: int

    @property
    def gain(self) -> float:
        """Give how many times faster the second model is."""
        return self.before / self.after if self.after > 0 else 1.0


def measured(
    model: nn.Module, small: nn.Module, inputs: Inputs, *, seconds: float = 1.0
) -> Latency:
    """Measure both models on the inputs, in evaluation mode and without gradients.

    The models run in turns, so that what else the machine does meets both alike, and
    are warm before that. Runs end after `seconds`, but not before 3 of each.
    """
    given, device = as_inputs(inputs), device_of(model)
    times: tuple[list[float], list[float]] = ([], [])
    with torch.no_grad(), evaluating(model), evaluating(small):
        runs = [lambda each=each: each(*given) for each in (model, small)]
        for _ in range(WARM_UP):
            spent = sum(timed(run, device) for run in runs)
        most = int(min(MOST, max(FEWEST, seconds / max(spent, 1e-9))))
        for _ in range(most):
            for run, found in zip(runs, times, strict=True):
                found.append(timed(run, device))
    before, after = map(statistics.median, times)
    return Latency(before, after, most, len(given[0]))


def timed(run: Callable[[], object], device: torch.device) -> float:
    """Give the wall time of a run, all of the device's work included."""
    _wait(device)
    start = time.perf_counter()
    run()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    """Wait until what was given to a GPU is done; the call itself returns at once."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
