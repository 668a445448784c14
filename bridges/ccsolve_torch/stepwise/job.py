"""What was asked of a compression, and what it is recognised by."""

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

import torch
from torch import nn

from ccsolve.io.strict_json import plain
from ccsolve.planning import RECIPES
from ccsolve.statistics import Cost
from ccsolve.statistics.cost import cost_at
from ccsolve_torch.coupling.declaring import Declared
from ccsolve_torch.graph import Graph
from ccsolve_torch.identity import fingerprint
from ccsolve_torch.running.state import Loader, device_of
from ccsolve_torch.stepwise.resuming import digest
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
    latency: bool
    seed: int

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
    """The original model as it was seen: example inputs and coupling graph."""

    inputs: tuple[torch.Tensor, ...]
    graph: Graph

    @property
    def cost(self) -> Cost:
        """Give the dense cost."""
        sizes = {name: group.size for name, group in self.graph.groups.items()}
        return cost_at(self.graph.operations, sizes)


def budgets_of(job: Job, ground: Ground) -> Iterator[dict[str, Any]]:
    """Give the budgets of every step."""
    return schedule(job.given, ground.cost, job.steps)


def given(**budgets: Any) -> dict[str, Any]:
    """Give the budgets that are set."""
    return {name: value for name, value in budgets.items() if value is not None}


def seeded_options(recipe: str, options: dict[str, Any], seed: int) -> dict[str, Any]:
    """Give the recipe's options with the seed, where it takes one."""
    known = inspect.signature(RECIPES[recipe]).parameters if recipe in RECIPES else {}
    return {"seed": seed, **options} if "seed" in known else options


def asked(job: Job, inputs: tuple[torch.Tensor, ...]) -> dict[str, Any]:
    """Give what the folder of a compression is recognised by."""
    return {
        "model": fingerprint(job.model),
        "first inputs": digest(inputs),
        "budgets": dict(job.given),
        "steps": job.steps,
        "seed": job.seed,
        "recipe": job.recipe,
        "options": _plain(job.options),
        "repair": job.repair,
        "collecting": _plain(job.collecting),
        "declared": plain(asdict(job.declared)),
        "finetune": job.finetune is not None,
    }


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Give options as JSON holds them; functions by their names."""
    return {
        name: getattr(value, "__qualname__", "a function")
        if callable(value)
        else plain(value)
        for name, value in options.items()
    }


def logged(step: int, steps: int, phase: str) -> None:
    """Tell the package's logger that a phase begins."""
    _LOG.info("step %d of %d: %s", step, steps, phase)
