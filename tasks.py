"""The namespace for `invoke`, and what the project itself needs."""

import os
import sys
from pathlib import Path

from invoke.context import Context
from invoke.tasks import task

from sluiceway.cli import namespace

_MOST_WORKERS = 8
"""Each may need half a gigabyte: its own engines, databases and registries."""

ns = namespace()


@task(auto_shortflags=False, help={"k": "Only tests whose names match, as pytest's -k."})
def test(context: Context, k: str = "") -> None:  # noqa: PT028 - a command, not a test
    """Run the test suite."""
    root = Path(__file__).parent
    pytest = f"'{sys.executable}' -m pytest -q -n {_workers()} --dist worksteal"
    chosen = f" -k '{k}'" if k else ""
    context.run(f"cd '{root}' && {pytest}{chosen}", pty=False)


def _workers() -> int:
    """Return how many tests run at once: one for each core, and two at least.

    Two for each take half the time, and now and then one fails that waits for something real.
    """
    if hasattr(os, "sched_getaffinity"):  # a container may have fewer cores than its machine
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(2, min(cores, _MOST_WORKERS))


ns.add_task(test)
