"""The identity of a model, so that a plan is not applied to another one."""

import hashlib

import torch
from torch import Tensor, nn


def fingerprint(model: nn.Module) -> str:
    """Give the SHA-256 of all names, shapes, types and values of the state, in hex.

    Batch counters are left out: they say how long the model was trained, not what
    it computes. Costs one pass over the weights.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if isinstance(tensor, Tensor) and not name.endswith("num_batches_tracked"):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype};".encode())
            digest.update(_bytes(tensor))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> bytes:
    """Give the raw values; as bytes, because numpy lacks types such as bfloat16."""
    plain = tensor.detach().cpu().contiguous().reshape(-1)
    return plain.view(torch.uint8).numpy().tobytes()
