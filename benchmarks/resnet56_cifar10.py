"""ResNet-56 on CIFAR-10 with half of every inner width removed, without training.

    python -m benchmarks.resnet56_cifar10 --data DIR [--out rows.jsonl]

DIR holds the images and the weights (layout: benchmarks/cifar10.py). Two choices of
channels (L1 norm of the filters; CCP, the Gauss-Newton program solved by ccsolve)
meet three repairs (none, batch norm recalibrated, least squares on the next layers).
Calibration uses training images alone. Test images 0 to 1,999 have served to choose
settings; accuracy is given for 2,000 to 9,999 and for all 10,000. Standard errors of
differences are paired: over the images, of the difference in being right.
"""

import argparse
import json
import platform
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import ccsolve
import ccsolve_torch as cct
from benchmarks.cifar10 import in_batches, resnet56, test_images, training_images
from ccsolve.criteria import score
from ccsolve.data import path
from ccsolve.statistics import Statistics

REPORTED = 2000
REPAIRS = ("none", "recalibrate", "least_squares")


@dataclass(frozen=True)
class Row:
    """One network: which of the test images it classifies as labelled."""

    choice: str
    repair: str
    right: NDArray[np.bool_]
    macs: float
    params: float
    seconds: float


def l1_choice(stats: Statistics) -> dict[str, NDArray[np.int64]]:
    """Give the half of every group with the largest L1 norms."""
    scores = {name: score(stats, name, "l1") for name in stats.groups}
    return {
        name: np.sort(np.argsort(-values, kind="stable")[: len(values) // 2])
        for name, values in scores.items()
    }


def ccp_choice(stats: Statistics, seconds: float) -> dict[str, NDArray[np.int64]]:
    """Give the half of every group that the Gauss-Newton program keeps."""
    keep = {}
    for name, group in stats.groups.items():
        # The first-order term of calibration images does harm at full weight.
        problem = stats.channel_selection(name, group.size // 2, first_order=0.0)
        solution = ccsolve.solve(problem, time_limit=seconds)
        keep[name] = np.flatnonzero(solution.x)
    return keep


def plan_of(stats: Statistics, name: str, keep: Mapping[str, NDArray]) -> ccsolve.Plan:
    """Give the plan that keeps these classes."""
    sizes = {group: item.size for group, item in stats.groups.items()}
    return ccsolve.Plan(
        recipe=name, keep=keep, sizes=sizes, fingerprint=stats.fingerprint
    )


def rows(folder: Path, images: int, calibration: int, seconds: float) -> Iterator[Row]:
    """Give the dense network, then every choice with every repair."""
    model = resnet56(folder)
    stats = Statistics.load(path("resnet56_cifar10"))
    loader = in_batches(*training_images(folder, calibration))
    testing = tuple(part[:images] for part in test_images(folder))
    cost = cct.count(model, loader[0][0])
    yield Row("dense", "none", _right(model, testing), cost.macs, cost.params, 0.0)
    choices = {"L1": l1_choice(stats), "CCP": ccp_choice(stats, seconds)}
    for choice, keep in choices.items():
        plan = plan_of(stats, choice, keep)
        for repair in REPAIRS:
            start = time.perf_counter()
            small = cct.apply(
                model, plan, loader[0][0], calibration=loader, repair=repair
            )
            spent = time.perf_counter() - start
            got = small.report.achieved  # pyright: ignore
            right = _right(small, testing)
            yield Row(choice, repair, right, got.macs, got.params, spent)  # pyright: ignore


def record(row: Row, dense: Row, base: Row | None) -> dict[str, object]:
    """Give the row's figures; `base` is the L1 choice with the same repair, if any."""
    spans = {"reported": slice(REPORTED, None), "all": slice(None)}
    figures: dict[str, object] = {
        "choice": row.choice,
        "repair": row.repair,
        "macs": row.macs,
        "params": row.params,
        "seconds": round(row.seconds, 2),
    }
    for name, span in spans.items():
        right = row.right[span].astype(float)
        figures[f"images_{name}"] = len(right)
        figures[f"accuracy_{name}"] = 100 * right.mean() if len(right) else None
        for against, other in (("dense", dense), ("l1", base)):
            if other is None:
                continue
            difference = right - other.right[span]
            figures[f"minus_{against}_{name}"] = _mean(difference)
            figures[f"error_{against}_{name}"] = _standard_error(difference)
    return figures


def table(records: list[dict[str, object]]) -> str:
    """Give the figures as text."""
    head = f"{'choice':6} {'repair':14}" + "".join(
        f" | {name:>8} {'- dense':>15} {'- L1':>15}" for name in ("reported", "all")
    )
    return "\n".join([head, "-" * len(head), *(_line(item) for item in records)])


def _line(item: dict[str, object]) -> str:
    text = f"{item['choice']:6} {item['repair']:14}"
    for span in ("reported", "all"):
        accuracy = item[f"accuracy_{span}"]
        text += f" | {accuracy:8.2f}" if accuracy is not None else f" | {'':8}"
        for other in ("dense", "l1"):
            minus, error = (
                item.get(f"{part}_{other}_{span}") for part in ("minus", "error")
            )
            known = minus is not None and error is not None
            text += f" {minus:+8.2f} ± {error:4.2f}" if known else " " * 16
    return text


def _right(model: nn.Module, data: tuple[Tensor, ...]) -> NDArray[np.bool_]:
    model.eval()
    with torch.no_grad():
        parts = [
            model(x).argmax(dim=1) == y for x, y in in_batches(data[0], data[1], 250)
        ]
    return torch.cat(parts).numpy()


def _mean(difference: NDArray[np.float64]) -> float | None:
    return 100 * float(difference.mean()) if len(difference) else None


def _standard_error(difference: NDArray[np.float64]) -> float | None:
    count = len(difference)
    return 100 * float(difference.std(ddof=1)) / count**0.5 if count > 1 else None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="see above")
    parser.add_argument("--out", type=Path, help="write one JSON line per network")
    parser.add_argument("--images", type=int, default=10_000, help="test images 0 to N")
    parser.add_argument("--calibration", type=int, default=1000, help="training images")
    parser.add_argument("--time-limit", type=float, default=1.0, help="s per program")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


def main() -> None:
    """Run, print the table, write the rows."""
    chosen = _arguments()
    torch.set_num_threads(chosen.threads)
    found: list[Row] = []
    records: list[dict[str, object]] = []
    for row in rows(chosen.data, chosen.images, chosen.calibration, chosen.time_limit):
        found.append(row)
        alike = [r for r in found if r.choice == "L1" and r.repair == row.repair]
        records.append(record(row, found[0], alike[0] if alike else None))
        print(f"{row.choice} {row.repair}: {100 * row.right.mean():.2f} %", flush=True)
    print(table(records))
    if chosen.out is not None:
        about = {
            "torch": torch.__version__,
            "machine": platform.processor() or platform.machine(),
            "calibration": chosen.calibration,
        }
        lines = [json.dumps({**item, **about}) for item in records]
        chosen.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
