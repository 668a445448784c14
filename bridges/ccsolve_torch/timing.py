"""Latency tables: every layer run alone, at a grid of widths, on the model's device."""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.statistics import LatencyTable, Statistics
from ccsolve_torch.coupling.alone import Alone, Run
from ccsolve_torch.coupling.declaring import Declared
from ccsolve_torch.graph import Graph, trace
from ccsolve_torch.running.inside import Key, inside
from ccsolve_torch.running.latency import Clock
from ccsolve_torch.running.state import (
    Inputs,
    as_inputs,
    checked_model,
    device_of,
    evaluating,
)

Grid = NDArray[np.int64]
Point = tuple[Hashable, Callable[[], Run]]

_REST = "all else"
_WHOLE = 0.2
"""The share of the time that the network as a whole is measured for."""


def measure_latency(
    model: nn.Module,
    stats: Statistics,
    example_inputs: Inputs,
    *,
    multiple_of: int = 8,
    widths: int = 8,
    seconds: float = 60.0,
    declared: Declared | None = None,
) -> Statistics:
    """Give the statistics with measured latency tables, in microseconds.

    Every convolution and linear layer whose channels can go is run alone: random
    weights of the grid's widths, inputs of the shape that it sees in the network, in
    evaluation mode without gradients; medians of warm runs. Layers alike are measured
    once. The tables are made rising (`LatencyTable.rising`) and scaled to what each
    dense layer takes inside the network. What the network takes more than its layers
    counts as a fixed part: norms, activations, attention, recurrent layers. So the
    dense cost is the measured time of a forward pass on `example_inputs`, of the whole
    batch; if the layers should add up to more, their tables are scaled to that.

    `meta["latency"]` of the result says device, threads, batch, and the microseconds
    of the whole network and of its layers.

    Parameters
    ----------
    model, stats
        The model as it stands, and its statistics.
    example_inputs
        A batch of the size whose latency is meant.
    multiple_of, widths
        Grids hold multiples of `multiple_of` channel classes and the dense width, at
        most `widths` of them, evenly spread; a layer between two groups has a table
        of widths² points. Widths between grid points count as the next one upwards:
        plan with multiples of what the grid has.
    seconds
        What measuring may take in all, about; three timings of each point are made in
        any case.
    declared
        As given to `collect`.

    Raises
    ------
    InvalidProblem
        The statistics are of another network, or an option is malformed.
    Unsupported
        The model cannot be exported, or no layer of it has removable channels.
    """
    _check(multiple_of, widths, seconds)
    device = device_of(checked_model(model))
    inputs = tuple(value.to(device) for value in as_inputs(example_inputs))
    graph = trace(model, inputs, declared=declared)
    _check_alike(graph, stats)
    sketches = [
        _Sketch.of(layer, graph.classes.sizes, multiple_of, widths, device)
        for layer in _layers(graph, len(inputs[0]))
    ]
    keys = {key for sketch in sketches for row in sketch.runs for key, _ in row}
    clock = Clock(device, (1 - _WHOLE) * seconds / len(keys))
    with torch.no_grad(), evaluating(model):
        tables = [sketch.table(clock) for sketch in sketches]
        weights = {sketch.layer.call.weight for sketch in sketches}
        whole, found = inside(model, inputs, weights, seconds=_WHOLE * seconds)
    fitted = _as_inside(sketches, tables, found)
    return _with(stats, fitted, whole, device, len(inputs[0]))


@dataclass(frozen=True, eq=False)
class _Sketch:
    """A table before it is measured: its grids, and a run for each of their points."""

    layer: Alone
    read: Grid
    made: Grid
    runs: list[list[Point]]

    @classmethod
    def of(
        cls,
        layer: Alone,
        sizes: Mapping[str, int],
        multiple_of: int,
        most: int,
        device: torch.device,
    ) -> "_Sketch":
        read, made = (
            _grid(side, sizes, multiple_of, most)
            for side in (layer.inputs, layer.outputs)
        )
        runs = [
            [layer.at(enter, leave, device) for leave in made.tolist()]
            for enter in read.tolist()
        ]
        return cls(layer, read, made, runs)

    def table(self, clock: Clock) -> LatencyTable:
        times = [[clock.microseconds(*point) for point in row] for row in self.runs]
        layer = self.layer
        return LatencyTable(
            layer.call.node.name,
            np.array(times),
            layer.inputs,
            layer.outputs,
            self.read,
            self.made,
        ).rising()


