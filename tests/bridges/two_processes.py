"""One of several processes that collect together: run as a script by its test."""

import sys
from typing import Any

import torch
from torch import Tensor, distributed, nn

import ccsolve_torch as cct
from ccsolve.errors import InvalidProblem

OPTIONS: dict[str, dict[str, Any]] = {
    "rows": {"layers": "moments"},
    "blocks": {"max_rows": 20, "layers": "moments"},
}


def network(seed: int = 0) -> nn.Module:
    """Give a small convolutional network."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 5, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 4),
    ).eval()


def batches() -> list[tuple[Tensor, Tensor]]:
    """Give four batches of unequal lengths."""
    draw = torch.Generator().manual_seed(5)
    lengths = [6, 3, 5, 2]
    x = torch.randn(sum(lengths), 3, 8, 8, generator=draw)
    y = torch.randint(0, 4, (sum(lengths),), generator=draw)
    return list(zip(x.split(lengths), y.split(lengths), strict=True))


def main(rank: int, meeting: str, folder: str) -> None:
    """Collect half of the batches, and see how failures of one process end."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=2
    )
    collect: Any = cct.collect
    own = batches()[:3] if rank == 0 else batches()[3:]
    for name, options in OPTIONS.items():
        collect(network(), own, **options).save(f"{folder}/{name}{rank}.safetensors")
    refusals = []
    for model, loader in ((network(), own[: 1 - rank]), (network(rank), own)):
        try:
            collect(model, loader)
        except InvalidProblem as error:
            refusals.append(str(error))
    with open(f"{folder}/refusals{rank}.txt", "w") as file:
        file.write("\n".join(refusals))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
