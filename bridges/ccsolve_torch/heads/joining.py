"""Several losses of one pass as one: the final one and those of the classifiers."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import torch
from torch import Tensor

from ccsolve.errors import Unsupported
from ccsolve_torch.collecting.losses import Loss, Root


def joined(
    outputs: Tensor, beside: Sequence[Tensor], loss: Loss, weights: Sequence[float]
) -> tuple[Tensor, Loss]:
    """Give all outputs (N, K + Σ K_k) side by side, and the loss that they have.

    L(f, f_1, ...) = loss(f) + Σ_k η_k·loss(f_k), on the same targets. Its Hessian has
    one block per part, and so has the root.
    """
    parts = [outputs, *(part.to(outputs) for part in beside)]
    lengths = [part.shape[1] for part in parts]
    scales = (1.0, *weights)

    def values(together: Tensor, targets: Any) -> Tensor:
        split = together.split(lengths, dim=1)
        return torch.stack(
            [
                scale * loss.values(part, targets)
                for part, scale in zip(split, scales, strict=True)
            ]
        ).sum(dim=0)

    def root(together: Tensor, targets: Any) -> Root:
        roots = [loss.root(part, targets) for part in together.split(lengths, dim=1)]
        sizes = [prod(item.shape) for item in roots]

        def times(signs: Tensor) -> Tensor:
            found = []
            for item, scale, e in zip(
                roots, scales, signs.split(sizes, dim=1), strict=True
            ):
                whole = item.times(e.reshape(len(e), *item.shape))
                found.append(scale**0.5 * whole.flatten(1))
            return torch.cat(found, dim=1)

        return Root((sum(sizes),), times)

    return torch.cat(parts, dim=1), replace(loss, values=values, root=root)


def check_outputs(outputs: Tensor, loss: Loss, given: Loss) -> Tensor:
    """Give the outputs back if classifiers can have the same loss; else Unsupported."""
    if loss is not given or outputs.ndim != 2:
        raise Unsupported(
            f"auxiliary: the model gives {tuple(outputs.shape)}"
            f"{' in parts' if loss is not given else ''}; expected one tensor "
            f"(N, classes), which a classifier can give as well"
        )
    return outputs
