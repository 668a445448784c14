"""The page: what the rows say, case by case."""

from collections.abc import Iterator, Sequence

from benchmarks.network import drawing
from benchmarks.network.cases import CASES
from benchmarks.network.goals import best_known, verdicts
from benchmarks.network.rows import Row

_HEAD = """\
# Whole networks as one program, measured

All channels of a network at once: least loss of removals under budgets on products of
widths. One thread, each contender in a process of its own; seconds are of the wall.
{core} Made by

    python -m benchmarks.network --data DIR --page docs/benchmarks-network.md

from `benchmarks/results/network.jsonl`. {facts}

- Programs of ResNet-20 and ResNet-56 (CIFAR-10) are of exact Gauss-Newton rows on 1,500
  test images, without the gradient: the objective is the predicted rise of the loss,
  which is 0 for the whole network. **blocks**: curvature inside the 27 groups alone;
  **coupled**: between groups, too; **streams**: the residual stream's channels may go
  as well. The share is what is *removed* of the MACs. The latency table counts channels
  in eights. "ResNet-50's size" is a seeded program of 26,560 channels in 53 groups, a
  factor of 600 rows and a diagonal.
- **% above** is a point's value against the best of the case in these rows, at 1, 5, 25
  and 60 seconds of one run, and at its end. **gap** is what the bound leaves of the
  value; **natural** the same in units of what a random point within the budgets loses:
  where a good point loses next to nothing, the first says little.
- Points are scored, and their budgets checked, by `benchmarks/network/scorer.py` from
  the arrays alone.
- SCIP is begun at the greedy's point. "native": convex constraints on the squares of
  the form's factor, widths multiplied as they are; "linearised": a variable for each
  product of channels. "block Lagrangian": the bound that leaves all of the blocks to
  the groups, the rest made convex by a multiple of the identity.
  `ccsolve exchange`, `tabu` and `local_search` are the searches alone. "6 seeds" and
  "24 seeds" are `search_and_bound` so many times, one after the other, for 25 and for 5
  seconds each: where the search is random, what one run comes to says little. Goals are
  judged by seed 0; beside it stands what the 24 had after five seconds.

![Points and bounds over time](figures/{figure})
"""


def page(rows: Sequence[Row]) -> str:
    """Give the page as Markdown."""
    parts = [
        _HEAD.format(facts=_facts(rows), core=_core(rows), figure=drawing.NAME),
        "## Goals\n",
    ]
    parts += ["| goal | found |", "|---|---|"]
    parts += [f"| {goal} | {found} |" for goal, found in verdicts(rows)]
    parts.append("\n## All figures\n")
    for case in CASES:
        own = [row for row in rows if row.case == case.name]
        if own:
            parts.extend([f"### {case.name}\n", *_table(own), ""])
    return "\n".join(parts)


def _facts(rows: Sequence[Row]) -> str:
    named = {
        row.version if " " in row.version else f"ccsolve {row.version}"
        for row in rows
        if row.version
    }
    machines = sorted({row.machine for row in rows if row.machine})
    return f"{', '.join(sorted(named))}; {', '.join(machines)}."


def _core(rows: Sequence[Row]) -> str:
    """Say what share of a core the contenders had, as far as the rows tell."""
    shares = [share for row in rows if (share := _share(row)) is not None]
    if not shares:
        return "What share of a core each one had was not recorded."
    told = f"{100 * min(shares):.0f} to {100 * max(shares):.0f} %"
    silent = sum(1 for row in rows if row.values and _share(row) is None)
    rest = f"; of {silent} rows it was not recorded" if silent else ""
    return f"**core** is the share of a core that a process had, {told}{rest}."


def _share(row: Row) -> float | None:
    if not row.values or row.cpu is None or not row.seconds:
        return None
    return row.cpu / row.seconds


def _table(rows: list[Row]) -> Iterator[str]:
    best = best_known(rows)
    scale = next((row.scale for row in rows if row.scale), None)
    yield (
        f"{rows[0].channels} channels. Best known {best:.6g}; a random point loses "
        f"{scale or float('nan'):.4g}.\n"
    )
    yield (
        "| contender | % above: 1 s | 5 s | 25 s | 60 s | end | seconds | core | bound "
        "| gap | natural | MiB |"
    )
    yield "|---" * 12 + "|"
    for row in rows:
        if not row.values:
            yield f"| {row.contender} | {row.status} |{' |' * 10}"
            continue
        yield f"| {' | '.join([row.contender, *_cells(row, best)])} |"


def _cells(row: Row, best: float) -> list[str]:
    seen = dict(zip(row.times, row.values, strict=True))
    cells = [_above(seen.get(at), best) for at in (1.0, 5.0, 25.0, 60.0)]
    value, bound = row.values[-1], row.bounds[-1]
    end = "refused" if row.status.startswith("refused") else _above(value, best)
    share = _share(row)
    core = "-" if share is None else f"{100 * share:.0f} %"
    cells += [end, f"{row.seconds:.0f}", core]
    if bound is None or value is None:
        cells += ["-", "-", "-"]
    else:
        left = max(value - bound, 0.0)
        cells += [f"{bound:.5g}", _percent(left / abs(value) if value else 0.0)]
        cells.append(_percent(left / row.scale) if row.scale else "-")
    return [*cells, f"{row.memory:.0f}" if row.memory else "-"]


def _above(value: float | None, best: float) -> str:
    return "-" if value is None else f"{100 * (value - best) / abs(best):.2f}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
