"""What the clients of MySQL, SQL Server, SQLite and Oracle do with a file besides sending it.

Sources: MySQL 8.4 ``client/mysql.cc`` and ``sql/sql_lexer.cc``, the manuals of ``sqlcmd``,
``sqlite3`` and SQL*Plus.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator

from sluiceway.migrations.cleaning.edits import Draft, Edit, blanked
from sluiceway.migrations.records import Dialect, Span
from sluiceway.migrations.statements import BLANK, cut, spans, tokens

__all__ = ["CLIENTS", "mysql", "oracle", "sqlite", "tsql"]

_DELIMITER = re.compile(r"(?im)(?:^|(?<=;))[ \t]*delimiter(?:[ \t]+([^\s]*)[^\n]*|[ \t]*\r?$)")
_VERSIONED = re.compile(r"/\*(M?)!(\d{5,6})?")
_SURE = {Dialect.MYSQL: 60000, Dialect.MARIADB: 50700}
"""Every server that is still run executes what is marked for versions below this."""
_PROGRAM = (
    "{} takes in another file or runs a program: name that file as well, or leave the line out"
)


def mysql(draft: Draft, dialect: Dialect) -> None:
    """Apply DELIMITER, and lay bare what ``/*! ... */`` runs."""
    _Mysql(draft, dialect).run()


class _Mysql:
    def __init__(self, draft: Draft, dialect: Dialect) -> None:
        self.draft = draft
        self.text = draft.text
        self.dialect = dialect
        self.edits: list[Edit] = []
        self.delimiter = ";"
        self.begun = False
        """A statement has begun: the client looks for commands only before one."""
        self.commands = deque(_DELIMITER.finditer(self.text))
        """What looks like DELIMITER and is not behind us."""
        self.versioned: tuple[int, bool, int] | None = None
        """The ``/*!`` that is open: its begin, whether it may be left out, its first ``*/``."""

    def run(self) -> None:
        """Read the text once from begin to end."""
        if not self.commands and not _VERSIONED.search(self.text):
            return
        position, size = 0, len(self.text)
        while position < size:
            left = tokens(self.text, self.dialect, start=position)
            kind, begin, end = next(left, ("end", size, size))
            if (found := self._special(position, begin)) is not None:
                position = found
                continue
            if kind == "quoted" or self.text[position:begin].strip(BLANK):
                self.begun = True
            if kind == "end" and self.delimiter == ";":
                self.begun = False
            position = end
        if self.versioned:
            self.draft.problem(self.versioned[0], "/*! that does not end")
        self.draft.edit(sorted(self.edits))
        if self.delimiter != ";" or any(new.startswith(";") for _, _, new in self.edits):
            self.draft.spans = list(self._spans())

    def _spans(self) -> list[Span]:
        found: list[Span] = []
        # A statement's own semicolons end it too, where no body holds them: the client sends
        # "a; b" as it stands, and the server runs both.
        cuts = [end for begin, end, new in self.edits if new.startswith(";")]
        for begin, end in zip([0, *cuts], [*cuts, len(self.text)], strict=True):
            inner = spans(self.draft.text[begin:end], self.dialect)
            found += [(begin + a, begin + b) for a, b in inner]
        return found

    def _special(self, position: int, stop: int) -> int | None:
        """Deal with the first thing before *stop* that is not SQL; return where to go on."""
        places: list[tuple[int, str]] = []
        while self.commands and self.commands[0].start() < position:
            self.commands.popleft()  # in a quote, a comment, or a column of that name
        if self.commands and not self.begun:
            at = self.commands[0].start()
            if at < stop and not self.text[position:at].strip(BLANK):
                places.append((at, "delimiter"))
        if (opening := _VERSIONED.search(self.text, position, stop)) and not self.versioned:
            places.append((opening.start(), "open"))
        if self.versioned and (at := self.text.find("*/", position, stop)) >= 0:
            places.append((at, "close"))
        if self.delimiter != ";":
            # A delimiter may look like a comment's or a quote's begin: look one further.
            at = self.text.find(self.delimiter, position, stop + len(self.delimiter))
            if at >= 0 and at <= stop:
                places.append((at, "end"))
        if not places:
            return None
        at, what = min(places)
        self.begun = what != "end" and (
            self.begun or what == "close" or bool(self.text[position:at].strip(BLANK))
        )
        deal = {"delimiter": self._delimiter, "open": self._open, "close": self._close}
        return deal.get(what, self._end)(at)

    def _delimiter(self, at: int) -> int:
        match = _DELIMITER.match(self.text, at)
        assert match  # noqa: S101 - it was found there
        self.delimiter = match[1] or ";"
        if not match[1]:
            self.draft.problem(at, "DELIMITER without a delimiter")
        self.edits.append((at, match.end(), ";" + blanked(match[0])[1:]))
        return match.end()

    def _end(self, at: int) -> int:
        size = len(self.delimiter)
        self.edits.append((at, at + size, ";".ljust(size)))
        return at + size

    def _open(self, at: int) -> int:
        match = _VERSIONED.match(self.text, at)
        assert match  # noqa: S101 - it was found there
        version = int(match[2] or 0)
        sure = version < _SURE[self.dialect] and (not match[1] or self.dialect is Dialect.MARIADB)
        self.versioned = at, not sure, self.text.find("*/", match.end())
        self.edits.append((at, match.end(), blanked(match[0])))
        return match.end()

    def _close(self, at: int) -> int:
        assert self.versioned  # noqa: S101 - it is looked for only inside one
        begin, uncertain, first = self.versioned
        if uncertain:
            self.draft.conditional.append((begin, at))
            if first != at:
                # A server that skips it looks for the first */, in a string as well.
                self.draft.problem(
                    begin, "/*! with a */ in a quote: servers differ in where it ends"
                )
        self.versioned = None
        self.edits.append((at, at + 2, "  "))
        return at + 2


def _commands(text: str, pattern: re.Pattern[str], dialect: Dialect) -> Iterator[re.Match[str]]:
    """Yield the lines of *pattern* that no quote or comment holds; their own quotes are no SQL."""
    position = 0
    while match := pattern.search(text, position):
        held = _held(text, position, match.start(), dialect)
        if not held:
            yield match
        position = held or match.end()


def _held(text: str, start: int, place: int, dialect: Dialect) -> int:
    """Return where the quote or comment ends that *place* is inside of; 0 where it is in none.

    *start* is before it, and in none itself.
    """
    for _, begin, end in tokens(text, dialect, start=start):
        if begin >= place:
            return 0
        if end > place:
            return end
    return 0


_SQLCMD = re.compile(r"(?im)^[ \t]*(:[a-z!]+|!!)([^\n\r]*)")
_SQLCMD_VARIABLE = re.compile(r"\$\(([A-Za-z_][\w\-]*)\)")
_SQLCMD_HARMLESS = frozenset({":on", ":setvar", ":out", ":error", ":perftrace", ":list", ":reset"})


def tsql(draft: Draft, dialect: Dialect) -> None:
    """Cut at ``GO``, and read sqlcmd's commands and variables."""
    edits: list[Edit] = []
    for match in _commands(draft.text, _SQLCMD, dialect):
        if match[1].lower() not in _SQLCMD_HARMLESS:
            draft.problem(match.start(1), _PROGRAM.format(match[1]))
        edits.append((match.start(), match.end(), blanked(match[0])))
    draft.edit(edits)
    draft.edit(
        (m.start(), m.end(), ("_" + m[1]).ljust(len(m[0]), "_"))
        for m in _SQLCMD_VARIABLE.finditer(draft.text)
    )
    draft.spans = spans(draft.text, dialect)
    ends = [(a, b) for kind, a, b in tokens(draft.text, dialect) if kind == "separator"]
    draft.blank(ends)


