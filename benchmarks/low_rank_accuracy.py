"""The page on accuracy at low rank, from the rows of two benchmarks.

    python -m benchmarks.low_rank_accuracy

writes docs/benchmarks-low-rank-accuracy.md and its figures from the rows of
benchmarks.tensor_trains and benchmarks.admm_training. It runs nothing.
"""

import argparse
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

from benchmarks import tensor_trains
from benchmarks.admm_training import __main__ as admm_training
from benchmarks.admm_training import drawing, report
from benchmarks.admm_training.rows import Row as Epoch
from benchmarks.json_lines import read_rows
from benchmarks.pruning.scoring import mcnemar
from benchmarks.tensor_trains import FITS, RANKS, Row

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks-low-rank-accuracy.md"
TINY = 1e-9
"""Smaller p are not told apart."""

_NAMES = {"resnet20": "ResNet-20", "resnet56": "ResNet-56"}

_HEAD = """\
# Accuracy at low rank, measured

The 3 x 3 layers of the blocks of ResNet-20 and ResNet-56 (CIFAR-10) as tensor trains
over (outputs, kernel, inputs): chains of a pointwise layer, the kernel at fewer
channels, and a pointwise layer. These are the same sets as Tucker's on both channel
axes, so one format stands for both. The stem and the classifier stay as they are;
"n times fewer" counts the parameters of the blocks' layers. Made by

    python -m benchmarks.tensor_trains --data DIR --networks resnet20
    python -m benchmarks.tensor_trains --data DIR --networks resnet56 --images 3000
    python -m benchmarks.admm_training --data DIR --state FOLDER
    python -m benchmarks.low_rank_accuracy

from `benchmarks/results/tensor_trains.jsonl` and `admm_training.jsonl`, which hold the
outcome of every image. How fast such chains run against their layers, at matched
multiplications, is in [Factored layers](bridge.md#factored-layers)
(`python -m benchmarks.factored_layers`); how fast the projections themselves are, in
[Low-rank projections, measured](benchmarks-low-rank.md).

## Without training

"As it is / batch norms recalibrated", per cent of the test images that are said, from
2,000 on. Statistics and recalibration take 1,000 training images.

| fit | what is minimised |
|---|---|
| TT-SVD | ‖W - Z‖², nothing but the weights |
| moments, ALS | the error of the layer's outputs, by alternating least squares |
| moments, ADMM | the same, by ADMM on the statistics |
| loss, ADMM | the rise of the loss to second order, by ADMM on the statistics |

| ranks | |
|---|---|
| published table | by hand, for ResNet-56, by ADMM-TT's authors; none for ResNet-20 |
| same part | the same part of every full rank |
| program, inputs | shared out by recipe "tt" on the loss of outputs' energy |
| program, loss | the same, on the rise of the loss |
"""


def main() -> None:
    """Read the rows; write the page and its figures."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--trains", type=Path, default=tensor_trains.RESULTS)
    parser.add_argument("--training", type=Path, default=admm_training.ROWS)
    parser.add_argument("--page", type=Path, default=PAGE)
    asked = parser.parse_args()
    trains = read_rows(asked.trains, Row)
    epochs = read_rows(asked.training, Epoch)
    drawing.epochs(epochs, asked.page.parent / "figures")
    asked.page.write_text(page(trains, epochs), encoding="utf-8")
    print(f"written: {asked.page}")


def page(trains: Sequence[Row], epochs: Sequence[Epoch]) -> str:
    """Give the page as Markdown."""
    parts = [_HEAD]
    for network in sorted({row.network for row in trains}):
        own = [row for row in trains if row.network == network]
        parts.extend(_network(network, own))
    if epochs:
        parts.append(report.section(epochs))
    return "\n".join(parts)


def _network(network: str, rows: Sequence[Row]) -> Iterator[str]:
    dense = next(row for row in rows if row.fit == "dense")
    yield (
        f"### {_NAMES[network]}\n\nDense: {dense.accuracy(False):.2f} %; "
        f"{dense.images:,} images.\n"
    )
    for fewer in sorted({row.fewer for row in rows} - {1.0}):
        own = {(r.ranks, r.fit): r for r in rows if r.fewer == fewer}
        yield f"**{fewer:.3g} times fewer parameters**\n"
        yield "\n".join(_table(own)) + "\n"
    yield "\n".join(_readings(rows)) + "\n"


def _table(rows: dict[tuple[str, str], Row]) -> Iterator[str]:
    yield f"| ranks | left | {' | '.join(FITS)} |"
    yield "|---|---|" + "---|" * len(FITS)
    for ranks in RANKS:
        found = [rows.get((ranks, fit)) for fit in FITS]
        left = {f"{100 * row.left:.1f} %" for row in found if row is not None}
        if left:
            cells = ["-" if row is None else _cell(row) for row in found]
            yield f"| {ranks} | {' '.join(left)} | {' | '.join(cells)} |"


def _cell(row: Row) -> str:
    return f"{row.accuracy(False):.1f} / {row.accuracy(True):.1f}"


def _readings(rows: Sequence[Row]) -> Iterator[str]:
    """Give differences between fits at equal ranks, and between ranks at one fit."""
    yield "| times fewer | points between (p, McNemar) | as it is | recalibrated |"
    yield "|---|---|---|---|"
    at = {row.key: row for row in rows}
    network = rows[0].network
    for fewer in sorted({row.fewer for row in rows} - {1.0}):
        for words, ranks, fits in _compared():
            pair = [
                at.get((network, fewer, *key)) for key in zip(ranks, fits, strict=True)
            ]
            if pair[0] is not None and pair[1] is not None:
                cells = [difference(pair[0], pair[1], again) for again in (False, True)]
                yield f"| {fewer:.3g} | {words} | {' | '.join(cells)} |"


def _compared() -> Iterator[tuple[str, tuple[str, str], tuple[str, str]]]:
    """Give words, ranks and fits of the pairs, the second taken off the first."""
    ours, plain = "program, inputs", FITS[0]
    for fit in FITS[1:]:
        yield f"ranks by {ours}: {fit} - {plain}", (ours, ours), (fit, plain)
    for ranks, fit in product((*RANKS[:2], RANKS[3]), (plain, "moments, ADMM")):
        yield f"{fit}: ranks by {ours} - {ranks}", (ours, ranks), (fit, fit)


def difference(one: Row, other: Row, recalibrated: bool) -> str:
    """Give the points between two rows, and McNemar's p."""
    points = one.accuracy(recalibrated) - other.accuracy(recalibrated)
    p = mcnemar(one.outcomes(recalibrated), other.outcomes(recalibrated))
    return f"{points:+.1f} ({f'{p:.2g}' if p > TINY else f'< {TINY:g}'})"


if __name__ == "__main__":
    main()
