"""The training loop on the page of ADMM runs, and keeps what it has learnt."""

import re
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.torch

PAGE = Path(__file__).parents[2] / "docs" / "admm.md"


@pytest.mark.slow
def test_the_page_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    loop = next(block for block in blocks if "for epoch in" in block)
    ours = next(block for block in blocks if "on_epoch=admm.update" in block)
    names: dict[str, Any] = {}
    exec(loop, names)
    small, x, y = (names[name] for name in ("small", "x", "y"))
    assert float((small(x).argmax(dim=1) == y).float().mean()) > 0.5
    assert names["admm"].report().distance < 0.3
    exec(ours, names)
    small = names["small"].eval()
    assert float((small(x).argmax(dim=1) == y).float().mean()) > 0.8
