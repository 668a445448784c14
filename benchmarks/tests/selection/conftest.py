"""Instances on disk: three made up, and one real-looking program."""

import itertools
from pathlib import Path

import numpy as np
import pytest

MANIFEST = """name,family,n,p,best_known,proven,source,note,S_from
small,made-up,6,3,{best},1,,,
again,made-up,6,2,0.5,0,,,small
budget,made-up,6,-1,-1.0,0,,,
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write three instances and one real-looking program."""
    rng = np.random.default_rng(0)
    S = rng.standard_normal((6, 6))
    S = S + S.T
    sets = map(list, itertools.combinations(range(6), 3))
    best = float(min(S[np.ix_(chosen, chosen)].sum() for chosen in sets))
    path = tmp_path / "instances"
    path.mkdir()
    (path / "manifest.csv").write_text(MANIFEST.format(best=best))
    none = np.empty(0)
    np.savez(path / "small.npz", S=S, c=np.zeros(6), p=3, a=none, b=none)
    np.savez(path / "again.npz", c=np.zeros(6), p=2, a=none, b=none)
    np.savez(path / "budget.npz", S=S, c=np.zeros(6), p=-1, a=np.ones(6), b=2.0)
    np.savez(
        path / "ccp_resnet56.npz",
        names=np.array(["ggn_00"]),
        remove=np.array([2]),
        best_known=np.array([1.0]),
        proven=np.array([True]),
        ggn_00=(S @ S).astype(np.float32),
    )
    return tmp_path
