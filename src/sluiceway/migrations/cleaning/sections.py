"""Files that hold a forward and a backward part: goose, dbmate, sql-migrate, formatted Liquibase.

Each function follows its tool's own reader line by line, because what a comment line of SQL is to a
database is a command to the tool, inside a string as well. A file that the tool itself would refuse
is a problem, and then nothing of it is left out. Sources: goose ``internal/sqlparser/parser.go``,
dbmate ``pkg/dbmate/migration.go``, sql-migrate ``sqlparse/sqlparse.go``, Liquibase
``AbstractFormattedChangeLogParser.java``.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator

from sluiceway.migrations.cleaning import halves
from sluiceway.migrations.cleaning.edits import Draft
from sluiceway.migrations.records import Dialect, Maybe, Span
from sluiceway.migrations.statements import spans, tokens

__all__ = ["MARKERS", "clean", "tool_of"]

GO_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680"
    + "".join(map(chr, range(0x2000, 0x200B)))
    + ("\u2028\u2029\u202f\u205f\u3000")
)
"""What Go's ``strings.TrimSpace`` takes off, and ``bufio.ScanWords`` divides words at."""
_WORDS = re.compile(f"[^{GO_SPACE}]+")

MARKERS: dict[str, re.Pattern[str]] = {
    "goose": re.compile(rf"(?im)^[{GO_SPACE}]*--.*\+goose[ \t]+(?:up|down|statementbegin)\b"),
    "dbmate": re.compile(r"(?m)^--[\t\n\f\r ]*migrate:(?:up|down)(?:[\t\n\f\r ]|\Z)"),
    "sql-migrate": re.compile(r"(?m)^-- \+migrate (?:Up|Down)\b"),
    "liquibase": re.compile(r"(?i)\A\s*--\s*liquibase\s*formatted"),
    **halves.MARKERS,
}
"""What tells that a file is of a tool."""
_WORD_OF = {
    "goose": "goose",
    "dbmate": "migrate:",
    "sql-migrate": "+migrate",
    "liquibase": "liquibase",
    **halves.WORDS,
}
"""A word of each marker, without which there is no need to look for it."""


def tool_of(text: str) -> str:
    """Return the tool whose marker comes first in *text*, or ``""``."""
    lower = text.lower()
    found = (
        (match.start(), tool)
        for tool, mark in MARKERS.items()
        if _WORD_OF[tool] in lower and (match := mark.search(text))
    )
    return min(found, default=(0, ""))[1]


def clean(draft: Draft, tool: str, dialect: Dialect) -> None:
    """Leave only the forward part of *tool*'s file in *draft*."""
    _READERS[tool](draft, dialect)


