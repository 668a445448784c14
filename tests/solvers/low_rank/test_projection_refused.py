"""What `project` refuses, each in a line."""

from typing import Any

import numpy as np
import pytest

from ccsolve.errors import InvalidProblem
from ccsolve.solvers.low_rank.projection import project
from tests.solvers.low_rank.test_projection import tensor


@pytest.mark.parametrize(
    ("format", "ranks", "part"),
    [
        ("tt", 0, "ranks"),
        ("tt", (9, 2), "ranks"),
        ("cp", 2, "format"),
        ("tt", 2.5, "ranks"),
    ],
)
def test_bad_requests_are_refused(format: str, ranks: Any, part: str):
    with pytest.raises(InvalidProblem, match=part):
        project(tensor((3, 4, 5)), format, ranks)


def test_bad_tensors_and_companions_are_refused():
    T = tensor((3, 4, 5))
    p = project(T, "tt", 2)
    T[0, 0, 0] = np.nan
    with pytest.raises(InvalidProblem, match="NaN"):
        project(T, "tt", 2)
    T[0, 0, 0] = np.inf
    with pytest.raises(InvalidProblem, match="infinite"):
        project(T, "tt", 2, warm=p)
    for scale in (1e-300, 1e200):
        with pytest.raises(InvalidProblem, match="rescale it"):
            project(scale * tensor((3, 4, 5)), "tt", 2)
    with pytest.raises(InvalidProblem, match="warm"):
        project(tensor((3, 4, 5)), "tt", 3, warm=p)
    with pytest.raises(InvalidProblem, match="out"):
        project(tensor((3, 4, 5)), "tt", 2, out=np.empty((3, 4, 5), np.float32))
    with pytest.raises(InvalidProblem, match="tensor"):
        project(np.zeros((0, 3)), "svd", 1)
    with pytest.raises(InvalidProblem, match="tensor"):
        project(np.zeros((2, 3), complex), "svd", 1)
    with pytest.raises(InvalidProblem, match="warm is a str"):
        project(tensor((3, 4, 5)), "tt", 2, warm="p")  # pyright: ignore
