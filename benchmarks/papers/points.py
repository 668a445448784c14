"""The operating points: what may remain of a network, and whose figures those are."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Point:
    """What may remain of the dense network: parts of its MACs, of its parameters.

    `calibration` is how many training images a repair is given.
    """

    name: str
    title: str
    macs: float | None = None
    params: float | None = None
    calibration: int = 1000

    def budgets(self) -> dict[str, Any]:
        """Give the budgets that are set, as `ccsolve.plan` takes them."""
        both = {"macs": self.macs, "params": self.params}
        return {name: part for name, part in both.items() if part is not None}


_POINTS = (
    Point("target", "half of the MACs, for the target", macs=0.5, calibration=4000),
    Point("half", "half of the MACs", macs=0.5),
    Point("CCP", "CCP's, 52.6 % of the MACs", macs=0.474),
    Point("CCP-AC", "CCP-AC's, 47.0 % of the MACs", macs=0.53),
    Point("CC", "CC's, 52.0 % of the MACs and 48.2 % of the parameters", 0.48, 0.518),
    Point("DCFF", "DCFF's, 55.9 % of the MACs", macs=0.4412),
    Point("TT 2.8x", "ADMM-TT's, 2.82 times fewer parameters", params=1 / 2.82),
    Point("TT 3.1x", "ADMM-TT's, 3.14 times fewer parameters", params=1 / 3.14),
    Point("LinearConv", "LinearConv's, 46 % of the parameters", params=0.54),
)

POINTS: Mapping[str, Point] = MappingProxyType({item.name: item for item in _POINTS})
"""By name, in the order of the tables."""
