"""NetworkSelection: all channels of a network at once, under budgets on widths."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ccsolve.errors import Infeasible, InvalidProblem
from ccsolve.linalg.rounding import EPS
from ccsolve.problems.checks import LARGEST, frozen, real_array, real_number
from ccsolve.problems.constraints import checked_fixings
from ccsolve.problems.network_checks import (
    channel_count,
    checked_group_names,
    checked_width_budgets,
    members_of,
)
from ccsolve.problems.network_form import NetworkForm, network_form
from ccsolve.problems.records import made_again
from ccsolve.problems.width_costs import WidthBudget
from ccsolve.problems.width_ladders import labels_of, ladder, per_group

LEAST_EXCESS = 1e-6
"""Least violation of a broken budget: none is taken for rounding, which is allowed."""


@dataclass(frozen=True, eq=False, init=False, repr=False)
class NetworkSelection:
    """Minimise zᵀQz + qᵀz + constant over z ∈ {0, 1}ⁿ, z_i = 1 keeps channel i.

    The channels are divided into G groups of widths k_g = Σ_{i ∈ g} z_i. Every budget
    t limits what the widths cost, in products and tables of widths:

        c0_t + Σ_g b_tg·k_g + Σ_(g,h) a_tgh·k_g·k_h + Σ_op T_t,op(k_in, k_out) ≤ B_t.

    Optimal channel selection with discrete QCQP (Jeong et al., AISTATS 2022) has this
    form. The quadratic form is dense, or the sum of blocks on the groups, a factor and
    a diagonal, Q = blocks + factorᵀ·factor + diag(diagonal), and then never formed as
    it is kept here. Arrays are copied to float64 and read-only.

    Parameters
    ----------
    Q : (n, n) array, optional
        Symmetric; instead of ``blocks``, ``factor`` and ``diagonal``.
    q : (n,) array, optional
        Linear term, zero by default.
    groups : (n,) labels 0..G-1, or a list of the groups' channels
    budgets : sequence of WidthBudget
        May be empty. Peak memory is one budget for each step of the forward pass.
    constant : float
    blocks : list of (n_g, n_g) arrays, optional
        One for each group, on its channels in rising order.
    factor : (m, n) array, optional
    diagonal : (n,) array, optional
    multiple_of : int, or one for each group
        Widths are multiples of it, or the whole group.
    min_keep : int, or one for each group
        Fewest channels that stay; 0 lets a whole group go.
    max_keep : int, or one for each group, optional
        Most channels that stay; without it the whole group may.
    fixed : (n,) array, optional
        Entries -1 (free), 0 (removed) or 1 (kept).
    names : sequence of str, optional
        The groups' names; their numbers by default.

    Raises
    ------
    InvalidProblem
        For NaN, wrong shapes, groups that overlap or leave channels out, budgets on
        groups that do not exist, ...
    Infeasible
        The narrowest network breaks a budget, which is named; or a group has no width.

    Notes
    -----
    ``members`` are the channels of each group, ``widths`` what k_g may be, rising.
    """

    form: NetworkForm
    q: np.ndarray
    groups: np.ndarray
    budgets: tuple[WidthBudget, ...]
    constant: float
    multiple_of: np.ndarray
    min_keep: np.ndarray
    max_keep: np.ndarray
    fixed: np.ndarray | None
    names: tuple[str, ...]

    def __init__(
        self,
        Q: Any = None,
        q: Any = None,
        groups: Any = None,
        budgets: Sequence[WidthBudget] = (),
        constant: float = 0.0,
        *,
        blocks: Any = None,
        factor: Any = None,
        diagonal: Any = None,
        multiple_of: Any = 1,
        min_keep: Any = 0,
        max_keep: Any = None,
        fixed: Any = None,
        names: Sequence[str] | None = None,
    ) -> None:
        labels = labels_of(groups, channel_count(Q, factor, q, groups))
        members = members_of(labels)
        n, count = len(labels), len(members)
        sizes = [len(own) for own in members]
        fields = {
            "form": network_form(Q, blocks, factor, diagonal, members),
            "q": frozen(np.zeros(n)) if q is None else real_array("q", q, (n,)),
            "groups": labels,
            "budgets": checked_width_budgets(budgets, members),
            "constant": real_number("constant", constant),
            "multiple_of": per_group("multiple_of", multiple_of, count, 1),
            "min_keep": per_group("min_keep", min_keep, count, 0),
            "max_keep": per_group(
                "max_keep", sizes if max_keep is None else max_keep, count, 0
            ),
            "fixed": checked_fixings(fixed, n),
            "names": checked_group_names(names, count),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        _require_room_for_sums(self)
        _require_attainable(self)

    @classmethod
    def from_statistics(
        cls,
        stats: Any,
        macs: float | None = None,
        params: float | None = None,
        latency: float | None = None,
        memory: float | None = None,
        **options: Any,
    ) -> "NetworkSelection":
        """Build the program of a network's exported statistics.

        Budgets are what may remain: a float in (0, 1] is a fraction of the original,
        an int an absolute amount. All else is `ccsolve.Statistics.network_program`'s.
        """
        return stats.network_program(
            macs=macs, params=params, latency=latency, memory=memory, **options
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return made_again(type(self), self.parts())

    def __repr__(self) -> str:
        if self.Q is not None:
            form = "dense"
        else:
            named = {"blocks": self.blocks, "factor": self.factor}
            form = " + ".join(key for key, part in named.items() if part is not None)
        return (
            f"NetworkSelection({self.n} channels in {self.count} groups, {form}, "
            f"{len(self.budgets)} budgets)"
        )

    def parts(self) -> dict[str, Any]:
        """Give the arguments that make the problem again."""
        names = ("Q", "q", "groups", "budgets", "constant", "blocks", "factor")
        more = ("diagonal", "multiple_of", "min_keep", "max_keep", "fixed", "names")
        return {name: getattr(self, name) for name in names + more}

    @property
    def Q(self) -> np.ndarray | None:
        """The dense form, None where it is given in parts."""
        return self.form.Q

    @property
    def blocks(self) -> tuple[np.ndarray, ...] | None:
        """The blocks on the groups, None without."""
        return self.form.blocks

    @property
    def factor(self) -> np.ndarray | None:
        """The factor (m, n), None without."""
        return self.form.factor

    @property
    def diagonal(self) -> np.ndarray | None:
        """The diagonal (n,) beside blocks and factor, None without."""
        return self.form.diagonal

    @property
    def members(self) -> tuple[np.ndarray, ...]:
        """The channels of each group, rising."""
        return self.form.members

    @property
    def n(self) -> int:
        """Number of channels."""
        return len(self.groups)

    @property
    def count(self) -> int:
        """Number of groups G."""
        return len(self.members)

    @cached_property
    def widths(self) -> tuple[np.ndarray, ...]:
        """The widths that each group may have, rising."""
        fixed = np.full(self.n, -1) if self.fixed is None else self.fixed
        return tuple(
            ladder(
                repr(self.names[g]),
                len(own),
                int(self.multiple_of[g]),
                (int(self.min_keep[g]), int(self.max_keep[g])),
                (int((fixed[own] == 1).sum()), int((fixed[own] == 0).sum())),
            )
            for g, own in enumerate(self.members)
        )

    @cached_property
    def limits(self) -> np.ndarray:
        """The budgets with the rounding of their sums, (B,)."""
        whole = [len(own) for own in self.members]
        slack = [4.0 * EPS * each.terms * each.at(whole) for each in self.budgets]
        return frozen(np.array([each.limit for each in self.budgets]) + slack)

    @cached_property
    def data_scale(self) -> float:
        """The largest absolute datum of the objective; of FᵀF for a factor F."""
        linear = float(np.abs(self.q).max(initial=0.0))
        return max(self.form.largest, linear, abs(self.constant))

    @property
    def resolution(self) -> float:
        """1e-12·n·s with s the data scale: smaller differences are rounding."""
        return 1e-12 * self.n * self.data_scale

    def objective(self, z: np.ndarray, /) -> float:
        """Give zᵀQz + qᵀz + constant for one point (n,), binary or not."""
        z = np.asarray(z, dtype=np.float64)
        return self.form.quadratic(z) + float(self.q @ z) + self.constant

    def widths_of(self, z: np.ndarray) -> np.ndarray:
        """Give how many channels of each group a point keeps, (G,) int64."""
        kept = np.asarray(z) > 0.5
        return np.bincount(self.groups[kept], minlength=self.count)

    def spent(self, z: np.ndarray) -> np.ndarray:
        """Give what a point costs of each budget, (B,)."""
        return self.spent_at(self.widths_of(z))

    def spent_at(self, widths: Any) -> np.ndarray:
        """Give what widths (G,) cost of each budget, (B,)."""
        return np.array([budget.at(widths) for budget in self.budgets])

    def fits(self, widths: Any) -> bool:
        """Say whether widths (G,) are within every budget."""
        return bool((self.spent_at(widths) <= self.limits).all())

    def violation(self, z: Any, /) -> float:
        """Give how far the point is from feasible, 0 if it satisfies everything.

        The largest of: distance to binary, to the fixings, of a width to the next one
        that the group may have, and excess over a budget in units of what a channel
        of the whole network costs on average, at least 1e-6. InvalidProblem for
        another shape.
        """
        z = np.asarray(z, dtype=np.float64)
        if z.shape != (self.n,):
            raise InvalidProblem(f"the point has shape {z.shape}; expected ({self.n},)")
        found = [float(np.abs(z - np.round(np.clip(z, 0, 1))).max(initial=0.0))]
        if self.fixed is not None:
            held = self.fixed >= 0
            found.append(float(np.abs(z - self.fixed)[held].max(initial=0.0)))
        k = self.widths_of(z)
        for width, allowed in zip(k, self.widths, strict=True):
            found.append(float(np.abs(allowed - width).min()))
        return max(found) if np.isnan(found).any() else max(*found, self._excess(k))

    def _excess(self, k: np.ndarray) -> float:
        whole = [len(own) for own in self.members]
        found = [0.0]
        for budget, limit in zip(self.budgets, self.limits, strict=True):
            over = budget.at(k) - limit
            if over > 0:
                unit = max(budget.at(whole) / max(self.n, 1), 1e-300)
                excess = float(over + limit - budget.limit) / unit
                found.append(max(excess, LEAST_EXCESS))
        return max(found)


def _require_room_for_sums(problem: NetworkSelection) -> None:
    """Refuse data that are accepted, but whose sums over channels are not."""
    largest = LARGEST / (2.0 * (problem.n + 1) ** 2)
    if problem.data_scale > largest:
        raise InvalidProblem(
            f"the data are up to {problem.data_scale:g} in size; expected at most "
            f"{largest:g}, for they are added up; rescale the problem"
        )


def _require_attainable(problem: NetworkSelection) -> None:
    """Name every budget that the narrowest network breaks; wider ones cost no less."""
    least = problem.spent_at([int(allowed[0]) for allowed in problem.widths])
    broken = np.flatnonzero(least > problem.limits)
    if len(broken):
        found = "; ".join(
            f"budget {_called(problem.budgets[t].name, t)} = "
            f"{problem.budgets[t].limit:.12g}, but the narrowest network allowed takes "
            f"{least[t]:.12g}"
            for t in broken[:4]
        )
        raise Infeasible(
            f"{found}; raise the budgets to that, or lower min_keep or multiple_of"
        )


def _called(name: str, t: int) -> str:
    return name or f"[{t}]"
