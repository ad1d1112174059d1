"""The namespace for `invoke`, and what the project itself needs."""

import sys
from pathlib import Path

from invoke.context import Context
from invoke.tasks import task

from sluiceway.cli import namespace

ns = namespace()


@task(auto_shortflags=False, help={"k": "Only tests whose names match, as pytest's -k."})
def test(context: Context, k: str = "") -> None:  # noqa: PT028 - a command, not a test
    """Run the test suite."""
    root = Path(__file__).parent
    pytest = f"'{sys.executable}' -m pytest -q -n 2 --dist worksteal"
    chosen = f" -k '{k}'" if k else ""
    context.run(f"cd '{root}' && {pytest}{chosen}", pty=False)


ns.add_task(test)
