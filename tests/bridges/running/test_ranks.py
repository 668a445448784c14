"""Two processes with half of the samples each do what one does with all."""

import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed, nn
from torch.multiprocessing.spawn import spawn

import ccsolve_torch as cct
from ccsolve.errors import InvalidProblem
from ccsolve_torch.running.ranks import decided, first, several, summed

pytestmark = [pytest.mark.torch, pytest.mark.slow]


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


def smaller(loader: Any, folder: Path) -> Any:
    return cct.compress(
        network(),
        loader,
        macs=0.5,
        steps=2,
        recipe="uniform",
        criterion="taylor",
        timed=False,
        folder=folder,
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
        small = smaller(batches()[rank::2], Path(folder) / "run")
        kept = {name: torch.tensor(ids) for name, ids in small.report.kept.items()}
        torch.save((kept, small.state_dict()), Path(folder) / f"{rank}.pt")
    finally:
        distributed.destroy_process_group()


def fail() -> None:
    raise InvalidProblem("of the first")


def test_two_processes_do_what_one_does(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spawn(work, (port, str(tmp_path)), nprocs=2)
    results = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    (kept, state), (others_kept, others_state) = results
    whole = smaller(batches(), tmp_path / "whole")
    for name, ids in whole.report.kept.items():
        assert kept[name].tolist() == others_kept[name].tolist() == ids.tolist()
    for name, value in whole.state_dict().items():
        assert torch.equal(state[name], others_state[name]), name
        torch.testing.assert_close(state[name], value, rtol=1e-2, atol=1e-3)
