"""The scores that recipes by name ask for, added where statistics are collected."""

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from torch import nn

from ccsolve.statistics import Statistics
from ccsolve_torch.running.state import Loader
from ccsolve_torch.scoring.ablation import ablation_scores
from ccsolve_torch.scoring.class_wise import class_wise_scores
from ccsolve_torch.scoring.discrimination import dcp_scores
from ccsolve_torch.scoring.soft_pruning import sfp_scores

SCORES: Mapping[str, Callable[..., Statistics]] = MappingProxyType(
    {
        "ablation": ablation_scores,
        "class_wise": class_wise_scores,
        "dcp": dcp_scores,
        "sfp": sfp_scores,
    }
)
"""By the name of the score: what adds it to statistics."""


def with_scores(
    stats: Statistics,
    wanted: str,
    model: nn.Module,
    loader: Loader,
    **options: Any,
) -> Statistics:
    """Give the statistics with the score of that name, where it is one of `SCORES`.

    `options` are those of `collect` and of the job; each score takes what it knows.
    """
    if wanted not in SCORES:
        return stats
    score = SCORES[wanted]
    known = inspect.signature(score).parameters
    taken = {name: value for name, value in options.items() if name in known}
    return score(model, loader, stats, **taken)
