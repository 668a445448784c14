"""The figure: accuracy of the arms, epoch by epoch."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.admm_training.rows import ARMS, CHOSEN_ON, Row
from ccsolve.report.style import figure, looks, save, tidy

NAME = "admm-training.svg"
DECOMPOSED = "ADMM, decomposed now"


def epochs(rows: Sequence[Row], folder: Path) -> Path:
    """Draw accuracy over epochs, and give the file.

    Raises
    ------
    MissingExtra
        matplotlib is not installed.
    """
    styles = looks([*ARMS, DECOMPOSED])
    drawn, (axes,) = figure(1, 1, 7.0, 3.6)
    for name, style in styles.items():
        points = curve(rows, name)
        if points:
            axes.plot(*zip(*points, strict=True), label=name, **style)
    tidy(axes, "Per cent right of test images 2,000 to 9,999, after each epoch")
    axes.set_xlabel("epoch")
    axes.legend(fontsize=8, frameon=False)
    return save(drawn, folder / NAME)


def curve(rows: Sequence[Row], name: str) -> list[tuple[int, float]]:
    """Give (epoch, per cent) of an arm, or of what ADMM would be decomposed to."""
    if name == DECOMPOSED:
        own = [row for row in rows if row.projected is not None]
        return [(row.epoch, row.projected_accuracy(CHOSEN_ON)) for row in own]
    own = [row for row in rows if row.arm == name]
    return [(row.epoch, row.accuracy(CHOSEN_ON)) for row in own]
