"""What the reconstruction programs themselves lose at every width."""

import numpy as np
from numpy.typing import NDArray

from ccsolve.criteria.refitting import comparable
from ccsolve.recipes.reconstructing.programs import Model, parts_of, program_of
from ccsolve.solvers.reconstruction.curve import reconstruction_curve
from ccsolve.statistics import Statistics

Array = NDArray[np.float64]


def own_losses(stats: Statistics, model: Model) -> dict[str, Array]:
    """Give by group what is lost when 0, 1, ..., size classes have gone.

    Values of greedy removal, one pass for all widths (`reconstruction_curve`), scaled
    so that groups compare (`comparable`); no output is left out. O(d³) a group.

    Raises
    ------
    MissingStatistics
        A reader's moments, or the group's Gauss-Newton, were not collected.
    """
    return {name: _curve(stats, name, model) for name in stats.groups}


def _curve(stats: Statistics, group: str, model: Model) -> Array:
    parts = parts_of(stats, group, model, {})
    size = stats.groups[group].size
    program = program_of(parts, size, model.ridge)
    losses = reconstruction_curve(program, range(size, -1, -1), refine=False).losses
    scale = comparable(stats, group, [part.reader for part in parts])
    # Keeping all costs nothing, up to rounding.
    return np.maximum(losses - losses[0], 0.0) * scale
