"""ADMM-TT on ResNet-20: training towards low ranks against truncating at once.

    python -m benchmarks.admm_training --data DIR [--epochs 4 --finetune 2]

The 3 x 3 layers of the blocks become tensor trains over (outputs, kernel, inputs) of
fewer parameters, with ranks shared out by the program of recipe "tt". Three arms take
the same number of epochs over the same batches, at the same learning rates:

    dense    the network as it is
    direct   TT-SVD of the trained weights, then all epochs in factors
    ADMM     `epochs` with ADMM's penalty, decomposed, `finetune` in factors

Training takes the 50,000 training images, nearly exact (DIR/cifar10_train_near.npz),
cropped and flipped at random, forward and backward in bfloat16. Test images 0 to 1,999
chose the settings; accuracy is reported on 2,000 to 9,999. Other files of DIR as in
benchmarks/cifar10.py. Rows go to OUT as they come, states after every epoch to STATE:
what is cut short goes on where it stopped.
"""

import argparse
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import torch

from benchmarks.admm_training.rows import ARMS, Row, Settings
from benchmarks.admm_training.scene import scene_of
from benchmarks.admm_training.training import run
from benchmarks.json_lines import append_rows, read_rows

ROWS = Path(__file__).parents[1] / "results" / "admm_training.jsonl"


def main() -> None:
    """Train what has no row yet; print and append the rows."""
    asked = _asked()
    torch.set_num_threads(1)
    append_rows(asked.out, _shown(asked))


def _shown(asked: argparse.Namespace) -> Iterator[Row]:
    settings = Settings(**{one.name: getattr(asked, one.name) for one in _FIELDS})
    done = {row.key for row in read_rows(asked.out, Row)}
    scene = scene_of(asked.data, settings, asked.tests)
    for arm in asked.arms:
        for row in run(arm, scene, settings, asked.state):
            print(line(row), flush=True)
            if row.key not in done:
                yield row


def line(row: Row) -> str:
    """Give the row in one line."""
    parts = [f"{row.arm} {row.epoch}", f"{row.accuracy(0, 2000):.2f} % chosen"]
    if row.tests > 2000:
        parts.append(f"{row.accuracy(2000):.2f} % reported")
    if row.projected is not None:
        parts.append(f"decomposed {row.projected_accuracy(0, 2000):.2f} %")
        parts.append(f"distance {row.distance:.3f}, primal {row.primal:.3f}")
    if row.loss is not None:
        parts.append(f"loss {row.loss:.4f}, {row.seconds:.0f} s")
    return ", ".join(parts)


_FIELDS = fields(Settings)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.admm_training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True, help="folder of states")
    parser.add_argument("--out", type=Path, default=ROWS, help="file of the rows")
    parser.add_argument("--arms", nargs="+", default=ARMS, choices=ARMS)
    parser.add_argument("--tests", type=int, default=10_000, help="test images")
    for one in _FIELDS:
        kind = type(one.default)
        parser.add_argument(f"--{one.name}", type=kind, default=one.default)
    return parser.parse_args()


if __name__ == "__main__":
    main()
