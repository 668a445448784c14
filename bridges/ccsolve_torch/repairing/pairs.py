"""Both networks on one batch after another, each waiting at the layer to be fitted."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve_torch.gates import Keep
from ccsolve_torch.graph import Site
from ccsolve_torch.repairing.branches import Habit, Visit
from ccsolve_torch.repairing.calibration import Calibration, Inputs
from ccsolve_torch.repairing.passes import Pass
from ccsolve_torch.repairing.waists import Waist
from ccsolve_torch.running.columns import ROWS, drawn
from ccsolve_torch.running.footprint import peak_activations
from ccsolve_torch.running.state import device_of

RIDGES = (1e-3, 1e-2, 1e-1)

MEMORY = 4 * 2**30
"""Bytes of stopped forward passes on the CPU, where the user says nothing."""


LANES = 64
"""Most batches that wait: each is two threads."""


@dataclass(frozen=True)
class Settings:
    """How layers are fitted; see `fit_next_layers`."""

    ridges: Sequence[float] = RIDGES
    positions: int = 64
    memory: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not self.ridges or not all(ridge > 0 for ridge in self.ridges):
            raise InvalidProblem(f"ridges {self.ridges}; expected some, all above 0")
        if self.positions < 1:
            raise InvalidProblem(f"positions {self.positions}; expected 1 or more")


@dataclass(frozen=True, eq=False)
class Fitting:
    """Both networks, and what is still to fit: sites by the name of their weight.

    `waists` are those of the layers that are fitted under bounded ranks.
    """

    small: nn.Module
    dense: nn.Module
    keep: Keep
    habits: dict[str, Habit]
    settings: Settings
    todo: dict[str, Site]
    waists: Mapping[str, Waist] = field(default_factory=dict)


class Pair:
    """The passes of both networks on one batch; opened when needed, kept if `held`."""

    def __init__(
        self, fitting: Fitting, inputs: Inputs, number: int, tests: bool, held: bool
    ) -> None:
        """Take the batch; `tests` says that it is held back from fitting."""
        self.fitting, self.inputs, self.number = fitting, inputs, number
        self.tests, self.held = tests, held
        self.passes: tuple[Pass, ...] = ()

    def upcoming(self) -> str | None:
        """Give the layer at which the smaller network stops next, None at the end."""
        small = self._opened()[0]
        todo = self.fitting.todo
        if not any(key in todo for key in small.complete):
            small.advance()
        return next((key for key in small.complete if key in todo), None)

    def reach(self, key: str) -> tuple[list[Visit], list[Visit]]:
        """Give the runs of a layer in the smaller and in the dense network."""
        passes = self._opened()
        if not all(each.reach([key]) for each in passes):
            raise Unsupported(
                f"{key} ran in one forward pass and not in another; expected a model "
                f"whose forward always calls the same layers"
            )
        return passes[0].visits(key), passes[1].visits(key)

    def rest(self) -> None:
        """Free what the passes hold, where there is no room for it."""
        if not self.held:
            self.close()

    def leave(self, key: str) -> None:
        """Go on with the layer's new weights: the run is corrected or begun anew."""
        # Later runs of a layer have read what its first ones gave: all begins anew.
        if not self.held or self.fitting.habits[key].calls > 1:
            self.close()
            return
        for visit in self.passes[0].visits(key):
            visit.refresh()
        for each in self.passes:
            each.release(key)

    def close(self) -> None:
        """End both passes."""
        for each in self.passes:
            each.close()
        self.passes = ()

    def places(self, visit: Visit) -> Tensor:
        """Give where rows are drawn: the same places in both networks."""
        settings, wanted = self.fitting.settings, self.fitting.settings.positions
        if visit.call.kind in ROWS:  # its places run over the samples too
            wanted *= len(self.inputs[0])
        generator = torch.Generator().manual_seed(settings.seed + self.number)
        return drawn(visit.count(), wanted, generator)

    def _opened(self) -> tuple[Pass, ...]:
        if not self.passes:
            fitting = self.fitting
            self.passes = tuple(
                Pass(model, dict(fitting.todo), fitting.habits, self.inputs)
                for model in (fitting.small, fitting.dense)
            )
        return self.passes


def probe_of(model: nn.Module, calibration: Calibration) -> Inputs:
    """Give two samples, on the model's device."""
    first = (*calibration.fitting, *calibration.held_back)[0]
    length, device = len(first[0]), device_of(model)
    return tuple(
        (value[:2] if value.ndim and len(value) == length else value).to(device)
        for value in first
    )


def pairs_of(
    fitting: Fitting, calibration: Calibration, probe: Inputs
) -> Iterator[Pair]:
    """Give a pair per batch: those that the memory has room for are held."""
    models = (fitting.small, fitting.dense)
    per_sample = sum(peak_activations(model, probe) for model in models) / len(probe[0])
    room, number = _room(fitting), 0
    for tests, part in ((False, calibration.fitting), (True, calibration.held_back)):
        for inputs in part:
            room -= per_sample * len(inputs[0])
            held = room >= 0 and number < LANES
            yield Pair(fitting, inputs, number, tests, held)
            number += 1


def _room(fitting: Fitting) -> float:
    if fitting.settings.memory is not None:
        return fitting.settings.memory
    device = device_of(fitting.small)
    if device.type == "cuda":
        return 0.5 * torch.cuda.mem_get_info(device)[0]
    return MEMORY
