"""Sums rounded to a known side."""

import math
from collections.abc import Iterable


def sum_down(terms: Iterable[float]) -> float:
    """Give the largest float not above the exact sum of the terms."""
    terms = list(terms)
    total = math.fsum(terms)
    above = math.fsum([total, *(-term for term in terms)]) > 0
    return math.nextafter(total, -math.inf) if above else total


def sum_up(terms: Iterable[float]) -> float:
    """Give the least float not below the exact sum of the terms."""
    return -sum_down(-term for term in terms)
