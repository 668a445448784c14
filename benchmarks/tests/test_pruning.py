"""The parts of the pruning benchmark, on made-up images and rows."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.cifar10 import DEVIATION, MEAN, resnet56, training_images
from benchmarks.json_lines import append_rows, read_rows
from benchmarks.pruning.goals import verdicts
from benchmarks.pruning.jobs import CHOICES, HEADLINE, REPAIRS, Job, jobs
from benchmarks.pruning.report import page
from benchmarks.pruning.rows import CHOSEN_ON, Row
from benchmarks.pruning.scoring import mcnemar, packed, right, unpacked
from benchmarks.resnet import resnet

pytestmark = pytest.mark.torch

RNG = np.random.default_rng(0)


def row_of(job: Job, bits: np.ndarray) -> Row:
    return Row(
        **vars(job),
        calibration=10,
        images=len(bits),
        right=packed(bits),
        macs=50.0,
        params=10.0,
        dense_macs=100.0,
        choice_seconds=0.0,
        apply_seconds=0.0,
        versions={"torch": "2"},
        machine="x86_64, Linux",
    )


def test_the_network_is_the_published_one() -> None:
    assert sum(p.numel() for p in resnet(blocks=9).parameters()) == 853_018


def test_images_are_cut_from_the_grid_and_normalised(tmp_path: Path) -> None:
    tiles = RNG.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    grid = tiles.reshape(2, 2, 32, 32, 3).transpose(0, 2, 1, 3, 4).reshape(64, 64, 3)
    encoded = BytesIO()
    Image.fromarray(grid).save(encoded, format="webp", lossless=True)
    picture = np.frombuffer(encoded.getvalue(), dtype=np.uint8)
    labels = np.arange(4, dtype=np.uint8)
    np.savez(tmp_path / "cifar10_train_sub.npz", images_webp=picture, labels=labels)
    x, y = training_images(tmp_path, 3)
    assert y.tolist() == [0, 1, 2]
    mean, deviation = (torch.tensor(v).reshape(3, 1, 1) for v in (MEAN, DEVIATION))
    back = (x * deviation + mean) * 255
    expected = torch.from_numpy(tiles[:3]).permute(0, 3, 1, 2).float()
    torch.testing.assert_close(back, expected, rtol=0, atol=1e-3)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"missing: .*resnet56"):
        resnet56(tmp_path)
    with pytest.raises(SystemExit, match=r"missing: .*train_sub"):
        training_images(tmp_path, 1)


def test_outcomes_are_those_of_the_model() -> None:
    model = resnet(1, (4, 8, 8), classes=3).eval()
    images, labels = torch.randn(70, 3, 8, 8), torch.randint(3, (70,))
    expected = (model(images).argmax(dim=1) == labels).numpy()
    assert (right(model, images, labels) == expected).all()


def test_outcomes_survive_packing() -> None:
    for count in (0, 1, 8, 1003):
        bits = RNG.random(count) < 0.9
        assert (unpacked(packed(bits), count) == bits).all()


def test_mcnemar_is_the_sign_test_of_the_disagreements() -> None:
    one = np.array([1, 1, 1, 1, 0, 1, 0], dtype=bool)
    other = np.array([0, 0, 0, 0, 1, 1, 0], dtype=bool)
    assert mcnemar(one, other) == pytest.approx(2 * (1 + 5) / 2**5)
    assert mcnemar(one, other) == mcnemar(other, one)
    assert mcnemar(one, one) == 1.0


def test_seeds_vary_what_is_compared_in_pairs() -> None:
    every = list(jobs(["resnet20"], [50], CHOICES, REPAIRS, 3))
    assert len(set(every)) == len(every)
    assert len(every) == 1 + len(CHOICES) * (len(REPAIRS) + 2)
    later = {(job.choice, job.repair) for job in every if job.seed}
    assert later == {(name, "least_squares") for name in CHOICES}


def test_rows_come_back_and_the_page_is_drawn_from_them(tmp_path: Path) -> None:
    rows = []
    for job in jobs(["resnet20"], [50, 75], CHOICES, REPAIRS, 2):
        share = 0.95 if job.choice == HEADLINE else 0.7
        bits = RNG.random(CHOSEN_ON + 1000) < share
        rows.append(row_of(job, bits))
    path = tmp_path / "some" / "rows.jsonl"
    append_rows(path, rows[:5])
    append_rows(path, rows[5:])
    assert read_rows(path, Row) == rows
    assert read_rows(tmp_path / "none.jsonl", Row) == []
    text = page(rows)
    assert all(f"| {choice} |" in text for choice in CHOICES)
    own = rows[1].accuracy(reported=True)
    assert own == pytest.approx(100 * rows[1].outcomes()[CHOSEN_ON:].mean())
    peer = next(line for line in text.splitlines() if line.startswith("| 50 % | TP"))
    points, ps = peer.split(" | ")[2:]
    assert float(points) > 10
    assert all(float(p.strip(" |")) < 1e-9 for p in ps.split(","))


def test_goals_count_pairs() -> None:
    rows = []
    for job in jobs(["resnet20"], [50, 75], CHOICES, ["least_squares"], 2):
        share = {HEADLINE: 0.9, "TP magnitude, global": 1.0}.get(job.choice, 0.5)
        rows.append(row_of(job, RNG.random(CHOSEN_ON + 1000) < share))
    found = dict(verdicts(rows))
    half, most, worse, better, *ours = found.values()
    assert half.endswith("over 2 seeds") and most.endswith("over 2 seeds")
    counted = "10 of 12 pairs (6 names, seeds 0, 1)"
    assert worse == f"30 %: not run; 50 %: {counted}"
    assert better == f"60 %: not run; 75 %: {counted}"
    every = "12 of 12 pairs (6 names, seeds 0, 1)"
    assert ours == [f"30 %: not run; 50 %: {every}", f"60 %: not run; 75 %: {every}"]
    (_, alone), *_ = verdicts([row for row in rows if row.choice != HEADLINE])
    assert alone == "30 %: not run; 50 %: not run"
