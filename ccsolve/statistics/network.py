"""Statistics: all that was exported of one network, checked as a whole."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ccsolve.errors import InvalidFile, InvalidProblem, InvalidStatistics
from ccsolve.io.strict_json import plain
from ccsolve.problems.network import NetworkSelection
from ccsolve.problems.records import reduced
from ccsolve.problems.selection import ChannelSelection
from ccsolve.statistics import container, cost_layout, layout
from ccsolve.statistics.arrays import check_count
from ccsolve.statistics.cost import Cost, Operation, cost_at
from ccsolve.statistics.group import Group
from ccsolve.statistics.latency import LatencyTable
from ccsolve.statistics.layer import Layer
from ccsolve.statistics.memory import Memory
from ccsolve.statistics.network_programs import absolute_limits, network_program
from ccsolve.statistics.programs import channel_selection


@dataclass(frozen=True, eq=False)
class Statistics:
    """The exported statistics of a network: what every recipe works from.

    Parameters
    ----------
    groups
        Name -> `Group`, in execution order.
    layers
        Name -> `Layer`, in execution order; empty where no weights were exported.
    operations
        The cost model: every operator that costs something.
    samples
        How many samples the means are over.
    loss
        The loss that was differentiated, e.g. "cross_entropy".
    fingerprint
        Identifies the network that the statistics are of.
    meta
        Anything that JSON can hold; NaN and infinities become None.
    latency
        Tables whose sum is the time of a forward pass, each of another name; empty
        where nothing was measured. See `with_latency`.
    memory
        What is alive at each step of a forward pass, None where not known.
    """

    groups: Mapping[str, Group]
    layers: Mapping[str, Layer] = field(default_factory=dict)
    operations: tuple[Operation, ...] = ()
    samples: int = 0
    loss: str = ""
    fingerprint: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)
    latency: tuple[LatencyTable, ...] = ()
    memory: Memory | None = None

    __reduce__ = reduced

    def __post_init__(self) -> None:
        """Check that the parts fit each other; raise InvalidStatistics otherwise."""
        parts = {
            "groups": MappingProxyType(dict(self.groups)),
            "layers": MappingProxyType(dict(self.layers)),
            "operations": tuple(self.operations),
            "samples": check_count(self.samples, "samples", 0),
            "meta": MappingProxyType(_json_data(self.meta)),
            "latency": tuple(self.latency),
        }
        for name, value in parts.items():
            object.__setattr__(self, name, value)
        _check_keys(self.groups, "groups")
        _check_keys(self.layers, "layers")
        _check_class_maps(self)
        _check_operations(self)
        _check_latency(self)
        _check_memory(self)
        _check_aligned_rows(self)

    @classmethod
    def load(cls, path: str | Path) -> "Statistics":
        """Read a `.safetensors` file; InvalidFile says which field of it is wrong."""
        manifest, tensors = container.read_container(path)
        fields = layout.fields_of(manifest, tensors, str(path))
        try:
            return cls(**fields)
        except InvalidStatistics as error:
            raise InvalidFile(f"{path}: {error}") from None

    def save(self, path: str | Path) -> None:
        """Write a `.safetensors` file: to a temporary file first, then renamed."""
        groups, layers = self.groups.values(), self.layers.values()
        manifest = {
            "schema": layout.SCHEMA,
            "kind": layout.KIND,
            "groups": [layout.group_entry(group) for group in groups],
            "layers": [layout.layer_entry(layer) for layer in layers],
            "operations": list(map(cost_layout.operation_entry, self.operations)),
            "latency": list(map(cost_layout.latency_entry, self.latency)),
            "memory": self.memory and cost_layout.memory_entry(self.memory),
            "samples": self.samples,
            "loss": self.loss,
            "fingerprint": self.fingerprint,
            "meta": dict(self.meta),
        }
        tensors = layout.group_tensors(groups) | layout.layer_tensors(layers)
        tensors |= cost_layout.latency_tensors(self.latency)
        container.write_container(path, manifest, tensors)

    def cost(self, widths: Mapping[str, int] | None = None) -> Cost:
        """Give what the widths cost; groups that are not named stay dense.

        Exact integers where all coefficients are integers; latency and memory are None
        where they are not known. InvalidProblem for an unknown group or a width
        outside [0, size].
        """
        kept = {name: group.size for name, group in self.groups.items()}
        for name, width in (widths or {}).items():
            kept[name] = self._checked_width(name, width)
        return cost_at(self.operations, kept, self.latency, self.memory)

    def with_latency(
        self, tables: Iterable[LatencyTable], *, rising: bool = False
    ) -> "Statistics":
        """Give the same statistics with these latency tables in place of theirs.

        The network's latency is the sum of its tables: one for each operation that
        depends on widths, and one without groups, say, for all else. Recipes take it
        that a wider group never costs less; with `rising` each table is replaced by
        its `LatencyTable.rising`, else a plan may leave room unused.

        InvalidStatistics if a table names no group of these, two tables have one name,
        or a grid ends below the dense width.
        """
        listed = (table.rising() if rising else table for table in tables)
        return replace(self, latency=tuple(listed))

    def channel_selection(
        self,
        group: str,
        keep: int,
        *,
        curvature: str = "ggn",
        damping: float = 0.0,
        first_order: float = 1.0,
        shrinkage: float | str = 0.0,
        target: str = "diagonal",
    ) -> ChannelSelection:
        """Give the program that chooses `keep` classes of a group.

        It minimises the second-order Taylor loss of the removal, as CCP does (Peng et
        al., ICML 2019); see `ChannelSelection.from_removal`.

        Parameters
        ----------
        group, keep
            Which group, and how many classes remain.
        curvature
            "ggn" or "fisher".
        damping
            Added to the diagonal of the curvature, in its units.
        first_order
            Weight of the gradient term; 0 leaves it out, and then none is needed.
        shrinkage, target
            The curvature S is replaced by (1 - ρ)·S + ρ·T, ρ = shrinkage from 0 to 1,
            or "auto" for `Group.intensity`. T is "diagonal", diag S, or "identity",
            μI with the mean of the diagonal. Few samples say little about pairs of
            channels: their terms are noise that a program exploits.

        Raises
        ------
        MissingStatistics
            The curvature, the gradient at a weight other than 0, or for "auto" the
            noise of the curvature was not collected.
        """
        return channel_selection(
            self._group(group),
            keep,
            curvature=curvature,
            damping=damping,
            first_order=first_order,
            shrinkage=shrinkage,
            target=target,
        )

    def network_program(
        self,
        *,
        macs: float | None = None,
        params: float | None = None,
        latency: float | None = None,
        memory: float | None = None,
        **options: Any,
    ) -> NetworkSelection:
        """Give the program over the channels of all groups, under budgets on widths.

        Budgets are what may remain: a float in (0, 1] is a fraction of the original, an
        int an absolute amount. Options: `network_programs.network_program`.
        """
        asked = {"macs": macs, "params": params, "latency": latency, "memory": memory}
        return network_program(self, absolute_limits(self, asked), **options)

    def _group(self, name: str) -> Group:
        if name not in self.groups:
            raise InvalidProblem(
                f"no group {name!r}; the statistics hold {', '.join(self.groups)[:200]}"
            )
        return self.groups[name]

    def _checked_width(self, name: str, width: int) -> int:
        size = self._group(name).size
        whole = isinstance(width, int | np.integer) and not isinstance(width, bool)
        if not whole or not 0 <= width <= size:
            raise InvalidProblem(
                f"width {width!r} of group {name!r}; expected an integer from 0 to "
                f"{size}"
            )
        return int(width)


def _json_data(meta: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return plain(meta)
    except TypeError as error:
        raise InvalidStatistics(f"meta: {error}; expected JSON data") from None


def _check_keys(items: Mapping[str, Group] | Mapping[str, Layer], where: str) -> None:
    for key, item in items.items():
        if key != item.name:
            raise InvalidStatistics(
                f"{where}: key {key!r} holds {item.name!r}; expected its own name"
            )


def _check_class_maps(stats: Statistics) -> None:
    for layer in stats.layers.values():
        for side in layout.LAYER_TABLES:
            for name, classes in getattr(layer, side).items():
                where = f"layers/{layer.name}/{side}/{name}"
                size = _known_group(stats, name, where).size
                if classes.size and classes.max() >= size:
                    raise InvalidStatistics(
                        f"{where}: class {classes.max()}; expected at most {size - 1}"
                    )


def _check_operations(stats: Statistics) -> None:
    for operation in stats.operations:
        for name in operation.groups():
            _known_group(stats, name, f"operations/{operation.name}")


def _check_latency(stats: Statistics) -> None:
    sizes = {name: group.size for name, group in stats.groups.items()}
    seen: set[str] = set()
    for table in stats.latency:
        where = f"latency/{table.name}"
        for name in table.groups:
            _known_group(stats, name, where)
        if table.name in seen:
            raise InvalidStatistics(f"{where}: stands twice; names are unique")
        if not table.covers(sizes):
            raise InvalidStatistics(
                f"{where}: grids end at {table.read[-1]} read and {table.made[-1]} "
                "made, below the dense network's; measure that width too"
            )
        seen.add(table.name)


def _check_memory(stats: Statistics) -> None:
    for name in sorted(stats.memory.groups()) if stats.memory else ():
        _known_group(stats, name, "memory")


def _check_aligned_rows(stats: Statistics) -> None:
    for part in ("ggn_rows", "fisher_rows"):
        counts = {
            name: len(rows)
            for name, group in stats.groups.items()
            if (rows := getattr(group, part)) is not None
        }
        if len(set(counts.values())) > 1:
            raise InvalidStatistics(
                f"{part}: {min(counts.values())} to {max(counts.values())} rows; "
                "expected the same number in every group, row by row the same sample"
            )


def _known_group(stats: Statistics, name: str, where: str) -> Group:
    if name not in stats.groups:
        raise InvalidStatistics(f"{where}: no group {name!r}; name one of the groups")
    return stats.groups[name]
