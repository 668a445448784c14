"""The page of the report, drawn from the rows alone."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from benchmarks.honesty.rows import Row
from benchmarks.honesty.settings import MODELS
from benchmarks.pruning.scoring import mcnemar
from ccsolve.validation.fit import rank_correlation

PLAIN = "blocks"
"""The model that the others are held against."""

_NAMES = {"resnet20": "ResNet-20", "resnet56": "ResNet-56"}

_SOURCES = {
    "trained": "statistics of training images",
    "unseen": "statistics of images that the network never saw",
}

_HEAD = """\
# Predicted and measured losses

How far the second-order model of the loss is to be believed, by how its curvature is
steadied: every model's program over all channels inside the blocks is solved at several
budgets, and what it chose is cut and measured. CIFAR-10, nothing is trained. Made by

    python -m benchmarks.honesty --data DIR --page docs/benchmarks-honesty.md

from `benchmarks/results/honesty.jsonl`. {facts}

Rises are of the mean cross-entropy above the dense network's on the same images.
*Seen* are the images that the statistics are of: 1,000 training images, or test images
0 to 999. *Unseen* are test images 0 to 1,999, or 1,000 to 1,999 where the first half is
seen; ± is the standard error. *Repaired* is on the unseen images, too, after least
squares on 1,000 training images; p is McNemar's, of the repaired network against that
of “blocks”, on the same images. ρ is the shrinkage; “shrunk” estimates it by Ledoit and
Wolf's rule, for blocks the mean over the groups.

| model | curvature | gradient |
|---|---|---|
{models}
"""

_DESCRIBED = {
    "diagonal": ("diagonal alone", "-"),
    "blocks": ("blocks on the groups", "-"),
    "blocks, shrunk": ("blocks, shrunk to their diagonals", "-"),
    "blocks, damped": ("blocks, plus the mean diagonal on every diagonal", "-"),
    "blocks, gradient": ("blocks", "full weight"),
    "blocks, quarter gradient": ("blocks", "weight ¼"),
    "whole": ("all channels of the network", "-"),
    "whole, shrunk to blocks": ("all channels, shrunk to the blocks", "-"),
    "whole, shrunk to diagonal": ("all channels, shrunk to the diagonal", "-"),
    "whole, half to blocks": ("all channels, what joins groups halved", "-"),
    "whole, gradient": ("all channels", "full weight"),
}

_CHOOSING = """\
### What chooses what

Spearman's rank correlations over the models of each budget: of predictions (each of its
own network) with rises on unseen images, of rises on seen with those on unseen
images, and of rises as cut with those after the repair. Then the model that each of the
three measurements would choose, with the repaired accuracy that it leads to.
"""


def page(rows: Sequence[Row]) -> str:
    """Give the page as Markdown."""
    described = "\n".join(
        f"| {name} | {' | '.join(_DESCRIBED[name])} |"
        for name in MODELS
        if any(row.model == name for row in rows)
    )
    parts = [_HEAD.format(facts=_facts(rows), models=described)]
    ordered = sorted(rows, key=_place)
    for (network, source), own in groupby(ordered, key=lambda r: (r.network, r.source)):
        parts.append(f"## {_NAMES[network]}, {_SOURCES[source]}\n")
        parts.extend(_section(list(own)))
    return "\n".join(parts).rstrip() + "\n"


def _place(row: Row) -> tuple[object, ...]:
    return (row.network, row.source, row.removed, list(MODELS).index(row.model))


def _facts(rows: Sequence[Row]) -> str:
    versions = sorted({f"{k} {v}" for row in rows for k, v in row.versions.items()})
    seeds = sorted({row.seed for row in rows})
    return f"{', '.join(versions)}; seed {', '.join(map(str, seeds))}."


def _section(rows: list[Row]) -> Iterator[str]:
    dense = rows[0]
    yield (
        f"The dense network's loss is {dense.seen_dense_loss:.3f} on the seen and "
        f"{dense.dense_loss:.3f} on the unseen images.\n"
    )
    for removed, own in groupby(rows, key=lambda row: row.removed):
        yield f"### {removed} % of the MACs removed\n"
        yield "\n".join(_table(list(own))) + "\n"
    yield _CHOOSING
    yield "\n".join(_choices(rows)) + "\n"


def _table(rows: list[Row]) -> Iterator[str]:
    yield (
        "| model | ρ | predicted | seen | unseen | unseen / predicted | right, cut | "
        "repaired | right, repaired | p |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for row in rows:
        cells = (
            row.model,
            f"{row.shrinkage:.2f}",
            f"{row.predicted:.3f}",
            f"{row.seen_rise:.2f}",
            f"{row.rise:.2f} ± {row.error:.2f}",
            f"{row.rise / row.predicted:.1f}" if row.predicted > 0 else "-",
            f"{row.accuracy(repaired=False):.1f} %",
            f"{row.repaired_rise:.3f} ± {row.repaired_error:.3f}",
            f"{row.accuracy(repaired=True):.1f} %",
            _against_blocks(row, rows),
        )
        yield f"| {' | '.join(cells)} |"


def _against_blocks(row: Row, rows: list[Row]) -> str:
    """Give McNemar's p of the repaired network against that of plain blocks."""
    plain = [other for other in rows if other.model == PLAIN]
    if not plain or row.model == PLAIN:
        return "-"
    pair = (each.outcomes(repaired=True) for each in (row, plain[0]))
    return f"{mcnemar(*pair):.2g}"


def _choices(rows: list[Row]) -> Iterator[str]:
    yield (
        "| removed | predicted, unseen | seen, unseen | cut, repaired | by seen | "
        "by unseen | by repaired |"
    )
    yield "|---|---|---|---|---|---|---|"
    for removed, group in groupby(rows, key=lambda row: row.removed):
        own = list(group)
        predicted, seen, unseen, repaired = (
            np.array([getattr(row, name) for row in own])
            for name in ("predicted", "seen_rise", "rise", "repaired_rise")
        )
        pairs = ((predicted, unseen), (seen, unseen), (unseen, repaired))
        cells = [f"{rank_correlation(*pair):.2f}" for pair in pairs]
        for values in (seen, unseen, repaired):
            row = own[int(values.argmin())]
            cells.append(f"{row.model} ({row.accuracy(repaired=True):.1f} %)")
        yield f"| {removed} % | {' | '.join(cells)} |"
