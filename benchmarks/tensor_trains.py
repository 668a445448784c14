"""Tensor trains without training: what accuracy is left, by fit and by ranks.

    python -m benchmarks.tensor_trains --data DIR [--networks resnet20 resnet56]

The 3 x 3 layers of a ResNet's blocks get 2 and 3 times fewer parameters, as trains over
(outputs, kernel, inputs), and ResNet-56 as many as the table has that ADMM-TT's authors
publish for it. Ranks: that table; the same part of every full rank; shared by the
program of recipe "tt", on the losses of the inputs' energy or of the loss. Fits: TT-SVD
of the weights alone; the best found in the norm of the inputs' moments, by alternating
least squares; ADMM on the statistics, in that norm and in the loss's own. Each network
is measured as it is and with its batch norms recalibrated; statistics and recalibration
take 1,000 training images. Accuracy on IMAGES test images from 2,000 on, by default all
8,000: standard error 0.3 at 90 %, 0.5 at 75 %. DIR as in benchmarks/cifar10.py. A row
that OUT has is not run again.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

import ccsolve
import ccsolve_torch as cct
from benchmarks.cifar10 import calibration_images, in_batches, test_images, trained
from benchmarks.json_lines import append_rows, read_rows
from benchmarks.pruning.scoring import Bits, packed, right, unpacked
from ccsolve.bonds import ranks_of
from ccsolve.problems.tensor_formats import dense
from ccsolve.problems.tensorisation import Tensorisation
from ccsolve.recipes.admm_tt import admm_tt
from ccsolve.recipes.chains import Chainable, chainables

RESULTS = Path(__file__).parent / "results" / "tensor_trains.jsonl"
DEPTHS = {"resnet20": 20, "resnet56": 56}
FEWER = (2.0, 3.0)
RANKS = ("published table", "same part", "program, inputs", "program, loss")
FITS = ("TT-SVD", "moments, ALS", "moments, ADMM", "loss, ADMM")
REPORTED_FROM = 2_000
"""Test images before this one may choose settings; the others are reported."""

PUBLISHED = {
    1: {0: (16, 16), 1: (14, 14), 5: (13, 13)},
    2: {0: (20, 20), 5: (18, 18)},
    3: {0: (26, 26), 3: (24, 24), 6: (22, 22)},
}
"""Ranks of ResNet-56 "3x" as ADMM-TT's authors publish them (hp_dicts of
github.com/miaoyin390/DNN-Compression-Tensor-ADMM): by stage, from this block on."""

SINGLE = {
    "layer2.0.conv1": (32, 16),
    "layer3.0.conv1": (40, 20),
    "layer3.5.conv2": (22, 22),
}
"""Where that table departs from its blocks."""

SECONDS = 3.0
"""For the least squares of one layer; they settle in less where a core is free."""

Factors = Mapping[str, cct.Factor]
Images = tuple[Tensor, Tensor]
Key = tuple[str, float, str, str]


class Scene(NamedTuple):
    """A trained network, its statistics, and the images."""

    model: nn.Module
    stats: ccsolve.Statistics
    layers: Mapping[str, Chainable]
    calibration: list[Images]
    reported: Images


@dataclass(frozen=True)
class Row:
    """One network: `fewer` times fewer parameters asked, `left` of them remain.

    `as_it_is` and `recalibrated` hold the outcome of every image (`scoring.packed`).
    """

    network: str
    fewer: float
    ranks: str
    fit: str
    left: float
    fit_seconds: float
    images: int
    as_it_is: str
    recalibrated: str
    torch: str = torch.__version__

    @property
    def key(self) -> Key:
        """What it answers."""
        return (self.network, self.fewer, self.ranks, self.fit)

    def outcomes(self, recalibrated: bool) -> Bits:
        """Give of every image whether it was right."""
        return unpacked(
            self.recalibrated if recalibrated else self.as_it_is, self.images
        )

    def accuracy(self, recalibrated: bool) -> float:
        """Give the per cent right."""
        return 100.0 * float(self.outcomes(recalibrated).mean())


def main() -> None:
    """Measure, print, and append the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--networks", nargs="+", default=list(DEPTHS), choices=DEPTHS)
    parser.add_argument("--ranks", nargs="+", default=RANKS, choices=RANKS)
    parser.add_argument("--calibration", type=int, default=1000, help="images")
    parser.add_argument("--images", type=int, default=8000, help="test images")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    append_rows(asked.out, _shown(asked))


def _shown(asked: argparse.Namespace) -> Iterator[Row]:
    done = {row.key for row in read_rows(asked.out, Row)}
    for network in asked.networks:
        scene = scene_of(DEPTHS[network], asked.data, asked.calibration, asked.images)
        for row in rows(network, scene, asked.ranks, done):
            print(
                f"{network}, {row.fewer:g} times fewer, {row.ranks}, {row.fit}: "
                f"{row.accuracy(False):.2f} %, recalibrated {row.accuracy(True):.2f} %",
                flush=True,
            )
            yield row


