"""Rows of the benchmark on Collaborative Compression's look-ahead, at small size."""

import pytest

from benchmarks.cc_lookahead import rows, statistics
from ccsolve.statistics.generate import random_chain

pytestmark = pytest.mark.torch


def test_rows_compare_both_look_aheads() -> None:
    found = list(rows(random_chain((5, 6, 4)), states=3))
    sites = [row for row in found if row["kind"] == "site"]
    assert [row["site"] for row in sites] == [["conv2"], ["conv3"]]
    for row in sites:
        assert 0 <= row["error_mean"] <= row["error_worst"] < 1
        assert 0 < row["rank_least"] <= row["rank_mean"] <= 1 + 1e-12
    plans = [row for row in found if row["kind"] == "plan"]
    assert [row["lookahead"] for row in plans] == ["fast", "exact"]
    assert all(row["macs"] <= 0.48 for row in plans)


def test_the_shipped_statistics_and_files_are_read(tmp_path) -> None:
    shipped = statistics(None, 1)
    shipped.save(tmp_path / "stats.safetensors")
    again = statistics(tmp_path / "stats.safetensors", 1)
    assert again.fingerprint == shipped.fingerprint
