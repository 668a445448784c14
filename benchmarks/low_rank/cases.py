"""Cases: sequences of tensors to project, made from a seed or from trained weights."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Tensors = list[np.ndarray]


@dataclass(frozen=True)
class Case:
    """What is projected.

    Attributes
    ----------
    name : unique
    kind : "tt", "tucker", "svd" or "whitened"
    layers : (modes, ranks) of each tensor
    steps : how many steps of the loop are timed, after the first
    penalty : of the loop in mean curvatures; None for a fixed tensor with 5 % noise
    weights : file and layers' shape where weights are trained ones
    """

    name: str
    kind: str
    layers: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    steps: int = 8
    penalty: float | None = None
    weights: str | None = None


def _tt(name: str, modes: tuple[int, ...], ranks: tuple[int, ...], steps: int = 8):
    layers = ((modes, ranks),)
    return [
        Case(f"{name}, settled", "tt", layers, steps, 1.0),
        Case(f"{name}, moving", "tt", layers, steps, 3.0),
    ]


def _network(widths: list[tuple[int, int, int]], share: float):
    """Give 3x3 convolutions (out, in, count) as (out, 9, in) at rank share·in."""
    return tuple(
        ((out, 9, inner), (max(1, int(share * out)), max(1, int(share * inner))))
        for out, inner, count in widths
        for _ in range(count)
    )


_RESNET18 = [
    (64, 64, 4), (128, 64, 1), (128, 128, 3), (256, 128, 1), (256, 256, 3),
    (512, 256, 1), (512, 512, 3),
]  # fmt: skip
_RESNET50 = [(64, 64, 3), (128, 128, 4), (256, 256, 6), (512, 512, 3)]
_RESNET20 = [(16, 16, 6), (32, 16, 1), (32, 32, 5), (64, 32, 1), (64, 64, 5)]
_RESNET56 = [(16, 16, 18), (32, 16, 1), (32, 32, 17), (64, 32, 1), (64, 64, 17)]

CASES: tuple[Case, ...] = (
    *_tt("conv 64x64x3x3", (8, 8, 9, 8, 8), (8, 24, 24, 8), 40),
    *_tt("conv 256x256x3x3", (16, 16, 9, 16, 16), (16, 96, 96, 16)),
    *_tt("conv 512x512x3x3", (8, 64, 9, 64, 8), (8, 160, 160, 8)),
    *_tt("conv 512x512x3x3, ranks 40 and 64", (64, 8, 9, 8, 64), (40, 64, 64, 40)),
    *_tt("1x1 conv 2048x512", (16, 128, 64, 8), (16, 160, 8)),
    Case("ResNet-18, settled", "tt", _network(_RESNET18, 0.3), 6, 1.0),
    Case("ResNet-18, moving", "tt", _network(_RESNET18, 0.3), 6, 3.0),
    Case("ResNet-50's 3x3", "tt", _network(_RESNET50, 0.3), 6, 1.0),
    Case("ResNet-20, trained", "tt", _network(_RESNET20, 0.5), 6, 3.0, "resnet20"),
    Case("ResNet-56, trained", "tt", _network(_RESNET56, 0.5), 6, 3.0, "resnet56"),
    Case("Tucker-2 256x256x3x3", "tucker", (((256, 9, 256), (96, 9, 96)),), 3),
    Case("Tucker-2 512x512x3x3", "tucker", (((512, 9, 512), (160, 9, 160)),), 3),
    Case("whitened 256x2304, r = 64", "whitened", (((256, 2304), (64,)),), 5),
    Case("whitened 1024x1024, r = 256", "whitened", (((1024, 1024), (256,)),), 5),
    Case("whitened 512x4608, r = 128", "whitened", (((512, 4608), (128,)),), 5),
    Case("matrix 1024x4096, r = 128", "svd", (((1024, 4096), (128,)),), 3),
    Case("matrix 4096x11008, r = 512", "svd", (((4096, 11008), (512,)),), 1),
    Case(
        "LSTM 57600x1024",
        "tt",
        (((240, 240, 32, 32), (24, 24, 24)),),
        2,
    ),
    Case(
        "VGG fc 4096x25088",
        "tt",
        (((64, 64, 196, 128), (32, 32, 32)),),
        2,
    ),
)
"""In order of size."""


def loop(
    case: Case, data: Path | None, project: Callable[[Tensors], Tensors]
) -> Iterator[tuple[int, Tensors, Tensors]]:
    """Give (step, tensors, their projections) as a loop of ADMM meets them.

    Minimises ½(W - W₀)H(W - W₀)ᵀ over W of low rank, the eigenvalues of H falling as
    1/j where the penalty is not 1, else H = I; with no penalty the tensor is fixed and
    meets 5 % of new noise at each step.
    """
    start = [_start(case, k, data) for k in range(len(case.layers))]
    rng = np.random.default_rng(1)
    W, U = [w.copy() for w in start], [np.zeros_like(w) for w in start]
    for step in range(case.steps + 1):
        if case.penalty is None:
            T = [_noisy(w, rng) if step else w for w in start]
        else:
            T = [w + u for w, u in zip(W, U, strict=True)]
        Z = project(T)
        yield step, T, Z
        if case.penalty is not None:
            for k, z in enumerate(Z):
                U[k] = U[k] + W[k] - z
                W[k] = _pulled(start[k], z - U[k], case.penalty)


def _pulled(w: np.ndarray, to: np.ndarray, penalty: float) -> np.ndarray:
    """Give the W of least loss and penalty; H is diagonal on the last mode."""
    falls = np.arange(1, w.shape[-1] + 1) ** (0.0 if penalty == 1.0 else -1.0)
    h = (falls / falls.mean()).astype(w.dtype)
    return (h * w + np.float32(penalty) * to) / (h + np.float32(penalty))


def _noisy(w: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noise = rng.standard_normal(w.shape, dtype=np.float32)
    noise *= np.float32(0.05 * float(w.std()))
    noise += w
    return noise


def _start(case: Case, layer: int, data: Path | None) -> np.ndarray:
    modes, _ = case.layers[layer]
    if case.weights is not None:
        return _trained(case.weights, layer, data).reshape(modes)
    rng = np.random.default_rng(layer)
    half = len(modes) // 2
    rows = math.prod(modes[:half])
    T = rng.standard_normal((rows, math.prod(modes) // rows), dtype=np.float32)
    # Singular values of trained weights fall slowly, about as j^-0.5.
    T = _falling(T, rng)
    inner = math.prod(modes[len(modes) - half :])
    T = _falling(T.reshape(-1, inner).T, rng).T
    return np.ascontiguousarray(T).reshape(modes)


def _falling(T: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scale rows by j^-0.5 and mix neighbouring thousands of them."""
    T = T * (np.arange(1, len(T) + 1, dtype=np.float32) ** -0.5)[:, None]
    size = min(len(T), 1024)
    Q = np.linalg.qr(rng.standard_normal((size, size)))[0].astype(np.float32)
    for at in range(0, len(T) - size + 1, size):
        T[at : at + size] = Q @ T[at : at + size]
    return T


def _trained(network: str, layer: int, data: Path | None) -> np.ndarray:
    """Give the 3x3 weights inside the blocks, (out, 9, in), as Yin orders them."""
    from safetensors.numpy import load_file

    if data is None:
        raise FileNotFoundError("trained weights need --data DIR")
    weights = load_file(data / "weights" / f"{network}_cifar10.safetensors")
    found = [w for w in weights.values() if w.ndim == 4 and w.shape[1] > 3]
    w = [w for w in found if w.shape[2] == 3][layer]
    return w.reshape(*w.shape[:2], 9).transpose(0, 2, 1).astype(np.float32).copy()
