"""What following the operators of a model has shown so far."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch.fx import Node

from ccsolve_torch.coupling.exported import (
    Exported,
    argument,
    module_path,
    place,
    shape,
)
from ccsolve_torch.coupling.labels import (
    Labels,
    aligned,
    on_axis,
    packed,
    placed,
    varying,
)
from ccsolve_torch.coupling.links import NONE, Ids, Links


@dataclass(frozen=True, eq=False)
class Reading:
    """A layer that mixes channels: the atoms on its input's channel axis.

    `sampled` says whether what it reads depends on the samples.
    """

    weight: str
    ids: Ids
    sampled: bool


@dataclass(frozen=True, eq=False)
class LayerCall:
    """One run of a convolution or linear layer whose weight is a parameter."""

    node: Node
    kind: str
    weight: str
    bias: str | None
    inputs: Ids
    outputs: Ids
    groups: int = 1


@dataclass(frozen=True, eq=False)
class Product:
    """Multiply-accumulates per sample: `scale` times the kept entries of each factor.

    `weight` names the parameter that is multiplied, where it is one.
    """

    node: Node
    kind: str
    scale: float
    factors: tuple[Ids, ...]
    weight: str | None = None


@dataclass(frozen=True, eq=False)
class Width:
    """An attribute of a module that counts channels: those of `ids` that remain."""

    module: str
    attribute: str
    ids: Ids


@dataclass
class Flow:
    """Filled node by node by `follow`, read-only afterwards.

    `values` gives the atoms of every tensor node, a tuple of them for operators that
    give several tensors; `constant` are the nodes that depend on no input.
    """

    exported: Exported
    links: Links = field(default_factory=Links)
    values: dict[Node, Any] = field(default_factory=dict)
    constant: set[Node] = field(default_factory=set)
    readings: list[Reading] = field(default_factory=list)
    calls: list[LayerCall] = field(default_factory=list)
    products: list[Product] = field(default_factory=list)
    widths: list[Width] = field(default_factory=list)
    _places: dict[Node, str] = field(default_factory=dict)

    def labels(self, value: Any) -> Labels:
        """Give the atoms of a tensor node, none for anything else."""
        found = self.values.get(value, ()) if isinstance(value, Node) else ()
        return found if all(isinstance(ids, np.ndarray) for ids in found) else ()

    def name(self, value: Any) -> str | None:
        """Give the name of the parameter or buffer that the node is, if any."""
        return self.exported.tensor_name(value)

    def atoms(self, value: Any, axis: int) -> Ids | None:
        """Give the atoms of one axis of a parameter or buffer, None for other nodes."""
        name = self.name(value)
        return None if name is None else self.links.axis(name, axis, shape(value)[axis])

    def give(self, node: Node, arrays: Sequence[Ids]) -> None:
        """Set the atoms of the node's value; several varying axes are a rectangle."""
        fits = [ids for ids in arrays if _fits(ids.shape, shape(node))]
        self.freeze(node, [ids for ids in arrays if not _fits(ids.shape, shape(node))])
        self.values[node] = self._apart(node, packed(fits))
        for ids in self.values[node]:
            if len(varying(ids)) > 1:
                self.links.rectangle(ids, frozenset(), self.place(node))

    def place(self, node: Node) -> str:
        """Give the operator, its module and source line, for messages."""
        if node not in self._places:
            self._places[node] = place(node)
        return self._places[node]

    def _apart(self, node: Node, arrays: Labels) -> Labels:
        """Give families that share no axis: of two, the first one's channels can go."""
        kept: list[Ids] = []
        for ids in arrays:
            if any(varying(ids) & varying(known) for known in kept):
                self.freeze(node, [ids], " on an axis with other channels")
            else:
                kept.append(ids)
        return tuple(kept)

    def read(self, node: Node, weight: str, ids: Ids) -> None:
        """Note that a layer mixes these channels."""
        self.readings.append(Reading(weight, ids, node not in self.constant))

    def freeze(self, node: Node, arrays: Sequence[Ids], why: str = "") -> None:
        """Freeze all channels of the arrays: the node has no rule for them."""
        for ids in arrays:
            self.links.freeze(ids, f"is read by {self.place(node)}{why}")

    def counted(
        self, node: Node, attribute: str, ids: Ids, module: str | None = None
    ) -> None:
        """Note that a module counts these channels; by default the one that runs."""
        path = module_path(node) if module is None else module
        self.widths.append(Width(path, attribute, ids.ravel()))


