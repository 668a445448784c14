"""Ctrl-C, as a terminal sends it, in the middle of every registered method."""

import json
import subprocess
import sys

import pytest

from ccsolve import ChannelSelection
from ccsolve.registry import rows_of

METHODS = [row.name for row in rows_of(ChannelSelection)]

INTERRUPTING = """
import json, os, signal, sys, threading
import ccsolve
from ccsolve.problems.generate import cancelling
from ccsolve.registry import reason_against, rows_of

def pressed(number, frame):
    # Outside of a solve it is too early or too late, and none of its business.
    while frame is not None:
        if frame.f_code is ccsolve.solve.__code__:
            raise KeyboardInterrupt
        frame = frame.f_back

def answer(row):
    n = 300 if row.max_size is None else min(row.max_size, 120)
    problem = cancelling(n)
    if reason_against(row, problem) is not None:
        limit = {"cost": range(1, n + 1), "budget": n * n / 4}
        problem = ccsolve.ChannelSelection(problem.Q, problem.q, n // 2, **limit)
    before = ccsolve.solve(problem, row.name, time_limit=0.5, gap=0.0)
    delay = 0.4 * before.seconds
    timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    found = ccsolve.solve(problem, row.name, time_limit=120.0, gap=0.0)
    timer.cancel()
    timer.join()
    return {
        "method": row.name,
        "stop": found.stop.value,
        "seconds": found.seconds,
        "violation": problem.violation(found.x),
        "valid": found.bound <= found.objective,
    }

signal.signal(signal.SIGINT, pressed)
for row in rows_of(ccsolve.ChannelSelection):
    print(json.dumps(answer(row)), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such signals")
def test_ctrl_c_ends_every_method():
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", INTERRUPTING],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    # SCS prints on its own that it was interrupted.
    lines = [line for line in ran.stdout.splitlines() if line.startswith("{")]
    answers = [json.loads(line) for line in lines]
    assert [answer["method"] for answer in answers] == METHODS
    for answer in answers:
        assert answer["stop"] in ("interrupted", "finished", "gap"), answer
        assert answer["violation"] == 0 and answer["valid"], answer
        assert answer["seconds"] < 60, answer
    assert sum(answer["stop"] == "interrupted" for answer in answers) >= 3
