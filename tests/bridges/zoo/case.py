"""What is expected of a small network, and random values for all that it holds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

CASES: dict[str, "Case"] = {}

# Classes on an axis, or (classes, entries that are of a class) where some stay.
Classes = int | tuple[int, int]


@dataclass(frozen=True)
class Case:
    """A network and what must be removable in it.

    `cut` names axes ("conv.weight", or "conv.weight@1" for its axis 1) and says how
    many classes stand on them. `approximate` are axes of groups whose removal differs
    from masking by nature; every other group must be exact. `shapes` are those of
    one sample's inputs; with a `vocabulary` they hold token numbers below it.
    """

    make: Callable[[], nn.Module]
    cut: Mapping[str, Classes]
    approximate: tuple[str, ...] = ()
    shapes: tuple[tuple[int, ...], ...] = ((3, 8, 8),)
    vocabulary: int = 0

    def model(self, seed: int = 0) -> nn.Module:
        """Give the network in evaluation mode, all of its values random."""
        torch.manual_seed(seed)
        return randomised(self.make()).eval()

    def inputs(self, batch: int, seed: int = 0) -> tuple[Tensor, ...]:
        """Give random inputs for that many samples."""
        draw = torch.Generator().manual_seed(seed)
        sizes = [(batch, *shape) for shape in self.shapes]
        if self.vocabulary:
            return tuple(
                torch.randint(0, self.vocabulary, size, generator=draw)
                for size in sizes
            )
        return tuple(torch.randn(size, generator=draw) for size in sizes)


def shown(
    cut: Mapping[str, Classes],
    approximate: tuple[str, ...] = (),
    shapes: tuple[tuple[int, ...], ...] = ((3, 8, 8),),
    vocabulary: int = 0,
) -> Callable[[type[nn.Module]], type[nn.Module]]:
    """Register the network below with what is expected of it."""

    def register(net: type[nn.Module]) -> type[nn.Module]:
        assert net.__name__ not in CASES, net
        CASES[net.__name__] = Case(net, cut, approximate, shapes, vocabulary)
        return net

    return register


@torch.no_grad()
def randomised(model: nn.Module) -> nn.Module:
    """Draw all that starts as a constant: statistics, affines, biases, scales."""
    for name, value in (*model.named_parameters(), *model.named_buffers()):
        if not value.is_floating_point() or not value.isfinite().all():
            continue
        if name.endswith(("running_mean", "bias")):
            value.normal_(std=0.3)
        elif name.endswith("running_var"):
            value.uniform_(0.5, 2.0)
        elif value.numel() > 1 and (value == value.flatten()[0]).all():
            value.uniform_(0.5, 1.5) if value.any() else value.normal_(std=0.3)
    return model
