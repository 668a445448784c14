"""Weights of layers as tensors of many modes, and back: outputs, kernel, inputs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.problems.checks import whole_number


@dataclass(frozen=True)
class Tensorisation:
    """How a weight (n, c, kernel...) is read as a tensor of modes, and back.

    The modes are factors of n, then the kernel's positions as one, then factors of c:
    (n_1..n_a, K, c_1..c_b), so that outputs and inputs hang together by the kernel
    alone (Yin et al., CVPR 2021). A kernel of one position has no mode. Rows of inputs
    and outputs keep their order; entries are moved, not changed.

    Attributes
    ----------
    shape : the weight's.
    output_modes, input_modes : factors of n and of c.

    Raises
    ------
    InvalidProblem
        Modes do not multiply to what they stand for.

    Examples
    --------
    >>> form = Tensorisation.of_convolution((256, 64, 3, 3), (16, 16), (8, 8))
    >>> form.modes
    (16, 16, 9, 8, 8)
    """

    shape: tuple[int, ...]
    output_modes: tuple[int, ...]
    input_modes: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check that the modes fit the shape; sequences become tuples."""
        shape = _sizes("shape", self.shape)
        if len(shape) < 2:
            raise InvalidProblem(
                f"shape {shape}; expected (outputs, inputs) or (outputs, inputs, "
                "kernel...)"
            )
        object.__setattr__(self, "shape", shape)
        for name, size in (("output_modes", shape[0]), ("input_modes", shape[1])):
            object.__setattr__(self, name, _factors(name, getattr(self, name), size))

    @classmethod
    def of_convolution(
        cls, shape: Sequence[int], output_modes: Any = None, input_modes: Any = None
    ) -> "Tensorisation":
        """Give that of a convolution's weight (n, c, kernel...), of 1, 2 or 3 axes.

        Of a grouped convolution c is the inputs of one group. Without modes n and c
        stay whole.
        """
        if not 3 <= len(shape) <= 5:
            raise InvalidProblem(
                f"shape {tuple(shape)}; expected (outputs, inputs, kernel...) with 1 "
                "to 3 axes of the kernel"
            )
        outputs = (shape[0],) if output_modes is None else output_modes
        inputs = (shape[1],) if input_modes is None else input_modes
        return cls(tuple(shape), outputs, inputs)

    @classmethod
    def of_linear(
        cls, shape: Sequence[int], output_modes: Any, input_modes: Any
    ) -> "Tensorisation":
        """Give that of a linear map's weight (n, c)."""
        if len(shape) != 2:
            raise InvalidProblem(f"shape {tuple(shape)}; expected (outputs, inputs)")
        return cls(tuple(shape), output_modes, input_modes)

    @classmethod
    def of_lstm(
        cls,
        shape: Sequence[int],
        hidden_modes: Any,
        input_modes: Any,
        *,
        gates: int = 4,
    ) -> "Tensorisation":
        """Give that of a recurrent layer's weight (gates·hidden, c).

        The gates' matrices stand below one another and share all other modes: the
        first mode of the outputs is gates times as large. LSTM has 4, GRU 3, a plain
        recurrent layer 1; ``hidden_modes`` are factors of the hidden size.
        """
        gates = whole_number("gates", gates, 1, 2**31)
        if len(shape) != 2 or shape[0] % gates:
            raise InvalidProblem(
                f"shape {tuple(shape)}; expected ({gates}·hidden, inputs), the weights "
                f"of {gates} gates below one another"
            )
        hidden = _factors("hidden_modes", hidden_modes, shape[0] // gates)
        return cls(tuple(shape), (gates * hidden[0], *hidden[1:]), input_modes)

    @property
    def kernel(self) -> int:
        """Positions of the kernel."""
        return math.prod(self.shape[2:])

    @property
    def modes(self) -> tuple[int, ...]:
        """The modes of outputs, of the kernel if it has several places, of inputs."""
        middle = (self.kernel,) if self.kernel > 1 else ()
        return (*self.output_modes, *middle, *self.input_modes)

    def tensor(self, weight: Any) -> np.ndarray:
        """Give the tensor of a weight, in C order."""
        values = np.asarray(weight)
        if values.shape != self.shape:
            raise InvalidProblem(
                f"weight has shape {values.shape}; expected {self.shape}"
            )
        rows = values.reshape(self.shape[0], self.shape[1], self.kernel)
        return np.ascontiguousarray(rows.transpose(0, 2, 1)).reshape(self.modes)

    def weight(self, tensor: Any) -> np.ndarray:
        """Give the weight of a tensor, in C order."""
        values = np.asarray(tensor)
        if values.shape != self.modes:
            raise InvalidProblem(
                f"tensor has shape {values.shape}; expected the modes {self.modes}"
            )
        rows = values.reshape(self.shape[0], self.kernel, self.shape[1])
        return np.ascontiguousarray(rows.transpose(0, 2, 1)).reshape(self.shape)

    def covariance(self, moments: Any) -> np.ndarray:
        """Give E[xxᵀ] of the unfolded inputs in the order of the tensor's modes.

        Parameters
        ----------
        moments : (c·K, c·K), channel-major: the K positions of one input channel stand
            together, as in the rows of the weight reshaped to (n, c·K).

        Returns
        -------
        (K·c, K·c), position-major: for the trailing modes of `LowRankFit`.
        """
        size = self.shape[1] * self.kernel
        values = np.asarray(moments)
        if values.shape != (size, size):
            raise InvalidProblem(
                f"moments has shape {values.shape}; expected ({size}, {size})"
            )
        order = np.arange(size).reshape(self.shape[1], self.kernel).T.ravel()
        return values[np.ix_(order, order)]


def balanced_modes(size: int, count: int) -> tuple[int, ...]:
    """Give factors of a size, falling, as equal as its primes make easy.

    Primes go, largest first, to the factor that is smallest so far.

    Examples
    --------
    >>> balanced_modes(512, 3), balanced_modes(25088, 4)
    ((8, 8, 8), (16, 14, 14, 8))
    """
    size = whole_number("size", size, 1, 2**62)
    factors = [1] * whole_number("count", count, 1, 64)
    for prime in sorted(_primes(size), reverse=True):
        factors[factors.index(min(factors))] *= prime
    return tuple(sorted(factors, reverse=True))


def _primes(size: int) -> list[int]:
    found, divisor = [], 2
    while divisor * divisor <= size:
        while size % divisor == 0:
            found.append(divisor)
            size //= divisor
        divisor += 1
    return [*found, size] if size > 1 else found


def _sizes(name: str, values: Any) -> tuple[int, ...]:
    if not isinstance(values, Sequence | np.ndarray) or isinstance(values, str):
        raise InvalidProblem(f"{name} = {values!r}; expected a list of whole numbers")
    return tuple(whole_number(name, value, 1, 2**62) for value in values)


def _factors(name: str, values: Any, size: int) -> tuple[int, ...]:
    factors = _sizes(name, values)
    if not factors or math.prod(factors) != size:
        raise InvalidProblem(
            f"{name} = {factors} multiply to {math.prod(factors)}; expected {size}"
        )
    return factors
