"""What an error says in a line: its first, or its type."""

import pytest

from ccsolve_torch.reasons import first_line

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("one\ntwo"), "one"),
        (ValueError("\n  one\n"), "one"),
        (KeyError(), "KeyError"),
        (RuntimeError(" \n"), "RuntimeError"),
    ],
)
def test_the_first_line_that_says_something_is_given(error, told) -> None:
    assert first_line(error) == told
