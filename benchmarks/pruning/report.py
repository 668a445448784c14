"""The page of the report, drawn from the rows alone."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, product

import numpy as np

from benchmarks.pruning.choices import WIDTHS
from benchmarks.pruning.goals import (
    others,
    p_value,
    pairs,
    peers,
    points,
    verdicts,
)
from benchmarks.pruning.jobs import CHOICES, HEADLINE, REPAIRS
from benchmarks.pruning.rows import CHOSEN_ON, Row

_NAMES = {"resnet20": "ResNet-20", "resnet56": "ResNet-56"}

_HEAD = """\
# Accuracy after pruning, measured

What is left of a network's accuracy when channels go and nothing is trained: no
labels and no gradient steps after the choice, only the repairs of
`ccsolve_torch.apply`. CIFAR-10; the tables say how many of all multiply-accumulates
(MACs) are removed. Made by

    python -m benchmarks.pruning --data DIR --page docs/benchmarks-pruning.md

from `benchmarks/results/pruning.jsonl`, which holds the outcome of every image; of
choices and seeds that it does not run by itself, with `--choices NAME ...` and
`--seeds 5`.
{facts}

Accuracy is on test images {first:,} to 9,999. Images 0 to {last:,} have chosen
settings; accuracy on all 10,000 is given beside it. Where there are several
calibration seeds: their mean ± their standard deviation. The standard error from the
test images is 0.3 points at 90 % and 0.5 at 75 %, and less for paired differences.
"""

_COMPARED = (
    ("L1", "every group cut alike", "largest sum of abs(weights) of the filter"),
    ("Taylor", "alike", "largest mean over images of abs(gradient of the gate)"),
    ("CCP", "alike", "Gauss-Newton program, solved"),
    ("CCP, allocated", "as in “refit, allocated”", "Gauss-Newton program, solved"),
    ("L1, allocated", "as in “refit, allocated”", "largest L1 norm"),
    (
        "refit, allocated",
        "by the loss that is left when the next layer is fitted again",
        "those that this loss removes last",
    ),
    (
        "joint",
        "one program with the ranks: layers become bottlenecks, too",
        "those that this loss removes last",
    ),
    (
        "network",
        "one program with the channels; coupled: with terms between groups, shrunk",
        "Gauss-Newton program, the same one",
    ),
    (
        "CPLI, He, ThiNet, OSSCAR",
        "as the recipe has them",
        "from which the next layer is reconstructed",
    ),
    ("CC", "by sensitivity curves, or exact, with ranks of chains", "by units' scores"),
    (
        "TP ...",
        "alike (uniform), or by ranking all channels together (global)",
        "Torch-Pruning's group importance of that name",
    ),
)

_PEER = """\
Torch-Pruning's pruner is asked which channels it would remove (its ratio bisected
until its MACs are as near as they get, above or below); its choice is applied and
repaired as the others are. Its third scope, ranking isomorphic groups, is the global
one here, for all blocks are alike. It cannot follow the shortcuts of these networks,
which pad with zeros, so all choices are of the channels inside the blocks. Its
Hessian importance keeps the squared gradient of the last image alone (1.6.1,
`accumulate_grad`); it is given the mean that it documents.

CCP's program, “network” and Taylor price the loss before any repair, L1 knows nothing
of the data; “refit” and “joint” price what the repair leaves. “joint” keeps more
channels and pays for them by chains of three small layers in place of one; the repair
fits these as it comes by (docs/recipes/joint.md).
"""


_SHARING = """\
### How the budget is shared

