"""Criteria: one importance per channel class; the larger, the more worth keeping.

They are the heuristics that programs are measured against. Each is a function of the
statistics and the name of a group; `score` finds one by name.
"""

from ccsolve.criteria.activations import apoz, mean_activation
from ccsolve.criteria.choice import CRITERIA, EXPORTED, random, score
from ccsolve.criteria.distances import fpgm
from ccsolve.criteria.magnitude import l1, l2, lamp
from ccsolve.criteria.propagation import nisp
from ccsolve.criteria.removal import Removal, refit, refit_removal, taylor_removal
from ccsolve.criteria.sensitivity import (
    fisher,
    obd,
    taylor,
    taylor_per_sample,
    taylor_weight,
)

__all__ = [
    "CRITERIA",
    "EXPORTED",
    "Removal",
    "apoz",
    "fisher",
    "fpgm",
    "l1",
    "l2",
    "lamp",
    "mean_activation",
    "nisp",
    "obd",
    "random",
    "refit",
    "refit_removal",
    "score",
    "taylor",
    "taylor_per_sample",
    "taylor_removal",
    "taylor_weight",
]