def _lines(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield begin, end (of the line's end too) and content of each line, as ``bufio.ScanLines``."""
    begin = 0
    while begin < len(text):
        end = text.find("\n", begin) + 1 or len(text)
        line = text[begin:end].removesuffix("\n").removesuffix("\r")
        yield begin, end, line
        begin = end


def _ends_statement(line: str) -> bool:
    """Tell whether goose and sql-migrate take the statement to end with this line."""
    previous = ""
    for word in _WORDS.findall(line):
        if word.startswith("--"):
            break
        previous = word
    return previous.endswith(";")


class _RefusedError(Exception):
    """The tool itself would refuse this file: where, and why."""

    def __init__(self, offset: int, why: str) -> None:
        super().__init__(why)
        self.offset = offset


_GOOSE = {
    word.lower(): word
    for word in ("Up", "Down", "StatementBegin", "StatementEnd", "NO TRANSACTION", "ENVSUB ON", "ENVSUB OFF")
}  # fmt: skip
_ENVIRONMENT = re.compile(r"(?<![\w$\\])\$([A-Za-z_]\w*)(?![\w$])")


def _goose(draft: Draft, dialect: Dialect) -> None:
    reader = _Goose()
    try:
        for begin, end, line in _lines(draft.text):
            reader.line(begin, end, line)
        reader.finish(len(draft.text))
    except _RefusedError as error:
        draft.problem(error.offset, f"goose refuses this file: {error}")
        return
    if reader.down:
        begin, end = reader.down[0][0], reader.down[-1][1]
        draft.leave_out(begin, end, "the backward part of goose (-- +goose Down)")
    draft.blank(reader.down)
    draft.in_transaction = Maybe.YES if reader.in_transaction else Maybe.NO
    for begin, end in reader.environment:
        for match in _ENVIRONMENT.finditer(draft.text, begin, end):
            draft.edit([(match.start(), match.end(), "_" + match[1])])
    _check_cuts(draft, dialect, reader.cuts, "goose", "-- +goose StatementBegin ... StatementEnd")


class _Goose:
    """The states of goose's own reader, for the direction Up."""

    def __init__(self) -> None:
        self.state = "start"
        self.pending = False
        """A statement has begun and has not ended."""
        self.in_transaction = True
        self.cuts: list[int] = []
        self.down: list[Span] = []
        self.environment: list[Span] = []
        self._substitutes = False

    def line(self, begin: int, end: int, line: str) -> None:
        stripped = line.strip(GO_SPACE)
        if self.state == "start" and not stripped:
            return
        if stripped.startswith("--") and "+goose" in line:
            self._annotation(begin, end, line)
            return
        if self.state.endswith("down"):
            self.down.append((begin, end))
            return
        if not self.pending and (stripped.startswith("--") or not line):
            return
        if self.state == "start":
            raise _RefusedError(begin, "it holds a statement before -- +goose Up")
        self.pending = True
        if self._substitutes:
            self.environment.append((begin, end))
        if self.state == "up" and _ends_statement(line):
            self._cut(end)

    def _cut(self, end: int) -> None:
        self.cuts.append(end)
        self.pending = False

    def _annotation(self, begin: int, end: int, line: str) -> None:
        if line[:1] in {" ", "\t"}:
            raise _RefusedError(begin, "an annotation with a space before it")
        word = line.replace("--", "").replace("+goose", "", 1).strip(GO_SPACE).lower()
        known = _GOOSE.get(word)
        if known == "Up" and self.state == "start":
            self.state = "up"
        elif known == "Down" and self.state == "up" and not self.pending:
            self.state = "down"
        elif known == "StatementBegin" and self.state in {"up", "down"}:
            self.state = "begin " + self.state
        elif known == "StatementEnd" and self.state.startswith("begin "):
            self.state = self.state.removeprefix("begin ")
            if self.state == "up":
                self._cut(end)
        elif known == "NO TRANSACTION":
            self.in_transaction = False
        elif known in {"ENVSUB ON", "ENVSUB OFF"}:
            self._substitutes = known.endswith("ON")
        elif known is None:
            raise _RefusedError(begin, f"an annotation that it does not know: {line.strip()}")
        elif self.pending:
            raise _RefusedError(
                begin, "the statement before this annotation does not end with a semicolon"
            )
        else:
            raise _RefusedError(begin, f"-- +goose {known} does not belong here")

    def finish(self, end: int) -> None:
        if self.state == "start":
            raise _RefusedError(0, "it has no -- +goose Up")
        if self.state.startswith("begin "):
            raise _RefusedError(end, "-- +goose StatementEnd is missing")
        if self.pending:
            raise _RefusedError(
                end, "its last statement does not end with a semicolon at a line's end"
            )


def _check_cuts(draft: Draft, dialect: Dialect, cuts: list[int], tool: str, remedy: str) -> None:
    """Add a problem where the tool cuts what is one statement (or quote, or comment) to SQL.

    What runs is then not what a parser sees: the tool sends two halves, and servers differ in what
    they make of them.
    """
    whole = [*spans(draft.text, dialect)]
    whole += [
        (begin, end)
        for kind, begin, end in tokens(draft.text, dialect)
        if kind in {"quoted", "comment"}
    ]
    for begin, end in whole:
        at = bisect_right(cuts, begin)
        if at < len(cuts) and cuts[at] < end:
            draft.problem(
                cuts[at] - 1,
                f"{tool} takes the statement to end with this line, and to SQL it goes on: put it "
                f"between {remedy}",
            )
            return


_UP = re.compile(r"(?m)^--[\t\n\f\r ]*migrate:up([\t\n\f\r ]*$|[\t\n\f\r ]+[^\t\n\f\r ]+)")
_DOWN = re.compile(r"(?m)^--[\t\n\f\r ]*migrate:down([\t\n\f\r ]*$|[\t\n\f\r ]+[^\t\n\f\r ]+)")
_SQL_BEFORE = re.compile(r"(?m)^(?![\t\n\f\r ]*--)[^\n]*[^\t\n\f\r ]")


def _dbmate(draft: Draft, _dialect: Dialect) -> None:
    text = draft.text
    ups = [match.start() for match in _UP.finditer(text)]
    if not ups:
        draft.problem(0, "dbmate refuses this file: it has no -- migrate:up")
        return
    if before := _SQL_BEFORE.search(text, 0, ups[0]):
        draft.problem(before.start(), "dbmate refuses this file: a statement before -- migrate:up")
        return
    backward: list[Span] = []
    modes: set[Maybe] = set()
    for begin, end in zip(ups, [*ups[1:], len(text)], strict=True):
        downs = [match.start() for match in _DOWN.finditer(text, begin, end)]
        if len(downs) > 1:
            draft.problem(downs[1], "dbmate refuses this file: two -- migrate:down after one up")
            return
        # Only the directive's own line holds its options.
        options = text[begin : text.find("\n", begin) % (len(text) + 1)].split()
        modes.add(Maybe.NO if "transaction:false" in options else Maybe.YES)
        if downs:
            backward.append((downs[0], end))
    for begin, end in backward:
        draft.leave_out(begin, end, "the backward part of dbmate (-- migrate:down)")
    draft.blank(backward)
    draft.in_transaction = modes.pop() if len(modes) == 1 else Maybe.MAYBE


def _sql_migrate(draft: Draft, dialect: Dialect) -> None:
    reader = _SqlMigrate()
    try:
        for begin, end, line in _lines(draft.text):
            reader.line(begin, end, line)
        reader.finish(len(draft.text))
    except _RefusedError as error:
        draft.problem(error.offset, f"sql-migrate refuses this file: {error}")
        return
    if reader.down:
        begin, end = reader.down[0][0], reader.down[-1][1]
        draft.leave_out(begin, end, "the backward part of sql-migrate (-- +migrate Down)")
    draft.in_transaction = Maybe.YES if reader.in_transaction else Maybe.NO
    draft.blank(reader.out)
    remedy = "-- +migrate StatementBegin ... StatementEnd"
    _check_cuts(draft, dialect, reader.cuts, "sql-migrate", remedy)


class _SqlMigrate:
    """The states of sql-migrate's own reader. What stands before the first mark is judged too."""

    def __init__(self) -> None:
        self.direction = ""
        self.ignores = False
        """Between StatementBegin and StatementEnd."""
        self.pending = False
        self.in_transaction = True
        self.cuts: list[int] = []
        self.out: list[Span] = []
        self.down: list[Span] = []

    def line(self, begin: int, end: int, line: str) -> None:
        if line.startswith("-- ") and not line.startswith("-- +"):
            self.out.append((begin, end))  # dropped before anything else looks: in a string too
            return
        ended = line.startswith("-- +migrate ") and self._command(begin, line)
        if self.direction == "Down":
            self.down.append((begin, end))
        if self.direction == "Down" or line.startswith("-- +"):
            self.out.append((begin, end))
        if not self.direction:
            return
        if not line.startswith("-- +") and line.strip(GO_SPACE):
            self.pending = True
        if ended or (not self.ignores and _ends_statement(line)):
            self.pending = False
            if self.direction == "Up":
                self.cuts.append(end)

    def _command(self, begin: int, line: str) -> bool:
        """Obey a command; tell whether it ends a statement."""
        command, *options = [*line.removeprefix("-- +migrate ").split(), ""]
        if command in {"Up", "Down"}:
            if self.pending:
                raise _RefusedError(begin, "the statement before this line has no end")
            self.direction = command
            if command == "Up" and "notransaction" in options:
                self.in_transaction = False
        elif command == "StatementBegin" and self.direction:
            self.ignores = True
        elif command == "StatementEnd" and self.direction:
            ended, self.ignores = self.ignores, False
            return ended
        return False

    def finish(self, end: int) -> None:
        if self.ignores:
            raise _RefusedError(end, "-- +migrate StatementEnd is missing")
        if self.pending:
            raise _RefusedError(end, "its last statement has no end")


_DIRECTIVE = re.compile(
    r"(?i)\s*--\s*(changeset\b|rollback\b|preconditions?\b|comments?\b|validchecksum\b|ignore\b"
    r"|ignorelines\b|property\b|liquibase\b)"
)
_CHANGESET = re.compile(r'(?i)\s*--\s*changeset\s+("[^"]+"|[^:]+):\s*("[^"]+"|\S+)')
_ROLLBACK = re.compile(r"(?i)\s*/\*\s*liquibase\s*rollback\s*$")
_OPTION = r'(?i)(?<![\w]){}:("[^"]*"|\S+)'
_DBMS = {
    "postgresql": {Dialect.POSTGRES},
    "mysql": {Dialect.MYSQL},
    "mariadb": {Dialect.MARIADB},
    "mssql": {Dialect.TSQL},
    "oracle": {Dialect.ORACLE},
    "sqlite": {Dialect.SQLITE},
    "db2": {Dialect.DB2},
    "snowflake": {Dialect.SNOWFLAKE},
    "redshift": {Dialect.REDSHIFT},
    "bigquery": {Dialect.BIGQUERY},
    "h2": set(), "hsqldb": set(), "derby": set(), "firebird": set(), "informix": set(), "sybase": set(),
}  # fmt: skip
"""Liquibase's names of databases. A name that is not here is not used to leave anything out."""


def _liquibase(draft: Draft, dialect: Dialect) -> None:
    inside = list(_multiline(draft.text, dialect))
    blank: list[Span] = []
    modes: set[Maybe] = set()
    delimiter = ""
    other = rolling = False
    left: list[Span] = []
    ends: list[tuple[int, int, str]] = []
    for begin, end, line in _lines(draft.text):
        if rolling:
            blank.append((begin, end))
            rolling = not line.rstrip().endswith("*/")
            continue
        if _ROLLBACK.match(line):
            rolling = True
            blank.append((begin, end))
            continue
        if _DIRECTIVE.match(line):
            blank.append((begin, end))
            if any(a < begin < b for a, b in inside):
                draft.problem(
                    begin, "a line that Liquibase takes for its own stands in a quote or a comment"
                )
            if _CHANGESET.match(line):
                modes.add(
                    Maybe.NO if _option(line, "runInTransaction").lower() == "false" else Maybe.YES
                )
                delimiter = _option(line, "endDelimiter").replace("\\n", "\n")
                other = not _for(_option(line, "dbms"), dialect)
        elif other:
            blank.append((begin, end))
            left.append((begin, end))
        elif delimiter not in {"", ";"} and delimiter.strip():
            ends.append((begin, end, delimiter.strip()))
    if rolling:
        draft.problem(len(draft.text), "a /* liquibase rollback that does not end")
    if left:
        draft.leave_out(
            left[0][0],
            left[-1][1],
            f"changesets that Liquibase runs on other databases than {dialect}",
        )
    draft.blank(blank)
    draft.in_transaction = modes.pop() if len(modes) == 1 else Maybe.MAYBE
    _end_by(draft, ends, dialect)


def _option(line: str, name: str) -> str:
    match = re.search(_OPTION.format(name), line)
    return match[1].strip('"') if match else ""


def _for(dbms: str, dialect: Dialect) -> bool:
    """Tell whether a changeset with this ``dbms:`` may run on *dialect*."""
    names = [name.strip().lower() for name in dbms.split(",") if name.strip()]
    if not names or any(name.removeprefix("!") not in _DBMS for name in names):
        return True
    if any(dialect in _DBMS[name[1:]] for name in names if name.startswith("!")):
        return False
    wanted = [name for name in names if not name.startswith("!")]
    return not wanted or any(dialect in _DBMS[name] for name in wanted)


def _multiline(text: str, dialect: Dialect) -> Iterator[Span]:
    for kind, begin, end in tokens(text, dialect):
        if kind in {"quoted", "comment"} and "\n" in text[begin:end]:
            yield begin, end


def _end_by(draft: Draft, lines: list[tuple[int, int, str]], dialect: Dialect) -> None:
    """Cut at the delimiters of a changeset's own, and put the semicolon in their place."""
    if not lines:
        return
    edits, cuts = [], []
    for begin, end, delimiter in lines:
        line = draft.text[begin:end].rstrip()
        if line.endswith(delimiter):
            at = begin + len(line) - len(delimiter)
            edits.append((at, at + len(delimiter), ";".ljust(len(delimiter))))
            cuts.append(at)
    draft.edit(edits)
    found: list[Span] = []
    for begin, end in zip([0, *cuts], [*cuts, len(draft.text)], strict=True):
        found += [(begin + a, begin + b) for a, b in spans(draft.text[begin:end], dialect)]
    draft.spans = found


_READERS: dict[str, Callable[[Draft, Dialect], None]] = {
    "goose": _goose,
    "dbmate": _dbmate,
    "sql-migrate": _sql_migrate,
    "liquibase": _liquibase,
    "node-pg-migrate": halves.node_pg_migrate,
    "tern": halves.tern,
    "rambler": halves.rambler,
}
