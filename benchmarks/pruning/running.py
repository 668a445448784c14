"""Run jobs: choose, apply with a repair, classify the test images."""

import itertools
import math
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from torch import Tensor

import ccsolve_torch as cct
from benchmarks.cifar10 import test_images
from benchmarks.pruning.choices import CHOICES
from benchmarks.pruning.jobs import Job
from benchmarks.pruning.rows import Row
from benchmarks.pruning.scene import Scene
from benchmarks.pruning.scoring import packed, right
from ccsolve.plans import Plan

Images = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Settings:
    """Where images are, how many calibrate and how many are classified."""

    data: Path
    calibration: int
    images: int


def run_all(todo: Iterable[Job], settings: Settings) -> Iterator[Row]:
    """Give a row for every job; statistics once per network and seed."""
    testing = tuple(part[: settings.images] for part in test_images(settings.data))
    for (network, seed), group in itertools.groupby(
        todo, lambda job: (job.network, job.seed)
    ):
        scene = Scene.of(settings.data, network, seed, settings.calibration)
        plans: dict[tuple[str, int], tuple[Plan, float]] = {}
        for job in group:
            yield _row(job, scene, plans, testing, settings)


def _row(
    job: Job,
    scene: Scene,
    plans: dict[tuple[str, int], tuple[Plan, float]],
    testing: tuple[Tensor, ...],
    settings: Settings,
) -> Row:
    small, spent = scene.model, 0.0
    macs = dense = cct.count(scene.model, scene.loader[0][0])
    key = (job.choice, job.removed)
    if job.removed and key not in plans:
        plans[key] = _timed(
            lambda: CHOICES[job.choice](scene, 1.0 - job.removed / 100.0)
        )
    if job.removed:
        small, spent = _timed(lambda: _applied(scene, plans[key][0], job.repair))
        macs = small.report.achieved  # pyright: ignore
    return Row(
        **vars(job),
        calibration=settings.calibration,
        images=len(testing[1]),
        right=packed(right(small, *testing)),
        macs=macs.macs,
        params=macs.params,
        dense_macs=dense.macs,
        choice_seconds=plans[key][1] if job.removed else 0.0,
        apply_seconds=spent,
        versions=_versions(),
        machine=f"{platform.machine()}, {platform.system()}",
        **_planned(plans[key][0] if job.removed else None),
    )


def _planned(plan: Plan | None) -> dict[str, Any]:
    """Give what a plan says of itself."""
    if plan is None:
        return {}
    loss = plan.objective if math.isfinite(plan.objective) else None
    return {"widths": plan.widths, "loss": loss, "price": plan.prices.get("macs")}


def _applied(scene: Scene, plan: Plan, repair: str) -> Any:
    return cct.apply(
        scene.model,
        plan,
        scene.loader[0][0],
        calibration=scene.loader,
        repair=repair,
        statistics=scene.stats,
        timed=False,
        seed=scene.seed,
    )


def _timed(make: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    made = make()
    return made, time.perf_counter() - start


def _versions() -> dict[str, str]:
    names = ("ccsolve", "torch", "torch-pruning")
    found = {name: _version(name) for name in names}
    return {name: version for name, version in found.items() if version}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
