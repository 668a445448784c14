"""Global Compression Rate Optimization: how much every site gives, made true."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ccsolve.api import solve
from ccsolve.problems import SmoothRateAllocation
from ccsolve.recipes.compression.decisions import Decision, Network
from ccsolve.recipes.compression.paths import Path, paper_cost
from ccsolve.recipes.compression.sites import Array
from ccsolve.recipes.steps import Steps
from ccsolve.sensitivity import Exponential

HALVINGS = 50


@dataclass(frozen=True, eq=False)
class Allocated:
    """What was decided, and by which rates: by the name of each site's first layer."""

    decision: Decision
    rates: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Rule:
    """How rates become widths and ranks.

    Attributes
    ----------
    paths, curves : of every site.
    steps : the widths that groups may have.
    cap : the largest rate of a site.
    weighted : whether a site's loss counts times its MACs: one marginal loss for all.
    multiple : of ranks.
    """

    paths: Sequence[Path]
    curves: Sequence[Exponential]
    steps: Steps
    cap: float
    weighted: bool
    multiple: int


def global_rates(
    network: Network, limits: Mapping[str, float], rule: Rule
) -> Allocated:
    """Give the decision of the least removal that is within the limits.

    The program min Σ F_l·a_l·exp(b_l·C_l) subject to Σ F_l·C_l ≥ remove counts the
    MACs of each site as if its neighbours were whole, and rates that no unit ends at:
    ``remove`` is raised by bisection until the network, as it is built, is within all
    limits. Without a solution at the caps the narrowest network is what is given.
    """
    dense = Decision({n: steps[-1] for n, steps in rule.steps.items()}, {})
    if network.fits(limits, dense):
        return Allocated(dense, {})
    measured = [path.rates() for path in rule.paths]
    caps = np.clip([rates.max() for rates in measured], 0.0, rule.cap)
    sizes = np.array([path.site.macs for path in rule.paths])
    low, high, found, wanted = (
        0.0,
        1.0,
        narrowest(network, rule.steps, rule.multiple),
        caps,
    )
    for _ in range(HALVINGS):
        share = 0.5 * (low + high)
        targets = _rates(rule, sizes / sizes.max(), caps, share)
        decision = _carried_out(network, rule, measured, targets)
        if network.fits(limits, decision):
            high, found, wanted = share, decision, targets
        else:
            low = share
    names = [path.site.parts[0].name for path in rule.paths]
    return Allocated(found, dict(zip(names, wanted.tolist(), strict=True)))


def narrowest(network: Network, steps: Steps, multiple: int = 1) -> Decision:
    """Give the smallest network: all widths at their least, all ranks at one step."""
    widths = {name: step[0] for name, step in steps.items()}
    ranks = {name: 1 for name, (_, part) in network.parts.items() if part.components}
    return network.sound(widths, ranks, multiple)


def _rates(rule: Rule, sizes: Array, caps: Array, share: float) -> Array:
    """Give the program's rates if that share of what all caps remove must go."""
    program = SmoothRateAllocation(
        [curve.scale for curve in rule.curves],
        [curve.rate for curve in rule.curves],
        sizes,
        remove=share * float(sizes @ caps),
        cap=caps,
        weighted=rule.weighted,
    )
    return solve(program, "bisection").x


def _carried_out(
    network: Network, rule: Rule, measured: Sequence[Array], targets: Array
) -> Decision:
    """Follow every site's path until its rate is reached."""
    widths = {name: steps[-1] for name, steps in rule.steps.items()}
    ranks: dict[str, int] = {}
    for path, rates, target in zip(rule.paths, measured, targets, strict=True):
        site = path.site
        reached = rates >= target - 1e-9
        at = int(reached.argmax()) if reached.any() else int(rates.argmax())
        gone, lost = path.gone(at), path.lost(at)
        if _channels_alone(path, gone, target):
            lost = [0 for _ in lost]
        for name in site.sizes:
            left = int((~gone[site.of(name)]).sum())
            fitting = [step for step in rule.steps[name] if step <= left]
            widths[name] = max(fitting, default=rule.steps[name][0])
        for part, less in zip(site.parts, lost, strict=True):
            if less:
                ranks[part.name] = part.components - less
    return network.sound(widths, ranks, rule.multiple)


def _channels_alone(path: Path, gone: np.ndarray, target: float) -> bool:
    """Say whether the channels that went reach the rate without any chain."""
    site = path.site
    cost = paper_cost(site, gone, [0] * len(site.parts))
    return 1.0 - cost / max(site.macs, 1e-300) >= target - 1e-9
