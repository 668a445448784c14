"""Predicted losses against measured ones, and the model that they choose."""

from ccsolve.validation.choosing import BY, validate
from ccsolve.validation.models import LossModel, loss_models
from ccsolve.validation.records import PathPoint, Validation
from ccsolve.validation.resampling import resampled, worst_of_resampled
from ccsolve.validation.worst_case import WorstOf, solve_worst

__all__ = [
    "BY",
    "LossModel",
    "PathPoint",
    "Validation",
    "WorstOf",
    "loss_models",
    "resampled",
    "solve_worst",
    "validate",
    "worst_of_resampled",
]
