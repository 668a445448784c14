"""The rows of the times of `trace`, on a small network."""

import json
from dataclasses import asdict

import pytest

from benchmarks.graph_times import AIMS, NETWORKS, line, row

pytestmark = pytest.mark.torch


def test_a_row_says_what_was_found_and_what_it_took() -> None:
    network = NETWORKS["vit_base"]
    model, x = network.build(small=True), network.samples(small=True, batch=2)
    found = row("vit_base", model, x, repeats=1)
    assert found.parameters == sum(p.numel() for p in model.parameters())
    assert found.coverage > 0.9 and found.frozen and found.graph_seconds > 0
    assert json.loads(json.dumps(asdict(found)))["network"] == "vit_base"
    assert "removable" in line(found) and "graph" in line(found)


def test_aims_are_of_networks_that_are_run() -> None:
    assert set(AIMS) <= set(NETWORKS)
