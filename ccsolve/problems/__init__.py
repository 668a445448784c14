"""Problems: immutable data that scores a point. They cannot solve themselves."""

from ccsolve.problems.allocation import RateAllocation
from ccsolve.problems.low_rank import LowRankFit
from ccsolve.problems.network import NetworkSelection
from ccsolve.problems.reconstruction import ReconstructionSelection
from ccsolve.problems.selection import ChannelSelection
from ccsolve.problems.smooth_allocation import SmoothRateAllocation
from ccsolve.problems.width_costs import WidthBudget, WidthTable

__all__ = [
    "ChannelSelection",
    "LowRankFit",
    "NetworkSelection",
    "RateAllocation",
    "ReconstructionSelection",
    "SmoothRateAllocation",
    "WidthBudget",
    "WidthTable",
]