The channels are those that the loss after refitting removes last, the repair is least
squares; only the widths differ: every group alike, CC's smooth program on fitted
exponentials, or the exact program on the losses as they are. The price is what the
predicted loss would fall by, had the network a million MACs more; kept are the groups'
widths in order.
"""


def page(rows: Sequence[Row]) -> str:
    """Give the page as Markdown."""
    last = CHOSEN_ON - 1
    parts = [
        _HEAD.format(facts=_facts(rows), first=CHOSEN_ON, last=last),
        "## What is compared\n",
        "| name | widths | channels |\n|---|---|---|",
        *(f"| {' | '.join(cells)} |" for cells in _COMPARED),
        "",
        _PEER,
    ]
    for network in sorted({row.network for row in rows}, reverse=True):
        parts.extend(_network(network, [row for row in rows if row.network == network]))
    return "\n".join(parts)


def _facts(rows: Sequence[Row]) -> str:
    versions = sorted({f"{k} {v}" for row in rows for k, v in row.versions.items()})
    counts = sorted({row.calibration for row in rows})
    images = " or ".join(f"{count:,}" for count in counts)
    return f"{', '.join(versions)}; {images} calibration images."


def _network(network: str, rows: list[Row]) -> Iterator[str]:
    dense = [row for row in rows if row.removed == 0]
    yield f"## {_NAMES[network]}\n"
    for row in dense[:1]:
        yield (
            f"Dense: {row.accuracy(reported=True):.2f} % "
            f"({row.accuracy(reported=False):.2f} % of all).\n"
        )
    yield "\n".join(_goals(rows)) + "\n"
    by_share = sorted((row for row in rows if row.removed), key=lambda r: r.removed)
    for share, alike in groupby(by_share, key=lambda row: row.removed):
        yield f"### {share} % of the MACs removed\n"
        yield "\n".join(_table(list(alike))) + "\n"
    shared = [row for row in by_share if row.choice in WIDTHS]
    if shared:
        yield _SHARING
        yield "\n".join(_widths(shared)) + "\n"
    yield "### Against all others, the same repair\n"
    yield "\n".join(_pairs(by_share)) + "\n"


def _table(rows: list[Row]) -> Iterator[str]:
    yield "| choice | removed | as it is | recalibrated | least squares | all 10,000 |"
    yield "|---|---|---|---|---|---|"
    for choice in _in_order({row.choice for row in rows}):
        own = [row for row in rows if row.choice == choice]
        cells = [_mean(_of(own, repair), reported=True) for repair in reversed(REPAIRS)]
        whole = _mean(_of(own, "least_squares"), reported=False)
        removed = f"{own[0].removed_macs:.1f} %"
        yield f"| {' | '.join([choice, removed, *cells, whole])} |"


def _widths(rows: list[Row]) -> Iterator[str]:
    """Give loss, price, accuracy and widths of one selection at several widths."""
    yield "| removed | widths | predicted loss | price per 10⁶ MACs | accuracy | kept |"
    yield "|---|---|---|---|---|---|"
    places = {name: place for place, name in enumerate(WIDTHS)}
    shares = sorted({(row.removed, places[row.choice], row.choice) for row in rows})
    for share, _, choice in shares:
        own = [row for row in rows if (row.removed, row.choice) == (share, choice)]
        first = own[0]
        price = "-" if first.price is None else f"{1e6 * first.price:.3g}"
        loss = "-" if first.loss is None else f"{first.loss:.4g}"
        kept = " ".join(str(width) for width in (first.widths or {}).values())
        name = choice.removeprefix("refit, ").removesuffix(" widths")
        cells = [f"{share} %", name, loss, price, _mean(own, reported=True), kept]
        yield f"| {' | '.join(cells)} |"


def _pairs(rows: list[Row]) -> Iterator[str]:
    """Give the headline minus every other: points, and McNemar's p of each seed."""
    yield f"“{HEADLINE}” minus the other, least squares for both, images as above.\n"
    yield "| removed | other | points | p by seed (McNemar, exact) |"
    yield "|---|---|---|---|"
    names = [*others(rows), *peers(rows)]
    for share, name in product(sorted({row.removed for row in rows}), names):
        found = [pair for pair in pairs(rows, name) if pair[0].removed == share]
        if found:
            mean = np.mean([points(pair) for pair in found])
            ps = ", ".join(f"{p_value(pair):.2g}" for pair in found)
            yield f"| {share} % | {name} | {mean:+.2f} | {ps} |"


def _goals(rows: list[Row]) -> Iterator[str]:
    yield "| goal | found |"
    yield "|---|---|"
    for goal, found in verdicts(rows):
        yield f"| {goal} | {found} |"


def _of(rows: Iterable[Row], repair: str) -> list[Row]:
    return [row for row in rows if row.repair == repair]


def _mean(rows: list[Row], *, reported: bool) -> str:
    values = [row.accuracy(reported=reported) for row in rows]
    if not values:
        return "-"
    spread = f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
    return f"{np.mean(values):.2f}{spread}"


def _in_order(choices: Iterable[str]) -> list[str]:
    known = list(CHOICES)
    return sorted(
        choices, key=lambda c: (c not in known, known.index(c) if c in known else 0, c)
    )
