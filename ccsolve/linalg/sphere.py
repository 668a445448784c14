"""A quadratic on a sphere: the secular equation, with a linear part that may vary."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Spectrum(NamedTuple):
    """Eigenvalues (r,) and orthonormal vectors (n, r) of a matrix on a space.

    The space is ``normal``⊥, or all of ℝⁿ where ``normal`` is None. Where the vectors
    do not span it (``is_partial``), the matrix vanishes on the rest.
    """

    values: np.ndarray
    vectors: np.ndarray
    normal: np.ndarray | None
    is_partial: bool

    @property
    def least(self) -> float:
        """The least eigenvalue on the space."""
        least = float(self.values.min(initial=np.inf))
        return min(least, 0.0) if self.is_partial else least


@dataclass(frozen=True, eq=False)
class LinearPart:
    """A linear function on the space of a spectrum: coefficients, and the rest."""

    along: np.ndarray
    rest: np.ndarray

    def plus(self, other: "LinearPart", factor: float) -> "LinearPart":
        """Give self + factor·other."""
        return LinearPart(
            self.along + factor * other.along, self.rest + factor * other.rest
        )

    @property
    def norm(self) -> float:
        """Its Euclidean norm on the space."""
        return float(np.sqrt(self.along @ self.along + self.rest @ self.rest))


def linear_part(spectrum: Spectrum, g: np.ndarray) -> LinearPart:
    """Take a vector (n,) apart along a spectrum; O(nr)."""
    if spectrum.normal is not None:
        g = g - (spectrum.normal @ g) * spectrum.normal
    along = spectrum.vectors.T @ g
    rest = g - spectrum.vectors @ along if spectrum.is_partial else np.zeros(1)
    return LinearPart(along, rest)


def multiplier(spectrum: Spectrum, g: LinearPart, radius: float) -> float:
    """Give μ that maximises the dual of min yᵀMy + gᵀy over ‖y‖ = radius, O(r) a round.

    φ(μ) = μ·radius² - ¼gᵀ(M - μI)⁻¹g for μ < λ_min is concave, and φ'(μ) = 0 where
    ‖½(M - μI)⁻¹g‖ = radius (Moré and Sorensen 1983; the dual has no gap). The gap
    δ = λ_min - μ is bisected on a logarithmic scale, below ‖g‖/(2·radius); where g has
    nothing along the least eigenvectors δ is all but 0: the hard case.
    """
    high = g.norm / (2.0 * radius)
    spread = float(np.abs(spectrum.values).max(initial=0.0))
    low = 1e-14 * max(high, spread, 1e-280)
    if high <= low:
        return spectrum.least - low
    for _ in range(100):
        middle = float(np.sqrt(low * high))
        if not low < middle < high:
            break
        if _distance(spectrum, g, spectrum.least - middle) > radius:
            low = middle
        else:
            high = middle
    return spectrum.least - high


def minimiser(spectrum: Spectrum, g: LinearPart, mu: float) -> np.ndarray:
    """Give -½(M - μI)⁻¹g, (n,), for μ < λ_min; O(nr)."""
    y = spectrum.vectors @ (g.along / (spectrum.values - mu))
    if spectrum.is_partial:
        y = y + g.rest / -mu
    return -0.5 * y


def slope(spectrum: Spectrum, g: LinearPart, other: LinearPart, mu: float) -> float:
    """Give the value of a second linear function at the minimiser; O(r)."""
    inner = float((other.along / (spectrum.values - mu)) @ g.along)
    if spectrum.is_partial:
        inner += float(other.rest @ g.rest) / -mu
    return -0.5 * inner


def _distance(spectrum: Spectrum, g: LinearPart, mu: float) -> float:
    squared = float((np.square(g.along / (spectrum.values - mu))).sum())
    if spectrum.is_partial:
        squared += float(g.rest @ g.rest) / mu**2
    return 0.5 * float(np.sqrt(squared))
