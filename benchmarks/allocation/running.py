"""Runs the jobs that have no row yet, each library in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.allocation.competitors.table import TABLE
from benchmarks.allocation.rows import Row
from benchmarks.allocation.suites import Suite
from benchmarks.selection.workers import ONE_THREAD
from ccsolve.bench.rows import environment


class Children:
    """Processes by name, started when first needed; one is at work at a time."""

    def __init__(self) -> None:
        """Begin without any."""
        self.running: dict[str, subprocess.Popen[str]] = {}

    def ask(self, name: str, job: dict[str, Any]) -> dict[str, Any]:
        """Give a job to the process of that name."""
        if name not in self.running:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.allocation.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **ONE_THREAD},
                text=True,
            )
        process = self.running[name]
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if line:
            return json.loads(line)
        del self.running[name]
        return {"status": "failed", "note": f"its process died: {process.wait()}"}

    def close(self) -> None:
        """End all processes."""
        for process in self.running.values():
            process.kill()
            process.communicate()


def run_all(
    suites: Sequence[Suite], seeds: int | None, done: set[tuple[str, str, str]]
) -> Iterator[Row]:
    """Give the rows of all jobs that are not done, competitors in turn by instance."""
    children, machine = Children(), str(environment()["machine"])
    try:
        for suite in suites:
            for instance in suite.instances(seeds):
                for name in suite.competitors:
                    if (suite.name, instance, name) in done:
                        continue
                    job = {
                        "instance": instance,
                        "competitor": name,
                        "seconds": suite.seconds,
                    }
                    found = children.ask(TABLE[name].process, job)
                    yield Row(suite.name, instance, name, **found, machine=machine)
    finally:
        children.close()
