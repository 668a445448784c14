"""Layer by layer, reconstruction aims at the dense network's outputs.

The statistics hold what the repaired network gives. Its layers are least squares to the
dense outputs, so what is left of those is uncorrelated with their inputs: both targets
differ by a constant, and choose alike.
"""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import unfold

import ccsolve
import ccsolve_torch as cct
from ccsolve.criteria import score
from ccsolve.recipes.reconstructing.programs import Model, parts_of, program_of
from ccsolve.recipes.uniform import best

pytestmark = pytest.mark.torch

GROUP, READER = "2", "4"


@pytest.fixture(scope="module")
def chain() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(8, 6, 3, padding=1), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)),
    ).eval()


@pytest.fixture(scope="module")
def images() -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    mixing = torch.randn(3, 3, generator=generator)
    # Neighbouring positions are alike, as in images: the columns of a patch are not
    # independent, and what one channel took others can make up for in part.
    x = torch.randn(200, 3, 10, 10, generator=generator)
    x = nn.functional.avg_pool2d(torch.einsum("nchw,cd->ndhw", x, mixing), 3, stride=1)
    return [
        (part, torch.randint(4, (50,), generator=generator)) for part in x.split(50)
    ]


def cut(chain: nn.Module, images: list, repair: str) -> nn.Module:
    """Half of the first group has gone."""
    stats = cct.collect(chain, images)
    keep = {name: np.arange(group.size) for name, group in stats.groups.items()}
    keep["0"] = best(score(stats, "0", "taylor_per_sample"), 4)
    plan = ccsolve.Plan(
        recipe="by hand",
        keep=keep,
        sizes={name: group.size for name, group in stats.groups.items()},
        fingerprint=stats.fingerprint,
    )
    given = {"calibration": images, "repair": repair, "timed": False}
    return cct.apply(chain, plan, images[0][0][:2], **given)


def losses_now(small: nn.Module, images: list) -> np.ndarray:
    """What the recipe's program says of removing two classes of the second group."""
    stats = cct.collect(small, images, layers="moments")
    parts = parts_of(stats, GROUP, Model("none", 0.0, 1e-6), {})
    program = program_of(parts, 6, 1e-6)
    return np.array([program.objective(left) for left in choices()])


def choices() -> list[np.ndarray]:
    masks = [
        np.isin(np.arange(8), pair) for pair in itertools.combinations(range(8), 2)
    ]
    return [~mask for mask in masks]


def losses_to_dense(small: nn.Module, dense: nn.Module, images: list) -> np.ndarray:
    """What least squares on the samples leave of the dense outputs, beyond all kept."""
    x, y = read(small, images)[0], read(dense, images)[1]
    everything = left_over(x, y, np.ones(8, dtype=bool))
    return np.array([left_over(x, y, mask) - everything for mask in choices()])


def read(model: nn.Module, images: list) -> tuple[np.ndarray, np.ndarray]:
    """Give the reader's columns and outputs, centred, at all positions."""
    seen: list[tuple[Tensor, Tensor]] = []
    layer = model.get_submodule(READER)

    def note(_: nn.Module, x: tuple[Tensor], y: Any) -> None:
        seen.append((x[0], y))

    handle = layer.register_forward_hook(note)
    with torch.no_grad():
        model(torch.cat([x for x, _ in images]))
    handle.remove()
    x, y = seen[0]
    columns = unfold(x, 3, padding=1).transpose(1, 2).flatten(0, 1).double().numpy()
    outputs = y.movedim(1, -1).flatten(0, 2).double().numpy()
    return columns - columns.mean(axis=0), outputs - outputs.mean(axis=0)


def left_over(x: np.ndarray, y: np.ndarray, left: np.ndarray) -> float:
    own = x[:, np.repeat(left, 9)]
    off = y - own @ np.linalg.lstsq(own, y, rcond=None)[0]
    return float(0.5 * np.square(off).sum() / len(y))


def test_a_repaired_network_is_as_good_a_target_as_the_dense_one(chain, images):
    small = cut(chain, images, "least_squares")
    now, wanted = losses_now(small, images), losses_to_dense(small, chain, images)
    np.testing.assert_allclose(now, wanted, rtol=0.12)
    assert now.argmin() == wanted.argmin()


def test_without_a_repair_it_aims_at_what_the_cut_has_left(chain, images):
    small = cut(chain, images, "none")
    now, wanted = losses_now(small, images), losses_to_dense(small, chain, images)
    assert np.abs(now / wanted - 1.0).max() > 0.3
