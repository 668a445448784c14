"""Rows of the pruning benchmark that answer jobs of this one.

Both run the same networks on the same images with the same statistics and repair.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from benchmarks.json_lines import read_rows
from benchmarks.papers.rows import Row
from benchmarks.pruning.rows import Row as Pruned

ROWS = Path(__file__).parents[1] / "results" / "pruning.jsonl"

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "L1": "l1, uniform",
        "Taylor": "taylor_per_sample, uniform",
        "CCP": "ccp, uniform",
        "CCP, allocated": "ccp",
        "L1, allocated": "l1, allocated",
        "refit, allocated": "refit, allocated",
        "joint": "joint",
    }
)
"""By the pruning benchmark's name: this one's, at half of the MACs."""


def borrowed(path: Path = ROWS) -> list[Row]:
    """Give the rows of a file at half of the MACs, repaired by least squares."""
    rows = read_rows(path, Pruned)
    dense = {row.network: row.params for row in rows if not row.removed}
    return list(_converted(rows, dense))


def _converted(rows: list[Pruned], dense: Mapping[str, float]) -> Iterator[Row]:
    for row in rows:
        repaired = (row.removed, row.repair) == (50, "least_squares")
        if repaired and row.choice in NAMES and row.network in dense:
            yield Row(
                network=row.network,
                point="half",
                method=NAMES[row.choice],
                stage="none",
                seed=row.seed,
                statistics=row.calibration,
                calibration=row.calibration,
                steps=0,
                epochs=0,
                images=row.images,
                right=row.right,
                macs=row.macs,
                params=row.params,
                dense_macs=row.dense_macs,
                dense_params=dense[row.network],
                made_seconds=row.choice_seconds + row.apply_seconds,
                trained_seconds=0.0,
                versions=row.versions,
                machine=row.machine,
            )
