"""The arms: dense, direct truncation, and ADMM; each goes on from its last epoch."""

import copy
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import ccsolve_torch as cct
from benchmarks.admm_training.images import drawn_batches
from benchmarks.admm_training.rows import Row, Settings
from benchmarks.admm_training.scene import Scene
from benchmarks.pruning.scoring import packed, right
from ccsolve_torch.training.stepping import share

_RESIDUALS = ("distance", "primal", "dual")
_VERSIONS = {"torch": torch.__version__, "numpy": np.__version__}


@dataclass
class State:
    """An arm as far as it has come; `admm` as long as the weights are dense."""

    model: nn.Module
    optimiser: torch.optim.Optimizer
    admm: cct.ADMM | None
    epoch: int = 0


def run(arm: str, scene: Scene, settings: Settings, folder: Path) -> Iterator[Row]:
    """Train the arm from where `folder` has it, and give the rows of its epochs."""
    path = folder / f"{arm}.pt"
    state = _loaded(path, arm, scene, settings)
    if state.epoch == 0:
        yield _row(arm, scene, settings, state, None, 0.0)
    while state.epoch < settings.total:
        began = time.perf_counter()
        if state.admm is not None and state.epoch == settings.epochs:
            state = _in_factors(state, scene, settings)
        loss = _epoch(state, scene, settings)
        state.epoch += 1
        # A run that ends between row and state repeats the epoch, not the row.
        yield _row(arm, scene, settings, state, loss, time.perf_counter() - began)
        _save(path, state)


def begun(arm: str, scene: Scene, settings: Settings, epoch: int = 0) -> State:
    """Give the arm's networks as they are made before that epoch."""
    model = copy.deepcopy(scene.model)
    if arm == "direct" or (arm == "ADMM" and epoch > settings.epochs):
        model = cct.factorise(model, scene.factors, scene.example)
        cct.recalibrate(model, scene.calibration)
    model = model.to(memory_format=torch.channels_last)  # pyright: ignore
    wanted = arm == "ADMM" and epoch <= settings.epochs
    admm = cct.ADMM(model, scene.factors, rho=settings.rho) if wanted else None
    return State(model, _optimiser(model, settings), admm, epoch)


def _in_factors(state: State, scene: Scene, settings: Settings) -> State:
    small = _decomposed(state, scene)
    small = small.to(memory_format=torch.channels_last)  # pyright: ignore
    return State(small, _optimiser(small, settings), None, state.epoch)


def _decomposed(state: State, scene: Scene) -> nn.Module:
    assert state.admm is not None
    state.model.eval()
    small = state.admm.decompose(scene.example)
    cct.recalibrate(small, scene.calibration)
    return small


def _epoch(state: State, scene: Scene, settings: Settings) -> float:
    """Read the training images once; give the mean of what was minimised."""
    state.model.train()
    step, last = state.epoch * settings.steps, settings.total * settings.steps
    loader = drawn_batches(*scene.training, settings.steps, seed=state.epoch)
    starts = update_steps(settings)
    losses = []
    for place, (x, y) in enumerate(loader):
        if state.admm is not None and place in starts:
            state.admm.update()
        for group in state.optimiser.param_groups:
            group["lr"] = settings.lr * share(step + place, last, 0.0)
        losses.append(_step(state, x, y))
    return float(np.mean(losses))


def update_steps(settings: Settings) -> set[int]:
    """Give the steps of an epoch before which ADMM updates, evenly spread."""
    return {
        round(part * settings.steps / settings.updates)
        for part in range(settings.updates)
    }


def _step(state: State, x: torch.Tensor, y: torch.Tensor) -> float:
    x = x.contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        loss = cross_entropy(state.model(x), y)
    if state.admm is not None:
        loss = loss + state.admm.penalty()
    state.optimiser.zero_grad()
    loss.backward()
    state.optimiser.step()
    return float(loss.detach())


def _row(
    arm: str,
    scene: Scene,
    settings: Settings,
    state: State,
    loss: float | None,
    seconds: float,
) -> Row:
    """Score the network, and with ADMM the chains that it would become."""
    admm, projected, found = state.admm, None, dict[str, float]()
    if admm is not None:
        projected = packed(right(_decomposed(state, scene), *scene.tests))
        layers = admm.report().layers
        found = {k: max(getattr(one, k) for one in layers) for k in _RESIDUALS}
    size = cct.count(state.model, scene.example)
    return Row(
        arm=arm,
        epoch=state.epoch,
        chains=arm == "direct" or (arm == "ADMM" and admm is None),
        settings=asdict(settings),
        params=size.params,
        macs=size.macs,
        loss=loss,
        **{name: found.get(name) for name in _RESIDUALS},
        right=packed(right(state.model, *scene.tests)),
        projected=projected,
        tests=len(scene.tests[1]),
        seconds=seconds,
        versions=_VERSIONS,
    )


def _optimiser(model: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        model.parameters(),
        lr=settings.lr,
        momentum=settings.momentum,
        weight_decay=settings.decay,
        nesterov=True,
    )


def _save(path: Path, state: State) -> None:
    held: dict[str, Any] = {
        "epoch": state.epoch,
        "model": state.model.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "admm": None if state.admm is None else state.admm.state_dict(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    # Whatever ends the run, one whole state is there.
    fresh = path.with_suffix(".new")
    torch.save(held, fresh)
    fresh.replace(path)


def _loaded(path: Path, arm: str, scene: Scene, settings: Settings) -> State:
    if not path.is_file():
        return begun(arm, scene, settings)
    held = torch.load(path, weights_only=True)
    state = begun(arm, scene, settings, held["epoch"])
    state.model.load_state_dict(held["model"])
    state.optimiser.load_state_dict(held["optimiser"])
    if state.admm is not None:
        state.admm.load_state_dict(held["admm"])
    return state
