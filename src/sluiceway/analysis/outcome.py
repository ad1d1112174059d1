"""What a watch has come to, so far or for good."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sluiceway.model import Status

__all__ = ["Outcome", "Verdict"]


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


_STATUS = {
    Outcome.RUNNING: Status.INCONCLUSIVE,  # an unfinished watch proves nothing
    Outcome.PASS: Status.OK,
    Outcome.FAIL: Status.FAILED,
    Outcome.NO_DATA: Status.NO_DATA,
    Outcome.ERROR: Status.ERROR,
    Outcome.INCONCLUSIVE: Status.INCONCLUSIVE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """An outcome and its reason."""

    outcome: Outcome = Outcome.RUNNING
    code: str = "canary.watching"
    """Stable and dotted: ``canary.health``, ``canary.error-rate``, ``canary.latency``,
    ``canary.crashed``, ``canary.restarted``, ``canary.shed``, ``canary.contradiction``,
    ``canary.unseen``, ``canary.no-data``, ``canary.unsettled``, ``canary.passed``."""
    reason: str = ""
    """A clause for a person, with the numbers that decided; empty while running."""

    @property
    def ended(self) -> bool:
        """No later look changes it."""
        return self.outcome is not Outcome.RUNNING

    @property
    def advances(self) -> bool:
        """The release may go on. Everything else that has ended is rolled back."""
        return self.outcome is Outcome.PASS

    @property
    def status(self) -> Status:
        """The outcome as the status of an evidence; a running watch is inconclusive."""
        return _STATUS[self.outcome]
