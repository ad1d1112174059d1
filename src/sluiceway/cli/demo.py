"""The rehearsal as a command."""

from __future__ import annotations

import time
from pathlib import Path

from sluiceway.cli.command import Shell, command
from sluiceway.errors import ExitCode

__all__ = ["demo"]


@command(
    help={
        "folder": "Where to rehearse; made anew. Default: .sluiceway/demo",
        "rate": "Requests per second of the generated traffic.",
    }
)
def demo(shell: Shell, folder: str = "", rate: float = 400.0) -> ExitCode:
    """Ship a good release to production and take a bad one back, for real, on this machine."""
    from sluiceway.rehearsal import Scenario, Workspace

    root = Path(folder).resolve() if folder else Path.cwd() / ".sluiceway" / "demo"
    begun = time.monotonic()
    workspace = Workspace.create(root, Path.cwd() / "examples" / "settlement")
    shell.console.heading(f"Rehearsal in {root}")
    document = Scenario(workspace=workspace, rate=rate).run()
    document["seconds"] = round(time.monotonic() - begun, 1)
    shell.result(document, lambda console: console.rehearsal(document))
    return ExitCode.DONE
