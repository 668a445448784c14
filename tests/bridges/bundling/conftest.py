"""A smaller network, and a bundle of it to be damaged."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import ccsolve_torch as cct
from tests.bridges.bundling.bundled import Plain, cut


@pytest.fixture(scope="session")
def small() -> Any:
    torch.manual_seed(0)
    return cut(Plain().eval(), torch.randn(2, 3, 6, 6))


@pytest.fixture(scope="session")
def written(small: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("written") / "bundle"
    cct.save(small, path)
    return path


@pytest.fixture
def bundle(written: Path, tmp_path: Path) -> Path:
    """A copy of a sound bundle, to be damaged."""
    return Path(shutil.copytree(written, tmp_path / "bundle"))
