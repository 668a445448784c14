"""Seeing every convolution and linear map that a forward pass runs, by its weight.

Modules are not asked: a layer that is called twice, or whose weight is used by a plain
function call, is seen like any other; so is `x @ weight`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ccsolve_torch.running.products import VIEWS, factor

_CONVOLUTION = ("bias", "stride", "padding", "dilation", "groups")
_TRANSPOSED = ("bias", "stride", "padding", "output_padding", "groups", "dilation")

# How many axes behind the channels each function convolves over.
_KERNEL_AXES: dict[Any, int] = {
    functional.linear: 0,
    torch.conv1d: 1,
    torch.conv2d: 2,
    torch.conv3d: 3,
    torch.conv_transpose1d: 1,
    torch.conv_transpose2d: 2,
    torch.conv_transpose3d: 3,
}


@dataclass(frozen=True, eq=False)
class Call:
    """One run of a layer: the name of its weight and what it reads.

    `axis` is the channel axis of both the input `x` and the output; `index` counts
    the calls of this weight in the present pass from 0; `kind` is the function's name
    ("conv2d", "linear"). `settings` holds the other arguments that were given, by name:
    bias, stride, padding, ...; `run` is the call as a function of its input.
    """

    weight: str
    index: int
    kind: str
    x: Tensor
    axis: int
    settings: Mapping[str, Any]
    run: Callable[[Tensor], Tensor]


Before = Callable[[Call], Tensor | None]
After = Callable[[Call, Tensor], Tensor | None]


class _Watch(TorchFunctionMode):
    """Hands every call of a watched weight to the two functions."""

    def __init__(
        self, names: dict[int, str], before: Before | None, after: After | None
    ) -> None:
        """Watch the tensors of the given identities."""
        super().__init__()
        self.names, self.before, self.after = names, before, after
        self.count: dict[str, int] = {}
        # Views of parameters, held so that no other tensor gets their identity.
        self.held: list[Tensor] = []

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run the function, through `before` and `after` where it is watched."""
        given = dict(kwargs or {})
        if func not in _KERNEL_AXES:
            return self._product(func, args, given)
        weight = args[1] if len(args) > 1 else given.get("weight")
        name = self.names.get(id(weight))
        if name is None:
            return func(*args, **given)
        x = args[0] if args else given.pop("input")
        call = self._call(name, func, x, args, given)
        changed = self.before(call) if self.before else None
        y = func(x if changed is None else changed, *args[1:], **given)
        other = self.after(call, y) if self.after else None
        return y if other is None else other

    def _product(self, func: Any, args: Any, given: dict[str, Any]) -> Any:
        """Run a function that may multiply by a watched parameter."""
        if func in VIEWS and id(args[0]) in self.names:
            view = func(*args, **given)
            self.names[id(view)] = self.names[id(args[0])]
            self.held.append(view)
            return view
        found = factor(func, args, self.names)
        if found is None:
            return func(*args, **given)
        name, place, axis = found
        run = partial(_replaced, func, args, given, place)
        call = Call(name, self._next(name), func.__name__, args[place], axis, {}, run)
        changed = self.before(call) if self.before else None
        y = run(call.x if changed is None else changed)
        other = self.after(call, y) if self.after else None
        return y if other is None else other

    def _next(self, name: str) -> int:
        index = self.count.get(name, 0)
        self.count[name] = index + 1
        return index

    def _call(
        self, name: str, func: Any, x: Tensor, args: Any, given: dict[str, Any]
    ) -> Call:
        index = self._next(name)
        kind, axis = func.__name__, x.ndim - 1 - _KERNEL_AXES[func]
        known = _TRANSPOSED if kind.startswith("conv_transpose") else _CONVOLUTION
        settings = {**dict(zip(known, args[2:], strict=False)), **given}
        settings.pop("weight", None)
        run = partial(_rerun, func, args[1:], given)
        return Call(name, index, kind, x, axis, settings, run)


def _rerun(func: Any, behind: Any, given: dict[str, Any], x: Tensor) -> Tensor:
    return func(x, *behind, **given)


def _replaced(
    func: Any, args: Any, given: dict[str, Any], place: int, x: Tensor
) -> Any:
    return func(*args[:place], x, *args[place + 1 :], **given)


@contextmanager
def layer_calls(
    model: nn.Module,
    weights: Iterable[str],
    before: Before | None = None,
    after: After | None = None,
) -> Iterator[None]:
    """Watch the layers of these weights in the one forward pass that is run inside.

    `before` may give another input, `after` another output; None leaves it.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    # The first name stands for all names of a tied weight.
    names: dict[int, str] = {}
    for name in weights:
        names.setdefault(id(parameters[name]), name)
    with _Watch(names, before, after):
        yield
