"""What was asked of a compression, and what it begins with."""

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import torch
from torch import nn

from ccsolve.planning import RECIPES
from ccsolve.recipes.default import AUTO, JOINT
from ccsolve.statistics import Cost, Memory
from ccsolve.statistics.cost import cost_at
from ccsolve_torch.coupling.declaring import Declared
from ccsolve_torch.graph import Graph
from ccsolve_torch.running.state import Loader, device_of
from ccsolve_torch.stepwise.steps import schedule

Progress = Callable[[int, int, str], object]

_LOG = logging.getLogger("ccsolve")


@dataclass(frozen=True, eq=False)
class Job:
    """What was asked of `compress`."""

    model: nn.Module
    loader: Loader
    given: Mapping[str, Any]
    steps: int
    recipe: str
    options: Mapping[str, Any]
    repair: str | None
    collecting: Mapping[str, Any]
    declared: Declared
    finetune: Callable[[nn.Module], object] | None
    progress: Progress
    timed: bool
    seed: int
    sequential: bool
    schedule: str | tuple[float, ...]
    nested: bool
    unseen: Loader | None

    @property
    def recorded(self) -> bool:
        """Whether the loss is measured after each step."""
        return self.steps > 1 or self.unseen is not None

    @contextmanager
    def phase(self, step: int, name: str) -> Iterator[None]:
        """Tell that a phase begins, and fix torch's random state inside."""
        self.progress(step, self.steps, name)
        with self.random(step, name):
            yield

    @contextmanager
    def random(self, step: int, name: str) -> Iterator[None]:
        """Set torch's random state by seed, step and phase; give it back."""
        device = device_of(self.model)
        devices = [device] if device.type == "cuda" else []
        # Each phase has a state of its own: one that is skipped changes no other.
        text = f"{self.seed} {step} {name}".encode()
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(int.from_bytes(sha256(text).digest()[:7]))
            yield


@dataclass(frozen=True, eq=False)
class Ground:
    """The original model as it was seen: example inputs, coupling graph, memory.

    The memory is None where no budget is on it.
    """

    inputs: tuple[torch.Tensor, ...]
    graph: Graph
    memory: Memory | None

    @property
    def cost(self) -> Cost:
        """Give the dense cost."""
        return self.at({name: group.size for name, group in self.graph.groups.items()})

    def at(self, widths: Mapping[str, int]) -> Cost:
        """Give the cost at the widths of the groups."""
        return cost_at(self.graph.operations, widths, memory=self.memory)


def budgets_of(job: Job, ground: Ground) -> Iterator[dict[str, Any]]:
    """Give the budgets of every step."""
    return schedule(job.given, ground.cost, job.steps, job.schedule)


def given(**budgets: Any) -> dict[str, Any]:
    """Give the budgets that are set."""
    return {name: value for name, value in budgets.items() if value is not None}


def recipe_options(
    recipe: str, options: Mapping[str, Any], **known: Any
) -> dict[str, Any]:
    """Give the recipe's options, with those of `known` that it has and lacks.

    An option that is None by default is what was collected, and is left alone. "auto"
    is given what "joint" is.
    """
    made = RECIPES.get(JOINT if recipe == AUTO else recipe)
    parameters = inspect.signature(made).parameters if made else {}
    taken = {name for name, item in parameters.items() if item.default is not None}
    return {name: value for name, value in known.items() if name in taken} | {**options}


def logged(step: int, steps: int, phase: str) -> None:
    """Tell the package's logger that a phase begins."""
    _LOG.info("step %d of %d: %s", step, steps, phase)
