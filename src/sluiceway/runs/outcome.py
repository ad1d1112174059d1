"""How a run ended, in the contract's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluiceway.errors import ExitCode, SluicewayError

__all__ = ["DONE", "INTERRUPTED", "REFUSED", "ROLLED_BACK", "UNABLE", "exit_code", "failed"]

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
