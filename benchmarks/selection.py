"""Channel selection against its peers, on public instances and real programs.

    python -m benchmarks.selection --data DIR
    python -m benchmarks.selection --data DIR --seeds 3 --against dwave --out rows.jsonl

Every competitor gets the same time on the same instance in the same run, on one core.
The scorer (benchmarks/scorer.py) shares nothing with the solvers. The layout of DIR
stands in benchmarks/README.md. A program with a budget is left out for peers that know
none.
"""

import argparse
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

# One core for everybody: libraries read this when they are loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.competitors import Competitor, dwave_tabu, ours
from benchmarks.instances import Instance, instances
from benchmarks.scorer import excess, reached, score
from ccsolve.bench.rows import environment
from ccsolve.io.strict_json import dump_json

PENALTIES = (1.0, 0.1)
"""Weights of the penalty that dwave's tabu is given; each has the full time."""


@dataclass(frozen=True)
class Row:
    """What one competitor gave on one instance with one seed."""

    instance: str
    family: str
    n: int
    keep: int | None
    competitor: str
    seed: int
    limit: float
    value: float
    best_known: float
    proven: bool
    excess: float
    reached: bool
    to_best: float
    seconds: float


def rows(
    chosen: Iterable[Instance],
    competitors: dict[str, Competitor],
    seconds: float,
    seeds: int,
) -> Iterator[Row]:
    """Run every competitor on every instance with every seed."""
    for instance in chosen:
        for name, run in competitors.items():
            if instance.problem.cost is not None and name.startswith("dwave"):
                continue
            for seed in range(seeds):
                yield _row(instance, name, run, seconds, seed)


def _row(
    instance: Instance, name: str, run: Competitor, seconds: float, seed: int
) -> Row:
    found = run(instance.problem, seconds, seed)
    value = score(instance, found.z)
    return Row(
        instance=instance.name,
        family=instance.family,
        n=instance.problem.n,
        keep=instance.problem.keep,
        competitor=name,
        seed=seed,
        limit=seconds,
        value=value,
        best_known=instance.best_known,
        proven=instance.proven,
        excess=excess(instance, value),
        reached=reached(instance, found.z),
        to_best=found.to_best,
        seconds=found.seconds,
    )


def table(found: Iterable[Row]) -> str:
    """Give a Markdown table: one line per family and competitor."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in found:
        groups.setdefault((row.family, row.competitor), []).append(row)
    head = "| family | competitor | best known reached | excess, mean | excess, worst "
    lines = [head + "| s to its best, median |", "|---|---|---|---|---|---|"]
    for (family, competitor), members in groups.items():
        mean = sum(row.excess for row in members) / len(members)
        lines.append(
            f"| {family} | {competitor} | {sum(row.reached for row in members)}"
            f"/{len(members)} | {_per_cent(mean)} "
            f"| {_per_cent(max(row.excess for row in members))} "
            f"| {median(row.to_best for row in members):.3f} |"
        )
    return "\n".join(lines)


def _per_cent(part: float) -> str:
    return "0" if abs(part) < 1e-6 else f"{100 * part:.2g} %"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="see above")
    parser.add_argument("--methods", nargs="+", default=["tabu"], help="of ccsolve")
    parser.add_argument("--against", nargs="*", choices=["dwave"], default=["dwave"])
    parser.add_argument("--seconds", type=float, default=1.0, help="per instance")
    parser.add_argument("--seeds", type=int, default=1, help="seeds 0 to N - 1")
    parser.add_argument("--only", default="", help="families whose name holds this")
    parser.add_argument("--out", type=Path, help="write one JSON line per run")
    return parser.parse_args()


def main() -> None:
    """Run, write the rows as they come, print the table."""
    chosen = _arguments()
    competitors = {name: ours(name) for name in chosen.methods}
    if "dwave" in chosen.against:
        competitors |= {f"dwave tabu, {w:g} λ": dwave_tabu(w) for w in PENALTIES}
    try:
        wanted = [i for i in instances(chosen.data) if chosen.only in i.family]
    except FileNotFoundError as missing:
        raise SystemExit(str(missing)) from None
    found: list[Row] = []
    about = environment()
    lines: list[str] = []
    for row in rows(wanted, competitors, chosen.seconds, chosen.seeds):
        found.append(row)
        lines.append(dump_json({**asdict(row), **about}))
        mark = "" if row.reached else f"   {100 * row.excess:.3g} % above"
        print(f"{row.instance} {row.competitor} seed {row.seed}{mark}", flush=True)
        if chosen.out is not None:
            chosen.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(table(found))


if __name__ == "__main__":
    main()
