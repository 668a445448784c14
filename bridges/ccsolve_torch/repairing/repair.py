"""Repairing a smaller network without training or labels, by least squares.

From the first layer that lost inputs on, each is fitted to what the dense network
computes there, in the order in which the network runs them: what a layer cannot give
back, the next one is fitted to make good.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn

from ccsolve.errors import InvalidProblem
from ccsolve_torch.gates import Keep
from ccsolve_torch.graph import Graph
from ccsolve_torch.repairing.affine import Affine
from ccsolve_torch.repairing.branches import scouted
from ccsolve_torch.repairing.calibration import Calibration
from ccsolve_torch.repairing.pairs import (
    RIDGES,
    Fitting,
    Pair,
    Settings,
    pairs_of,
    probe_of,
)
from ccsolve_torch.repairing.regression import Moments, chosen
from ccsolve_torch.repairing.sites import remaining, sites_of, with_outputs
from ccsolve_torch.repairing.waists import Waist
from ccsolve_torch.running.spelling import spelled_out
from ccsolve_torch.running.state import Loader, eval_mode, evaluating

_NONE: Mapping[str, Waist] = MappingProxyType({})


@dataclass(frozen=True)
class Refit:
    """One fitted layer: mean squared errors of its branch, before and after.

    Both are of the held-back samples (of all where none are), relative to the variance
    of what the dense network gives there, and `after` of the fit that was found
    without these samples: the one that is used has seen them. `residual` says whether
    the skip's drift was corrected; `choice` what did best: "ridge 0.001", "means" where
    only the shift of the means was taken, "unchanged" where nothing helped and the
    layer stayed. Of a layer that becomes a bottleneck `after` is of the fit of its
    ranks, which `choice` names.
    """

    layer: str
    before: float
    after: float
    residual: bool
    choice: str


@torch.inference_mode(False)
def fit_next_layers(
    small: nn.Module,
    dense: nn.Module,
    graph: Graph,
    keep: Keep,
    loader: Loader,
    *,
    layers: Sequence[str] | None = None,
    held_back: float = 0.2,
    ridges: Sequence[float] = RIDGES,
    positions: int = 64,
    memory: int | None = None,
    seed: int = 0,
) -> tuple[Refit, ...]:
    """Fit layers of `small`, in execution order and in place, to the dense network.

    The branch of a layer is its output after its batch norm. With x the layer's
    input in `small`, and t the dense network's branch in the channels that remain
    (where it enters a residual sum: the dense sum minus the skip of `small`, so that
    drift is corrected), solve

        min over V, b of  E‖V x + b - t‖² + λ‖V - V₀‖²,    λ = ridge · mean Var(x_j)

    with V₀ the layer's present weights: full inputs and an undrifted skip give them
    back. V and b are written into weight and bias, or the batch norm's scale is
    divided out and its shift set. Grouped convolutions are fitted group by group; a
    layer that runs several times is fitted to all its runs.

    Parameters
    ----------
    small, dense
        The smaller and the original model.
    graph, keep
        `trace` of the original model, and the classes of each group that `small` kept.
    loader
        Calibration samples (inputs, targets); targets are not used. Read once; the
        inputs are held in memory.
    layers
        Which layers; default all from the first with fewer inputs than in `dense` on:
        what the others read has drifted. Layers that the graph does not know as such
        (products with a parameter, fused attention) where they lost inputs.
    held_back
        Share of the samples that are not fitted to but choose, layer by layer, among
        the `ridges`, a shift of the means alone, and leaving the layer as it is. The
        chosen one is then found on all samples. 0 takes the first ridge as it comes.
    ridges
        Relative weights of the pull to the present weights, above 0.
    positions
        Output positions drawn per sample.
    memory
        Bytes that forward passes may hold while they wait for a layer to be fitted;
        default half of what a GPU has left, or 4 GiB. Batches for which there is no
        room run again from the start for every layer.
    seed
        For the positions.

    Returns
    -------
    One `Refit` per layer, in the order of fitting. Cost: one forward pass of `dense`
    and one of `small`, every fitted layer once more, and per layer the moments, rows ·
    d², and solves in d³. Under `torch.distributed` every process gives its own samples
    and all get the same weights.
    """
    if not 0 <= held_back < 1:
        raise InvalidProblem(f"held_back {held_back}; expected a share in [0, 1)")
    if isinstance(layers, str):
        raise InvalidProblem(
            f"layers {layers!r}; expected a list of names, such as [{layers!r}]"
        )
    settings = Settings(ridges, positions, memory, seed)
    calibration = Calibration.of(small, loader, held_back)
    return refitted(small, dense, graph, keep, calibration, layers, settings)


def refitted(
    small: nn.Module,
    dense: nn.Module,
    graph: Graph,
    keep: Keep,
    calibration: Calibration,
    layers: Sequence[str] | None = None,
    settings: Settings | None = None,
    waists: Mapping[str, Waist] = _NONE,
) -> tuple[Refit, ...]:
    """Do what `fit_next_layers` does, with samples that are read already.

    Layers of `waists`, by weight, get weights of their ranks; what reads behind the
    first of them has drifted as well.
    """
    sites = sites_of(small, dense, graph, keep, layers, waists)
    if not sites:
        return ()
    # The fit may write a norm's running mean: only the modes of `small` come back.
    with (
        evaluating(dense),
        eval_mode(small),
        spelled_out(dense),
        spelled_out(small),
        torch.no_grad(),
    ):
        probe = probe_of(small, calibration)
        habits = scouted(small, sites, probe)
        todo = {
            key: with_outputs(graph, site, habits[key].kind)
            for key, site in sites.items()
            if key in habits
        }
        chosen_by = settings or Settings()
        fitting = Fitting(small, dense, keep, habits, chosen_by, todo, waists)
        pairs = list(pairs_of(fitting, calibration, probe))
        try:
            return tuple(_all_fits(fitting, pairs))
        finally:
            for pair in pairs:
                pair.close()


def _all_fits(fitting: Fitting, pairs: list[Pair]) -> Iterator[Refit]:
    while fitting.todo and (key := pairs[0].upcoming()) is not None:
        yield _fit(fitting, key, pairs)
        del fitting.todo[key]
        for pair in pairs:
            pair.leave(key)


def _fit(fitting: Fitting, key: str, pairs: list[Pair]) -> Refit:
    """Fit one layer of the smaller network in place."""
    site = fitting.todo[key]
    affine = Affine.of(fitting.small, site, pairs[0].reach(key)[0][0].call)
    start = affine.start()
    sums = {tests: Moments.like(start) for tests in (False, True)}
    for pair in pairs:
        for columns, wanted in _rows(fitting, key, pair, affine):
            sums[pair.tests].add(columns, wanted)
        pair.rest()
    rows, tests = sums[False].over_ranks(), sums[True].over_ranks()
    held = tests if tests.rows else None
    choice = chosen(start, rows, held, fitting.settings.ridges, affine.free_bias)
    said = "unchanged" if choice.fit is start else _choice(choice.fit.ridge)
    if key in fitting.waists:
        waist, left = fitting.waists[key], remaining(site, fitting.keep)
        choice = waist.chosen(choice, start, rows, held, affine, left)
        said = f"{said}, then ranks {waist.ranks}"
    affine.write(choice.fit)
    return Refit(
        layer=site.name,
        before=choice.before,
        after=choice.after,
        residual=fitting.habits[key].summed,
        choice=said,
    )


def _choice(ridge: float) -> str:
    return "means" if math.isinf(ridge) else f"ridge {ridge:g}"


def _rows(
    fitting: Fitting, key: str, pair: Pair, affine: Affine
) -> Iterator[tuple[Tensor, Tensor]]:
    """Give columns (g, rows, d) and targets (g, rows, o) of one batch, in chunks."""
    left = remaining(fitting.todo[key], fitting.keep)
    for mine, dense in zip(*pair.reach(key), strict=True):
        places = pair.places(mine)
        target = dense.total_at(places)
        target = target[:, left.to(target.device)] if left is not None else target
        target = (target - mine.skip_at(places)).unflatten(1, (affine.groups, -1))
        start = 0
        for columns in mine.columns_at(affine.weight, places):
            end = start + columns.shape[1]
            yield columns, target[start:end].transpose(0, 1)
            start = end
