"""The page of the report, drawn from the rows alone."""

from collections.abc import Iterator, Sequence

from benchmarks.low_rank import drawing
from benchmarks.low_rank.cases import CASES
from benchmarks.low_rank.goals import verdicts
from benchmarks.low_rank.rows import Row

_HEAD = """\
# Low-rank projections, measured

One step of a loop that projects tensors on those of low rank: a dense tensor in, the
dense projection out. float32, one thread, CPU time, the median over the steps of one
run in which all contenders met the same tensors. Made by

    python -m benchmarks.low_rank --data DIR --page docs/benchmarks-low-rank.md

from `benchmarks/results/low_rank.jsonl`. {facts}

- **settled**: a loop of ADMM on a quadratic loss whose tensor comes to rest at once;
  **moving**: the curvature falls as 1/j and the penalty is three times its mean, so
  that tensors change by tens of per cent between early steps. Others: a tensor with
  5 % of new noise at each step. Tensors are random with singular values that fall as
  j^-0.5, or trained weights where the name says so.
- `error` is ‖T - Z‖/‖T‖, the mean over the steps, in the covariance's norm where there
  is one. `times` is how many times ccsolve's cold and warm steps are faster. `extra` is
  the rise of the peak memory in a process of its own, in parts of the tensors, the
  result included; only ccsolve's warm step is given a buffer for it, made before.
- "published loop" is the projection of ADMM-TT (Yin et al.) written again in plain
  numpy: a full SVD at each bond. tensorly's partial_tucker makes five iterations.
  torchTT could not be had from a package index.

![CPU time of one projection, as a multiple of ccsolve's warm step](figures/{figure})
"""


def page(rows: Sequence[Row]) -> str:
    """Give the page as Markdown."""
    parts = [
        _HEAD.format(facts=_facts(rows), figure=drawing.NAME),
        "## Goals\n",
        *_goals(rows),
        "",
    ]
    parts.append("## All figures\n")
    for case in CASES:
        own = [row for row in rows if row.case == case.name]
        if own:
            parts.extend([f"### {case.name}\n", *_table(own), ""])
    return "\n".join(parts)


def _facts(rows: Sequence[Row]) -> str:
    versions = {
        f"{row.contender.split()[0]} {row.version}" for row in rows if row.version
    }
    machines = sorted({row.machine for row in rows})
    return f"{', '.join(sorted(versions))}; {', '.join(machines)}."


def _goals(rows: Sequence[Row]) -> Iterator[str]:
    yield "| goal | found |"
    yield "|---|---|"
    for goal, found in verdicts(rows):
        yield f"| {goal} | {found} |"


def _table(rows: list[Row]) -> Iterator[str]:
    ours = {row.contender: row for row in rows if row.contender.startswith("ccsolve")}
    columns = [name.removeprefix("ccsolve ") for name in ours]
    times = " | ".join(f"times ({name})" for name in columns)
    yield f"| contender | ms | {times} | error | extra |"
    yield "|---" * (4 + len(columns)) + "|"
    for row in rows:
        if row.seconds is None:
            yield f"| {row.contender} | {row.status} |{' |' * (2 + len(columns))}"
            continue
        ratios = [
            f"{row.seconds / own.seconds:.1f}" if own.seconds else "-"
            for own in ours.values()
        ]
        cells = [row.contender, f"{1e3 * row.seconds:.3g}", *ratios]
        cells += [f"{row.error:.5f}", _extra(row)]
        yield f"| {' | '.join(cells)} |"


def _extra(row: Row) -> str:
    if row.extra is None:
        return "-"
    tensors = row.entries * 4 / 2**20
    return f"{row.extra / tensors:.1f}" if tensors >= 4 else f"{row.extra:.0f} MiB"
