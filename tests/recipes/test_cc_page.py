"""The example on the recipe's page runs."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "recipes" / "cc.md"


def test_the_example_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    exec(compile(code, str(PAGE), "exec"), {})
    assert "conv" in capsys.readouterr().out
