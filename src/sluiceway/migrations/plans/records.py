"""A planned change: releases, and in each the migrations, the job, the code and what to check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sluiceway.model import to_json
from sluiceway.record import Record, field

__all__ = ["Check", "Draft", "Known", "Plan", "Step", "Target"]

_LOCK = "SET lock_timeout = '2s';"
"""A statement that waits for its lock makes everybody behind it wait; rather it fails and is retried."""


class Target(Record):
    """What is changed."""

    table: tuple[str, ...]
    column: str = ""

    @property
    def dotted(self) -> str:
        """``billing.payments.amount``."""
        return ".".join((*self.table, self.column) if self.column else self.table)

    @property
    def table_name(self) -> str:
        """``billing.payments``."""
        return ".".join(self.table)


class Draft(Record):
    """One migration that is to be written."""

    slug: str
    """What it does, for its file name: ``add_payments_amount_cents``."""
    statements: tuple[str, ...]
    in_transaction: bool = True
    """CONCURRENTLY cannot run in one, so then it stands alone."""

    @property
    def text(self) -> str:
        """The SQL, each statement on its own lines."""
        return "\n".join((_LOCK, "", *self.statements)) + "\n"


class Check(Record):
    """What has to hold before the next step."""

    what: str
    sql: str = ""
    """A query to ask, perhaps none."""
    answer: str = ""
    """What it has to say."""


class Step(Record):
    """One release."""

    title: str
    drafts: tuple[Draft, ...] = ()
    job: str = ""
    """A statement that is run again and again, each time in a transaction of its own, after this
    release serves alone, until it changes no row. It is no migration: those run once."""
    code: tuple[str, ...]
    """What the release's code does."""
    checks: tuple[Check, ...] = ()
    reads: tuple[str, ...] = ()
    """Of the columns that the change is about, what the release declares to read ..."""
    writes: tuple[str, ...] = ()
    """... and to write."""


class Plan(Record):
    """A change, release by release."""

    change: str
    table: str
    columns: tuple[str, ...]
    """Every column that it is about."""
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it with the SQL of every draft."""
        document: dict[str, Any] = to_json(self)
        for step, shown in zip(self.steps, document["steps"], strict=True):
            for draft, item in zip(step.drafts, shown["drafts"], strict=True):
                item["sql"] = draft.text
        return document


class Known(Record):
    """What the folder of migrations says about the target."""

    type: str = ""
    """Of the column; empty when it is not known."""
    not_null: bool = True
    """The column may demand a value; so it is taken until something says otherwise."""
    indexes: Sequence[tuple[str, tuple[str, ...], bool]] = field(default_factory=tuple)
    """Name, columns and uniqueness of the table's indexes."""
