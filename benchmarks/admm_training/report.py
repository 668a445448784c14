"""The part of the page on training, drawn from the rows alone."""

from collections.abc import Iterator, Sequence

from benchmarks.admm_training import drawing
from benchmarks.admm_training.rows import ARMS, CHOSEN_ON, Row, Settings
from benchmarks.pruning.scoring import mcnemar

_TEXT = """\
## With training

ResNet-20, {fewer:g} times fewer parameters, ranks shared out by recipe "tt" (metric
"{metric}"). Every arm starts from the same trained weights and takes {total} epochs
of the same batches ({batch} images, cropped and flipped at random) at the same learning
rates, from {lr:g} along a half cosine to 0; SGD, Nesterov's momentum {momentum:g},
weight decay {decay:g}, bfloat16 forward and backward, one seed.

| arm | |
|---|---|
| dense | the network as it is: what the epochs alone change |
| direct | TT-SVD of the trained weights, then {total} epochs in factors |
| ADMM | {epochs} epochs towards the ranks, then {finetune} in factors |

ADMM updates {updates} times an epoch, about as many steps apart as in the paper. ρ is
{rho:.3g}: between two updates, at the first rate, the penalty alone would leave
exp(-{pull:g}) of the distance to Z - U.

The trained weights came from all 50,000 training images, of which nearly exact copies
are used here, and have nearly all of them right. Images 0 to 1,999 of the test set
chose the rate and ρ, by trials of 300 steps. The paper trains 200 epochs with ADMM and
200 in factors, from weights that still learn; this is what {total} epochs do, on one
core.

![Accuracy over epochs](figures/{figure})
"""


def section(rows: Sequence[Row]) -> str:
    """Give the section as Markdown."""
    settings = Settings(**rows[0].settings)  # pyright: ignore[reportArgumentType]
    held = dict(rows[0].settings) | {"total": settings.total, "rho": settings.rho}
    parts = [
        _TEXT.format(**held, figure=drawing.NAME),
        "### At the end\n",
        *_ends(rows),
        "",
        *_reading(rows, settings),
        "",
        "### Epoch by epoch\n",
        "Distance to the ranks, primal and dual residual: the largest of all layers,",
        "relative to the weight's norm, at the epoch's end. “Decomposed now”: the",
        "chains that the dense weights would become, batch norms recalibrated.\n",
        *_epochs(rows),
        "",
    ]
    return "\n".join(parts)


def _ends(rows: Sequence[Row]) -> Iterator[str]:
    yield (
        "| arm | parameters | MACs | 2,000 to 9,999 | all 10,000 | "
        "minus direct (p, McNemar) |"
    )
    yield "|---|---|---|---|---|---|"
    last = {arm: own[-1] for arm in ARMS if (own := _of(rows, arm))}
    for arm, row in last.items():
        whole, part = row.accuracy(), row.accuracy(CHOSEN_ON)
        size = f"{row.params / 1e3:.1f} k | {row.macs / 1e6:.1f} M"
        yield f"| {arm} | {size} | {part:.2f} | {whole:.2f} | {_beside(row, last)} |"


def _reading(rows: Sequence[Row], settings: Settings) -> Iterator[str]:
    """Say what decomposing costs before and after ADMM, and how the arms end."""
    dense = {row.epoch: row for row in rows if row.projected is not None}
    first, last = dense.get(0), dense.get(settings.epochs)
    ends = {row.arm: row for row in rows if row.epoch == settings.total}
    if first is not None and last is not None:
        yield (
            f"Decomposing costs {_jump(first):.1f} points before ADMM and "
            f"{_jump(last):.1f} after its {settings.epochs} epochs: that is what it is "
            f"for."
        )
    if {"ADMM", "direct"} <= set(ends):
        points = _points(ends["ADMM"], ends["direct"])
        where = "above" if points > 0 else "below"
        yield (
            f"At the end the network is {abs(points):.2f} points {where} the one that "
            f"spent all its epochs in factors. It is one seed and {settings.total} "
            f"epochs, in which ADMM's network has fewer of them in its final form; it "
            f"says nothing of hundreds of epochs."
        )


def _jump(row: Row) -> float:
    return row.accuracy(CHOSEN_ON) - row.projected_accuracy(CHOSEN_ON)


def _points(one: Row, other: Row) -> float:
    return one.accuracy(CHOSEN_ON) - other.accuracy(CHOSEN_ON)


def _beside(row: Row, last: dict[str, Row]) -> str:
    """Give the points above the direct arm and McNemar's p, on the reported images."""
    other = last.get("direct")
    if other is None or other is row:
        return "-"
    points = _points(row, other)
    p = mcnemar(row.outcomes()[CHOSEN_ON:], other.outcomes()[CHOSEN_ON:])
    return f"{points:+.2f} (p = {p:.2g})"


def _epochs(rows: Sequence[Row]) -> Iterator[str]:
    yield (
        "| arm | epoch | weights | minimised | accuracy | decomposed now | distance | "
        "primal | dual |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in (row for arm in ARMS for row in _of(rows, arm)):
        now = None if row.projected is None else row.projected_accuracy(CHOSEN_ON)
        cells = [
            row.arm,
            str(row.epoch),
            "chains" if row.chains else "dense",
            _number(row.loss, 3),
            f"{row.accuracy(CHOSEN_ON):.2f}",
            _number(now, 2),
            *(_number(value, 3) for value in (row.distance, row.primal, row.dual)),
        ]
        yield f"| {' | '.join(cells)} |"


def _of(rows: Sequence[Row], arm: str) -> list[Row]:
    return sorted((row for row in rows if row.arm == arm), key=lambda row: row.epoch)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
