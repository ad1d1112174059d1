"""Making the signing key of a service."""

from __future__ import annotations

import shlex
from pathlib import Path

from sluiceway.cli.command import Shell, command
from sluiceway.errors import ExitCode

__all__ = ["new"]


@command(name="new", help={"folder": "Where to put the two files; the state folder when left out."})
def new(shell: Shell, folder: str = "") -> ExitCode:
    """Make a key pair for signing images; $COSIGN_PASSWORD encrypts it."""
    where = Path(folder) if folder else shell.bench.project.state
    private, public = shell.bench.plugins.one("sluiceway_new_key", folder=where)
    if not shell.bench.project.environ.get("COSIGN_PASSWORD"):
        shell.console.warn(
            f"{private} is not protected by a password: whoever can read the file can sign. "
            f"To protect it, remove {private.name} and {public.name}, set COSIGN_PASSWORD and run "
            "`invoke keys.new` again."
        )
    root = shell.bench.project.root
    beside = root / public.name
    if public.resolve() == beside.resolve():
        commit = "commit it"
    else:
        commit = shlex.join(["cp", str(public), str(beside)]) + ", and commit that copy"
    shell.result(
        {"private": str(private), "public": str(public), "next": commit},
        lambda console: console.summary(
            "Key pair",
            {
                "private": f"{private} (keep it secret; back it up)",
                "public": str(public),
                "next": commit,
            },
        ),
    )
    return ExitCode.DONE
