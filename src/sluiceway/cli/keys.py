"""Making the signing key of a service."""

from __future__ import annotations

from pathlib import Path

from sluiceway.cli.command import Shell, command
from sluiceway.errors import ExitCode

__all__ = ["new"]


@command(name="new", help={"folder": "Where to put the two files; the state folder when left out."})
def new(shell: Shell, folder: str = "") -> ExitCode:
    """Make a key pair for signing images; $COSIGN_PASSWORD encrypts it."""
    where = Path(folder) if folder else shell.bench.project.state
    private, public = shell.bench.plugins.one("sluiceway_new_key", folder=where)
    shell.result(
        {"private": str(private), "public": str(public)},
        lambda console: console.summary(
            "Key pair",
            {
                "private": f"{private} (keep it secret; back it up)",
                "public": f"{public} (commit it beside sluiceway.toml)",
            },
        ),
    )
    return ExitCode.DONE
