"""Sensitivity curves of sites: losses as single units go, fitted by exponentials."""

import numpy as np

from ccsolve.recipes.compression.components import components_of
from ccsolve.recipes.compression.paths import Path
from ccsolve.recipes.compression.sites import Array, Part, Site
from ccsolve.sensitivity import Exponential, exponential_fit

UNITS, PATHS = "units", "path"

NOTHING, LEAST_RATE = 1e-50, 1e-6
"""The curve of a site whose units are not missed."""


def unit_path(site: Site) -> Path:
    """Give the path on which units go in rising order of what each is worth alone.

    Formulas (CC-2) and (CC-3) on the dense weights: the order of the paper's
    sensitivity curves. The components are those of the dense weights throughout; the
    authors decompose again after each. One channel and one component of a layer stay,
    as in every network. For a site of one layer the losses are those of
    `ccsolve.sensitivity.unit_curve`.
    """
    parts = [components_of(part.weight, part.components) for part in site.parts]
    worths = [p.worths(part.squared) for p, part in zip(parts, site.parts, strict=True)]
    owners = np.concatenate(
        [np.arange(site.classes)]
        + [np.full(len(worth), -1 - place) for place, worth in enumerate(worths)]
    )
    places = np.concatenate(
        [np.zeros(site.classes, int)] + [np.arange(len(worth)) for worth in worths]
    )
    order = np.argsort(np.concatenate([_channels(site), *worths]), kind="stable")
    lost = [np.zeros_like(part.weight) for part in site.parts]
    gone = np.zeros(site.classes, dtype=bool)
    losses = [0.0]
    for unit, k in zip(owners[order].tolist(), places[order].tolist(), strict=True):
        if unit >= 0:
            gone[unit] = True
        else:
            lost[-1 - unit] += parts[-1 - unit].product(np.array([k]))
        losses.append(_loss(site, lost, gone))
    return Path(site, owners[order].astype(np.int64), np.array(losses))


def _channels(site: Site) -> Array:
    """Give Σ ‖g_j∘W_j‖² of every class over the layers that read it, (classes,)."""
    total = np.zeros(site.classes)
    for part in site.parts:
        own = part.unit >= 0
        worth = np.einsum("ab,ab,ab->b", part.squared, part.weight, part.weight)
        total += np.bincount(part.unit[own], worth[own], minlength=site.classes)
    return total


def channel_order(site: Site, group: str) -> np.ndarray:
    """Give a group's classes by rising worth: the best order where no chain is made."""
    return np.argsort(_channels(site)[site.of(group)], kind="stable")


def _loss(site: Site, lost: list[Array], gone: np.ndarray) -> float:
    return sum(
        _part_loss(part, off, gone) for part, off in zip(site.parts, lost, strict=True)
    )


def _part_loss(part: Part, off: Array, gone: np.ndarray) -> float:
    left = np.where(part.columns(gone), off, part.weight)
    return float(np.vdot(part.squared, np.square(left)))


def curve_of(path: Path, *, normalised: bool) -> Exponential:
    """Fit a·exp(b·C) to a path's rates and losses, see `exponential_fit`.

    Where there are not two different rates above 0 to fit, a curve that says that
    nothing is missed.
    """
    rates, losses = path.rates(), path.losses
    useful = (rates > 0) & (losses > 0)
    if np.unique(rates[useful]).size < 2:
        return Exponential(max(float(losses.max()), NOTHING), LEAST_RATE)
    fitted = exponential_fit(rates, losses, normalised=normalised)
    return Exponential(max(fitted.scale, NOTHING), fitted.rate)
