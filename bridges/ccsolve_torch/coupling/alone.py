"""A convolution or linear layer of an exported model, run alone at other widths."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

from ccsolve_torch.coupling.classes import Classes
from ccsolve_torch.coupling.exported import Exported, argument, shape
from ccsolve_torch.coupling.flow import LayerCall

Run = Callable[[], Tensor]


@dataclass(frozen=True, eq=False)
class Alone:
    """A run of a layer, and whose channels it reads and makes.

    `inputs` and `outputs` give entries per class by group, `stay` the entries of both
    sides that are of no group. Where both sides are the same classes, they stand in
    `inputs` alone, and `ratio` is outputs per input; else it is None. `lengths` is the
    shape of the input at the batch that is meant; channels on its other axes, as in
    layers that mix tokens, are all there.
    """

    call: LayerCall
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    stay: tuple[int, int]
    ratio: float | None
    lengths: tuple[int, ...]

    @classmethod
    def of(
        cls, call: LayerCall, classes: Classes, exported: Exported, batch: int
    ) -> "Alone":
        """Look at one run of a layer in the network."""
        inputs, read = classes.count(call.inputs)
        outputs, made = classes.count(call.outputs)
        ratio = _ratio(inputs, outputs, call.groups)
        lengths = list(shape(_operand(call.node, "input")))
        first, rest = divmod(lengths[0] * batch, exported.batch)
        lengths[0] = lengths[0] if rest else first
        return cls(
            call,
            inputs,
            outputs if ratio is None else {},
            (read, made),
            ratio,
            tuple(lengths),
        )

    def at(
        self, read: int, made: int, device: torch.device
    ) -> tuple[Hashable, Callable[[], Run]]:
        """Give the layer reading and making so many entries of its groups.

        A key that is the same for layers that do the same, and what makes a run of the
        layer, with weights and inputs drawn for it.
        """
        shapes, groups = self._shapes(read, made)
        node = self.call.node
        given = {item.name: _plain(node, item.name) for item in _schema(node)}
        if "groups" in given:
            given["groups"] = groups
        kind = _operand(node, "input").meta["val"].dtype

        def make() -> Run:
            drawn = {
                name: torch.randn(lengths, device=device).to(kind)
                for name, lengths in shapes.items()
            }
            return partial(node.target, **{**given, **drawn})  # pyright: ignore

        key = node.target, kind, repr(sorted(given.items())), tuple(shapes.items())
        return key, make

    def _shapes(self, read: int, made: int) -> tuple[dict[str, tuple[int, ...]], int]:
        """Give the shapes of input, weight and bias, and the number of groups."""
        weight = list(shape(_operand(self.call.node, "weight")))
        lengths, groups = list(self.lengths), self.call.groups
        axis = len(lengths) - len(weight) + 1
        enter = self.stay[0] + read
        leave = self.stay[1] + (
            made if self.ratio is None else round(self.ratio * read)
        )
        # Whole groups of a grouped convolution go.
        left = -(-enter * groups // lengths[axis]) if groups > 1 else 1
        inner, outer = (0, 1) if self.call.kind == "conv_transpose" else (1, 0)
        if groups == 1:
            weight[inner], weight[outer] = enter, leave
        else:
            weight[0] = weight[0] // groups * left
            enter = lengths[axis] // groups * left
            leave = weight[0] if outer == 0 else weight[1] * left
        lengths[axis] = enter
        shapes = {"input": tuple(lengths), "weight": tuple(weight)}
        if argument(self.call.node, "bias") is not None:
            shapes["bias"] = (leave,)
        return shapes, left


def _ratio(
    inputs: Mapping[str, int], outputs: Mapping[str, int], groups: int
) -> float | None:
    """Give outputs per input where both are the same classes, else None."""
    if not inputs or set(inputs) != set(outputs):
        return None
    ratios = {outputs[name] / count for name, count in inputs.items()}
    alone = len(ratios) == 1 and (len(inputs) == 1 or groups > 1)
    return ratios.pop() if alone else None


def _schema(node: Node) -> Any:
    return node.target._schema.arguments  # pyright: ignore


def _plain(node: Node, name: str) -> Any:
    """Give an argument that is no tensor, None in place of a tensor."""
    value = argument(node, name)
    return None if isinstance(value, Node) else value


def _operand(node: Node, name: str) -> Node:
    return argument(node, name)
