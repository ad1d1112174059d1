"""The state of a watch: counts of both sides, streaks, and the time that was watched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluiceway.analysis.counters import Counters
from sluiceway.analysis.peers import Point
from sluiceway.analysis.sequential import Sequential
from sluiceway.record import Record, field

__all__ = ["AtOnce", "Marks", "Measure", "Stream", "Tally", "Watch"]

_DETAIL = 200
"""Characters kept of what a health endpoint or an error said."""


class AtOnce(Record):
    """What no streak has to confirm: the canary is broken, or is not what was set up."""

    code: str
    """``canary.crashed``, ``canary.restarted``, ``canary.shed`` or ``canary.contradiction``."""
    reason: str
    """A clause for a person."""


class Measure(Record):
    """The last measured check of one stream: the canary's number beside the stable side's."""

    canary: float
    """Percent (error rate) or milliseconds (p99; may be infinite)."""
    canary_requests: int
    stable: float | None
    """``None`` when the stable side had no requests in the window or was not seen."""
    stable_requests: int


class Stream(Record):
    """One thing that is asked again and again, with its own streak."""

    measured: int = 0
    """How often it was asked and answered."""
    over: int = 0
    """How many of the answers were bad."""
    streak: int = 0
    """How many of the last answers in a row were bad."""
    detail: str = ""
    """What the last answer said, where it has words."""
    last: Measure | None = None
    """The last answer, where it has numbers."""
    good_at: float = 0.0
    """Watched seconds at the last answer that was not bad."""

    def lasting(self, now: float) -> float:
        """Return how long the present streak has lasted, *now* so many watched seconds: nobody has
        had a good answer since.
        """
        return now - self.good_at if self.streak else 0.0

    def answered(
        self, at: float, *, bad: bool, detail: str = "", last: Measure | None = None
    ) -> Stream:
        """Return the stream after one more answer, *at* so many watched seconds."""
        return Stream(
            measured=self.measured + 1,
            over=self.over + bad,
            streak=self.streak + 1 if bad else 0,
            detail=detail[:_DETAIL],
            last=last,
            good_at=self.good_at if bad else at,
        )


class Tally(Record):
    """One side over the whole watch: the first reading and the last."""

    digest: str
    first: Counters
    last: Counters

    @property
    def total(self) -> Counters:
        """What was counted under this watch."""
        return self.last.since(self.first)


Marks = tuple[Counters, Counters | None]
"""Readings of (canary, stable) that a window begins with."""


class Watch(Record):
    """What is known of a canary after some looks. A new one knows nothing."""

    looks: int = 0
    """Looks that counted; one that comes too early does not."""
    seconds: float = 0.0
    """How long the canary was watched. Time in which nobody looked is not in it."""
    clock: float | None = None
    """The observer's monotonic clock at the last look that counted."""
    restarts: int | None = None
    """The canary's restarts at the first look."""
    canary: Tally | None = None
    """``None`` until its counters have been read."""
    stable: Tally | None = None
    error_marks: Marks | None = None
    """Both sides (canary, stable) at the last measured check of the error rate."""
    latency_marks: Marks | None = None
    """Both sides at the last measured check of the p99."""
    sight: Stream = field(default_factory=Stream)
    """Looking itself: bad when the observation could not be made."""
    health: Stream = field(default_factory=Stream)
    errors: Stream = field(default_factory=Stream)
    """The error rate."""
    latency: Stream = field(default_factory=Stream)
    """The p99."""
    sequential: Sequential = field(default_factory=Sequential)
    """What comparing both sides has come to: :mod:`sluiceway.analysis.sequential`."""
    compared: Marks | None = None
    """Both sides when they were last compared: the next comparison is of what came since."""
    stable_observed: bool = False
    """The last look saw the stable side, and it had requests since the one before."""
    step_from: float = 0.0
    """Watched seconds at which the present weight was set."""
    series: tuple[Point, ...] = ()
    """Each tick, for the rules of other tools; empty for our own."""
    at_once: AtOnce | None = None
    """Once it is set the watch has ended."""

    @property
    def ended(self) -> bool:
        """No later look changes it."""
        return self.at_once is not None

    @property
    def requests(self) -> int:
        """Canary requests under this watch."""
        return self.canary.total.requests if self.canary else 0

    @property
    def good_requests(self) -> int:
        """Canary requests under this watch that did not end in an error."""
        total = self.canary.total if self.canary else Counters()
        return max(0, total.requests - total.errors)

    @property
    def step_seconds(self) -> float:
        """How long the present weight was watched."""
        return self.seconds - self.step_from

    def windows(self, marks: Marks | None) -> tuple[Counters, Counters] | None:
        """Return what (canary, stable) counted since *marks*; an unseen stable side nothing."""
        if self.canary is None or marks is None:
            return None
        canary = self.canary.last.since(marks[0])
        if self.stable is None or marks[1] is None:
            return canary, Counters()
        return canary, self.stable.last.since(marks[1])

    @property
    def now(self) -> Marks | None:
        """Both sides' last readings, as marks for the next check."""
        if self.canary is None:
            return None
        return self.canary.last, self.stable.last if self.stable else None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data from which :meth:`from_json` makes an equal watch."""
        from sluiceway.analysis import stored

        return stored.to_json(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Watch:
        """Read what :meth:`to_json` gave.

        Raises:
            ActionFailed: When it is not that (code ``canary.state``); a watch is never guessed.
        """
        from sluiceway.analysis import stored

        return stored.from_json(document)
