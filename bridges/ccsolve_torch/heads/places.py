"""Where auxiliary classifiers read: outputs of modules, seen as the model runs."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve_torch.running.state import evaluating, hooks


@dataclass(frozen=True)
class _Output:
    """A module's output: how many layers had run by then, and how many of them in it.

    `order` counts modules as they end: an outer one ends behind the inner ones.
    """

    name: str
    depth: int
    layers: int
    order: int


def named(model: nn.Module, names: Collection[str]) -> tuple[str, ...]:
    """Give the names back; InvalidProblem where the model has no such module."""
    modules = dict(model.named_modules(remove_duplicate=False))
    for name in names:
        if not name or name not in modules:
            raise InvalidProblem(
                f"auxiliary: no module {name!r} in the model; expected among "
                f"{', '.join(filter(None, modules))[:200]}"
            )
    return tuple(names)


def spread(
    model: nn.Module, layers: Collection[str], inputs: tuple[Tensor, ...], count: int
) -> tuple[str, ...]:
    """Give `count` modules that end as evenly as can be over the depth of the model.

    The k-th where k/(count + 1) of the `layers` have run: at the ends of modules of two
    or more layers where there are enough of them, else of any.

    InvalidProblem where fewer modules end between the first layer and the last.
    """
    found, total = _outputs(model, layers, inputs)
    inner = [item for item in found if 0 < item.depth < total]
    blocks = [item for item in inner if item.layers > 1]
    chosen: dict[int, str] = {}
    pool = blocks if len({item.depth for item in blocks}) >= count else inner
    depths = {item.depth for item in pool}
    if len(depths) < count:
        raise InvalidProblem(
            f"auxiliary: {count} classifiers; the model has room for {len(depths)}, "
            f"where modules end between its layers; give fewer, or names"
        )
    for k in range(1, count + 1):
        free = [item for item in pool if item.depth not in chosen]
        best = min(free, key=partial(_rank, total * k / (count + 1)))
        chosen[best.depth] = best.name
    return tuple(chosen[depth] for depth in sorted(chosen))


@contextmanager
def listening(model: nn.Module, names: Collection[str]) -> Iterator[dict[str, Any]]:
    """Give a mapping that holds what the modules gave in the latest forward pass."""
    heard: dict[str, Any] = {}

    def hear(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        heard[name] = output

    handles = [
        model.get_submodule(name).register_forward_hook(partial(hear, name))
        for name in names
    ]
    with hooks(handles):
        yield heard


def features(
    heard: Mapping[str, Any], names: Collection[str], count: int
) -> list[Tensor]:
    """Give the outputs that were heard, of `count` samples.

    Unsupported where a module did not run, or gave no numbers (N, ...).
    """
    for name in names:
        if not _fits(heard.get(name), count):
            given = heard.get(name)
            shown = tuple(given.shape) if isinstance(given, Tensor) else type(given)
            raise Unsupported(
                f"auxiliary: the module {name} gave {shown!r:.80}; expected numbers of "
                f"shape ({count}, channels, ...)"
                + ("" if name in heard else ", and that the model runs it")
            )
    return [heard[name] for name in names]


def _outputs(
    model: nn.Module, layers: Collection[str], inputs: tuple[Tensor, ...]
) -> tuple[list[_Output], int]:
    """Give all modules that a classifier could read, and how many layers there are."""
    done, begun = [0], {}
    found: dict[str, _Output] = {}

    def enter(name: str, *_: Any) -> None:
        begun[name] = done[0]

    def leave(name: str, module: nn.Module, given: Any, output: Any) -> None:
        done[0] += name in layers
        if _fits(output, len(inputs[0])):
            inside = done[0] - begun[name]
            found[name] = _Output(name, done[0], inside, len(found))

    handles = []
    for name, module in model.named_modules():
        if name:
            handles.append(module.register_forward_pre_hook(partial(enter, name)))
            handles.append(module.register_forward_hook(partial(leave, name)))
    with hooks(handles), torch.no_grad(), evaluating(model):
        model(*inputs)
    return list(found.values()), done[0]


def _rank(target: float, item: _Output) -> tuple[float, float]:
    """Order by distance to the target; of those at one depth the outermost first."""
    return abs(item.depth - target), -item.order


def _fits(output: Any, count: int) -> bool:
    return (
        isinstance(output, Tensor)
        and output.is_floating_point()
        and output.ndim > 1
        and len(output) == count
    )
