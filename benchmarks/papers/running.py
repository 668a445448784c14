"""Run jobs: make the smaller network, train it if asked, classify the test images."""

import itertools
import platform
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import ccsolve_torch as cct
from benchmarks.cifar10 import every_training_image, test_images
from benchmarks.papers.jobs import SHORT, Job
from benchmarks.papers.methods import METHODS
from benchmarks.papers.points import POINTS
from benchmarks.papers.replaying import Replayed
from benchmarks.papers.rows import Row
from benchmarks.papers.scene import Scene
from benchmarks.papers.training import (
    HINTS,
    Full,
    Short,
    Stream,
    trained_full,
    trained_short,
)
from benchmarks.pruning.scoring import packed, right

Images = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Settings:
    """Where images are, how many give statistics and are classified, the training."""

    data: Path
    statistics: int
    images: int
    short: Short
    full: Full


@dataclass(eq=False)
class Run:
    """What the jobs of one network and seed share."""

    scene: Scene
    settings: Settings
    testing: Images
    made: dict[tuple[str, str], tuple[nn.Module, float]] = field(default_factory=dict)

    def model(self, job: Job) -> tuple[nn.Module, float]:
        """Give the untrained network of a job, a new copy, and the seconds it took."""
        if job.method == "dense":
            return self.scene.model, 0.0
        key = (job.point, job.method)
        if key in self.made:
            return self.made.pop(key)
        make = METHODS[job.method].make
        torch.manual_seed(job.seed)
        return _timed(lambda: make(self.scene, POINTS[job.point]))

    def keep(self, job: Job, model: nn.Module, seconds: float) -> None:
        """Hold on to what a later stage begins with."""
        if job.stage == "none" and (job.point, job.method) in SHORT:
            self.made[job.point, job.method] = model, seconds

    def train(self, job: Job, model: nn.Module) -> tuple[int, int]:
        """Train in place as the stage says; give steps and epochs."""
        short, full = self.settings.short, self.settings.full
        if job.stage == "none":
            return 0, 0
        if job.stage == "short":
            return trained_short(model, self.teacher, self.stream, short), 0
        pictures = every_training_image(self.settings.data)
        steps = trained_full(model, pictures, self.scene.model, full, slug(job))
        return steps, full.epochs

    @cached_property
    def stream(self) -> Stream:
        """The batches of the short training."""
        pictures = every_training_image(self.settings.data)
        return Stream(pictures, self.settings.short, self.scene.seed)

    @cached_property
    def teacher(self) -> Replayed:
        """The dense network, whose answers to these batches are had once."""
        return Replayed(self.scene.model, HINTS)


def run_all(todo: Iterable[Job], settings: Settings) -> Iterator[Row]:
    """Give a row for every job; statistics once per network and seed."""
    testing = tuple(part[: settings.images] for part in test_images(settings.data))
    most = max(point.calibration for point in POINTS.values())
    for (network, seed), group in itertools.groupby(
        todo, lambda job: (job.network, job.seed)
    ):
        counts = (settings.statistics, max(most, settings.statistics))
        folder = settings.full.folder
        scene = Scene.of(settings.data, network, seed, counts, folder)
        run = Run(scene, settings, (testing[0], testing[1]))
        for job in group:
            yield _row(job, run)


def slug(job: Job) -> str:
    """Give the name of a job's files."""
    text = f"{job.network} {job.point} {job.method} {job.seed}"
    return re.sub(r"[^A-Za-z0-9.]+", "-", text)


def _row(job: Job, run: Run) -> Row:
    model, made = run.model(job)
    (steps, epochs), spent = _timed(lambda: run.train(job, model))
    example = run.scene.images[:1]
    dense, left = cct.count(run.scene.model, example), cct.count(model, example)
    run.keep(job, model, made)
    return Row(
        **vars(job),
        statistics=0 if job.method == "dense" else run.scene.counted,
        calibration=0 if job.method == "dense" else POINTS[job.point].calibration,
        steps=steps,
        epochs=epochs,
        images=len(run.testing[1]),
        right=packed(right(model, *run.testing)),
        macs=left.macs,
        params=left.params,
        dense_macs=dense.macs,
        dense_params=dense.params,
        made_seconds=made,
        trained_seconds=spent,
        versions=_versions(),
        machine=f"{platform.machine()}, {platform.system()}",
    )


def _timed(make: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    made = make()
    return made, time.perf_counter() - start


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in ("torch",)} | _own()


def _own() -> dict[str, str]:
    try:
        return {"ccsolve": metadata.version("ccsolve")}
    except metadata.PackageNotFoundError:
        return {}
