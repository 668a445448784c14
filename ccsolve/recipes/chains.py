"""What a layer costs as a chain of smaller layers.

A chain's stages are as the torch bridge makes them: each is (n, c, kernel...), the
channels of one group, and along every kernel axis one stage has the layer's stride.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Any

from ccsolve.bonds import ranks_of
from ccsolve.errors import MissingStatistics
from ccsolve.factors import Factor
from ccsolve.recipes.trains import Stages, Train, stages_of
from ccsolve.statistics import Layer, Statistics
from ccsolve.statistics.cost import COUNTED

Shape = tuple[int, ...]

_NONE: Mapping[int, Train] = MappingProxyType({})


@dataclass(frozen=True)
class Run:
    """One run of a layer in a forward pass: what it reads and makes, how often.

    Lengths are of the axes that a convolution runs over, none of a linear layer;
    `times` counts the runs per sample, such as the tokens of a linear layer.
    """

    read: Shape
    made: Shape
    times: float


@dataclass(frozen=True)
class Chainable:
    """A layer that can be a chain: the shape of its weight (n, c, kernel...) per group.

    Parameters
    ----------
    shape
        Of one group: n outputs, c inputs of each.
    groups, transposed
        Of its convolution.
    runs
        What it does in one forward pass.
    strides
        Whether it is known where strides stand. If not, only chains whose stages all
        multiply at the positions that the layer makes are counted right.
    """

    shape: Shape
    groups: int
    transposed: bool
    runs: tuple[Run, ...]
    strides: bool = True

    @property
    def axes(self) -> int:
        """How many axes the kernel has."""
        return len(self.shape) - 2

    def dense(self) -> dict[str, float]:
        """Give what the layer costs as it is, by resource, without its bias."""
        return self.cost([self.shape])

    def cost(
        self, stages: Sequence[Shape], trains: Mapping[int, Train] = _NONE
    ) -> dict[str, float]:
        """Give what the layer costs as a chain of these stages, without its bias.

        `trains` are what stages, by place, are held as in place of their matrices.
        """
        made = Stages(list(stages), dict(trains))
        macs = sum(
            self.groups * work * run.times * self._positions(run, stages, place)
            for run in self.runs
            for place, work in enumerate(made.work)
        )
        whole = int(macs) if float(macs).is_integer() else macs
        return dict(zip(COUNTED, (whole, self.groups * made.weights), strict=True))

    def as_factored(self, factor: Factor) -> dict[str, float]:
        """Give what the layer costs as the chain of this factor, without its bias."""
        ranks = ranks_of(factor, self.shape, "layer")
        return self.cost(*stages_of(factor, self.shape, ranks, self.groups))

    def _positions(self, run: Run, stages: Sequence[Shape], place: int) -> int:
        """Give at how many positions a stage multiplies: those it makes.

        A transposed convolution multiplies at those that it reads.
        """
        owners = [self._owner(stages, axis) for axis in range(self.axes)]
        behind = [
            owner < place if self.transposed else owner <= place for owner in owners
        ]
        lengths = zip(run.read, run.made, behind, strict=True)
        return prod(made if late else read for read, made, late in lengths)

    def _owner(self, stages: Sequence[Shape], axis: int) -> int:
        """Give the stage that has the layer's stride along the axis."""
        long = [place for place, stage in enumerate(stages) if stage[2 + axis] > 1]
        last = len(stages) - 1
        return long[0] if long else (last if self.transposed else 0)


def chainables(stats: Statistics) -> dict[str, Chainable]:
    """Give the layers that can be chains, by name; MissingStatistics without any."""
    found = known_chains(stats)
    if not found:
        raise MissingStatistics(
            f"of {len(stats.layers)} layers in the statistics none can be a chain of "
            f"factors; expected weights of plain layers: collect with layers='weights' "
            f"or 'moments'"
        )
    return found


def known_chains(stats: Statistics) -> dict[str, Chainable]:
    """Give the layers that can be chains, from what `collect` wrote down.

    Statistics of other origin, without `meta["runs"]`, give the layers whose name an
    operation has; their strides are not known.
    """
    runs = stats.meta.get("runs")
    if not isinstance(runs, Mapping):
        return dict(_from_operations(stats))
    return {
        name: _recorded(layer, runs[name])
        for name, layer in stats.layers.items()
        if name in runs
    }


def _recorded(layer: Layer, entry: Mapping[str, Any]) -> Chainable:
    groups = int(entry["groups"])
    runs = tuple(
        Run(tuple(read), tuple(made), times) for read, made, times in entry["calls"]
    )
    n, *rest = layer.weight.shape
    return Chainable((n // groups, *rest), groups, bool(entry["transposed"]), runs)


def _from_operations(stats: Statistics) -> Any:
    """Give layers by the multiplications of the operation of their name.

    They say how many positions the layer makes, not along which axes: all are put on
    the first one.
    """
    sizes = {name: group.size for name, group in stats.groups.items()}
    known = {operation.name: operation for operation in stats.operations}
    for name, layer in stats.layers.items():
        if name not in known or layer.kind == "conv_transpose" or _grouped(layer):
            continue
        macs = sum(
            term.macs * prod(sizes[group] for group in term.groups)
            for term in known[name].terms
        )
        positions = macs / layer.weight.size
        if positions and positions == int(positions):
            axes = layer.weight.ndim - 2
            lengths = (int(positions), *(1,) * (axes - 1)) if axes else ()
            times = 1 if axes else int(positions)
            run = Run(lengths, lengths, times)
            shape = layer.weight.shape
            yield name, Chainable(shape, 1, False, (run,), strides=not axes)


def _grouped(layer: Layer) -> bool:
    """Say whether a convolution reads more channels than one of its filters."""
    read = {len(classes) for classes in layer.inputs.values()}
    return layer.kind != "linear" and bool(read - {layer.weight.shape[1]})
