"""The sequence of deployments by which a breaking change of a schema breaks nobody. Pure.

Each step is one release: its migrations run first, while the release before it still serves; then its
code comes. So at every moment the schema suits two releases, and the way back is open by one.
The SQL is PostgreSQL's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sluiceway.config.settings import nearest
from sluiceway.errors import UsageError
from sluiceway.migrations.plans.records import Check, Draft, Known, Plan, Step, Target
from sluiceway.migrations.plans.sequences import drop_column, drop_table, not_null, replaced
from sluiceway.migrations.plans.sql import quoted, word

__all__ = [
    "CHANGES",
    "Check",
    "Draft",
    "Known",
    "Plan",
    "Step",
    "Target",
    "plan",
    "quoted",
    "target_of",
]

CHANGES: Mapping[str, str] = {
    "rename-column": "TABLE.COLUMN NEW_NAME",
    "change-type": "TABLE.COLUMN NEW_TYPE",
    "split": "TABLE.COLUMN NEW_NAME NEW_NAME...",
    "not-null": "TABLE.COLUMN",
    "drop-column": "TABLE.COLUMN",
    "drop-table": "TABLE",
}
"""What is planned, and the words that it is asked for with."""


def target_of(text: str, change: str) -> Target:
    """Read ``[schema.]table.column``, or ``[schema.]table`` where a table is changed.

    Raises:
        UsageError: ``migrations.plan``.
    """
    _check(change)
    parts = text.split(".")
    whole = change == "drop-table"
    fewest, most = (1, 2) if whole else (2, 3)
    if not fewest <= len(parts) <= most or not all(parts):
        form = "TABLE" if whole else "TABLE.COLUMN"
        raise _usage(change, f"{text!r} is not {form} (or SCHEMA.{form})")
    return (
        Target(table=tuple(parts)) if whole else Target(table=tuple(parts[:-1]), column=parts[-1])
    )


def plan(
    change: str,
    words: Sequence[str],
    known: Known,
    *,
    default: str = "",
    fills: Mapping[str, str] | None = None,
    name: str = "",
) -> Plan:
    """Return the releases that make *change*.

    Args:
        change: One of :data:`CHANGES`.
        words: What stands behind it there.
        known: What is known of the target; its ``type`` is the new columns' where none is given.
        default: For ``not-null``: the expression that fills rows without a value.
        fills: New column to the expression that fills it from the old one; ``split`` needs them.
        name: For ``change-type``: what the new column is called.

    Raises:
        UsageError: ``migrations.plan``: the words do not fit, or something is not known.
    """
    _check(change)
    least = len(CHANGES[change].split())
    if len(words) < least or (len(words) > least and change != "split"):
        raise _usage(change, f"it takes {CHANGES[change]}")
    target, rest = target_of(words[0], change), tuple(words[1:])
    if change == "drop-table":
        return drop_table(target)
    if change == "drop-column":
        return drop_column(target)
    if change == "not-null":
        return not_null(target, default)
    if change == "change-type":
        new = name or f"{target.column}_{word(rest[0])}"
        return replaced(
            change, target, {new: rest[0]}, {new: f"{{old}}::{rest[0]}", **(fills or {})}, known
        )
    if not known.type:
        raise UsageError(
            f"the type of {target.dotted} is not known",
            means="The folder of migrations does not say it in a form that is understood here.",
            remedy="Say it: --type=numeric(16,4)",
            code="migrations.plan",
        )
    if change == "rename-column":
        return replaced(change, target, {rest[0]: known.type}, {rest[0]: "{old}"}, known)
    missing = [each for each in rest if each not in (fills or {})]
    if missing:
        raise UsageError(
            f"how {' and '.join(missing)} come from {target.column} is not known",
            remedy=f"Say it for each: --fill=\"{missing[0]}=split_part({target.column}, ' ', 1)\"",
            code="migrations.plan",
        )
    return replaced(change, target, dict.fromkeys(rest, known.type), fills or {}, known)


def _check(change: str) -> None:
    """Raise unless *change* is one of :data:`CHANGES`."""
    if change not in CHANGES:
        guess = nearest(change, CHANGES)
        raise UsageError(
            f"{change!r} is no change that can be planned",
            means=f"Planned are {', '.join(CHANGES)}.",
            remedy=f"Did you mean {guess}?" if guess else "Name one of these.",
            code="migrations.plan",
        )


def _usage(change: str, what: str) -> UsageError:
    return UsageError(
        f"{change}: {what}",
        remedy=f"invoke migrations.plan {change} {CHANGES[change]}",
        code="migrations.plan",
    )
