"""What a layer gives to a residual sum, and what the sum's other side holds.

The branch of a layer is its output after the batch norm that alone reads it. Where
the branch is added to something, the other summand is the skip. A smaller network
whose skip has drifted is corrected by fitting branch to dense sum minus own skip.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ccsolve_torch.graph import Site
from ccsolve_torch.running.calls import Call, layer_calls
from ccsolve_torch.running.columns import (
    inputs_at,
    kind_of,
    outputs_at,
    position_count,
)

_HARMLESS = frozenset(("__get__", "size", "dim", "stride", "is_contiguous"))
_ADDITIONS = frozenset(("add", "add_", "__add__", "__radd__", "__iadd__"))


@dataclass(frozen=True)
class Habit:
    """How a layer runs in every forward pass of the model.

    `calls` is how often, 0 while that is not known; `summed` whether its branch is
    read by a sum alone; `overwritten` whether its input is changed in place before.
    `kind` is the call's, or for a product with a parameter that of the same linear map
    (see `columns`).
    """

    calls: int
    kind: str = ""
    summed: bool = False
    overwritten: bool = False


@dataclass(eq=False)
class Visit:
    """One run of a layer: the call, the branch, and the skip where there is one.

    `norm` is what the batch norm makes of the layer's output.
    """

    call: Call
    branch: Tensor
    version: int
    overwritten: bool = False
    norm: Callable[[Tensor], Tensor] | None = None
    skip: Tensor | None = None
    tapped: bool = False

    def count(self) -> int:
        """Give the number of places that rows can be drawn at."""
        return position_count(self.call, self.branch)

    def total_at(self, places: Tensor) -> Tensor:
        """Give the (rows, n_out) of branch + skip at the places."""
        total = outputs_at(self.call, self.branch, places)
        return total if self.skip is None else total + self.skip_at(places)

    def skip_at(self, places: Tensor) -> Tensor | float:
        """Give the (rows, n_out) of the skip at the places, 0 where there is none."""
        return 0.0 if self.skip is None else outputs_at(self.call, self.skip, places)

    def columns_at(self, weight: Tensor, places: Tensor) -> Iterator[Tensor]:
        """Give the (groups, rows, d) input columns at the places, in chunks."""
        return inputs_at(self.call, weight, places)

    def refresh(self) -> None:
        """Compute the branch again, in place, by the weights as they are now."""
        y = self.call.run(self.call.x)
        self.branch.copy_(y if self.norm is None else self.norm(y))


@dataclass(eq=False)
class Watch:
    """Sees the layers of one forward pass, and calls `done` with those complete.

    A layer is complete when the branch of its last run stands or, where it enters a
    sum, just before the sum is made.
    """

    sites: Mapping[str, Site]
    habits: Mapping[str, Habit]
    done: Callable[[list[str]], None]
    visits: dict[str, list[Visit]] = field(default_factory=dict)
    waiting: dict[str, Visit] = field(default_factory=dict)
    copies: dict[str, Tensor] = field(default_factory=dict)

    def before(self, call: Call) -> Tensor | None:
        """Save the input from later work in place, where there is some."""
        if not self.habits[call.weight].overwritten:
            return None
        self.copies[call.weight] = call.x.clone()
        return self.copies[call.weight]

    def after(self, call: Call, y: Tensor) -> None:
        """Take a layer's output."""
        kind = self.habits[call.weight].kind or call.kind
        call = replace(call, x=self.copies.pop(call.weight, call.x), kind=kind)
        visit = Visit(call, y, call.x._version)
        self.visits.setdefault(call.weight, []).append(visit)
        self.waiting[call.weight] = visit
        if not self.sites[call.weight].batch_norm:
            self._stands(call.weight)

    def function(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Run a function of the model; look at what it does to branches."""
        name = getattr(func, "__name__", "")
        read = [key for key, visit in self.waiting.items() if _reads(args, visit)]
        if not read or name in _HARMLESS:
            return func(*args, **kwargs)
        if name == "batch_norm" and self.sites[read[0]].batch_norm:
            return self._normed(read[0], func, args, kwargs)
        plain = name in _ADDITIONS and not kwargs and len(args) == 2
        met = self._added(read, *args) if plain else []
        y = func(*args, **kwargs)
        for key in read:
            visit = self.waiting.get(key)
            if visit is None:
                continue
            # What does nothing, such as dropout, hands on the tensor that it read.
            visit.tapped |= key not in met and y is not visit.branch
            if key in met and y is visit.branch:  # now it is the sum
                del self.waiting[key]
        return y

    def _normed(self, key: str, func: Any, args: Any, kwargs: Any) -> Any:
        visit = self.waiting[key]
        visit.norm = partial(_rerun, func, args[1:], kwargs)
        visit.branch = func(*args, **kwargs)
        self._stands(key)
        return visit.branch

    def _stands(self, key: str) -> None:
        if not self.habits[key].summed:
            del self.waiting[key]
            if len(self.visits[key]) == self.habits[key].calls:
                self.done([key])

    def _added(self, read: list[str], a: Any, b: Any) -> list[str]:
        """Settle the branches that are summands of this addition, and give them."""
        met = []
        for key in read:
            visit = self.waiting[key]
            other = b if a is visit.branch else a
            alike = isinstance(other, Tensor) and other.shape == visit.branch.shape
            if alike and other is not visit.branch and visit.skip is None:
                visit.skip = other
                visit.overwritten = visit.call.x._version != visit.version
                met.append(key)
        complete = [key for key in met if self.habits[key].calls]
        for key in complete:
            del self.waiting[key]
        if complete:
            self.done(complete)
        return met


def scouted(
    model: nn.Module, sites: Mapping[str, Site], inputs: tuple[Tensor, ...]
) -> dict[str, Habit]:
    """Give how the layers run, from one forward pass; by the name of their weight.

    Layers that did not run, and products that are no linear map of rows, are left out.
    A branch that something else reads too is not corrected for the skip's drift: its
    other readers would get the correction.
    """
    patient = {key: Habit(calls=0, summed=True) for key in sites}
    watch = Watch(sites, patient, done=lambda keys: None)
    with watched(model, watch):
        model(*inputs)
    parameters = dict(model.named_parameters(remove_duplicate=False))
    kinds = {
        key: {kind_of(visit.call, parameters[key]) for visit in visits}
        for key, visits in watch.visits.items()
    }
    return {
        key: _habit(visits, *kinds[key])
        for key, visits in watch.visits.items()
        if len(kinds[key]) == 1 and None not in kinds[key]
    }


def _habit(visits: list[Visit], kind: str | None) -> Habit:
    first = visits[0]
    summed = len(visits) == 1 and first.skip is not None and not first.tapped
    return Habit(len(visits), str(kind), summed, summed and first.overwritten)


def _reads(args: Any, visit: Visit) -> bool:
    return any(
        arg is visit.branch
        or (isinstance(arg, list | tuple) and any(x is visit.branch for x in arg))
        for arg in args
    )


def _rerun(func: Any, behind: Any, given: Any, y: Tensor) -> Tensor:
    return func(y, *behind, **given)


@contextmanager
def watched(model: nn.Module, watch: Watch) -> Iterator[None]:
    """Let the watch see the one forward pass that is run inside."""
    with (
        layer_calls(model, watch.sites, watch.before, watch.after),
        _Functions(watch.function),
    ):
        yield


class _Functions(TorchFunctionMode):
    """Hands every function call of a forward pass to a function."""

    def __init__(self, seen: Callable[[Any, Any, Any], Any]) -> None:
        """Let `seen` run the calls."""
        super().__init__()
        self.seen = seen

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run one function call."""
        return self.seen(func, args, kwargs or {})
