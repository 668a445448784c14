"""Factor: what it takes, and every refusal."""

from typing import Any

import numpy as np
import pytest

from ccsolve import Factor
from ccsolve.errors import InvalidProblem


def test_numbers_become_tuples():
    assert Factor("svd", 3).ranks == (3,)
    assert Factor("tucker", [np.int64(2), np.float64(0.5)]).ranks == (2, 0.5)
    assert Factor("tt", np.array([2, 3]), modes=[4, 9, 2]).modes == (4, 9, 2)
    assert Factor("tt", (2, 3)) == Factor("tt", [2, 3])


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"format": "cp"}, "format 'cp'; expected one of svd, tucker, tt, tr"),
        ({"format": 3}, "format 3"),
        ({"ranks": ()}, "no ranks"),
        ({"ranks": 0}, "rank 0"),
        ({"ranks": True}, "rank True"),
        ({"ranks": 1.5}, "rank 1.5"),
        ({"ranks": 0.0}, "rank 0.0"),
        ({"ranks": float("nan")}, "rank nan"),
        ({"ranks": "3"}, "rank '3'"),
        ({"ranks": None}, "rank None"),
        ({"split": "radial"}, "split 'radial'"),
        ({"split": "spatial", "format": "tt"}, "split 'spatial' of format 'tt'"),
        ({"modes": (2, 2)}, "only 'tt' and 'tr' have modes"),
        ({"modes": (2, 0.5), "format": "tt"}, "mode 0.5"),
        ({"modes": "22", "format": "tt"}, "expected a list"),
        ({"modes": 4, "format": "tt"}, "expected a list"),
    ],
)
def test_bad_factors_are_refused(parts: dict[str, Any], message: str):
    with pytest.raises(InvalidProblem, match=message):
        Factor(**{"format": "svd", "ranks": (2,), **parts})
