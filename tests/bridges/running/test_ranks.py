"""Two processes with half of the samples each do what one does with all."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed, nn
from torch.multiprocessing.spawn import spawn

import ccsolve_torch as cct
from ccsolve.errors import InvalidFile, InvalidProblem
from ccsolve_torch.running.ranks import decided, first, several, summed
from tests.bridges.plans import every_other

pytestmark = [pytest.mark.torch, pytest.mark.slow]

REPAIRS = ("least_squares", "none")
FAILED = r"disk is gone|another process failed"


def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 4, 4),
    ).eval()


def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(40, 3, 6, 6, generator=draw)
    return [(part, torch.arange(10) % 4) for part in x.split(10)]


def smaller(loader: Any, folder: Path, repair: str) -> Any:
    return cct.compress(
        network(),
        loader,
        macs=0.5,
        steps=2,
        recipe="uniform",
        criterion="taylor",
        timed=False,
        folder=folder,
        repair=repair,
    )


def work(rank: int, port: int, folder: str) -> None:
    """Be one of two processes; leave behind what came out."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2
    )
    try:
        assert several()
        assert first() == (rank == 0)
        assert summed(torch.tensor([1.0 + rank])).item() == 3.0
        assert decided(lambda: f"by {rank}") == "by 0"
        with pytest.raises(InvalidProblem, match="of the first"):
            decided(fail)
        for repair in REPAIRS:
            small = smaller(batches()[rank::2], Path(folder) / repair, repair)
            kept = {name: torch.tensor(ids) for name, ids in small.report.kept.items()}
            torch.save((kept, small.state_dict()), Path(folder) / f"{repair}{rank}.pt")
    finally:
        distributed.destroy_process_group()


class Failing:
    """A loader whose readings fail from that one on."""

    def __init__(self, loader: Any, good: int) -> None:
        self.loader, self.good, self.read = loader, good, 0

    def __iter__(self) -> Iterator[Any]:
        self.read += 1
        if self.read > self.good:
            raise OSError("the disk is gone")
        yield from self.loader


def assert_both_fail(rank: int, port: int, folder: str) -> None:
    """Be one of two processes, of which one fails; both must end."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2
    )
    own = batches()[rank::2]
    expected = OSError if rank == 1 else InvalidProblem
    try:
        # Read to begin with, by collect, by the repair.
        for good in range(3):
            loader = Failing(own, good) if rank == 1 else own
            with pytest.raises(expected, match=FAILED):
                bare(loader)
        x, plan = own[0][0], every_other(network(), own[0][0])
        loader = Failing(own, 0) if rank == 1 else own
        with pytest.raises(expected, match=FAILED):
            cct.apply(network(), plan, x, calibration=loader, timed=False)
        run = Path(folder) / "damaged"
        bare(own, folder=run, finetune=nn.Module.eval)
        if rank == 0:
            (run / "step-1.safetensors").write_bytes(b"no tensors")
        with pytest.raises(InvalidFile, match="not readable"):
            bare(own, folder=run, finetune=nn.Module.eval)
    finally:
        distributed.destroy_process_group()


def bare(loader: Any, **options: Any) -> Any:
    return cct.compress(
        network(), loader, macs=0.5, recipe="uniform", timed=False, **options
    )


def in_two_processes(work: Callable[[int, int, str], None], folder: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spawn(work, (port, str(folder)), nprocs=2)


def test_where_one_process_fails_all_do(tmp_path: Path) -> None:
    in_two_processes(assert_both_fail, tmp_path)


def fail() -> None:
    raise InvalidProblem("of the first")


def test_two_processes_do_what_one_does(tmp_path: Path) -> None:
    in_two_processes(work, tmp_path)
    for repair in REPAIRS:
        paths = [tmp_path / f"{repair}{rank}.pt" for rank in range(2)]
        one, other = map(torch.load, paths)
        for mine, theirs in zip(one, other, strict=True):
            assert mine.keys() == theirs.keys()
            assert all(torch.equal(mine[name], theirs[name]) for name in mine)
        if repair == "none":  # repairs judge by a part of the samples of each process
            whole = smaller(batches(), tmp_path / "whole", repair)
            for name, ids in whole.report.kept.items():
                assert one[0][name].tolist() == ids.tolist()
            assert all(torch.equal(one[1][n], v) for n, v in whole.state_dict().items())
