"""What a layer gives to a residual sum, and what the sum's other side holds.

The branch of a layer is its output after the batch norm that alone reads it. Where
the branch is added to something, the other summand is the skip. A smaller network
whose skip has drifted is corrected by fitting branch to dense sum minus own skip.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ccsolve.errors import Unsupported
from ccsolve_torch.graph import Site
from ccsolve_torch.patches import drawn, outputs_at, position_count
from ccsolve_torch.state import hooks

_ADDITIONS = frozenset(("add", "add_", "__add__", "__radd__", "__iadd__"))


@dataclass(frozen=True)
class Draw:
    """The output positions of one batch: `wanted` of any number, the same each time."""

    wanted: int
    seed: int

    def __call__(self, count: int) -> Tensor:
        """Give the drawn ones of `count` positions."""
        return drawn(count, self.wanted, torch.Generator().manual_seed(self.seed))


@dataclass
class Passage:
    """One layer in one forward pass: what was read, given and added.

    `x` is the layer's whole input and `count` the number of its output positions;
    `branch` and `skip` are (rows, n_out) at the drawn positions. `skip` stays None
    where the branch is added to nothing.
    """

    x: Tensor
    count: int = 0
    branch: Tensor | None = None
    skip: Tensor | None = None

    @property
    def total(self) -> Tensor:
        """Give branch + skip."""
        if self.branch is None:
            raise Unsupported(
                "a layer of the model ran in the export but not in a forward pass; "
                "expected a model whose forward always calls the same layers"
            )
        return self.branch if self.skip is None else self.branch + self.skip


class Reached(Exception):
    """Ends a forward pass early: all that was asked of it has been seen."""


class _Sums(TorchFunctionMode):
    """Sees additions whose summand is one of the watched tensors."""

    def __init__(self, seen: Callable[[Tensor, Tensor], None]) -> None:
        """Call `seen` with both summands, before they are added."""
        super().__init__()
        self.seen = seen

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Look at the two tensors of an addition, then add."""
        plain = getattr(func, "__name__", "") in _ADDITIONS and not kwargs
        if plain and len(args) == 2 and all(isinstance(a, Tensor) for a in args):
            self.seen(args[0], args[1])
        return func(*args, **(kwargs or {}))


class _Watch:
    """The hooks of one forward pass."""

    def __init__(self, model: nn.Module, sites: dict[str, Site], draw: Draw) -> None:
        """Watch the layers of the sites."""
        self.model, self.sites, self.draw = model, sites, draw
        self.passages: dict[str, Passage] = {}
        self.ends: dict[str, Tensor] = {}

    def handles(self) -> Iterator[Any]:
        """Set the hooks and give their handles."""
        for name, site in self.sites.items():
            layer, end = (
                self.model.get_submodule(path)
                for path in (name, site.batch_norm or name)
            )
            yield layer.register_forward_pre_hook(partial(self._read, name))
            yield end.register_forward_hook(partial(self._give, name, layer))

    def _read(self, name: str, module: nn.Module, args: tuple[Any, ...]) -> None:
        self.passages[name] = Passage(args[0].detach())

    def _give(
        self, name: str, layer: nn.Module, module: nn.Module, args: Any, y: Tensor
    ) -> None:
        passage = self.passages[name]
        passage.count = position_count(layer, y)
        passage.branch = self._sampled(name, y)
        self.ends[name] = y
        self._settle()

    def add(self, a: Tensor, b: Tensor) -> None:
        """Look at the summands of an addition."""
        for name, end in self.ends.items():
            other = b if a is end else a
            met = a is end or b is end
            if met and self.sites[name].summed and other.shape == end.shape:
                self.passages[name].skip = self._sampled(name, other)
        self._settle()

    def _sampled(self, name: str, y: Tensor) -> Tensor:
        # Indexing copies, so that later work in place cannot change the sample.
        layer = self.model.get_submodule(name)
        places = self.draw(position_count(layer, y)).to(y.device)
        return outputs_at(layer, y.detach(), places)

    def _settle(self) -> None:
        """End the forward pass when all that the sites promise has been seen."""
        seen = [self.passages.get(name) for name in self.sites]
        if all(
            passage is not None
            and passage.branch is not None
            and (passage.skip is not None or not site.summed)
            for passage, site in zip(seen, self.sites.values(), strict=True)
        ):
            raise Reached


@contextmanager
def watched_branches(
    model: nn.Module, sites: dict[str, Site], draw: Draw
) -> Iterator[dict[str, Passage]]:
    """Record the layers' passages in the one forward pass that is run inside.

    Raises `Reached` out of the forward pass as soon as all are complete.
    """
    watch = _Watch(model, sites, draw)
    with hooks(watch.handles()), _Sums(watch.add):
        yield watch.passages
