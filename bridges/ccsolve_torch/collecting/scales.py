"""Scales of batch norms, class by class."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ccsolve_torch.graph import Coupling

Array = NDArray[Any]


def batch_norm_scores(
    group: Coupling, parameters: Mapping[str, Tensor]
) -> dict[str, Array]:
    """Give {"bn_scale": Σ |γ| of each class over the batch norms that it goes through}.

    Empty for a group that goes through none with a scale. Liu et al., Learning
    efficient convolutional networks through network slimming, ICCV 2017, rank by |γ|.
    """
    tensors = {slot.tensor for slot in group.slots}
    total, found = np.zeros(group.size), False
    for slot in group.slots:
        owner, _, tensor = slot.tensor.rpartition(".")
        # Of all modules batch norms alone have a running mean beside their weight.
        if tensor != "weight" or f"{owner}.running_mean".lstrip(".") not in tensors:
            continue
        scales = parameters[slot.tensor].detach().abs().double().cpu().numpy()
        owned = slot.classes >= 0
        np.add.at(total, slot.classes[owned], scales[owned])
        found = True
    return {"bn_scale": total} if found else {}
