"""What the joint recipe chooses between, made anew, and what a plan of it chose."""

from typing import Any

import ccsolve
from ccsolve.criteria import refit_removal
from ccsolve.recipes.joint_layers import narrow_layers
from ccsolve.recipes.joint_program import Decision, Network
from ccsolve.recipes.steps import admissible_steps
from ccsolve.statistics import Statistics


def network(stats: Statistics, **rules: Any) -> Network:
    steps = admissible_steps(stats, **rules)
    removals = {name: refit_removal(stats, name) for name in stats.groups}
    layers = narrow_layers(stats, steps, removals, set())
    return Network(stats, steps, removals, layers)


def decided(plan: ccsolve.Plan) -> Decision:
    ranks = {
        name: (int(factor.ranks[0]), int(factor.ranks[1]))
        for name, factor in plan.factors.items()
    }
    return Decision(plan.widths, ranks)
