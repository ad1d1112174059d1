"""From the bytes of one file to the SQL that its server would be given."""

from __future__ import annotations

import re
from collections.abc import Collection

from sluiceway.migrations.cleaning.edits import Draft
from sluiceway.migrations.cleaning.encoding import decode
from sluiceway.migrations.dialect import MYSQL
from sluiceway.migrations.records import Dialect
from sluiceway.migrations.statements import spans, tokens

__all__ = ["Draft", "clean", "marked", "plain"]

_PSQL = frozenset({Dialect.POSTGRES, Dialect.REDSHIFT})
_ALWAYS = frozenset({Dialect.TSQL, Dialect.ORACLE})
"""Lines of the client end statements: every file of theirs is looked through."""
_VARIABLE = re.compile(r":(?=['\"A-Za-z_{])(?<!::)")
_TEMPLATES = (b"{{", b"{%", b"${", b"{#")
_MYSQL_MARKS = ("delimiter", "/*!", "/*m!", "ansi_quotes", "no_backslash", "sql_mode", "names", "charset", "character set")  # fmt: skip
_UP = re.compile(r"up[ \t\n\r\f\v]+migration")
_COMMENTS = re.compile(r"--[^!-,.-~]*[^\n]*")
"""Comments. One in which nothing is visible goes on with the next line, as dbmate and Liquibase read it.
They are a small part of a long file, and looking for many words all over it takes long."""
_LONE_CR = re.compile(r"\r(?!\n)")


def plain(data: bytes, dialect: Dialect) -> str | None:
    """Return the text of a file that quickly shows to be nothing but SQL; else ``None``.

    That is the text to which :func:`clean` comes as well, and it has no problem and no tool's marks.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    if dialect in _ALWAYS or "\0" in text or text.startswith("\ufeff"):
        return None
    lower = text.lower()
    if (
        ("{" in text and any(mark in data for mark in _TEMPLATES))
        or ("--" in text and _marks(lower))
        or ("\r" in text and text.count("\r") != text.count("\r\n"))
    ):
        return None
    if dialect in _PSQL:
        odd = (
            "\\" in text
            or (":" in text and _VARIABLE.search(text) is not None)
            or "stdin" in lower
            or ("set" in lower and _settings(lower))
        )
    elif dialect in MYSQL:
        odd = any(mark in lower for mark in _MYSQL_MARKS)
    else:
        odd = dialect is Dialect.SQLITE and ("\n." in text or text.startswith("."))
    return None if odd else text


def _marks(lower: str) -> bool:
    """Say whether a word of a tool's marks stands there. Spelt out: it is asked of every file."""
    comments = "\n".join(_COMMENTS.findall(lower))
    return (
        "migrate" in comments
        or "goose" in comments
        or "liquibase" in comments
        or "statement-breakpoint" in comments
        or "create above" in comments
        or "rambler" in comments
        or ("migration" in lower and _UP.search(lower) is not None)
    )


def _settings(lower: str) -> bool:
    """Say whether the name of a setting stands there that changes what quotes mean."""
    return "names" in lower or "client_encoding" in lower or "standard_conforming" in lower


def marked(data: bytes) -> str:
    """Return the tool whose marks a file holds, or nothing."""
    from sluiceway.migrations.cleaning.sections import tool_of

    return tool_of(decode(data)[0])


def clean(
    data: bytes, dialect: Dialect, *, tool: str, path: str = "", known: Collection[str] = ()
) -> tuple[Draft, str]:
    """Return what is left of *data* as SQL, and the tool whose marks it holds.

    Most files are :func:`plain`, and need not be given here.

    Args:
        data: The file.
        dialect: Whose SQL it is.
        tool: The tool that is known to run it, or ``""`` when the file's own marks are to tell.
        path: The file's own, for the files that it includes.
        known: The paths of the files that are judged as well.
    """
    text, problems = decode(data)
    draft = Draft(text=text, problems=problems)
    from sluiceway.migrations.cleaning import clients, psql, sections, settings, templates

    found = sections.tool_of(text)
    if found and tool in {"", found}:
        sections.clean(draft, found, dialect)
        tool = found
    if b"statement-breakpoint" in data:
        _breakpoints(draft, dialect)
    if any(mark in data for mark in _TEMPLATES):
        templates.clean(draft, dialect)
    if dialect in _PSQL:
        psql.clean(draft, dialect, path, known)
    elif client := clients.CLIENTS.get(dialect):
        client(draft, dialect)
    if dialect in _PSQL | MYSQL:
        settings.clean(draft, dialect)
    if dialect not in _PSQL and b"\r" in data:
        _lone_returns(draft, dialect)
    return draft, tool


def _lone_returns(draft: Draft, dialect: Dialect) -> None:
    """Let nothing hide behind a carriage return in a comment: PostgreSQL says that it ends a line."""
    for kind, begin, end in tokens(draft.text, dialect):
        block = kind != "comment" or draft.text[begin : begin + 2] == "/*"
        # Two characters further: whether a line feed follows. What begins there is no part of it.
        match = None if block else _LONE_CR.search(draft.text, begin, end + 2)
        if match is not None and match.start() <= end:
            draft.problem(
                match.start(),
                "a comment with a lone carriage return: servers and tools differ in where it ends",
            )
            return


_BREAKPOINT = re.compile(r"-->[ \t]*statement-breakpoint")


def _breakpoints(draft: Draft, dialect: Dialect) -> None:
    """Take out Drizzle's marks, which are no comment to MySQL: put a semicolon there.

    Drizzle cuts at them wherever they stand; behind one that is in a comment, SQL begins.
    """
    marks = [match.span() for match in _BREAKPOINT.finditer(draft.text)]
    inside = [(a, b) for kind, a, b in tokens(draft.text, dialect) if kind in {"quoted", "comment"}]
    hidden = any(a < begin < b for a, b in inside for begin, _ in marks)
    draft.edit((begin, end, ";".ljust(end - begin)) for begin, end in marks)
    if hidden:
        cuts = [begin for begin, _ in marks]
        draft.spans = []
        for begin, end in zip([0, *cuts], [*cuts, len(draft.text)], strict=True):
            inner = spans(draft.text[begin:end], dialect)
            draft.spans += [(begin + a, begin + b) for a, b in inner]
