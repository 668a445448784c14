"""Importing the bridge where torch is not installed."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.torch

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
try:
    import ccsolve_torch
except ImportError as error:
    print(type(error).__name__, error)
"""


def test_without_torch_it_says_what_to_install() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.startswith("MissingExtra")
    assert "pip install 'ccsolve[torch]'" in ran.stdout
    assert ran.stdout.count("\n") == 1
