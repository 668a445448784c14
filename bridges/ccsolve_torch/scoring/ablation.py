"""Single-unit ablation: what the loss rises by when one channel is closed."""

import numpy as np
import torch
from torch import nn

from ccsolve.statistics import Statistics
from ccsolve_torch.collecting.losses import PerSample
from ccsolve_torch.collecting.pooling import summed
from ccsolve_torch.coupling.declaring import Declared
from ccsolve_torch.gates import closed
from ccsolve_torch.running.ranks import failing_together
from ccsolve_torch.running.state import Loader
from ccsolve_torch.scoring.scenes import Scene, scene, scored


def ablation_scores(
    model: nn.Module,
    loader: Loader,
    stats: Statistics,
    *,
    loss: str | PerSample = "cross_entropy",
    declared: Declared | None = None,
) -> Statistics:
    """Give the statistics with the score "ablation": L without channel i, minus L.

    L is the mean loss over the samples, in evaluation mode, and channel i is closed
    wherever it is read: no approximation but that of the samples. Scores may be
    negative. One forward pass over all samples for each channel of each group, so take
    few samples: a thousand channels and 256 images of ResNet-56 take minutes.

    Parameters
    ----------
    model, loader
        See `collect`.
    stats
        Of this model, from `collect` with the same `declared`.
    loss, declared
        See `collect`.

    Raises
    ------
    InvalidProblem
        The statistics are of another model, or a batch is malformed.
    """
    with failing_together(), scene(model, loader, stats, loss, declared) as seen:
        return scored(stats, "ablation", _rises(seen))


@torch.no_grad()
def _rises(seen: Scene) -> dict[str, np.ndarray]:
    dense = _mean(seen)
    rises = {}
    for name, group in seen.graph.groups.items():
        every, found = np.arange(group.size), np.empty(group.size)
        for gone in every:
            with closed(seen.model, seen.graph, {name: np.delete(every, gone)}):
                found[gone] = _mean(seen) - dense
        rises[name] = found
    return rises


def _mean(seen: Scene) -> float:
    """Give the mean loss over the samples of all processes."""
    total = torch.zeros(2, dtype=torch.float64)
    for batch in seen.batches:
        values = seen.losses(batch)
        total += torch.tensor([float(values.double().sum()), len(values)])
    total = summed(total, seen.device)
    return float(total[0] / total[1])
