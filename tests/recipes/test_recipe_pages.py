"""The examples on the recipes' pages run."""

import re
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "recipes"


@pytest.mark.parametrize(
    "name", ["ccp", "cpli", "criteria", "dcff", "joint", "network"]
)
def test_the_examples_run(name: str, capsys: pytest.CaptureFixture[str]):
    page = PAGES / f"{name}.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    exec(compile(code, str(page), "exec"), {})
    assert "conv" in capsys.readouterr().out
