"""Watching a forward pass: the gates, and the outputs of layers.

A gate is an array of ones, one per sample and channel, that multiplies what a layer
reads. Nothing is multiplied: only the derivative in the gate is computed, the sum over
positions of activation times gradient, while the backward pass goes by.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ccsolve.errors import Unsupported
from ccsolve_torch.running.calls import Call, layer_calls
from ccsolve_torch.running.precision import exactly
from ccsolve_torch.running.samples import Place, Samples
from ccsolve_torch.running.spelling import spelled_out

TakeGradient = Callable[[str, Tensor], None]
Derivatives = tuple[dict[Place, Tensor], dict[str, Tensor]]


class _Gate(torch.autograd.Function):
    """The identity in x, with a gate whose derivative the backward pass gives."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gate: Tensor, samples: Samples, axis: int) -> Any:
        """Give x as it is."""
        ctx.save_for_backward(x)
        ctx.gate, ctx.samples, ctx.axis = gate, samples, axis
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Give the gradient on, and the (N, C) sums of activation times gradient."""
        (x,), kind = ctx.saved_tensors, ctx.gate.dtype
        product = x.to(kind) * grads[0].to(kind)
        sums = ctx.samples.sums(product, ctx.axis, len(ctx.gate))
        return grads[0], sums, None, None


@dataclass(eq=False)
class Pass:
    """What one forward pass left to differentiate.

    `gates` are those of every call of a watched layer; `take` is given the gradients in
    outputs while `curved`, `slope` those of other passes.
    """

    take: TakeGradient
    slope: TakeGradient
    gates: dict[Place, Tensor] = field(default_factory=dict)
    curved: bool = False

    def derivatives(
        self,
        of: Tensor,
        along: Tensor,
        weights: Mapping[str, Tensor],
        *,
        curved: bool,
        last: bool,
    ) -> Derivatives:
        """Give the derivatives of Σ along·of in the gates and in the weights.

        Those in the layers' outputs are handed to `take` with `curved`, to `slope`
        without, one after the other; `last` says that nothing more will be asked of
        this pass.
        """
        asked = [*self.gates.values(), *weights.values()]
        if not asked:  # no channel can be removed, and no layer's weight is wanted
            return {}, {}
        self.curved = curved
        found = torch.autograd.grad(
            of, asked, along, retain_graph=not last, materialize_grads=True
        )
        self.curved = False
        gates = dict(zip(self.gates, found, strict=False))
        return gates, dict(zip(weights, found[len(gates) :], strict=True))

    def hand(self, name: str, gradient: Tensor) -> None:
        """Hand the gradient in a layer's output on, in a curved pass."""
        if self.curved:
            with exactly(gradient.device):
                self.take(name, gradient)

    def hand_slope(self, name: str, gradient: Tensor) -> None:
        """Hand the gradient in a layer's output on, in a pass that is not curved."""
        if not self.curved:
            with exactly(gradient.device):
                self.slope(name, gradient)


@dataclass(frozen=True, eq=False)
class Watch:
    """How forward passes are watched, by the names of layers' weights.

    `places` says where samples stand in what the layers that read groups read;
    `curved` are the layers whose outputs' gradients go to `take`, `sloped` those whose
    go to `slope`; `read` sees every call of the former, `written` every call of
    `watched`.
    """

    model: nn.Module
    places: Mapping[Place, Samples]
    watched: Collection[str]
    curved: Collection[str]
    sloped: Collection[str]
    read: Callable[[Call], None]
    written: Callable[[Call, Tensor], None]
    take: TakeGradient
    slope: TakeGradient

    def run(self, inputs: tuple[Tensor, ...]) -> tuple[Any, Pass]:
        """Give the model's output, and what is left to differentiate."""
        seen = Pass(self.take, self.slope)
        before = partial(self._before, seen, len(inputs[0]))
        after = partial(self._after, seen)
        names = dict.fromkeys((name for name, _ in self.places))
        names.update(dict.fromkeys((*self.watched, *self.curved, *self.sloped)))
        with spelled_out(self.model), layer_calls(self.model, names, before, after):
            return self.model(*inputs), seen

    def _before(self, seen: Pass, count: int, call: Call) -> Tensor | None:
        # Later calls of a pass that is longer than the first are like its first call.
        read = (call.weight, 0) in self.places
        if not read and call.weight not in self.curved:
            return None
        if not torch.is_grad_enabled():
            raise Unsupported(
                f"{call.weight}: the model's code switches gradients off around this "
                f"layer; remove that, or declare that the channels it reads stay"
            )
        if read:
            with exactly(call.x.device), torch.no_grad():
                self.read(call)
        place = call.weight, call.index
        samples = self.places.get(place) or self.places.get((call.weight, 0))
        return self._gated(seen, call, samples or Samples(None), count if read else 1)

    def _gated(self, seen: Pass, call: Call, samples: Samples, count: int) -> Tensor:
        # A curved layer that reads no group has a gate so that gradients reach it.
        gate = torch.ones(
            (count, call.x.shape[call.axis]),
            dtype=torch.promote_types(call.x.dtype, torch.float32),
            device=call.x.device,
            requires_grad=True,
        )
        seen.gates[call.weight, call.index] = gate
        return _Gate.apply(call.x, gate, samples, call.axis)  # pyright: ignore

    def _after(self, seen: Pass, call: Call, y: Tensor) -> None:
        if call.weight in self.watched:
            with exactly(y.device), torch.no_grad():
                self.written(call, y)
        if call.weight in self.curved:
            # Work in place on y comes later: the hook gets the gradient before it.
            y.register_hook(partial(seen.hand, call.weight))
        if call.weight in self.sloped and y.requires_grad:
            y.register_hook(partial(seen.hand_slope, call.weight))
