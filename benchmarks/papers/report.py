"""The page of the report, drawn from the rows alone."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from benchmarks.papers.jobs import STAGES, Job, jobs
from benchmarks.papers.pairing import pairs
from benchmarks.papers.points import POINTS
from benchmarks.papers.published import COMPARED, NOT_RUN, Published
from benchmarks.papers.rows import Row
from benchmarks.papers.targets import verdicts
from benchmarks.papers.training import Short
from benchmarks.pruning.rows import CHOSEN_ON

_NAMES = {"resnet56": "ResNet-56", "resnet20": "ResNet-20"}

_HEAD = """\
# The papers' methods, measured

Every recipe and criterion at the papers' operating points: the same networks, images,
counter of costs and repairs for all, and the published figures beside ours. CIFAR-10.
Made by

    python -m benchmarks.papers --data DIR --page docs/benchmarks-papers.md

from `benchmarks/results/papers.jsonl`, which holds the outcome of every image, and from
the rows of [the pruning benchmark](benchmarks-pruning.md) that were made the same way.
{facts}

- **Untrained**: the statistics of {statistics} training images choose, and as many
  repair (4,000 at “for the target”): least squares after channels went, batch norms
  measured again after chains, each kept where it helps on held-back samples. No labels
  but those that the statistics take.
- **Short**: then {steps:,} steps of {batch} images, shifted and mirrored, towards
  labels, the dense network's outputs and its features between the stages; AdamW, the
  learning rate at most {lr}, batch norms frozen. The same batches for all methods of a
  seed.
- **Full**: the papers' epochs. It runs where a GPU is at hand, with
  `--stages full --device cuda --folder STATES`, and goes on from its last epoch.

