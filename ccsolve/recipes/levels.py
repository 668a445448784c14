"""What has to be collected of layers for a recipe: what `collect` calls its level."""

from collections.abc import Mapping
from typing import Any

from ccsolve.recipes import cpli
from ccsolve.recipes.compression.asked import level as compression_level
from ccsolve.recipes.default import AUTO

LEVELS: Mapping[str, str] = {
    **dict.fromkeys(("cpli", *cpli.ANCESTORS, "refit"), "moments"),
    **dict.fromkeys((AUTO, "admm_tt", "joint", "linear_conv"), "moments"),
    **dict.fromkeys(("svd", "tt", "tucker"), "moments"),
    **dict.fromkeys(("cc", "taylor_weight"), "gradients"),
}
"""Recipes that need more of layers than weights."""

LEVELS_OF_LOSSES: Mapping[str, str] = {
    "refit": "moments",
    "reconstruction": "moments",
    "units": "gradients",
}
"""Losses of widths that do, by the names that ``widths`` and ``losses`` take."""

_LOSSES: Mapping[str, str] = {"allocated": "refit"}
"""The losses of a recipe that has some by default."""


def level_of(recipe: str, options: Mapping[str, Any]) -> str | None:
    """Give the level of layers to collect for a recipe with options; None for any."""
    own = compression_level(options) if recipe == "cc" else LEVELS.get(recipe)
    given = [options.get("widths"), options.get("losses", _LOSSES.get(recipe))]
    of_losses = [LEVELS_OF_LOSSES.get(name) for name in given if isinstance(name, str)]
    needed = {own, *of_losses}
    return next((level for level in ("moments", "gradients") if level in needed), None)
