"""The parent's side of the processes in which competitors run, one at a time."""

import json
import os
import selectors
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.selection.jobs import Job
from ccsolve.bench.runs import FAILED, SILENT
from ccsolve.io.strict_json import dump_json

ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    ),
    "1",
)
"""Set before a process starts: libraries read these when they are loaded."""

PATIENCE = 150.0
"""Seconds beyond twice a job's own that making a model or compiling may take."""


class Workers:
    """Processes by name, started when first needed; only one is at work at a time."""

    def __init__(self, data: Path | None) -> None:
        self._data = data
        self._running: dict[str, subprocess.Popen[str]] = {}

    def ask(self, job: Job, target: float | None) -> dict[str, Any]:
        """Run a job and give its answer; a process that is silent or dies is ended."""
        if job.fresh:
            self._end(job.process)
        process = self._running.get(job.process) or self._start(job.process)
        line = {
            "instance": job.instance,
            "competitor": job.competitor,
            "seconds": job.seconds,
            "seed": job.seed,
            "target": target,
            "curve": job.curve,
            "fresh": job.fresh,
        }
        patience = 2.0 * job.seconds + PATIENCE
        text = _exchange(process, dump_json(line) + "\n", patience)
        if text is None:
            self._end(job.process)
            return {"status": SILENT, "note": f"ended after {patience:.0f} s"}
        if not text:
            code = process.wait()
            self._end(job.process)
            return {"status": FAILED, "note": f"its process died with code {code}"}
        if job.fresh:
            self._end(job.process)
        return json.loads(text)

    def close(self) -> None:
        """End all processes."""
        for name in list(self._running):
            self._end(name)

    def _start(self, name: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "benchmarks.selection.child"]
        # A session of its own: Ctrl-C is the parent's to handle.
        self._running[name] = subprocess.Popen(
            [*command, *([] if self._data is None else [str(self._data)])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **ONE_THREAD},
            text=True,
            start_new_session=True,
        )
        return self._running[name]

    def _end(self, name: str) -> None:
        process = self._running.pop(name, None)
        if process is not None:
            process.kill()
            process.communicate()


def _exchange(
    process: "subprocess.Popen[str]", line: str, patience: float
) -> str | None:
    """Give the answer's line, "" from a dead process, None from a silent one."""
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(line)
        process.stdin.flush()
    except BrokenPipeError:
        return ""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(patience):
            return None
    return process.stdout.readline()
