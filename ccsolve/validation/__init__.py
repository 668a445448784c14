"""Predicted losses against measured ones, and the model that they choose."""

from ccsolve.validation.choosing import BY, validate
from ccsolve.validation.models import LossModel, loss_models
from ccsolve.validation.records import PathPoint, Validation

__all__ = ["BY", "LossModel", "PathPoint", "Validation", "loss_models", "validate"]
