"""How a run ended, in the contract's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluiceway.errors import ExitCode, NeedsPerson, SluicewayError

__all__ = [
    "DONE",
    "INTERRUPTED",
    "REFUSED",
    "ROLLED_BACK",
    "UNABLE",
    "exit_code",
    "failed",
    "half_done",
]

DONE = "done"
REFUSED = "refused"
ROLLED_BACK = "rolled-back"
UNABLE = "unable"
INTERRUPTED = "interrupted"

_NAMES = {
    ExitCode.BUG: "bug",
    ExitCode.USAGE: "usage",
    ExitCode.REFUSED: REFUSED,
    ExitCode.ROLLED_BACK: ROLLED_BACK,
    ExitCode.UNABLE: UNABLE,
    ExitCode.NEEDS_PERSON: "needs-person",
    ExitCode.INTERRUPTED: INTERRUPTED,
}


def failed(outcome: Mapping[str, Any], error: SluicewayError, **more: Any) -> dict[str, Any]:
    """Return *outcome* as ended by *error*."""
    return {
        **outcome,
        "outcome": _NAMES[error.exit_code],
        "exit_code": int(error.exit_code),
        "error": error.diagnostics(),
        **more,
    }


def exit_code(outcome: Mapping[str, Any]) -> ExitCode:
    """Return the exit code of a finished run."""
    return ExitCode(outcome.get("exit_code", ExitCode.BUG))


def half_done(target: str, digest: str, error: SluicewayError) -> NeedsPerson:
    """Return the error of a run that could not bring *target* back to *digest*."""
    return NeedsPerson(
        f"{target} could not be brought back: {error.what}",
        means=f"It should serve {digest or 'nothing'}, and its tag should name that. A canary's "
        "traffic returns to the stable release by itself when its lease runs out.",
        remedy=f"Look at `invoke status`; then run `invoke rollback --env={target}"
        + (f" --to-digest={digest}`" if digest else "` if an earlier release should serve")
        + f". {error.remedy}",
        code="rollback.incomplete",
    )
