"""What a parser said, as short lines that a test can compare."""

from __future__ import annotations

from collections.abc import Sequence

from sluiceway.migrations.records import Action, Dialect, Kind, Parsed, Script
from sluiceway_sql_sqlfluff.parser import parser


def script(text: str) -> Script:
    return Script(path="a.sql", name="a.sql", layout="plain", text=text, digest="sha256:0")


def parsed(dialect: str, text: str) -> list[Parsed]:
    return parser().parse(script(text), Dialect(dialect))


def flat(actions: Sequence[Action]) -> list[Action]:
    return [inner for action in actions for inner in (action, *flat(action.nested))]


def actions(dialect: str, text: str) -> list[Action]:
    found = parsed(dialect, text)
    assert [item.problem for item in found if item.problem] == []
    return [action for item in found for action in flat(item.actions)]


def told(action: Action) -> str:
    """Return an action as one short line."""
    words = [str(action.kind), ".".join(action.table or action.name), action.column]
    words.append(">" + ".".join(action.new_name) if action.new_name else "")
    if action.definition is not None and action.kind in {Kind.ADD_COLUMN, Kind.CHANGE_TYPE}:
        words.append("not null" if action.definition.not_null else "")
        words.append("default" if action.definition.default else "")
    flags = ("concurrently", "if_exists", "temporary", "cascade")
    words.extend(name for name in flags if getattr(action, name))
    return " ".join(word for word in words if word)


def lines(dialect: str, text: str) -> list[str]:
    return [told(action) for action in actions(dialect, text) if action.kind is not Kind.OTHER]
