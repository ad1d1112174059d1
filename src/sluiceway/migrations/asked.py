"""Which facts the rules ask for: no others are given to them. Pure.

Most statements of most migrations are of no interest to any rule, and what is not given need not be
written down, checked against the schema, read by the engine and walked through by every rule. What is
kept back here is kept back because of what the rules that come with Sluiceway ask for, and tests hold it
to them; a site's own rules get everything of the kinds that any rule looks at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sluiceway.errors import SluicewayError
from sluiceway.migrations.records import Asked, Kind
from sluiceway.policy.bundle import bundled_policies
from sluiceway.policy.engine import Bundle

__all__ = ["ASKED", "HARMLESS", "asked_by", "sent"]

ASKED: dict[str, frozenset[Kind]] = {
    "cascade": frozenset(
        {
            Kind.DROP_COLUMN,
            Kind.DROP_FUNCTION,
            Kind.DROP_SCHEMA,
            Kind.DROP_SEQUENCE,
            Kind.DROP_TABLE,
            Kind.DROP_TYPE,
            Kind.DROP_VIEW,
            Kind.TRUNCATE,
        }
    ),
    "check-constraint": frozenset({Kind.ADD_CONSTRAINT}),
    "concurrent-in-transaction": frozenset(
        {Kind.CREATE_INDEX, Kind.DETACH_PARTITION, Kind.DROP_INDEX, Kind.REINDEX}
    ),
    "drop-column": frozenset({Kind.DROP_COLUMN}),
    "drop-default": frozenset({Kind.DROP_DEFAULT}),
    "drop-index-not-concurrent": frozenset({Kind.DROP_INDEX}),
    "drop-object": frozenset(
        {
            Kind.DROP_FUNCTION,
            Kind.DROP_SEQUENCE,
            Kind.DROP_TRIGGER,
            Kind.DROP_TYPE,
            Kind.DROP_VIEW,
        }
    ),
    "drop-table": frozenset({Kind.DROP_DATABASE, Kind.DROP_SCHEMA, Kind.DROP_TABLE}),
    "enum-value": frozenset({Kind.ALTER_TYPE}),
    "exclusion-constraint": frozenset({Kind.ADD_CONSTRAINT}),
    "foreign-key": frozenset({Kind.ADD_CONSTRAINT}),
    "generated-column": frozenset({Kind.ADD_COLUMN}),
    "index-not-concurrent": frozenset({Kind.CREATE_INDEX}),
    "json-column": frozenset({Kind.ADD_COLUMN, Kind.CHANGE_TYPE}),
    "lock-timeout": frozenset(
        {
            Kind.ADD_COLUMN,
            Kind.ADD_CONSTRAINT,
            Kind.ATTACH_PARTITION,
            Kind.CHANGE_TYPE,
            Kind.CREATE_INDEX,
            Kind.DETACH_PARTITION,
            Kind.DROP_COLUMN,
            Kind.DROP_DEFAULT,
            Kind.DROP_INDEX,
            Kind.DROP_TABLE,
            Kind.DROP_TRIGGER,
            Kind.RENAME_COLUMN,
            Kind.RENAME_TABLE,
            Kind.REWRITE_TABLE,
            Kind.SET_NOT_NULL,
            Kind.SET_SCHEMA,
            Kind.TRUNCATE,
        }
    ),
    "not-null-without-default": frozenset({Kind.ADD_COLUMN, Kind.CHANGE_TYPE, Kind.SET_NOT_NULL}),
    "partition": frozenset({Kind.ATTACH_PARTITION, Kind.DETACH_PARTITION}),
    "refresh-view": frozenset({Kind.REFRESH_VIEW}),
    "reindex": frozenset({Kind.REINDEX}),
    "rename-column": frozenset({Kind.RENAME_COLUMN}),
    "rename-table": frozenset(
        {Kind.RENAME_SCHEMA, Kind.RENAME_TABLE, Kind.RENAME_VIEW, Kind.SET_SCHEMA}
    ),
    "rewrite-table": frozenset({Kind.REWRITE_TABLE}),
    "truncate": frozenset({Kind.TRUNCATE}),
    "type-change": frozenset({Kind.CHANGE_TYPE}),
    "unique-constraint": frozenset({Kind.ADD_COLUMN, Kind.ADD_CONSTRAINT}),
    "unparsable": frozenset({Kind.EXECUTE, Kind.UNPARSABLE}),
    "volatile-default": frozenset({Kind.ADD_COLUMN}),
}
"""Each rule that comes with Sluiceway, by its name in ``data.migration.levels``, to the kinds of facts
that it looks at."""

HARMLESS = frozenset(Kind) - frozenset(kind for kinds in ASKED.values() for kind in kinds)
"""Kinds of facts that no rule looks at, and which are therefore not sent. A site whose own rules do look
at one names it in ``data.migration.also``."""

_NEW_VALUES = "not-null-without-default"
"""The rule that does not ask for what :data:`~sluiceway.migrations.records.EXCUSES` excuse."""


def sent(
    facts: Iterable[Mapping[str, Any]], bundle: Bundle | SluicewayError, *, advice: bool = True
) -> list[Mapping[str, Any]]:
    """Return those of *facts* (as JSON) that some rule of *bundle* asks for, as :func:`asked_by`."""
    asked = asked_by(bundle, advice=advice)
    return [fact for fact in facts if asked is None or asked.wants(fact)]


def asked_by(bundle: Bundle | SluicewayError, *, advice: bool = True) -> Asked | None:
    """Return which facts some rule of *bundle* asks for; ``None`` for all that there are.

    Args:
        bundle: The policies. Where their Rego is Sluiceway's and nobody else's, what only rules that
            are off look at is not asked for either.
        advice: Rules that only advise are asked as well.
    """
    data = {} if isinstance(bundle, SluicewayError) else bundle.data.get("migration")
    data = data if isinstance(data, Mapping) else {}
    also = data.get("also")
    if not isinstance(also, list) or not all(isinstance(each, str) for each in also):
        # Not understood: nothing is kept back.
        return None
    asking = dict(ASKED)
    if isinstance(bundle, Bundle) and bundle.origin == str(bundled_policies()):
        levels = data.get("levels")
        asking = {rule: kinds for rule, kinds in ASKED.items() if _wanted(rule, levels, advice)}
    return Asked(
        kinds=frozenset({*also, *(kind for asked in asking.values() for kind in asked)}),
        # All but those of which nothing but that one rule wants to know.
        others=frozenset(
            {*also, *(k for rule, asked in asking.items() if rule != _NEW_VALUES for k in asked)}
        ),
    )


def _wanted(rule: str, levels: object, advice: bool) -> bool:  # noqa: FBT001 - one of three givens
    """Say whether a rule is asked, as ``wanted`` of the rules does: what is not understood denies."""
    level = levels.get(rule) if isinstance(levels, Mapping) else None
    return level != "off" and (advice or level != "advice")
