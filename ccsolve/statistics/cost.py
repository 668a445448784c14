"""What a network costs at given widths.

One MAC is one multiply-accumulate of a convolution or linear operator, per sample;
batch norm, activations, pooling and biases count none. Parameters are everything
that is trained: weights, biases, batch-norm scale and shift. Latency is microseconds of
one forward pass at the batch and on the device of its tables. Memory is bytes of the
weights and of the activations that one sample's forward pass holds at once.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ccsolve.errors import InvalidStatistics, MissingStatistics
from ccsolve.statistics.arrays import check_name
from ccsolve.statistics.latency import LatencyTable
from ccsolve.statistics.memory import Memory

COUNTED = ("macs", "params")
"""What the terms of operations count."""

RESOURCES = (*COUNTED, "latency", "memory")

_COLLECTED_BY = {
    "latency": "give tables to stats.with_latency, or run "
    "ccsolve_torch.measure_latency",
    "memory": "collect them again with ccsolve_torch.collect",
}


@dataclass(frozen=True)
class Cost:
    """MACs per sample, trained parameters, microseconds, bytes; None if not known."""

    macs: float
    params: float
    latency: float | None = None
    memory: float | None = None

    def of(self, resource: str) -> float:
        """Give the amount of a resource.

        MissingStatistics where it is not known, which says how to know it.
        """
        amount = getattr(self, resource)
        if amount is None:
            raise MissingStatistics(
                f"the statistics hold no {resource}; {_COLLECTED_BY[resource]}"
            )
        return amount

    def known(self) -> dict[str, float]:
        """Give the amounts that are known, by resource."""
        amounts = {name: getattr(self, name) for name in RESOURCES}
        return {name: value for name, value in amounts.items() if value is not None}


@dataclass(frozen=True)
class Term:
    """A cost of coefficient * product of the kept widths of `groups`.

    No group is a fixed part; one group a linear part; two groups (one may be named
    twice) a product. A flattened input with s positions per class has s in its
    coefficient.
    """

    groups: tuple[str, ...]
    macs: float
    params: float

    def __post_init__(self) -> None:
        """Check the number of groups and the coefficients."""
        object.__setattr__(self, "groups", tuple(self.groups))
        if len(self.groups) > 2:
            raise InvalidStatistics(
                f"operations: a term of {len(self.groups)} groups; expected 0, 1 or 2"
            )
        for name in self.groups:
            check_name(name, "operations: term")
        for resource in COUNTED:
            _check_coefficient(getattr(self, resource), resource)


@dataclass(frozen=True)
class Operation:
    """One operator of the network: the groups it reads and writes and its cost.

    `inputs` are the groups it reads (several after a concatenation), `output` the
    group it writes, None where that is no group (the classifier's output).
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    output: str | None
    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        """Check the names."""
        check_name(self.name, "operations")
        check_name(self.kind, f"operations/{self.name}: kind")
        object.__setattr__(self, "inputs", tuple(self.inputs))
        object.__setattr__(self, "terms", tuple(self.terms))

    def groups(self) -> set[str]:
        """Give the names of all groups that the operation speaks of."""
        named = {name for term in self.terms for name in term.groups}
        named.update(self.inputs)
        return named if self.output is None else named | {self.output}


def cost_at(
    operations: Iterable[Operation],
    widths: Mapping[str, int],
    latency: Iterable[LatencyTable] = (),
    memory: Memory | None = None,
) -> Cost:
    """Give the cost at the widths; an exact int where all coefficients are integers.

    Without tables or memory those two are None.
    """
    totals: dict[str, float] = dict.fromkeys(COUNTED, 0)
    for operation in operations:
        for term in operation.terms:
            product = math.prod(widths[name] for name in term.groups)
            for resource in COUNTED:
                totals[resource] += _exact(getattr(term, resource)) * product
    times = [table.at(widths) for table in latency]
    return Cost(
        **totals,
        latency=math.fsum(times) if times else None,
        memory=None if memory is None else memory.at(widths),
    )


def _check_coefficient(value: float, resource: str) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0:
        raise InvalidStatistics(
            f"operations: {resource} coefficient {value!r}; expected a finite number "
            ">= 0"
        )


def _exact(value: float) -> int | float:
    return int(value) if float(value).is_integer() else value
