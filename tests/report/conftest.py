"""Small networks that reports are about."""

from collections.abc import Callable

import numpy as np
import pytest

import ccsolve
from ccsolve.plans import Plan
from ccsolve.statistics import Group, Operation, Statistics, Term

Network = Callable[..., Statistics]


@pytest.fixture
def network() -> Network:
    """Give a function that makes statistics of groups of the given names, 6 channels.

    Channels 0 and 1 of every group do the same, 2 and 3 cancel each other.
    """

    def make(*names: str) -> Statistics:
        rng = np.random.default_rng(0)
        rows = rng.normal(size=(200, 6))
        rows[:, 1], rows[:, 3] = rows[:, 0], -rows[:, 2]
        l1 = {"l1": np.arange(6.0)}
        groups = {
            name: Group(name, 6, ggn_rows=rows.copy(), scores=l1) for name in names
        }
        operations = tuple(
            Operation(name, "conv", (), name, (Term((name,), 100, 10),))
            for name in names
        )
        meta = {"network": "a small one; for tests"}
        return Statistics(
            groups, operations=operations, samples=200, fingerprint="abc", meta=meta
        )

    return make


@pytest.fixture
def stats(network: Network) -> Statistics:
    return network("first", "second")


@pytest.fixture
def plan(stats: Statistics) -> Plan:
    return ccsolve.plan(stats, macs=0.5)
