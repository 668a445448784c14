"""Conformance checks: what any method must do on any problem. Others may import them.

Each ``check_`` function raises AssertionError with the method, the problem and the
figures. `check_method` runs all that need no further knowledge of the method.

Examples
--------
>>> from ccsolve import testing
>>> testing.check_method("greedy", testing.problem("k_cluster", n=8))
"""

from ccsolve.testing.checks import (
    check_answer,
    check_bound_order,
    check_callback,
    check_limits,
    check_method,
    check_option,
    check_seed,
    problem,
)
from ccsolve.testing.oracles import BRUTE_FORCE_LIMIT, brute_force, enumerable

__all__ = [
    "BRUTE_FORCE_LIMIT",
    "brute_force",
    "check_answer",
    "check_bound_order",
    "check_callback",
    "check_limits",
    "check_method",
    "check_option",
    "check_seed",
    "enumerable",
    "problem",
]
