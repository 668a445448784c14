"""Sums of squares of large arrays, in chunks: exact enough, no copies."""

import numpy as np

_CHUNK = 1 << 18
"""Products summed in the array's own precision before float64 takes over."""


def energy(A: np.ndarray) -> float:
    """Give Σ A², relative error about eps·√chunk/8 whatever the size; O(N)."""
    flat = A.reshape(-1)
    return sum(float(np.dot(part, part)) for part in _parts(flat))


def distance_energy(A: np.ndarray, B: np.ndarray) -> float:
    """Give Σ (A - B)² for C arrays of one shape; one chunk is held; O(N)."""
    pairs = zip(_parts(A.reshape(-1)), _parts(B.reshape(-1)), strict=True)
    return sum(energy(a - b) for a, b in pairs)


def _parts(flat: np.ndarray) -> list[np.ndarray]:
    return [flat[start : start + _CHUNK] for start in range(0, flat.size, _CHUNK)]