def _fits(mine: tuple[int, ...], lengths: tuple[int, ...]) -> bool:
    """Say whether atoms of that shape broadcast to the value's without growing it."""
    return len(mine) == len(lengths) and all(
        part in (1, length) for part, length in zip(mine, lengths, strict=True)
    )


_LENGTH = " together with a tensor of fixed length"

Rule = Callable[[Flow, Node], None]


def tensors(node: Node) -> list[Node]:
    """Give the nodes that the node reads and whose value is a tensor."""
    return [source for source in node.all_input_nodes if has_tensor(source)]


def has_tensor(node: Node) -> bool:
    """Say whether the node's value is one tensor."""
    return hasattr(node.meta.get("val"), "shape")


def channels(flow: Flow, node: Node, source: Any, axis: int) -> Ids:
    """Give the atoms (length,) on one axis of a value, NONE where it holds none.

    Channels that stand on other axes too go together along those.
    """
    found: Ids | None = None
    for ids in on_axis(flow.labels(source), axis):
        for other in varying(ids) - {axis % ids.ndim}:
            flow.links.tie_along(ids, other, flow.place(node))
        column = np.moveaxis(ids, axis, -1).reshape(-1, ids.shape[axis])[0]
        if found is not None:
            flow.links.tie(found, column, flow.place(node))
        found = column if found is None else found
    return np.full(shape(source)[axis], NONE) if found is None else found


def joined(
    flow: Flow, node: Node, operands: Sequence[tuple[Labels, tuple[int, ...]]]
) -> Labels:
    """Tie operands that broadcast against each other; give the atoms of the result.

    `operands` are (atoms, shape). Channels that meet an axis of the same length
    without channels are frozen: that operand cannot shrink with them.
    """
    rank = max(len(lengths) for _, lengths in operands)
    sides = [
        (
            [aligned(ids, rank) for ids in labels],
            (1,) * (rank - len(lengths)) + tuple(lengths),
        )
        for labels, lengths in operands
    ]
    for place_, (mine, _) in enumerate(sides):
        for other, (theirs, lengths) in enumerate(sides):
            if other != place_:
                _meet(flow, node, mine, theirs, lengths)
    return _merged([ids for labels, _ in sides for ids in labels])


def _meet(
    flow: Flow, node: Node, mine: list[Ids], theirs: list[Ids], lengths: Sequence[int]
) -> None:
    """Tie channels to those they meet; where they meet none, the axis stays whole."""
    for ids in mine:
        axes = frozenset(axis for axis in varying(ids) if lengths[axis] > 1)
        partners = [found for found in theirs if varying(found) & axes]
        bare = axes.difference(*map(varying, partners))
        if bare:
            flow.links.rectangle(ids, bare, flow.place(node), _LENGTH)
        for found in partners:
            if varying(found) < varying(ids):
                flow.links.span(ids, found, flow.place(node))
            elif not varying(found) > varying(ids):
                flow.links.tie(ids, found, flow.place(node))


def _merged(arrays: Sequence[Ids]) -> Labels:
    """Give one array per family of axes: tied arrays say the same."""
    kept: list[Ids] = []
    for ids in sorted(arrays, key=lambda found: -len(varying(found))):
        rivals = [i for i, known in enumerate(kept) if varying(known) & varying(ids)]
        if not rivals:
            kept.append(ids)
        elif kept[rivals[0]].shape == ids.shape:
            known = kept[rivals[0]]
            kept[rivals[0]] = np.where(known == NONE, ids, known)
    return tuple(kept)


def owner(flow: Flow, node: Node, weight: Any) -> str:
    """Give the name of the layer: the module that owns its weight, or runs it.

    Where the model's own code computes the weight, the name is that of what it is
    computed from.
    """
    name = flow.exported.weight_name(weight)
    if name is None and (path := module_path(node)):
        return path
    name = name or flow.exported.source_name(weight) or node.name
    return name.rpartition(".")[0] or name


def vector(flow: Flow, node: Node, part: str, ids: Ids) -> None:
    """Tie the entries of a parameter or buffer of one axis to the channels it meets."""
    given = argument(node, part)
    found = flow.labels(given)
    if isinstance(given, Node) and shape(given) == ids.shape and found:
        flow.links.tie(found[0], ids, flow.place(node))
    elif isinstance(given, Node) and len(ids) > 1:
        flow.freeze(node, [ids], f" with a {part} of fixed length")


def spread(ids: Ids, axis: int, rank: int) -> Labels:
    """Give atoms (n,) along one axis of a value of that rank."""
    return placed(ids, axis % rank, rank)
