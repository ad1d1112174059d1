"""Decisions: what a gate said, and why."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sluiceway.record import Record, field

__all__ = ["Actor", "Decision", "Finding", "Level", "Place", "Waiver"]


class Level(StrEnum):
    """How much a finding weighs. A decision allows when no unwaived finding denies."""

    DENY = "deny"
    WARN = "warn"
    ADVICE = "advice"
    """Said beside a decision, never in it."""


class Waiver(Record):
    """A named, scoped, expiring exception to one finding code."""

    code: str
    reason: str
    owner: str
    expires: datetime
    environment: str = ""
    """Only for promotions into this environment; empty means every one."""
    digest: str = ""
    """Only for this image digest; empty means every one."""
    package: str = ""
    """Only for findings about this package (a package URL, with or without a version)."""
    service: str = ""
    """The service that it was made for."""
    id: str = ""
    """What it is called, to withdraw it: the run that signed it, or ``file-...``."""
    signed: bool = False
    """A person signed it; otherwise it stands in ``sluiceway.toml``."""


class Place(Record):
    """The statement of a file that a finding is about."""

    file: str
    line: int
    """From 1."""
    statement: str
    """One readable line."""
    statement_hash: str
    """``sha256:<hex>``: what a waiver names behind the slash."""
    table: str = ""
    column: str = ""


class Finding(Record):
    """One reason of a decision."""

    code: str
    """Stable and dotted: ``promotion.path``."""
    level: Level
    message: str
    solution: str
    waived: Waiver | None = None
    at: Place | None = field(default=None, metadata={"json": "when set"})
    """Where, for a gate that reads files."""
    about: str = field(default="", compare=False, metadata={"json": "never"})
    """What a waiver names behind the slash; empty when it is only the code."""


class Decision(Record):
    """The answer of one gate to one input. Field order is the contract's JSON."""

    gate: str
    allow: bool
    findings: tuple[Finding, ...]
    policy_digest: str
    input_digest: str
    engine: str
    at: datetime
    advice: tuple[Finding, ...] = field(default=(), metadata={"json": "never"})
    """What the policies say beside it, and no part of what is decided."""
    verdict: str = field(default="", metadata={"json": "when set"})
    """What becomes of a canary, of the gates that say so: ``continue``, ``extend``, ``promote``,
    ``rollback`` or ``hold``. Only ``promote`` allows. Empty: nobody could say."""
    outcome: str = field(default="", metadata={"json": "when set"})
    """What its watch has come to: ``running``, ``pass``, ``fail``, ``no-data``, ``error`` or
    ``inconclusive``."""


class Actor(Record):
    """Who acts, and how that is known."""

    name: str
    method: str
    """``ssh``, ``os-user``, ... the identity plugin's word."""
    proven: bool
    """A signature was verified. ``False`` for a mere claim such as the login name."""
    key: str = ""
    """Fingerprint of the key that proved it (``SHA256:...``)."""
