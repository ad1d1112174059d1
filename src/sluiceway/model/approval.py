"""Consent: who said what about one image going one way, wherever it was said."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sluiceway.model.decision import Actor
from sluiceway.model.image import Image
from sluiceway.record import Record

__all__ = ["Approval", "ApprovalRequest", "Verdict"]


class Verdict(StrEnum):
    """What somebody who was asked has said."""

    APPROVED = "approved"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    """It could not be read. A gate takes it for a rejection that it did not hear."""


class ApprovalRequest(Record):
    """What approval plugins are asked about."""

    image: Image
    source: str
    """Environment it comes from, or ``build``."""
    target: str
    revisions: tuple[str, ...]
    """The commits of which this digest was released, as the ledger has them, oldest first; without
    those of work trees with changes."""
    at: datetime
    """The moment of the decision."""

    def unread(self, by: str, method: str, problem: str) -> Approval:
        """Return the answer to a question that could not be asked: somebody may have said no."""
        return Approval(
            approver=Actor(name=by, method=method, proven=False),
            verdict=Verdict.UNKNOWN,
            digest=self.image.digest,
            source=self.source,
            target=self.target,
            made_at=None,
            expires=None,
            problem=problem,
        )


class Approval(Record):
    """One voice. Whether it counts is for the policies to say."""

    approver: Actor
    verdict: Verdict
    digest: str
    """The image that it is about."""
    source: str
    target: str
    made_at: datetime | None
    """No later than it was really given; ``None`` when nobody can say."""
    expires: datetime | None
    policy_digest: str = ""
    """Of the policies that the approver saw; empty when they cannot have seen any."""
    reason: str = ""
    """The approver's own words."""
    problem: str = ""
    """Why this is not a valid approval, whatever the policies say; empty when it is one."""