def _as_inside(
    sketches: list[_Sketch], tables: list[LatencyTable], found: Mapping[Key, float]
) -> list[LatencyTable]:
    """Scale tables so that the dense layer takes what it takes inside the network."""
    seen: Counter[str] = Counter()
    fitted = []
    for sketch, table in zip(sketches, tables, strict=True):
        weight = sketch.layer.call.weight
        dense = float(table.microseconds[-1, -1])
        factor = found.get((weight, seen[weight]), dense) / dense
        seen[weight] += 1
        fitted.append(replace(table, microseconds=factor * table.microseconds))
    return fitted


def _layers(graph: Graph, batch: int) -> list[Alone]:
    every = (
        Alone.of(call, graph.classes, graph.exported, batch)
        for call in graph.flow.calls
        if call.node not in graph.flow.constant
    )
    found = [layer for layer in every if layer.inputs or layer.outputs]
    if not found:
        raise Unsupported(
            "no convolution or linear layer has removable channels; nothing to measure"
        )
    return found


def _grid(
    entries: Mapping[str, int], sizes: Mapping[str, int], multiple_of: int, most: int
) -> Grid:
    """Give at most so many rising amounts of entries; the dense one is the last."""
    if not entries:
        return np.zeros(1, dtype=np.int64)
    if len(entries) == 1:
        (name, per_class), *_ = entries.items()
        return per_class * _steps(sizes[name], multiple_of, most)
    total = sum(count * sizes[name] for name, count in entries.items())
    return _steps(total, multiple_of, most)


def _steps(size: int, multiple_of: int, most: int) -> Grid:
    every = np.array([*range(multiple_of, size, multiple_of), size], dtype=np.int64)
    chosen = np.linspace(len(every) - 1, 0, min(most, len(every)))
    return every[np.sort(chosen.round().astype(np.int64))]


def _with(
    stats: Statistics,
    tables: list[LatencyTable],
    whole: float,
    device: torch.device,
    batch: int,
) -> Statistics:
    """Give the statistics with tables that add up to the whole network's time."""
    sizes = {name: group.size for name, group in stats.groups.items()}
    layers = sum(table.at(sizes) for table in tables)
    if layers < whole:
        tables = [*tables, LatencyTable(_REST, np.array([[whole - layers]]))]
    else:
        tables = [
            replace(table, microseconds=table.microseconds * (whole / layers))
            for table in tables
        ]
    cuda = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if cuda else device.type
    meta = {
        "device": name,
        "threads": torch.get_num_threads(),
        "batch": batch,
        "whole": whole,
        "layers": layers,
    }
    # One record is made, for its checks take a look at all that it holds.
    return replace(stats, latency=tuple(tables), meta={**stats.meta, "latency": meta})


def _check(multiple_of: int, widths: int, seconds: float) -> None:
    for name, value, least in (("multiple_of", multiple_of, 1), ("widths", widths, 2)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InvalidProblem(f"{name} {value!r}; expected an integer >= {least}")
    if not 0 < seconds < float("inf"):
        raise InvalidProblem(f"seconds {seconds!r}; expected a number > 0")


def _check_alike(graph: Graph, stats: Statistics) -> None:
    found = {name: group.size for name, group in graph.groups.items()}
    known = {name: group.size for name, group in stats.groups.items()}
    if found != known:
        other = next(
            name for name in (*known, *found) if known.get(name) != found.get(name)
        )
        raise InvalidProblem(
            f"stats: group {other!r} has {known.get(other, 'no')} classes there and "
            f"{found.get(other, 'none')} in the model; give the model, and the "
            f"declared=, that the statistics were collected with"
        )