def rows(network: str, scene: Scene, ranks: list[str], done: set[Key]) -> Iterator[Row]:
    """Give the rows of a network that are not done."""
    if (network, 1.0, "-", "dense") not in done:
        yield _row((network, 1.0, "-", "dense"), scene, {}, None, 0.0)
    for fewer in _shares(network, scene.layers):
        for name in ranks:
            keys = [(network, fewer, name, fit) for fit in FITS]
            wanted = [key for key in keys if key not in done]
            if wanted and (name != RANKS[0] or fewer not in FEWER):
                factors = ranked(scene, fewer, name)
                yield from (_fitted_row(key, scene, factors) for key in wanted)


def scene_of(depth: int, folder: Path, calibration: int, images: int) -> Scene:
    """Give the trained network, statistics of training images, and test images."""
    model, (x, y) = trained(folder, depth=depth), test_images(folder)
    loader = in_batches(*calibration_images(folder, calibration, seed=0), size=50)
    stats = cct.collect(model, loader, layers="moments", sketches=2)
    blocks = {n: v for n, v in chainables(stats).items() if n.startswith("layer")}
    taken = slice(REPORTED_FROM, REPORTED_FROM + images)
    return Scene(model, stats, blocks, loader, (x[taken], y[taken]))


def _shares(network: str, layers: Mapping[str, Chainable]) -> tuple[float, ...]:
    """Give how many times fewer parameters are asked; the table's own among them."""
    if network != "resnet56":
        return FEWER
    asked = parameters(layers, published()) / parameters(layers, {})
    return (round(1 / asked, 3), *FEWER)


def published() -> Factors:
    """Give the authors' ranks of ResNet-56."""
    found = {
        f"layer{stage}.{block}.conv{place}": ranks
        for stage, table in PUBLISHED.items()
        for first, ranks in table.items()
        for block in range(first, 9)
        for place in (1, 2)
    }
    return {name: cct.Factor("tt", pair) for name, pair in (found | SINGLE).items()}


def ranked(scene: Scene, fewer: float, name: str) -> Factors:
    """Give ranks at which the layers have so many times fewer parameters."""
    whole = parameters(scene.layers, {})
    match name:
        case "published table":
            return published()
        case "same part":
            return same_part(scene.layers, whole / fewer)
        case _:
            rest = scene.stats.cost().params - whole
            others = [n for n in chainables(scene.stats) if n not in scene.layers]
            plan = ccsolve.plan(
                scene.stats,
                params=round(rest + whole / fewer),
                recipe="tt",
                metric=name.removeprefix("program, "),
                fixed=dict.fromkeys(others, 0),
            )
            return plan.factors


def same_part(layers: Mapping[str, Chainable], most: float) -> Factors:
    """Give all layers the largest common part of their full ranks that fits."""
    parts = np.linspace(0.01, 1.0, 397)
    for part in parts[::-1]:
        factors = dict.fromkeys(layers, cct.Factor("tt", float(part)))
        if parameters(layers, factors) <= most:
            return factors
    raise ValueError(f"{most:.0f} parameters are fewer than ranks of 1 take")


def parameters(layers: Mapping[str, Chainable], factors: Factors) -> float:
    """Give the parameters of the layers, those with factors in chains."""
    return sum(
        (layer.as_factored(factors[name]) if name in factors else layer.dense())[
            "params"
        ]
        for name, layer in layers.items()
    )


def _fitted_row(key: Key, scene: Scene, factors: Factors) -> Row:
    began = time.perf_counter()
    weights = _weights(scene, factors, key[-1])
    return _row(key, scene, factors, weights, time.perf_counter() - began)


def _row(key: Key, scene: Scene, factors: Factors, weights: Any, seconds: float) -> Row:
    """Score the network in chains, as it is and recalibrated."""
    small = scene.model
    if factors:
        x = scene.calibration[0][0][:2]
        small = cct.factorise(scene.model, factors, x, weights=weights)
    first = again = packed(right(small, *scene.reported))
    if factors:
        cct.recalibrate(small, scene.calibration)
        again = packed(right(small, *scene.reported))
    left = parameters(scene.layers, factors) / parameters(scene.layers, {})
    return Row(*key, left, seconds, len(scene.reported[1]), first, again)


def _weights(scene: Scene, factors: Factors, fit: str) -> Any:
    """Give the weights of bounded ranks by the fit; None for that of the weights."""
    match fit:
        case "TT-SVD":
            return None
        case "moments, ALS":
            return {name: _fitted(scene, name, factors[name]) for name in factors}
        case _:
            metric = "inputs" if fit.startswith("moments") else "loss"
            found = admm_tt(scene.stats, factors, metric=metric)
            return {name: one.weight for name, one in found.items()}


def _fitted(scene: Scene, name: str, factor: cct.Factor) -> np.ndarray:
    """Give the weight of these ranks that is best in the norm of the moments."""
    layer = scene.stats.layers[name]
    form = Tensorisation.of_convolution(layer.weight.shape)
    moments = layer.input_moment
    assert moments is not None
    problem = ccsolve.LowRankFit(
        form.tensor(layer.weight.astype(np.float64)),
        "tt",
        ranks=ranks_of(factor, layer.weight.shape, name),
        covariance=form.covariance(moments.astype(np.float64)),
    )
    solution = ccsolve.solve(problem, "als", time_limit=SECONDS)
    return form.weight(dense("tt", solution.x, form.modes))


if __name__ == "__main__":
    main()
