"""A Dask cluster of two processes: the answers of a run in series, deaths survived."""

import os
import signal
import time
from collections.abc import Iterator

import joblib
import numpy as np
import pytest
from distributed import Client, LocalCluster

import ccsolve
from ccsolve import batch, testing

pytestmark = [
    # Of the cluster's own event loop and the sockets that it leaves to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PROBLEMS = [testing.problem("indefinite", 9, seed) for seed in range(8)]


def slowly(number: int) -> tuple[int, int]:
    time.sleep(0.4)
    return number, os.getpid()


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Give a cluster of two processes of one thread each."""
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.mark.slow
def test_the_same_answers_as_in_series(client: Client):
    series = ccsolve.solve_all(PROBLEMS, "tabu", time_limit=None, step_limit=20)
    with joblib.parallel_config(backend="dask"):
        found = ccsolve.solve_all(PROBLEMS, "tabu", time_limit=None, step_limit=20)
    for one, other in zip(found, series, strict=True):
        assert one.objective == other.objective
        np.testing.assert_array_equal(one.x, other.x)


@pytest.mark.slow
def test_a_worker_that_dies_loses_nothing(client: Client):
    victims: list[int] = []

    def kill(count: int, latest: tuple[int, int]) -> None:
        if not victims:
            victims.append(latest[1])
            os.kill(latest[1], signal.SIGKILL)

    with joblib.parallel_config(backend="dask"):
        found = list(batch.each(slowly, range(12), callback=kill))
    assert victims and [number for number, _ in found] == list(range(12))
    survivors = {process for _, process in found[-4:]}
    assert not survivors & set(victims)