Accuracy is on test images {first:,} to 9,999; images 0 to {last:,} choose settings. A
drop is in points, dense minus smaller, so that less is better; ± is the standard
deviation over calibration seeds, where there are several. The standard error from the
test images is 0.3 points at 90 %, and less for paired differences. What the papers
published was trained for hundreds of epochs from baselines of their own: compare it
with our full stage, and untrained rows with each other.
"""

_BESIDE = """\
A recipe minus the heuristic at the same widths or ranks (at its own, where the name
says none), with the same repair and training; p is McNemar's, exact.
"""


def page(rows: Sequence[Row]) -> str:
    """Give the page as Markdown."""
    short = Short()
    parts = [
        _HEAD.format(
            facts=_facts(rows),
            statistics=_counts(rows),
            steps=short.steps,
            batch=short.batch,
            lr=short.lr,
            first=CHOSEN_ON,
            last=CHOSEN_ON - 1,
        ),
        "## Targets\n",
        "\n".join(_targets(rows)) + "\n",
    ]
    for network, title in _NAMES.items():
        own = [row for row in rows if row.network == network]
        if own:
            parts.extend(_network(network, title, own))
    parts += ["## Published, and not run\n", "\n".join(_not_run()) + "\n"]
    parts += ["## Not run yet\n", "\n".join(_missing(rows)) + "\n"]
    return "\n".join(parts)


def _facts(rows: Sequence[Row]) -> str:
    versions = sorted({f"{k} {v}" for row in rows for k, v in row.versions.items()})
    machines = sorted({row.machine for row in rows})
    return f"{', '.join(versions)}; {'; '.join(machines)}, one core."


def _counts(rows: Sequence[Row]) -> str:
    counts = sorted({row.statistics for row in rows if row.statistics})
    return " or ".join(f"{count:,}" for count in counts) or "-"


def _targets(rows: Sequence[Row]) -> Iterator[str]:
    yield "| target | found |"
    yield "|---|---|"
    for goal, found in verdicts(rows):
        yield f"| {goal} | {found} |"


def _network(network: str, title: str, rows: list[Row]) -> Iterator[str]:
    yield f"## {title}\n"
    dense = [row for row in rows if row.method == "dense"]
    for row in dense[:1]:
        yield (
            f"Dense: {row.accuracy(reported=True):.2f} % "
            f"({row.accuracy(reported=False):.2f} % of all).\n"
        )
    for point in POINTS.values():
        own = [row for row in rows if row.point == point.name]
        if own and dense:
            yield f"### {point.title[0].upper()}{point.title[1:]}\n"
            yield "\n".join(_table(point.name, own, dense[0])) + "\n"
    found = list(_beside(rows))
    if found:
        yield "### Beside the heuristics\n"
        yield _BESIDE
        yield "\n".join(found) + "\n"


def _table(point: str, rows: list[Row], dense: Row) -> Iterator[str]:
    yield (
        "| method | MACs cut | parameters cut | drop, untrained | short | full | "
        "untrained, all 10,000 | short, all | seeds |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for item in COMPARED:
        if item.point == point:
            yield _published(item)
    for method, alike in groupby(_by_drop(rows), key=lambda row: row.method):
        own = list(alike)
        cells = [method, *(f"{cut:.1f} %" for cut in own[0].removed)]
        cells += [_drop(_at(own, stage), dense) for stage in STAGES]
        cells += [_whole(_at(own, stage)) for stage in STAGES[:2]]
        cells.append(str(len({row.seed for row in own})))
        yield f"| {' | '.join(cells)} |"


def _published(item: Published) -> str:
    name = f"*{item.method}, {item.network}, published* ({item.source})"
    cuts = [_known(item.macs, " %"), _known(item.params, " %")]
    base = "" if item.baseline is None else f" from {item.baseline:.2f} %"
    full = "-" if item.drop is None else f"{item.drop:+.2f}{base}"
    return f"| {' | '.join([name, *cuts, '-', '-', full, '-', '-', '-'])} |"


def _known(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.1f}{unit}"


def _by_drop(rows: list[Row]) -> list[Row]:
    """Give the rows with the best method first, untrained."""
    order: dict[str, float] = {}
    for row in rows:
        if row.stage == STAGES[0]:
            order[row.method] = max(
                order.get(row.method, 0.0), row.accuracy(reported=True)
            )
    return sorted(rows, key=lambda row: (-order.get(row.method, 0.0), row.method))


def _at(rows: list[Row], stage: str) -> list[Row]:
    return [row for row in rows if row.stage == stage]


def _drop(rows: list[Row], dense: Row) -> str:
    whole = dense.accuracy(reported=True)
    drops = [whole - row.accuracy(reported=True) for row in rows]
    if not drops:
        return "-"
    spread = f" ± {np.std(drops, ddof=1):.2f}" if len(drops) > 1 else ""
    return f"{np.mean(drops):+.2f}{spread}"


def _whole(rows: list[Row]) -> str:
    values = [row.accuracy(reported=False) for row in rows]
    return f"{np.mean(values):.2f}" if values else "-"


def _beside(rows: list[Row]) -> Iterator[str]:
    found = list(pairs(rows))
    if not found:
        return
    yield "| point | stage | method | heuristic | points | p by seed | ahead |"
    yield "|---|---|---|---|---|---|---|"
    for pair in found:
        ps = ", ".join(f"{p:.2g}" for p in pair.p_values)
        cells = [pair.point, _STAGE[pair.stage], pair.method, pair.baseline]
        cells += [f"{pair.points:+.2f}", ps, pair.verdict]
        yield f"| {' | '.join(cells)} |"


_STAGE = {"none": "untrained", "short": "short", "full": "full"}


def _not_run() -> Iterator[str]:
    yield "| method | network, data | baseline | drop | MACs cut | source | why not |"
    yield "|---|---|---|---|---|---|---|"
    for item in NOT_RUN:
        cells = [item.method, f"{item.network}, {item.data}"]
        cells += [_exactly(item.baseline), _signed(item.drop)]
        cells += [_known(item.macs, " %"), item.source, item.reason]
        yield f"| {' | '.join(cells)} |"


def _exactly(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} %"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f}"


def _missing(rows: Sequence[Row]) -> Iterator[str]:
    """Say what of seed 0 has no row, and the command that runs it."""
    done = {row.job for row in rows}
    every = jobs(list(_NAMES), STAGES, list(POINTS), None, 1)
    left = [job for job in every if job not in done]
    yield "Of seed 0; the command is\n"
    yield (
        "    python -m benchmarks.papers --data DIR --networks NETWORK --points POINT\n"
        "        --stages STAGE --seeds 1\n"
    )

    def place(job: Job) -> tuple[str, str, str]:
        return job.network, job.stage, job.point

    for (network, stage, point), group in groupby(left, key=place):
        names = "; ".join(job.method for job in group)
        yield f"- {_NAMES[network]}, {_STAGE[stage]}, {point}: {names}"
