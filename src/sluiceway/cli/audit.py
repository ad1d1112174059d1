"""Checking the ledger."""

from __future__ import annotations

from sluiceway.cli.command import Shell, command
from sluiceway.errors import ExitCode

__all__ = ["verify"]


@command(name="verify")
def verify(shell: Shell) -> ExitCode:
    """Check every hash, link and signature of the ledger; exit 6 when something is wrong."""
    number, problems = shell.bench.ledger.verify()
    shell.result(
        {"entries": number, "intact": not problems, "problems": list(problems)},
        lambda console: console.lines(
            list(problems) if problems else [f"{number} entries, all intact"]
        ),
    )
    return ExitCode.NEEDS_PERSON if problems else ExitCode.DONE
