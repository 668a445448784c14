"""Run jobs: solve each model's program, cut, measure, repair, measure again."""

import copy
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

import ccsolve
import ccsolve_torch as cct
from benchmarks.cifar10 import calibration_images, in_batches, test_images, trained
from benchmarks.honesty.rows import Job, Row
from benchmarks.honesty.settings import AUTO, MODELS
from benchmarks.pruning.scene import DEPTHS, is_inner
from benchmarks.pruning.scoring import packed
from ccsolve import LossModel, NetworkSelection, Plan, Statistics
from ccsolve.statistics.whole_curvature import rows_per_sample, whole_intensity
from ccsolve.validation.paths import plan_of, point_of, program_of, with_limits
from ccsolve_torch.application import Order, carried_out
from ccsolve_torch.graph import Graph, trace

Images = tuple[Tensor, Tensor]
Array = NDArray[np.float64]

_BATCH, _EXAMPLES = 50, 20

TRAINED, UNSEEN = "trained", "unseen"
"""Which images the statistics are of."""


@dataclass(frozen=True)
class Settings:
    """Where images are, how many calibrate and how many are measured."""

    data: Path
    calibration: int
    images: int
    restarts: int


@dataclass(frozen=True, eq=False)
class Scene:
    """A network, what it is measured on, and every model's program."""

    network: str
    seed: int
    model: nn.Module
    graph: Graph
    calibration: Images
    seen: Images
    unseen: Images
    stats: Statistics
    models: dict[str, LossModel]
    programs: dict[str, NetworkSelection]
    dense: tuple[Array, Array]
    settings: Settings

    @property
    def loader(self) -> list[Images]:
        """The calibration images in batches."""
        return in_batches(*self.calibration)


def run_all(
    todo: Sequence[Job], names: Sequence[str], settings: Settings
) -> Iterator[Row]:
    """Give a row for every job; statistics once per network and seed."""
    for (network, seed, source), jobs in itertools.groupby(
        todo, lambda job: (job.network, job.seed, job.source)
    ):
        scene = scene_of(network, seed, source, names, settings)
        for job in jobs:
            yield row_of(scene, job)


def scene_of(
    network: str, seed: int, source: str, names: Sequence[str], settings: Settings
) -> Scene:
    """Read the network, collect its statistics and make the programs.

    Statistics of unseen images are of the first half of those; the other half is
    measured. Repairs take training images in any case.
    """
    model = trained(settings.data, DEPTHS[network])
    images = calibration_images(settings.data, settings.calibration, seed)
    held_out, classes = (part[: settings.images] for part in test_images(settings.data))
    unseen, sample = (held_out, classes), images
    if source == UNSEEN:
        half = settings.images // 2
        sample = held_out[:half], classes[:half]
        unseen = held_out[half:], classes[half:]
    stats = inner(cct.collect(model, in_batches(*sample), layers="none", seed=seed))
    models = {name: MODELS[name](stats) for name in names}
    whole = {"macs": float(stats.cost().macs)}
    return Scene(
        network=network,
        seed=seed,
        model=model,
        graph=trace(model, (images[0][:_EXAMPLES],)),
        calibration=images,
        seen=sample,
        unseen=unseen,
        stats=stats,
        models=models,
        programs={
            name: program_of(stats, whole, made, {}) for name, made in models.items()
        },
        dense=(losses(model, sample)[0], losses(model, unseen)[0]),
        settings=settings,
    )


def inner(stats: Statistics) -> Statistics:
    """Give the statistics where only the channels inside the blocks may go."""
    groups = {
        name: group if is_inner(name) else replace(group, min_keep=group.size)
        for name, group in stats.groups.items()
    }
    return replace(stats, groups=groups)


def row_of(scene: Scene, job: Job) -> Row:
    """Choose, cut, measure, repair, measure."""
    plan = chosen(scene, job)
    z = point_of(plan)
    cut = applied(scene, plan, "none")
    mended = applied(scene, plan, "least_squares")
    seen, _ = losses(cut, scene.seen)
    unseen, right = losses(cut, scene.unseen)
    after, repaired_right = losses(mended, scene.unseen)
    known, held_out = scene.dense
    on_seen = mean_and_error(seen - known)
    on_unseen, repaired = (
        mean_and_error(values - held_out) for values in (unseen, after)
    )
    return Row(
        **asdict(job),
        calibration=len(scene.seen[1]),
        images=len(right),
        fields=scene.models[job.model].options(),
        shrinkage=intensity(scene.stats, scene.models[job.model]),
        predictions={k: each.objective(z) for k, each in scene.programs.items()},
        predicted=plan.objective,
        removed_macs=100 * (1 - plan.achieved["macs"] / plan.original["macs"]),
        widths=plan.widths,
        dense_loss=float(held_out.mean()),
        seen_dense_loss=float(known.mean()),
        seen_rise=on_seen[0],
        seen_error=on_seen[1],
        rise=on_unseen[0],
        error=on_unseen[1],
        right=packed(right),
        repaired_rise=repaired[0],
        repaired_error=repaired[1],
        repaired_right=packed(repaired_right),
        versions={name: metadata.version(name) for name in ("torch", "numpy")},
    )


def chosen(scene: Scene, job: Job) -> Plan:
    """Solve the model's program at the budget; the same work on every machine."""
    limits = {"macs": (1 - job.removed / 100) * scene.stats.cost().macs}
    problem = with_limits(scene.stats, scene.programs[job.model], limits)
    solution = ccsolve.solve(
        problem, "local_search", time_limit=None, restarts=scene.settings.restarts
    )
    record = scene.models[job.model].options()
    return plan_of(scene.stats, problem, solution, limits, record)


def applied(scene: Scene, plan: Plan, repair: str) -> nn.Module:
    """Carry the plan out."""
    inputs = (scene.calibration[0][:_EXAMPLES],)
    order = Order(inputs, scene.loader, repair, False, scene.seed)
    return carried_out(scene.model, scene.graph, plan, order, {})


def losses(model: nn.Module, images: Images) -> tuple[Array, NDArray[np.bool_]]:
    """Give the cross-entropy of every image, and whether it is classified right."""
    # Channels last and small batches halve the time of these narrow convolutions.
    fast = copy.deepcopy(model).eval().to(memory_format=torch.channels_last)  # pyright: ignore
    with torch.inference_mode():
        logits = torch.cat(
            [
                fast(part.contiguous(memory_format=torch.channels_last))
                for part in images[0].split(_BATCH)
            ]
        )
    found = functional.cross_entropy(logits, images[1], reduction="none")
    return found.double().numpy(), (logits.argmax(dim=1) == images[1]).numpy()


def intensity(stats: Statistics, model: LossModel) -> float:
    """Give the shrinkage as a number; the mean over the groups that may be cut."""
    if model.shrinkage != AUTO:
        return float(model.shrinkage)
    groups = list(stats.groups.values())
    if model.cross:
        rows = [np.asarray(group.ggn_rows, dtype=np.float64) for group in groups]
        each = rows_per_sample(rows, stats.samples)
        return whole_intensity(rows, each, model.target)
    cut = [group for group in groups if group.min_keep < group.size]
    found = [group.intensity(model.curvature, AUTO, model.target) for group in cut]
    return float(np.mean(found))


def mean_and_error(values: Array) -> tuple[float, float]:
    """Give the mean and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))
