"""Making the signing key of a service."""

from __future__ import annotations

import os
from pathlib import Path

from sluiceway.cli.command import Shell, command
from sluiceway.errors import ExitCode

__all__ = ["new"]


@command(name="new", help={"folder": "Where to put cosign.key and cosign.pub; the state folder."})
def new(shell: Shell, folder: str = "") -> ExitCode:
    """Make a key pair for signing images, encrypted with $COSIGN_PASSWORD."""
    from sluiceway_sign_key.keys import generate_key_pair

    where = Path(folder) if folder else shell.bench.project.state
    private, public = generate_key_pair(where, os.environ.get("COSIGN_PASSWORD", ""))
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
