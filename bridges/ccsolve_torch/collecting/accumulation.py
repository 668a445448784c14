"""Summing over the batches of a loader: forward passes, and what flows back."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve_torch.collecting.differentiation import differentiated
from ccsolve_torch.collecting.losses import Loss, direction_count, directions
from ccsolve_torch.collecting.moments import LayerSums
from ccsolve_torch.collecting.observation import Pass, Watch
from ccsolve_torch.collecting.rows import Rows
from ccsolve_torch.collecting.tallies import Activations, Readers
from ccsolve_torch.graph import Graph
from ccsolve_torch.running.calls import Call
from ccsolve_torch.running.precision import exactly
from ccsolve_torch.running.samples import sample_places
from ccsolve_torch.running.spelling import spelled_out
from ccsolve_torch.running.state import Batch

Join = Callable[[Tensor, Loss], tuple[Tensor, Loss]]
"""From the outputs of the latest pass, and their loss, to more outputs and theirs."""


@dataclass
class Sums:
    """All that is summed over the batches.

    `layers` are by the names of weights; `batch` is the length of the present batch.
    """

    graph: Graph
    levels: Mapping[str, str]
    parameters: Mapping[str, Tensor]
    ggn: Rows | None
    fisher: Rows
    readers: Readers
    activations: Activations
    layers: dict[str, LayerSums]
    gradient: dict[str, Tensor]
    generator: torch.Generator
    samples: int = 0
    batch: int = 0
    loss: float = 0.0
    directions: int = 0

    @property
    def device(self) -> torch.device:
        """Where sums are taken."""
        return self.generator.device


def add_batches(
    model: nn.Module,
    sums: Sums,
    loss: Loss,
    sketches: int | None,
    every: Iterable[Batch],
    join: Join | None = None,
) -> None:
    """Go through the batches: one forward pass each, and the backward passes.

    `join` puts further losses on what the passes gave.
    """
    weights = {name: item.weight for name, item in sums.layers.items()}
    watch, several = None, False
    with _differentiable(weights.values()), torch.enable_grad():
        for inputs, targets in every:
            sums.batch = len(inputs[0])
            # Where samples stand is seen as soon as there are two of them.
            if watch is None or (sums.batch > 1 and not several):
                watch, several = _watch(model, sums, inputs), sums.batch > 1
            found, seen = watch.run(inputs)
            with exactly(sums.device):
                outputs, held, known = differentiated(found, targets, sums.batch, loss)
                if join is not None:
                    outputs, known = join(outputs, known)
                values = known.values(outputs, held)
                _first_order(sums, seen, values, weights)
                if sums.ggn is not None:
                    _second_order(sums, seen, known, outputs, held, sketches)


def _watch(model: nn.Module, sums: Sums, inputs: tuple[Tensor, ...]) -> Watch:
    """Give how the passes are watched, after looking where the samples stand."""
    weights = sums.readers.weights
    with spelled_out(model):
        places = sample_places(model, weights, inputs)
    missing = set(weights) - {name for name, _ in places}
    if missing:
        raise Unsupported(
            f"{min(missing)}: no call of this layer is seen when the model runs (it is "
            f"hidden in a fused kernel); declare that the channels it reads stay"
        )
    # What was cast without gradients must not serve the passes with them.
    torch.clear_autocast_cache()

    def written(call: Call, y: Tensor) -> None:
        sums.layers[call.weight].add_input(call, y, sums.batch)

    def take(name: str, gradient: Tensor) -> None:
        sums.layers[name].add_curvature(gradient)

    def slope(name: str, gradient: Tensor) -> None:
        sums.layers[name].add_slope(gradient)

    deep = {
        name: item
        for name, item in sums.layers.items()
        if sums.levels[item.site.name] == "moments"
    }
    return Watch(
        model=model,
        places=places,
        watched={name for name, item in deep.items() if item.site.groups == 1},
        curved={name for name, item in deep.items() if item.curved},
        sloped=sums.layers,
        read=sums.activations.add,
        written=written,
        take=take,
        slope=slope,
    )


def _first_order(
    sums: Sums, seen: Pass, values: Tensor, weights: Mapping[str, Tensor]
) -> None:
    """Add gate gradients, Fisher rows, and the layers' mean gradients."""
    if not bool(torch.isfinite(values).all()):
        raise InvalidProblem("loss: NaN or infinity on some sample; expected finite")
    if not values.requires_grad:
        raise InvalidProblem("loss: does not depend on the model's output")
    gates, found = seen.derivatives(
        values, torch.ones_like(values), weights, curved=False, last=sums.ggn is None
    )
    rows = sums.readers.by_group(gates)
    sums.fisher.add({name: row[:, None] for name, row in rows.items()})
    for name, row in rows.items():
        sums.gradient[name] += row.double().sum(dim=0)
    for name, gradient in found.items():
        sums.layers[name].add_gradient(gradient)
    sums.samples += len(values)
    sums.loss += float(values.detach().double().sum())


def _second_order(
    sums: Sums,
    seen: Pass,
    loss: Loss,
    outputs: Tensor,
    targets: Any,
    sketches: int | None,
) -> None:
    """Add the Gauss-Newton rows of one batch: one backward pass per direction."""
    count, exact = direction_count(outputs, sketches)
    sums.directions = count
    fixed = outputs.detach()
    root, rows = loss.root(fixed, targets), []
    every = directions(root, fixed, count, exact, sums.generator)
    for number, direction in enumerate(every):
        gates, _ = seen.derivatives(
            outputs, direction, {}, curved=True, last=number == count - 1
        )
        rows.append(sums.readers.by_group(gates))
    stacked = {
        name: torch.stack([row[name] for row in rows], dim=1) for name in rows[0]
    }
    sums.ggn.add(stacked)  # pyright: ignore[reportOptionalMemberAccess]


@contextmanager
def _differentiable(weights: Iterable[Tensor]) -> Iterator[None]:
    """Let gradients reach the weights inside, whatever their flags say."""
    flags = [(weight, weight.requires_grad) for weight in weights]
    try:
        for weight, _ in flags:
            weight.requires_grad_(True)
        yield
    finally:
        for weight, flag in flags:
            weight.requires_grad_(flag)
