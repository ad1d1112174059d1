"""Flags of the service, as its provider has them."""

from __future__ import annotations

from collections.abc import Mapping

from sluiceway.cli.command import Shell, command
from sluiceway.errors import ExitCode, UsageError

__all__ = ["evaluate", "list_flags"]


@command(name="list")
def list_flags(shell: Shell) -> ExitCode:
    """List the flags that are set."""
    flags = _flags(shell)
    shell.result(
        {"flags": dict(flags)},
        lambda console: console.summary(
            "Flags", {name: str(value).lower() for name, value in sorted(flags.items())}
        ),
    )
    return ExitCode.DONE


@command(
    name="eval",
    help={"name": "The flag's name: FF_NEW_FEE_SCHEDULE is new-fee-schedule."},
)
def evaluate(shell: Shell, name: str) -> ExitCode:
    """Print the value of one flag."""
    flags = _flags(shell)
    if name not in flags:
        from sluiceway.config.settings import nearest

        guess = nearest(name, flags)
        raise UsageError(
            f"the flag {name!r} is not set",
            means="An unset flag has the default that the application gives it.",
            remedy=f"Did you mean {guess!r}?"
            if guess
            else f"Set it: FF_{name.upper().replace('-', '_')}=true",
            code="flag.unset",
        )
    shell.result(
        {"flag": name, "value": flags[name]},
        lambda console: console.lines([str(flags[name]).lower()]),
    )
    return ExitCode.DONE


def _flags(shell: Shell) -> Mapping[str, bool | str]:
    flags: Mapping[str, bool | str] = shell.bench.plugins.one("sluiceway_flags")
    return flags
