"""What a method may look at: a network, its training images, its statistics."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor, nn

import ccsolve
import ccsolve_torch as cct
from benchmarks.cifar10 import calibration_images, in_batches, trained
from benchmarks.papers.points import Point
from benchmarks.pruning.scene import DEPTHS, is_inner
from ccsolve.plans import Plan
from ccsolve.statistics import Statistics

Batches = list[tuple[Tensor, Tensor]]

AUXILIARY = 2
"""Auxiliary classifiers of CCP-AC, spread evenly over the depth."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A trained network and training images, in the order that the seed drew.

    Statistics are of the first `counted` images, and kept in `folder`; a point says
    how many repair.
    """

    network: str
    seed: int
    model: nn.Module
    images: Tensor
    labels: Tensor
    counted: int
    folder: Path
    plans: dict[Any, Plan] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        data: Path,
        network: str,
        seed: int,
        counts: tuple[int, int],
        folder: Path,
    ) -> "Scene":
        """Read the network and draw its images; for statistics and at most."""
        counted, most = counts
        drawn = calibration_images(data, most, seed)
        model = trained(data, DEPTHS[network])
        return cls(network, seed, model, *drawn, counted, folder)

    def loader(self, count: int) -> Batches:
        """Give the first images in batches."""
        return in_batches(self.images[:count], self.labels[:count])

    @cached_property
    def stats(self) -> Statistics:
        """The statistics, with all that the methods ask for."""
        return self._collected("plain")

    @cached_property
    def auxiliary(self) -> Statistics:
        """The same with auxiliary classifiers, for CCP-AC."""
        return self._collected("auxiliary", auxiliary=AUXILIARY)

    def scored(self, score: str) -> Statistics:
        """Give the statistics with a score that takes runs of the network."""
        adds = {
            "ablation": (cct.ablation_scores, 200),
            "class_wise": (cct.class_wise_scores, 1000),
            "dcp": (cct.dcp_scores, 500),
            "sfp": (cct.sfp_scores, 1000),
        }
        add, count = adds[score]
        return add(self.model, self.loader(count), self.stats)

    def plan(self, point: Point, kind: str = "", **options: Any) -> Plan:
        """Give the plan of a recipe at a point, from statistics of that kind.

        Kinds: "" for channels inside the blocks alone, as the papers cut; "auxiliary"
        the same with classifiers; else a score of `scored`.
        """
        key = (point.name, kind, *sorted((k, str(v)) for k, v in options.items()))
        if key not in self.plans:
            stats = self._of(kind)
            self.plans[key] = ccsolve.plan(inside(stats), **point.budgets(), **options)
        return self.plans[key]

    def applied(self, plan: Plan, point: Point) -> nn.Module:
        """Give the network of a plan, repaired by least squares."""
        calibration = self.loader(point.calibration)
        return cct.apply(
            self.model,
            plan,
            calibration[0][0],
            calibration=calibration,
            repair="least_squares",
            statistics=self.stats,
            timed=False,
            seed=self.seed,
        )

    def _of(self, kind: str) -> Statistics:
        if kind == "":
            return self.stats
        return self.auxiliary if kind == "auxiliary" else self.scored(kind)

    def _collected(self, name: str, **options: Any) -> Statistics:
        """Give statistics: those of the folder, or collected and kept there."""
        known = f"{self.network}-{self.seed}-{self.counted}-{name}.safetensors"
        file = self.folder / known
        if not file.is_file():
            stats = cct.collect(
                self.model,
                self.loader(self.counted),
                layers="moments",
                seed=self.seed,
                **options,
            )
            self.folder.mkdir(parents=True, exist_ok=True)
            stats.save(file)
        return Statistics.load(file)


def inside(stats: Statistics) -> Statistics:
    """Give the statistics where only channels inside the blocks may go."""
    groups = {
        name: group if is_inner(name) else replace(group, min_keep=group.size)
        for name, group in stats.groups.items()
    }
    return replace(stats, groups=groups)
