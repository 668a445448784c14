"""Instances are read from files, or made as their names say; what is not is named."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.selection import (
    suites,
)
from benchmarks.selection.competitors import table
from benchmarks.selection.instances import catalogue
from benchmarks.tests.selection.samples import NAMES


def test_instances_are_read_with_their_constraints(folder: Path):
    assert catalogue.names_of_files(folder) == NAMES
    small, again, budget, real = (catalogue.find(name, folder) for name in NAMES)
    assert (small.problem.keep, again.problem.keep, budget.problem.keep) == (3, 2, None)
    np.testing.assert_array_equal(again.S, small.S)
    assert budget.problem.budget == 2.0
    assert real.problem.keep == 4 and real.family == "ccp ggn n=6"


@pytest.mark.parametrize(
    ("name", "n", "keep"),
    [
        ("kcluster-12-25-4-s3", 12, 4),
        ("mdg-20-5-s0", 20, 5),
        ("gkd-20-5-s1", 20, 5),
        ("ccpz-10-s2", 10, 5),
    ],
)
def test_names_of_members_say_all(name: str, n: int, keep: int):
    made, again = catalogue.find(name, None), catalogue.find(name, None)
    assert (made.problem.n, made.problem.keep, made.count) == (n, keep, keep)
    np.testing.assert_array_equal(made.S, again.S)


@pytest.mark.parametrize("name", ["ccpz-10", "mdg-20-s0", "small", "ccpz-x-s0"])
def test_what_is_nowhere_is_named(name: str):
    with pytest.raises(LookupError, match=name):
        catalogue.find(name, None)


def test_missing_data_are_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"manifest\.csv is missing; expected"):
        catalogue.find("small", tmp_path)


def test_every_suite_has_jobs(folder: Path):
    for name in suites.SUITES:
        found = list(suites.jobs(name, folder, seeds=2))
        assert found and len({job.key for job in found}) == len(found)
        assert all(table.known(job.competitor) for job in found)
        generated = list(suites.jobs(name, None, seeds=1, competitors=["greedy"]))
        assert all(catalogue.find(job.instance, None) for job in generated[:1])
