"""How long `trace` takes, and what it finds removable, on published architectures.

    python -m benchmarks.graph_times [--only resnet50 deep ...] [--out rows.jsonl]

Networks are built from configurations of transformers with random weights; nothing is
downloaded. Times are those that `trace` reports: torch.export by itself, and all that
follows it. Each network is traced `--repeats` times; the fastest is the row's. Aims:
1 s after the export for ResNet-50, 5 s for a network of 300 layers.
"""

import argparse
import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

import ccsolve_torch as cct
from tests.bridges.zoo.published import LABELS, PUBLISHED, Published

RESULTS = Path(__file__).parent / "results" / "graph_times.jsonl"
AIMS = {"resnet50": 1.0, "resnet_300_layers": 5.0}

DEEP = Published(
    "resnet",
    "ResNetForImageClassification",
    "ResNetConfig",
    {},
    ((3, 224, 224), (3, 64, 64)),
    {**LABELS, "depths": [8, 36, 48, 6]},
)

NETWORKS: dict[str, Published] = {**PUBLISHED, "resnet_300_layers": DEEP}


@dataclass(frozen=True)
class Row:
    """One network: its size, what `trace` found, and what it took."""

    network: str
    layers: int
    parameters: int
    coverage: float
    groups: int
    approximate_groups: int
    frozen: dict[str, str]
    export_seconds: float
    graph_seconds: float
    torch: str
    machine: str


def row(name: str, model: nn.Module, x: Tensor, repeats: int) -> Row:
    """Trace the model and give its row."""
    graphs = [cct.trace(model, x) for _ in range(repeats)]
    graph = graphs[0]
    return Row(
        network=name,
        layers=len(graph.layers),
        parameters=sum(p.numel() for p in model.parameters()),
        coverage=graph.coverage,
        groups=len(graph.groups),
        approximate_groups=sum(bool(g.approximate) for g in graph.groups.values()),
        frozen=dict(graph.frozen),
        export_seconds=min(g.seconds["export"] for g in graphs),
        graph_seconds=min(g.seconds["graph"] for g in graphs),
        torch=torch.__version__,
        machine=f"{platform.machine()}, {torch.get_num_threads()} thread(s)",
    )


def rows(names: Sequence[str], repeats: int) -> Iterator[Row]:
    """Give the row of each network; only one is held at a time."""
    for name in names:
        network = NETWORKS[name]
        model = network.build(small=False)
        yield row(name, model, network.samples(small=False, batch=2), repeats)


def line(found: Row) -> str:
    """Give what is printed of a row."""
    aim = AIMS.get(found.network)
    judged = "" if aim is None else f"  aim {aim:g} s"
    return (
        f"{found.network:<18} {found.layers:>4} layers  "
        f"{found.parameters / 1e6:>6.1f} M parameters  "
        f"{100 * found.coverage:>5.1f} % removable  {found.groups:>3} groups  "
        f"export {found.export_seconds:>5.2f} s  graph {found.graph_seconds:>5.2f} s"
        f"{judged}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Trace every network, print and write the rows."""
    parser = argparse.ArgumentParser(description="Time trace on networks.")
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args(arguments)
    with given.out.open("w") as file:
        for found in rows(given.only, given.repeats):
            print(line(found), flush=True)
            file.write(json.dumps(asdict(found)) + "\n")


if __name__ == "__main__":
    main()
