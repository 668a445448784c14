"""How long models take: two for the same inputs in turns, or runs one by one."""

import statistics
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import torch
from torch import nn

from ccsolve_torch.running.state import Inputs, as_inputs, device_of, evaluating

WARM_UP = 2
FEWEST, MOST = 3, 25
AT_ONCE, MOST_AT_ONCE = 1e-3, 20
"""Short runs are timed together: seconds that they fill, and how many at most."""


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


@dataclass
class Clock:
    """Measures runs on a device for some seconds each, those of the same key once."""

    device: torch.device
    seconds: float
    known: dict[Hashable, float] = field(default_factory=dict)

    def microseconds(
        self, key: Hashable, make: Callable[[], Callable[[], object]]
    ) -> float:
        """Give the median time of a warm run that `make` gives.

        Several are handed over at once: a device works on one meanwhile, as it does
        in a network.
        """
        if key not in self.known:
            run = make()
            for _ in range(WARM_UP):
                spent = max(timed(run, self.device), 1e-9)
            count = int(min(MOST_AT_ONCE, max(1, AT_ONCE / spent)))
            most = int(min(MOST, max(FEWEST, self.seconds / (count * spent))))
            times = [
                timed(lambda: _repeated(run, count), self.device) for _ in range(most)
            ]
            self.known[key] = 1e6 * statistics.median(times) / count
        return self.known[key]


def _repeated(run: Callable[[], object], count: int) -> None:
    for _ in range(count):
        run()


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
