"""What a watch has come to, so far or for good."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Outcome"]


class Outcome(StrEnum):
    """Where a watch stands. Every outcome but the first is final; only one of those advances."""

    RUNNING = "running"
    PASS = "pass"  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    """The canary broke a rule: take it back."""
    NO_DATA = "no-data"
    """The time is over and there was too little to look at."""
    ERROR = "error"
    """Looking itself failed."""
    INCONCLUSIVE = "inconclusive"
    """The time is over and what was seen settles nothing."""
