"""Tensor trains without training: what accuracy is left, by fit and by ranks.

    python -m benchmarks.tensor_trains --data DIR [--networks resnet20 resnet56]

The 3 x 3 layers of a ResNet's blocks get 2 and 3 times fewer parameters, as trains over
(outputs, kernel, inputs). Ranks: the same part of every full rank, as tables set by
hand have them, or shared by the program of recipe "tt". Fits: TT-SVD of the weights
alone; the best found in the norm of the inputs' moments, by alternating least squares;
ADMM on the statistics, in that norm and in the loss's own. Each network is measured as
it is and with its batch norms recalibrated; statistics and recalibration take 1,000
training images. Accuracy on test images 2,000 to 9,999, standard error 0.3 at 90 %, and
on all beside it. DIR as in benchmarks/cifar10.py. A row that OUT has is not run again.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

import ccsolve
import ccsolve_torch as cct
from benchmarks.cifar10 import calibration_images, in_batches, test_images, trained
from benchmarks.factored_layers import percent
from ccsolve.bonds import ranks_of
from ccsolve.problems.tensor_formats import dense
from ccsolve.problems.tensorisation import Tensorisation
from ccsolve.recipes.admm_tt import admm_tt
from ccsolve.recipes.chains import Chainable, chainables

RESULTS = Path(__file__).parent / "results" / "tensor_trains.jsonl"
DEPTHS = {"resnet20": 20, "resnet56": 56}
FEWER = (2.0, 3.0)
FITS = ("TT-SVD", "moments, ALS", "moments, ADMM", "loss, ADMM")
CHOSEN = 2_000
"""Test images that may choose settings; the others are reported."""

Row = dict[str, Any]
Factors = Mapping[str, cct.Factor]
Batches = list[tuple[torch.Tensor, torch.Tensor]]


class Scene(NamedTuple):
    """A trained network, its statistics, and the images."""

    model: nn.Module
    stats: ccsolve.Statistics
    layers: Mapping[str, Chainable]
    calibration: Batches
    chosen: Batches
    reported: Batches


def main() -> None:
    """Measure, print, and append the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--networks", nargs="+", default=list(DEPTHS), choices=DEPTHS)
    parser.add_argument("--calibration", type=int, default=1000, help="images")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    done = _keys(asked.out)
    with asked.out.open("a", encoding="utf-8") as file:
        for network in asked.networks:
            for row in rows(network, asked.data, asked.calibration, done):
                print(row, flush=True)
                file.write(json.dumps({**row, "torch": torch.__version__}) + "\n")
                file.flush()


def rows(
    network: str, folder: Path, calibration: int, done: set[tuple[Any, ...]]
) -> Iterator[Row]:
    """Give the rows of a network that are not done."""
    scene = scene_of(DEPTHS[network], folder, calibration)
    dense_row = {"network": network, "fewer": 1.0, "ranks": "-", "fit": "dense"}
    if _key(dense_row) not in done:
        yield dense_row | _accuracy(scene, scene.model, "as it is")
    for fewer in FEWER:
        for ranks, factors in _ranked(scene, fewer):
            left = _parameters(scene.layers, factors) / _parameters(scene.layers, {})
            for fit in FITS:
                row = {"network": network, "fewer": fewer, "ranks": ranks, "fit": fit}
                if _key(row) not in done:
                    yield row | {"left": left} | measured(scene, factors, fit)


def scene_of(depth: int, folder: Path, calibration: int) -> Scene:
    """Give the trained network, statistics of training images, and test images."""
    model, (images, labels) = trained(folder, depth=depth), test_images(folder)
    loader = in_batches(*calibration_images(folder, calibration, seed=0))
    stats = cct.collect(model, loader, layers="moments", sketches=2)
    blocks = {
        name: layer
        for name, layer in chainables(stats).items()
        if name.endswith(("conv1", "conv2"))
    }
    return Scene(
        model,
        stats,
        blocks,
        loader,
        in_batches(images[:CHOSEN], labels[:CHOSEN]),
        in_batches(images[CHOSEN:], labels[CHOSEN:]),
    )


def measured(scene: Scene, factors: Factors, fit: str) -> Row:
    """Give the accuracies of the network in chains, as it is and recalibrated."""
    weights = _weights(scene, factors, fit)
    x = scene.calibration[0][0][:2]
    small = cct.factorise(scene.model, factors, x, weights=weights)
    found = _accuracy(scene, small, "as it is")
    cct.recalibrate(small, scene.calibration)
    return found | _accuracy(scene, small, "recalibrated")


def _accuracy(scene: Scene, model: nn.Module, name: str) -> Row:
    model.eval()
    chosen, reported = percent(model, scene.chosen), percent(model, scene.reported)
    few, many = (sum(len(y) for _, y in part) for part in scene[-2:])
    whole = (few * chosen + many * reported) / (few + many)
    return {name: reported, f"{name}, all": whole}


def _ranked(scene: Scene, fewer: float) -> Iterator[tuple[str, Factors]]:
    """Give the ranks at which the layers have so many times fewer parameters."""
    whole = _parameters(scene.layers, {})
    yield "same part", _same_part(scene.layers, whole / fewer)
    rest = scene.stats.cost().params - whole
    fixed = {name: () for name in chainables(scene.stats) if name not in scene.layers}
    plan = ccsolve.plan(
        scene.stats, params=int(rest + whole / fewer), recipe="tt", fixed=fixed
    )
    yield "program", plan.factors


def _same_part(layers: Mapping[str, Chainable], most: float) -> Factors:
    """Give all layers the largest common part of their full ranks that fits."""
    parts = np.linspace(0.01, 1.0, 397)
    for part in parts[::-1]:
        factors = dict.fromkeys(layers, cct.Factor("tt", float(part)))
        if _parameters(layers, factors) <= most:
            return factors
    raise ValueError(f"{most:.0f} parameters are fewer than ranks of 1 take")


def _parameters(layers: Mapping[str, Chainable], factors: Factors) -> float:
    return sum(
        (layer.as_factored(factors[name]) if name in factors else layer.dense())[
            "params"
        ]
        for name, layer in layers.items()
    )


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
    tensor = form.tensor(layer.weight.astype(np.float64))
    moments = layer.input_moment
    assert moments is not None
    problem = ccsolve.LowRankFit(
        tensor,
        "tt",
        ranks=ranks_of(factor, layer.weight.shape, name),
        covariance=form.covariance(moments.astype(np.float64)),
    )
    solution = ccsolve.solve(problem, "als", time_limit=20.0)
    return form.weight(dense("tt", solution.x, form.modes))


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("network", "fewer", "ranks", "fit"))


def _keys(path: Path) -> set[tuple[Any, ...]]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return {_key(json.loads(line)) for line in lines}


if __name__ == "__main__":
    main()
