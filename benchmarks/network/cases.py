"""Cases: programs over all channels of a network, of real statistics or of a seed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from benchmarks.network.large import resnet50
from ccsolve import NetworkSelection
from ccsolve.problems.generate_network import chain
from ccsolve.statistics import LatencyTable, Statistics

IMAGES = 1500
"""Test images of which the statistics are: the first ones, kept apart from scores."""

STREAM = "conv1"
"""The group of the residual stream's channels."""

_TILE = 8
"""Channels that a step of the latency tables holds."""


@dataclass(frozen=True)
class Case:
    """One program.

    Attributes
    ----------
    network : "resnet20" or "resnet56" of real statistics, "" for a seeded program.
    share : of the network's MACs (and of what else has a budget) that may remain.
    cross : whether the loss joins groups.
    streams : whether the residual stream's channels may go, too.
    extra : further budgets: "params", "latency".
    """

    name: str
    network: str = ""
    share: float = 0.5
    cross: bool = False
    streams: bool = False
    extra: tuple[str, ...] = ()
    make: Callable[[], NetworkSelection] | None = field(default=None, compare=False)


def _small() -> NetworkSelection:
    return chain([20] * 8, 0, coupled=True)


CASES: tuple[Case, ...] = (
    Case("ResNet-56, blocks, 50 %", "resnet56"),
    Case("ResNet-56, blocks, 30 %", "resnet56", 0.7),
    Case("ResNet-56, blocks, 75 %", "resnet56", 0.25),
    Case("ResNet-56, blocks, 50 % of MACs and parameters", "resnet56", 0.5, False,
         False, ("params",)),
    Case("ResNet-56, blocks, 50 % of a latency table", "resnet56", 0.5, False,
         False, ("latency",)),
    Case("ResNet-56, coupled, 50 %", "resnet56", 0.5, True),
    Case("ResNet-56, coupled, 30 %", "resnet56", 0.7, True),
    Case("ResNet-56, coupled, 75 %", "resnet56", 0.25, True),
    Case("ResNet-56, coupled with streams, 50 %", "resnet56", 0.5, True, True),
    Case("ResNet-20, coupled with streams, 50 %", "resnet20", 0.5, True, True),
    Case("chain of 160 channels, coupled", make=_small),
    Case("ResNet-50's size, factor", make=resnet50),
)  # fmt: skip


def problem_of(case: Case, state: Path | None) -> NetworkSelection:
    """Build a case's program; statistics are read from the folder ``state``."""
    if case.make is not None:
        return case.make()
    if state is None:
        raise SystemExit(f"{case.name}: real statistics need --data DIR")
    stats = Statistics.load(state / f"{case.network}_rows.safetensors")
    if "latency" in case.extra:
        stats = stats.with_latency(tiled(stats))
    limits: dict[str, Any] = {"macs": case.share}
    if case.extra:
        limits = {"macs": None if "latency" in case.extra else case.share}
        limits |= dict.fromkeys(case.extra, case.share)
    size = stats.groups[STREAM].size
    fixed = {} if case.streams else {STREAM: np.ones(size, dtype=np.int64)}
    # Without the gradient the loss of a removal is at least 0: a scale for gaps.
    return NetworkSelection.from_statistics(
        stats, **limits, cross=case.cross, first_order=0.0, fixed=fixed
    )


def tiled(stats: Statistics) -> list[LatencyTable]:
    """Give tables in which channels count in eights, as on vector units."""
    found = []
    for op in stats.operations:
        products = [term for term in op.terms if len(term.groups) == 2 and term.macs]
        for at, term in enumerate(products):
            first, second = term.groups
            grids = [_grid(stats.groups[name].size) for name in term.groups]
            micros = 1.0 + 1e-4 * float(term.macs) * np.multiply.outer(*grids)
            name = f"{op.name}.{at}"
            found.append(LatencyTable(name, micros, {first: 1}, {second: 1}, *grids))
    return found + _alone(stats)


def _alone(stats: Statistics) -> list[LatencyTable]:
    """Give the tables of operations that one group's width decides."""
    found = []
    for op in stats.operations:
        sums: dict[str, float] = {}
        for term in op.terms:
            if len(term.groups) == 1 and term.macs:
                (name,) = term.groups
                sums[name] = sums.get(name, 0.0) + float(term.macs)
        for name, macs in sums.items():
            grid = _grid(stats.groups[name].size)
            micros = (1.0 + 1e-4 * macs * grid)[:, None]
            found.append(LatencyTable(f"{op.name}.{name}", micros, {name: 1}, {}, grid))
    return found


def _grid(size: int) -> np.ndarray:
    return np.union1d(np.arange(0, size + 1, _TILE), [size]).astype(np.int64)


DEPTHS: Mapping[str, int] = MappingProxyType({"resnet20": 20, "resnet56": 56})


def collect(data: Path, state: Path) -> None:
    """Collect the statistics that are not in the folder yet: minutes each."""
    import ccsolve_torch as cct
    from benchmarks.cifar10 import in_batches, test_images, trained

    for network, depth in DEPTHS.items():
        path = state / f"{network}_rows.safetensors"
        if path.is_file():
            continue
        images, labels = test_images(data)
        loader = in_batches(images[:IMAGES], labels[:IMAGES])
        state.mkdir(parents=True, exist_ok=True)
        cct.collect(trained(data, depth), loader, layers="none").save(path)
        print(f"{path}: collected", flush=True)
