"""Sensitivity: what layers and groups lose as they are compressed.

Curves come from statistics: of groups by classes gone (`ccp_curve`, `refit_curve`,
`unit_removal`, the removals of `ccsolve.criteria`), of layers by rank
(`low_rank_losses`, `spatial_losses`, `two_sided_losses`) or by units of both kinds
(`unit_curve`). Fits turn measured points into functions of the rate.
"""

from ccsolve.sensitivity.curves import Exponential, PiecewiseLinear
from ccsolve.sensitivity.fitting import convex_envelope, exponential_fit, isotonic_fit
from ccsolve.sensitivity.latency import latency_table
from ccsolve.sensitivity.low_rank import (
    TwoSidedLosses,
    low_rank_losses,
    low_rank_rates,
    spatial_losses,
    two_sided_losses,
)
from ccsolve.sensitivity.reconstruction import refit_curve
from ccsolve.sensitivity.selection import SelectionCurve, ccp_curve, selection_curve
from ccsolve.sensitivity.units import UnitCurve, unit_curve, unit_removal

__all__ = [
    "Exponential",
    "PiecewiseLinear",
    "SelectionCurve",
    "TwoSidedLosses",
    "UnitCurve",
    "ccp_curve",
    "convex_envelope",
    "exponential_fit",
    "isotonic_fit",
    "latency_table",
    "low_rank_losses",
    "low_rank_rates",
    "refit_curve",
    "selection_curve",
    "spatial_losses",
    "two_sided_losses",
    "unit_curve",
    "unit_removal",
]
