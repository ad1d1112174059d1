"""Settings of a session that change where a quote ends: after one, nobody knows what is SQL."""

from __future__ import annotations

import re

from sluiceway.migrations.cleaning.edits import Draft
from sluiceway.migrations.records import Dialect

__all__ = ["clean"]

_GAP = r"(?:\s|/\*.*?\*/|--[^\n]*\n)+"
_POSTGRES = re.compile(
    r"(?i)standard_conforming_strings\b(?!\s*(?:=|\bto\b|'\s*,)\s*'?(?:on|true|yes|1|default)\b)"
    r"|\bclient_encoding\b(?!\s*(?:=|\bto\b|'\s*,)\s*'?(?:utf-?8|unicode|default|sql_ascii)\b)"
    rf"|\bset{_GAP}names\b(?!\s*'?(?:utf-?8|unicode|default)\b)"
)
_MYSQL = re.compile(
    r"(?i)\b(?:ansi_quotes|no_backslash_escapes)\b"
    r"|\bsql_mode\b[^;]*?\b(?:ansi|db2|maxdb|mssql|oracle|postgresql)\b"
    rf"|\bset{_GAP}(?:names|character{_GAP}set|charset)\s+"
    r"(?!\s|'?\"?(?:utf8|utf8mb3|utf8mb4|latin1|ascii|binary|default)\b)"
)
_WORDS = ("standard_conforming", "client_encoding", "names", "ansi_quotes", "backslash_escapes", "sql_mode", "character", "charset")  # fmt: skip


def clean(draft: Draft, dialect: Dialect) -> None:
    """Add a problem for each setting of *draft* under which quotes mean something else."""
    lower = draft.text.lower()
    if not any(word in lower for word in _WORDS):
        return
    pattern = _MYSQL if dialect in {Dialect.MYSQL, Dialect.MARIADB} else _POSTGRES
    for match in pattern.finditer(draft.text):
        setting = " ".join(match[0].split())[:60]
        draft.problem(
            match.start(),
            f"a setting that changes how strings and characters are read ({setting}): what follows cannot be judged",
        )
        return
