"""The rows of the benchmark on ranks by a program, at small size."""

import json
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks import factored_layers, rank_plans

pytestmark = pytest.mark.torch

PART = 0.6


class Block(nn.Module):
    """Two convolutions by the names that the benchmark looks for."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 12, 3, padding=1)
        self.conv2 = nn.Conv2d(12, 12, 3, padding=1)
        self.head = nn.Linear(12, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.conv2(self.conv1(x).relu()).relu().mean(dim=(2, 3)))


@pytest.fixture
def small_scene(monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """Put a small network and random images in place of the real ones."""
    torch.manual_seed(0)
    model = Block().eval()
    images = torch.randn(2010, 3, 6, 6), torch.arange(2010) % 4

    def calibration(folder: Path, count: int, seed: int):
        return tuple(part[:count] for part in images)

    monkeypatch.setattr(rank_plans, "trained", lambda folder, depth: model)
    monkeypatch.setattr(rank_plans, "test_images", lambda folder: images)
    monkeypatch.setattr(rank_plans, "calibration_images", calibration)
    monkeypatch.setattr(rank_plans, "PARTS", (PART,))
    monkeypatch.setattr(factored_layers, "HALVINGS", 3)
    return model


@pytest.mark.slow
def test_rows_say_what_was_made_and_are_within_the_budget(
    small_scene: nn.Module, tmp_path: Path
) -> None:
    dense, *found = rank_plans.rows(tmp_path, 30)
    assert dense["kind"] == "dense" and 0 <= dense["right"] <= 100
    assert Counter(row["kind"] for row in found) == {
        "program": 2 * len(rank_plans.METRICS), "same part": 2, "linear": 2
    }  # fmt: skip
    assert all(row["part"] == PART for row in found)
    right = [row[name] for row in found for name in ("right", "recalibrated")]
    assert all(0 <= value <= 100 for value in right)
    assert all(row["macs"] <= PART for row in found if row["kind"] != "linear")
    assert all(row["gap"] <= 1e-6 for row in found if row["kind"] == "program")
    linear = [row for row in found if row["kind"] == "linear"]
    assert {row["weighted"] for row in linear} == {True, False}
    assert all(row["params"] < 1 for row in linear)


def test_rows_are_appended_as_lines(
    small_scene: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "rows.jsonl"
    made = [{"kind": "dense", "right": 25.0}]
    monkeypatch.setattr(rank_plans, "rows", lambda folder, count: iter(made))
    given = ["rank_plans", "--data", str(tmp_path), "--out", str(out)]
    monkeypatch.setattr("sys.argv", given)
    for _ in range(2):
        rank_plans.main()
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert lines == [{**made[0], "torch": torch.__version__}] * 2
