"""The scorer of `benchmarks.one_call`, what it times, and which cases it makes."""

import argparse
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks import one_call
from benchmarks.json_lines import append_rows, read_rows

pytestmark = pytest.mark.torch


def test_images_are_counted_one_by_one():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 3, bias=False)).eval()
    with torch.no_grad():
        model[1].weight.copy_(torch.eye(3, 12))  # pyright: ignore
    images = torch.zeros(5, 3, 2, 2)
    images.reshape(5, 12)[range(5), [0, 1, 2, 0, 1]] = 1.0
    right = one_call.correct(model, images, torch.tensor([0, 1, 0, 0, 2]))
    assert right.tolist() == [1.0, 1.0, 0.0, 1.0, 0.0]
    assert one_call.percent(right) == pytest.approx(60.0)


def test_every_format_and_batch_is_timed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(one_call, "BATCHES", (1, 2))
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU()).eval()
    found = one_call.gains(model, model, seconds=0.0)
    assert len(found) == 2 * len(one_call.FORMATS)
    assert all(gain > 0 for gain in found.values())


def test_cases_are_known_again(tmp_path: Path):
    asked = argparse.Namespace(depths=[20], parts=[0.5], recipes=["ccp"], seed=1)
    asked.budget, asked.steps = "latency", 2
    (case,) = one_call.cases(asked)
    assert case == one_call.Case(20, 0.5, "ccp", 1, "latency", 2)
    figures = dict.fromkeys(("macs", "params", "accuracy", "choosing", "all"), 0.5)
    row = one_call.Row(**vars(case), **figures, seconds=1.0, gains={}, torch="2")
    append_rows(tmp_path / "rows.jsonl", [row])
    assert [each.case for each in read_rows(tmp_path / "rows.jsonl", one_call.Row)] == [
        case
    ]
