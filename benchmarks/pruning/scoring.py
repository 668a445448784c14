"""Which images a network classifies as labelled, and what pairs of networks say."""

import base64
import copy
import zlib

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import binomtest
from torch import Tensor, nn

Bits = NDArray[np.bool_]

_BATCH = 50


def right(model: nn.Module, images: Tensor, labels: Tensor) -> Bits:
    """Say of every image whether the largest logit is the label's."""
    # Channels last and small batches halve the time of these narrow convolutions.
    fast = copy.deepcopy(model).eval().to(memory_format=torch.channels_last)  # pyright: ignore
    with torch.inference_mode():
        found = [
            fast(part.contiguous(memory_format=torch.channels_last)).argmax(dim=1)
            for part in images.split(_BATCH)
        ]
    return (torch.cat(found) == labels).numpy()


def packed(bits: Bits) -> str:
    """Give the bits as text."""
    return base64.b64encode(zlib.compress(np.packbits(bits).tobytes(), 9)).decode()


def unpacked(text: str, count: int) -> Bits:
    """Give back what `packed` took."""
    raw = zlib.decompress(base64.b64decode(text))
    return np.unpackbits(np.frombuffer(raw, dtype=np.uint8), count=count).astype(bool)


def mcnemar(one: Bits, other: Bits) -> float:
    """Give the exact two-sided p of as many disagreements if both were as good.

    McNemar, Psychometrika 1947: of the images that only one of the two has right, each
    has one in two.
    """
    ahead, behind = int((one & ~other).sum()), int((other & ~one).sum())
    if ahead + behind == 0:
        return 1.0
    return float(binomtest(ahead, ahead + behind).pvalue)
