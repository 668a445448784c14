"""What kernels give back: numbers. Arrays are not safe against Ctrl-C.

While numba turns an array into Python's, it runs Python code, in which the handler of
a signal may raise; numba does not look, and the process ends in a SystemError or a
segmentation fault.
"""

import sys
from collections.abc import Iterator
from typing import Any

from numba.core.dispatcher import Dispatcher

from ccsolve import ChannelSelection, solve, testing
from ccsolve.registry import reason_against, rows_of

FAMILIES = ("cancelling", "budgeted", "budget_only", "unconstrained", "factored_budget")


def called_from_python() -> Iterator[tuple[str, Any]]:
    """Give the kernels that modules other than kernels hold, by name."""
    for name, module in list(sys.modules.items()):
        if name.startswith("ccsolve.") and not name.startswith("ccsolve.kernels."):
            for key, value in vars(module).items():
                if isinstance(value, Dispatcher):
                    yield f"{name}.{key}", value


def test_no_kernel_gives_an_array_to_python():
    for row in rows_of(ChannelSelection):
        for family in FAMILIES:
            problem = testing.problem(family, 9, 0)
            if reason_against(row, problem) is None:
                solve(problem, row.name, time_limit=None, step_limit=30)
    kernels = dict(called_from_python())
    assert len(kernels) > 5
    for name, kernel in kernels.items():
        for signature in kernel.nopython_signatures:
            given = str(signature.return_type)
            assert "array" not in given and "list" not in given, f"{name}: {given}"
