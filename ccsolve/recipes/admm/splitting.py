"""ADMM between a quadratic loss and a set of bounded ranks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccsolve.iterate import Step
from ccsolve.recipes.admm.losses import LayerLoss
from ccsolve.recipes.admm.rank_set import RankSet
from ccsolve.solvers.low_rank.projection import Projected, project

Array = NDArray[Any]

START = 0.3
"""Penalty at the start, in parts of the mean curvature."""

RISE, PATIENCE, ENOUGH = 1.3, 3, 0.8
"""The penalty rises by this factor when this many steps have not lowered the residual
to this part of what it was before them."""

LARGEST = 4.0
"""The penalty rises no further than this times the largest curvature: there a step
from u = 0 is a step of projected gradients that lowers the loss."""

RESTARTS, WORSE = 4, 1e-3
"""How often ADMM begins anew at its best point where it settled so much above it."""


class Residuals(NamedTuple):
    """One iteration: f at the point of bounded ranks, residuals, penalty.

    `primal` is ‖W' - Z'‖ and `dual` ‖Z' - Z'_before‖, both relative to ‖T'₀‖ (dashes:
    in the coordinates of `LayerLoss`); `penalty` is in parts of the mean curvature.
    """

    objective: float
    primal: float
    dual: float
    penalty: float


@dataclass(frozen=True, eq=False)
class Candidate:
    """A tensor of bounded ranks, in the loss's coordinates or (`plain`) in its own."""

    projected: Projected
    plain: bool


@dataclass
class _Iterate:
    """w, z, u in the coordinates in which the loss is diagonal, and the penalty.

    `best` is the lowest loss so far, with its z and projection.
    """

    z: Array
    u: Array
    projected: Projected
    penalty: float
    best: tuple[float, Array, Projected]
    checked: int = 0
    restarts: int = 0


def steps(
    loss: LayerLoss, space: RankSet, tensor: Array, tolerance: float
) -> Iterator[Step]:
    """Give points of bounded ranks: the projection of W₀ first, then those of ADMM.

    Scaled ADMM (Boyd et al. 2011, 3.1.1; Yin et al. 2021 with a network's loss):

        w <- ρ (z - u) / (ρ + λ),  Z' <- proj(T'₀ + P (w + u) Qᵀ),  u <- u + w - z

    with z the coordinates of Z'. The set is not convex. A fixed point says that Z' is
    the projection of Z' + U', U' = -f'(Z')/ρ, and of the more points that a step could
    reach, the smaller ρ is; but a small ρ need not settle. So ρ starts low, rises only
    while the residuals do not fall, and u falls with it, so that ρu stays. Where both
    residuals are at most `tolerance` it ends, or, having passed a better point on its
    way, begins anew there with u = 0 and a larger ρ. `extra` has the residuals.
    """
    plain = project(tensor, space.format, space.ranks)
    at_plain = loss.value(loss.turned(loss.modewise.of(plain.tensor)))
    yield Step(Candidate(plain, True), at_plain, 0.0)
    now = _start(loss, space)
    yield Step(Candidate(now.projected, False), now.best[0])
    seen: list[Residuals] = []
    while not seen or not _settled(now, seen[-1], tolerance):
        seen.append(_iteration(loss, space, now))
        candidate = Candidate(now.projected, False)
        yield Step(candidate, seen[-1].objective, extra={"residuals": tuple(seen)})
        _adapt(now, seen, loss)


def _start(loss: LayerLoss, space: RankSet) -> _Iterate:
    projected = project(loss.reference, space.format, space.ranks)
    z = loss.turned(projected.tensor)
    penalty = START * float(loss.curvature.mean())
    best = loss.value(z), z, projected
    return _Iterate(z, np.zeros_like(z), projected, penalty, best)


def _iteration(loss: LayerLoss, space: RankSet, now: _Iterate) -> Residuals:
    """Update w, z and u; give what there is to say of it."""
    w = (now.z - now.u) * (now.penalty / (now.penalty + loss.curvature))
    aim = loss.tensor(w + now.u)
    projected = project(aim, space.format, space.ranks, warm=now.projected)
    z = loss.turned(projected.tensor)
    size = float(np.linalg.norm(loss.reference))
    found = Residuals(
        loss.value(z),
        float(np.linalg.norm(w - z)) / size,
        float(np.linalg.norm(z - now.z)) / size,
        now.penalty / float(loss.curvature.mean()),
    )
    now.u, now.z, now.projected = now.u + w - z, z, projected
    if found.objective < now.best[0]:
        now.best = found.objective, z, projected
    return found


def _settled(now: _Iterate, last: Residuals, tolerance: float) -> bool:
    """Say whether ADMM has ended; where it passed a better point, go back to that."""
    if max(last.primal, last.dual) > tolerance:
        return False
    least, z, projected = now.best
    if now.restarts == RESTARTS or last.objective <= (1 + WORSE) * least:
        return True
    now.z, now.u, now.projected = z, np.zeros_like(z), projected
    now.penalty *= RISE
    now.restarts += 1
    return False


def _adapt(now: _Iterate, seen: list[Residuals], loss: LayerLoss) -> None:
    """Raise the penalty where the residuals do not fall; the dual ρu stays."""
    if len(seen) <= now.checked + PATIENCE:
        return
    last, earlier = (max(r.primal, r.dual) for r in (seen[-1], seen[-1 - PATIENCE]))
    now.checked = len(seen) - 1
    room = LARGEST * float(loss.curvature.max()) / now.penalty
    if last > ENOUGH * earlier and room > 1:
        raised = min(RISE, room)
        now.penalty *= raised
        now.u = now.u / raised
