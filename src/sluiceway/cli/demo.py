"""The rehearsal as a command."""

from __future__ import annotations

import time
from pathlib import Path

from sluiceway.cli.command import Shell, command
from sluiceway.errors import ExitCode, UsageError

__all__ = ["demo"]

_FASTEST = 2000


@command(
    help={
        "folder": "Where to rehearse; made anew. Default: .sluiceway/demo",
        "rate": "Requests per second of the generated traffic.",
    }
)
def demo(shell: Shell, folder: str = "", rate: str = "250") -> ExitCode:
    """Ship a good release to production and take a bad one back, for real, on this machine."""
    from sluiceway.rehearsal import Scenario, Workspace, held

    if not rate.isdigit() or not 1 <= int(rate) <= _FASTEST:
        raise UsageError(
            f"--rate is {rate!r}, which is not from 1 to {_FASTEST} requests per second",
            remedy="For example --rate=250",
        )
    root = Path(folder).resolve() if folder else Path.cwd() / ".sluiceway" / "demo"
    begun = time.monotonic()
    workspace = Workspace.create(root, Path.cwd() / "examples" / "settlement")
    shell.console.heading(f"Rehearsal in {root}")
    with held(root):
        document = Scenario(workspace=workspace, rate=int(rate)).run()
    document["seconds"] = round(time.monotonic() - begun, 1)
    shell.result(document, lambda console: console.rehearsal(document))
    return ExitCode.DONE
