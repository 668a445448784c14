"""Problems: immutable data that scores a point. They cannot solve themselves."""

from ccsolve.problems.allocation import RateAllocation
from ccsolve.problems.reconstruction import ReconstructionSelection
from ccsolve.problems.selection import ChannelSelection
from ccsolve.problems.smooth_allocation import SmoothRateAllocation

__all__ = [
    "ChannelSelection",
    "RateAllocation",
    "ReconstructionSelection",
    "SmoothRateAllocation",
]
