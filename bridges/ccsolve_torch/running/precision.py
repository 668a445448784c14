"""Sums that stay exact whatever precision the user's model runs in."""

from typing import Any

import torch
from torch import Tensor


def exactly(device: torch.device) -> torch.autocast:
    """Give a context in which no operator is taken in half precision."""
    return torch.autocast(device.type, enabled=False)


def widened(value: Tensor) -> Tensor:
    """Give the tensor in float32, or in float64 where it is that."""
    return value.to(torch.promote_types(value.dtype, torch.float32))


def gram(columns: Tensor) -> Tensor:
    """Give columns · columnsᵀ, (n, n) of (n, rows), in float32 or better.

    In float64 where products of float32 are allowed to be rougher (TF32, bfloat16):
    `torch.set_float32_matmul_precision` is meant for the model.
    """
    wide = widened(columns.detach())
    exact = wide.double() if _rough(wide.device) else wide
    return exact @ exact.T


def _rough(device: torch.device) -> bool:
    """Say whether products of float32 on the device may be rougher than float32."""
    backends: Any = torch.backends
    settings = backends.cuda if device.type == "cuda" else backends.mkldnn
    # torch 2.8 has the one setting for all; later ones raise where both were used.
    setting = getattr(getattr(settings, "matmul", None), "fp32_precision", None)
    if setting is None:
        return torch.get_float32_matmul_precision() != "highest"
    return setting not in ("ieee", "none")