_DOT = re.compile(r"(?m)^\.([a-z]+)([^\n]*)")
_DOT_RUNS = frozenset({"read", "import", "system", "shell", "load", "restore", "open", "archive", "once", "output", "clone", "save"})  # fmt: skip


def sqlite(draft: Draft, dialect: Dialect) -> None:
    """Take out the commands of the ``sqlite3`` shell."""
    edits: list[Edit] = []
    for match in _commands(draft.text, _DOT, dialect):
        if match[1] in _DOT_RUNS:
            draft.problem(match.start(), _PROGRAM.format("." + match[1]))
        edits.append((match.start(), match.end(), blanked(match[0])))
    draft.edit(edits)


_PLUS = re.compile(
    r"(?im)^[ \t]*(?:(?P<quiet>(?:set[ \t]+(?:define|echo|feedback|serveroutput|verify|heading|pagesize"
    r"|linesize|termout|timing|sqlblanklines|scan|escape|autocommit|trimspool|trimout|newpage|colsep"
    r"|wrap|long|numwidth|arraysize|tab|underline|sqlprompt|exitcommit|null)\b|prompt\b|rem(?:ark)?\b"
    r"|col(?:umn)?\b|clear\b|pause\b|[tb]title\b|break\b|compute\b|(?:un)?def(?:ine)?\b|var(?:iable)?\b"
    r"|whenever[ \t]+(?:sqlerror|oserror)\b|spool\b|show[ \t]+err|exit\b|quit\b)[^\n\r]*)"
    r"|(?P<runs>(?:@@?|start[ \t]+(?!with\b)|host\b|!)[^\n\r]*))"
)
_PLUS_VARIABLE = re.compile(r"&&?([A-Za-z_]\w*)(\.?)")


