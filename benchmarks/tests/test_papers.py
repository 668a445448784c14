"""The parts of the papers' benchmark, on made-up images and rows."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.json_lines import append_rows, read_rows
from benchmarks.papers import training
from benchmarks.papers.borrowed import NAMES, borrowed
from benchmarks.papers.jobs import AT, COSTLY, SHORT, STAGES, Job, jobs
from benchmarks.papers.methods import METHODS
from benchmarks.papers.pairing import pairs
from benchmarks.papers.points import POINTS
from benchmarks.papers.published import COMPARED, NOT_RUN
from benchmarks.papers.replaying import Replayed
from benchmarks.papers.report import page
from benchmarks.papers.rows import Row
from benchmarks.papers.running import slug
from benchmarks.papers.targets import verdicts
from benchmarks.papers.training import SHIFT, Full, Short, Stream, augmented, distilled
from benchmarks.pruning.rows import CHOSEN_ON
from benchmarks.pruning.rows import Row as Pruned
from benchmarks.pruning.scoring import packed
from benchmarks.resnet import resnet

pytestmark = pytest.mark.torch

RNG = np.random.default_rng(0)


def row_of(job: Job, share: float, count: int = 1000) -> Row:
    bits = RNG.random(CHOSEN_ON + count) < share
    return Row(
        **vars(job),
        statistics=0 if job.method == "dense" else 10,
        calibration=10,
        steps=0,
        epochs=0,
        images=len(bits),
        right=packed(bits),
        macs=50.0,
        params=60.0,
        dense_macs=100.0,
        dense_params=80.0,
        made_seconds=0.0,
        trained_seconds=0.0,
        versions={"torch": "2"},
        machine="x86_64, Linux",
    )


def test_every_name_is_a_method_at_a_point() -> None:
    named = {name for names in AT.values() for name in names}
    assert named <= set(METHODS)
    assert set(AT) == set(POINTS)
    assert all(name in AT[point] for point, name in SHORT)
    assert all(len(set(names)) == len(names) for names in AT.values())
    for method in METHODS.values():
        assert set(method.baselines) <= set(METHODS)
    assert {item.point for item in COMPARED} <= set(POINTS)
    assert all(item.reason for item in NOT_RUN)


def test_jobs_are_distinct_and_costly_scores_are_asked_for() -> None:
    every = list(jobs(["resnet56", "resnet20"], STAGES, list(POINTS), None, 2))
    assert len(set(every)) == len(every)
    costly = [j for j in every if j.method.split(",")[0] in COSTLY]
    assert {job.network for job in costly} == {"resnet20"}
    named = list(jobs(["resnet56"], ["none"], ["half"], ["dcp, uniform"], 1))
    assert [job.method for job in named] == ["dense", "dcp, uniform"]
    assert len({slug(job) for job in every}) <= len(every)


def test_augmented_images_are_shifted_and_mirrored() -> None:
    images = torch.rand(200, 2, 8, 8) + 1.0
    made = augmented(images, torch.Generator().manual_seed(0))
    wide = functional.pad(images, (SHIFT,) * 4)
    mirrored = 0
    for image, padded in zip(made, wide, strict=True):
        found = [
            flip
            for down in range(2 * SHIFT + 1)
            for right in range(2 * SHIFT + 1)
            for flip in (False, True)
            if torch.equal(_window(padded, down, right, flip), image)
        ]
        assert found
        mirrored += found[0]
    assert 60 < mirrored < 140
    again = augmented(images, torch.Generator().manual_seed(0))
    assert torch.equal(made, again)


def _window(padded: Tensor, down: int, right: int, flip: bool) -> Tensor:
    part = padded[:, down : down + 8, right : right + 8]
    return part.flip(2) if flip else part


def test_the_loss_is_that_of_distillation() -> None:
    outputs, dense = torch.randn(2, 6, 10)
    labels = torch.randint(10, (6,))
    found = distilled(outputs, torch.cat([labels[:, None].float(), dense], dim=1))
    alpha, t = training.ALPHA, training.TEMPERATURE
    p = functional.softmax(dense / t, dim=1)
    q = functional.softmax(outputs / t, dim=1)
    soft = (p * (p / q).log()).sum(dim=1)
    hard = -functional.log_softmax(outputs, dim=1)[torch.arange(6), labels]
    torch.testing.assert_close(found, (1 - alpha) * hard + alpha * t**2 * soft)


def pictures(count: int) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 3, 8, 8), dtype=torch.uint8, generator=draw)
    return images, torch.randint(10, (count,), generator=draw)


def test_the_short_training_reads_the_same_batches_each_time() -> None:
    batches = Stream(pictures(10), Short(steps=5, batch=4), seed=1)
    assert [len(x) for x, _ in batches] == [4] * len(batches)
    for (x, y), (other, same) in zip(batches, batches, strict=True):
        assert torch.equal(x, other) and torch.equal(y, same)
    shown = torch.cat([y for _, y in batches])
    labels = pictures(10)[1]
    assert torch.equal(shown[:10].sort().values, labels.sort().values)
    assert torch.equal(shown[10:].sort().values, labels.sort().values)


def test_the_short_training_nears_the_dense_features() -> None:
    torch.manual_seed(0)
    teacher = resnet(1, (4, 8, 8)).eval()
    student = copy.deepcopy(teacher)
    nn.init.normal_(student.layer1[0].conv2.weight)  # pyright: ignore
    short = Short(steps=20, batch=8, lr=0.01)
    batches = Stream(pictures(40), short, seed=1)
    x = torch.cat([x for x, _ in batches])

    def apart() -> float:
        with torch.no_grad():
            stem = functional.relu(teacher.bn1(teacher.conv1(x)))
            return float((student.layer1(stem) - teacher.layer1(stem)).norm())

    before = apart()
    assert training.trained_short(student, teacher, batches, short) == 20
    assert apart() < before


def test_a_replayed_teacher_teaches_the_same_and_runs_once_a_batch() -> None:
    torch.manual_seed(0)
    teacher = resnet(1, (4, 8, 8)).eval()
    batches = Stream(pictures(16), Short(steps=4, batch=8), seed=1)
    replayed, runs = Replayed(teacher, training.HINTS), []
    teacher.register_forward_hook(lambda *given: runs.append(given))

    def taught(by: nn.Module) -> list[Tensor]:
        student = resnet(1, (4, 8, 8))
        student.load_state_dict(teacher.state_dict())
        nn.init.ones_(student.layer1[0].conv2.weight)  # pyright: ignore
        training.trained_short(student, by, batches, batches.short)
        return list(student.state_dict().values())

    each = taught(teacher), taught(replayed), taught(replayed)
    assert len(runs) == 2 * len(batches)
    for plain, first, again in zip(*each, strict=True):
        assert torch.equal(plain, first) and torch.equal(plain, again)


def test_the_full_training_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = resnet(1, (4, 8, 8)).eval()
    begun = copy.deepcopy(teacher)

    def run(folder: str) -> nn.Module:
        model = copy.deepcopy(begun)
        full = Full(3, "cpu", tmp_path / folder, batch=8)
        assert training.trained_full(model, pictures(20), teacher, full, "a") == 9
        return model

    whole = run("at once")
    written, seen = training._written, []

    def cut_short(*given: object) -> None:
        written(*given)  # pyright: ignore[reportArgumentType]
        seen.append(given)
        if len(seen) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "_written", cut_short)
    with pytest.raises(KeyboardInterrupt):
        run("in two")
    assert dict(training.epochs_done(tmp_path / "in two")) == {"a": 2}
    resumed = run("in two")
    assert dict(training.epochs_done(tmp_path / "in two")) == {"a": 3}
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_pairs_say_who_is_ahead() -> None:
    point = "CC"
    rows = [
        row_of(Job("resnet56", point, name, "none", seed), share)
        for seed in range(2)
        for name, share in (("cc", 0.9), ("L1 at cc's widths", 0.6))
    ]
    (pair,) = pairs(rows)
    assert (pair.method, pair.baseline) == ("cc", "L1 at cc's widths")
    assert pair.points > 20
    assert len(pair.p_values) == 2
    assert pair.verdict == "cc"
    (same,) = pairs([rows[0], row_like(rows[0], "L1 at cc's widths")])
    assert same.verdict == "even"
    assert same.points == 0


def row_like(row: Row, method: str) -> Row:
    return Row(**{**vars(row), "method": method})


def test_targets_are_held_against_the_best() -> None:
    rows = [
        row_of(Job("resnet56", "target", "refit, allocated", "none", seed), 0.99)
        for seed in range(2)
    ]
    rows.append(row_of(Job("resnet56", "half", "random, uniform", "none", 0), 1.0))
    found = [finding for _, finding in verdicts(rows)]
    assert found[0].startswith("reached: ")
    assert "refit, allocated" in found[0]
    assert found[1:] == ["not run", "not run"]


def test_rows_of_the_pruning_benchmark_are_taken_as_they_are(tmp_path: Path) -> None:
    bits = RNG.random(CHOSEN_ON + 10) < 0.5
    choices = (("dense", 0, "none"), ("CCP", 50, "least_squares"), ("L1", 75, "none"))
    rows = [
        Pruned(
            *("resnet20", removed, choice, repair, 0, 1000, len(bits), packed(bits)),
            *(50.0 if removed else 100.0, 60.0 if removed else 80.0, 100.0, 1.0, 2.0),
            *({"torch": "2"}, "x86_64, Linux"),
        )
        for choice, removed, repair in choices
    ]
    append_rows(tmp_path / "rows.jsonl", rows)
    (row,) = borrowed(tmp_path / "rows.jsonl")
    assert row.job == Job("resnet20", "half", "ccp, uniform", "none", 0)
    assert (row.outcomes() == bits).all()
    assert row.removed == (50.0, 25.0)
    named = {name for names in AT.values() for name in names}
    assert set(NAMES.values()) <= set(METHODS)
    assert "ccp, uniform" in named


def test_the_page_is_drawn_from_the_rows(tmp_path: Path) -> None:
    every = list(jobs(["resnet56", "resnet20"], STAGES[:2], list(POINTS), None, 1))
    rows = [row_of(job, 0.9) for job in every if job.point in ("-", "CCP")]
    path = tmp_path / "rows.jsonl"
    append_rows(path, rows)
    assert read_rows(path, Row) == rows
    text = page(rows)
    assert "| ccp | 50.0 % | 25.0 % |" in text
    assert "published* (slides of CCP's authors)" in text
    assert all(item.method in text for item in NOT_RUN)
    missing = text[text.index("## Not run yet") :]
    assert "ResNet-56, untrained, CCP:" not in missing
    assert "ResNet-56, untrained, CC: cc; " in missing
    assert "ResNet-56, full, CCP: ccp; " in missing
    assert text.count("| CCP | untrained | ccp | l1, allocated |") == 2
