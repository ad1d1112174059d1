"""Settings of a session that change where a quote ends: after one, nobody knows what is SQL.

MySQL's ANSI_QUOTES changes only what stands between double quotes, a name or a text. Where all of these
end where they would in either case, names are written as MySQL's own, and nothing is in doubt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sluiceway.migrations.cleaning.edits import Draft
from sluiceway.migrations.dialect import MYSQL
from sluiceway.migrations.records import Dialect
from sluiceway.migrations.statements import BETWEEN, tokens

__all__ = ["clean"]

_GAP = rf"(?:{BETWEEN}|#[^\n]*\n)++"
_POSTGRES = {
    "standard_conforming_strings": re.compile(
        r"standard_conforming_strings\b(?!\s*(?:=|\bto\b|'\s*,)\s*'?(?:on|true|yes|1|default)\b)"
    ),
    "client_encoding": re.compile(
        r"client_encoding(?<!\wclient_encoding)\b"
        r"(?!\s*(?:=|\bto\b|'\s*,)\s*'?(?:utf-?8|unicode|default|sql_ascii)\b)"
    ),
    "names": re.compile(rf"set(?<!\wset){_GAP}names\b(?!\s*'?(?:utf-?8|unicode|default)\b)"),
}
"""By a word of each, on a text in lower case: to look for all at once, in either case, takes long."""
_MYSQL = re.compile(
    r"\b(?:ansi_quotes|no_backslash_escapes)\b"
    r"|\bsql_mode\b[^;]*?\b(?:ansi|db2|maxdb|mssql|oracle|postgresql)\b"
    rf"|\bset{_GAP}(?:names|character{_GAP}set|charset)\s+"
    r"(?!\s|'?\"?(?:utf8|utf8mb3|utf8mb4|latin1|ascii|binary|default)\b)"
)
_ANSI = re.compile(r"(?i)ansi_quotes\Z|\bsql_mode\b[^;]*\b(?:ansi|db2|maxdb|mssql|postgresql)\Z")
"""A mode in which double quotes are a name's; whatever else it changes, quotes end where they did."""
_OF_MYSQL = ("names", "ansi_quotes", "backslash_escapes", "sql_mode", "character", "charset")


def clean(draft: Draft, dialect: Dialect) -> None:
    """Add a problem for each setting of *draft* under which quotes mean something else."""
    lower = _lowered(draft.text)
    mysql = dialect in MYSQL
    matches: Iterable[re.Match[str]] = ()
    if mysql and any(word in lower for word in _OF_MYSQL):
        matches = _MYSQL.finditer(lower)
    elif not mysql:
        found = [pattern.search(lower) for word, pattern in _POSTGRES.items() if word in lower]
        matches = sorted(filter(None, found), key=re.Match.start)
    for match in matches:
        if mysql and _ANSI.search(match[0]) and not _oracle(lower, match.start()):
            names = _names(draft.text, match.end(), dialect)
            if names is not None:
                draft.edit(names)
                continue
        setting = " ".join(draft.text[match.start() : match.end()].split())[:60]
        draft.problem(
            match.start(),
            f"a setting that changes how strings and characters are read ({setting}): what follows cannot be judged",
        )
        return


def _lowered(text: str) -> str:
    """Return *text* in lower case, each character where it was."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(small if len(small := each.lower()) == 1 else each for each in text)


def _oracle(lower: str, start: int) -> bool:
    """Whether the statement around *start* names the mode ORACLE, which changes more than quotes."""
    return "oracle" in lower[start:].partition(";")[0]


def _names(text: str, start: int, dialect: Dialect) -> list[tuple[int, int, str]] | None:
    """Return what is between double quotes from *start* on, as names; ``None`` where one ends in doubt.

    A text that is taken for a name (the mode may be another again) runs nothing: SQL in it is SQL that
    nobody knows.
    """
    found: list[tuple[int, int, str]] = []
    for kind, begin, end in tokens(text, dialect):
        if kind != "quoted" or text[begin] != '"' or begin < start:
            continue
        inner = text[begin + 1 : end - 1]
        if end - begin < 3 or text[end - 1] != '"' or not _PLAIN.fullmatch(inner):  # noqa: PLR2004
            return None
        found.append((begin, end, f"`{inner}`"))
    return found


_PLAIN = re.compile(r'[^"\\`]+')