def _plus_commands(text: str, dialect: Dialect) -> Iterator[re.Match[str]]:
    """Yield SQL*Plus's commands: they stand where a statement may begin, and never inside of one.

    ``EXIT WHEN x;`` in a loop is PL/SQL's, ``SET feedback = 1`` an UPDATE's.
    """
    position = free = 0  # what has been looked through, and where no statement is open
    statements = cut(text, dialect)
    statement = next(statements, None)
    while match := _PLUS.search(text, position):
        place = match.start()
        while statement is not None and statement[2] <= place:
            free, statement = statement[2], next(statements, None)
        if statement is not None and statement[0] < place:
            position = statement[2]
        elif held := _held(text, free, place, dialect):
            position = held
        else:
            yield match
            position = free = match.end()
            statements = cut(text, dialect, start=free)
            statement = next(statements, None)


def oracle(draft: Draft, dialect: Dialect) -> None:
    """Cut at the lines of a slash, and read SQL*Plus's commands and variables."""
    edits: list[Edit] = []
    for match in _plus_commands(draft.text, dialect):
        if match["runs"]:
            draft.problem(match.start(), _PROGRAM.format(match["runs"].split()[0]))
        edits.append((match.start(), match.end(), blanked(match[0])))
    draft.edit(edits)
    draft.edit(
        (
            m.start(),
            m.end(),
            ("x" + m[1]).ljust(len(m[0]), "_") if m[2] else ("x" + m[1]).ljust(len(m[0])),
        )
        for m in _PLUS_VARIABLE.finditer(draft.text)
    )
    draft.spans = spans(draft.text, dialect)
    draft.blank([(a, b) for kind, a, b in tokens(draft.text, dialect) if kind == "separator"])


CLIENTS: dict[Dialect, Callable[[Draft, Dialect], None]] = {
    Dialect.MYSQL: mysql,
    Dialect.MARIADB: mysql,
    Dialect.TSQL: tsql,
    Dialect.ORACLE: oracle,
    Dialect.SQLITE: sqlite,
}
