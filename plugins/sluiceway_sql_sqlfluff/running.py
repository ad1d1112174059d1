"""Statements that run something else: variables, EXEC, EXECUTE, PREPARE, CALL, DO."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sluiceway.migrations.records import Action, Dialect, Kind, Name
from sluiceway_sql_sqlfluff.arguments import argument_of, arguments_of, given_to
from sluiceway_sql_sqlfluff.cursor import RESERVED, Cursor, Strange
from sluiceway_sql_sqlfluff.dynamic import PROGRAM, UNKNOWN, Variables, texts
from sluiceway_sql_sqlfluff.tokens import MYSQL, TokenKind, tokens
from sluiceway_sql_sqlfluff.variables import assign, note_assigned
from sluiceway_sql_sqlfluff.words import words

__all__ = ["called_in", "dynamic_of", "run"]


def run(cursor: Cursor, variables: Variables) -> Iterator[Action]:
    """Read what a statement runs; nothing when it is none of these."""
    reader = _READERS.get(cursor.word())
    if reader is not None:
        yield from reader(cursor, variables)
    elif cursor.dialect is Dialect.TSQL and cursor.at_name():
        name = cursor.peek(2 if cursor.word(1) == "." else 0)
        if name is not None and name.text.lower().startswith(("sp_", "xp_")):
            yield from _called(cursor, variables)
        else:  # EXEC may be left out at the beginning of a batch
            offset = cursor.offset
            called = cursor.name()
            cursor.rest()
            yield Action(kind=Kind.CALL, name=called, offset=offset)
    elif cursor.dialect is Dialect.ORACLE and cursor.at_name():
        name = cursor.peek()
        if cursor.word() == "RETURN":
            yield from called_in(cursor)
            cursor.rest()
            yield Action(kind=Kind.OTHER)
        elif name is not None and cursor.word(1) == ":" and cursor.word(2) == "=":
            yield from called_in(cursor)
            cursor.next()
            assign(cursor, name.text, variables)
            yield Action(kind=Kind.OTHER)
        else:
            yield from _called_by_name(cursor, variables)


_RUN_BY = {
    "EXEC_DDL_STATEMENT": 0,
    "PARSE": 1,
    **dict.fromkeys(
        ("CREATE_JOB", "CREATE_PROGRAM", "SUBMIT", "FINISH_REDEF_TABLE", "REDEF_TABLE"), -1
    ),
}
"""Oracle's procedures that run a text, and which of their arguments it is; -1: nobody can say.

DBMS_REDEFINITION puts another table, with whatever columns, in the place of one.
"""


def _called_by_name(cursor: Cursor, variables: Variables) -> Iterator[Action]:
    """Read Oracle's call of a procedure, ``p;`` or ``package.p(...)``; nothing when it is none."""
    begin, offset = cursor.index, cursor.offset
    name = cursor.name()
    group = cursor.group() if cursor.word() == "(" else None
    if not cursor.done and cursor.word() != ";":
        cursor.index = begin
        return
    at = _RUN_BY.get(name[-1].upper()) if len(name) > 1 else None
    if group is not None:
        yield from called_in(group.within(group.index, group.stop))
    if at is None:
        yield Action(kind=Kind.CALL, name=name, offset=offset)
        return
    given = list(group.clauses()) if group is not None and at >= 0 else []
    try:
        found = texts(given[at], variables) if 0 <= at < len(given) else ()
    except Strange:
        found = ()
    yield from dynamic(found, cursor.dialect, (), offset)


def _set(cursor: Cursor, variables: Variables) -> Iterator[Action]:
    """``SET @a = ..., @b = ...``, and settings of the session."""
    offset = cursor.offset
    cursor.next()
    for clause in cursor.clauses():
        scope = clause.one_of("GLOBAL", "SESSION", "LOCAL", "PERSIST", "STATEMENT")
        if clause.done:
            continue
        label = "local" if scope == "LOCAL" else ""
        name = clause.next().text
        while clause.word() == "." and clause.take("."):
            name += "." + clause.next().text
        begin = clause.index
        assign(clause, name, variables)
        value = _written(clause, begin)
        key = (name.lower(),)
        yield Action(kind=Kind.SET, name=key, body=value, label=label, offset=offset)


def _written(clause: Cursor, begin: int) -> str:
    inside = clause.tokens[begin : clause.stop]
    while inside and inside[0].word in {"=", ":", "TO"}:
        inside = inside[1:]
    if len(inside) == 1:
        return inside[0].text
    return clause.text[inside[0].start : inside[-1].end] if inside else ""


def _declare(cursor: Cursor, variables: Variables) -> Iterator[Action]:
    cursor.next()
    for clause in cursor.clauses():
        token = clause.peek()
        if token is None:
            continue
        clause.next()
        while not clause.done and clause.word() not in {"=", "DEFAULT", ":"}:
            if not clause.skip_group():
                clause.next()
        if not clause.done:
            assign(clause, token.text, variables)
    yield Action(kind=Kind.OTHER, label="declare")


def _prepare(cursor: Cursor, variables: Variables) -> Iterator[Action]:
    """``PREPARE s FROM ...`` (what it holds is found here, EXECUTE only runs it)."""
    offset = cursor.offset
    cursor.next()
    name = cursor.part()
    cursor.skip_group()
    variables[_PREPARED + name.lower()] = ()
    if cursor.take("AS"):  # PostgreSQL's: a query or a change of rows, never of the schema
        cursor.rest()
        yield Action(kind=Kind.OTHER, offset=offset)
        return
    cursor.need("FROM")
    yield from _bodies(cursor, variables, (name,), offset)


_PREPARED = "prepared "


def _bodies(cursor: Cursor, variables: Variables, name: Name, offset: int) -> Iterator[Action]:
    try:
        found = texts(cursor, variables)
    except Strange:
        found = ()
    cursor.rest()
    yield from dynamic(found, cursor.dialect, name, offset)


def dynamic(
    found: tuple[str, ...], dialect: Dialect, name: Name = (), offset: int = 0
) -> Iterator[Action]:
    """Yield an action for each text that may be run; one without a body where nobody can say."""
    if not found:
        yield Action(kind=Kind.EXECUTE, name=name, offset=offset)
    for text in found:
        if len(found) > 1 and not text.strip():
            continue  # what a variable held before anything was put to it
        known = UNKNOWN not in text or _named_only(text, dialect)
        action = Action(kind=Kind.EXECUTE, name=name, body=text if known else "", offset=offset)
        if len(found) == 1:
            yield action
        else:  # one of them, nobody knows which
            yield Action(kind=Kind.OTHER, label="if", nested=(action,), offset=offset)


_NAMED = frozenset({"ALTER", "DROP", "CREATE", "TRUNCATE", "RENAME"})


def dynamic_of(cursor: Cursor, variables: Variables) -> list[Action]:
    """Return what an expression that is run as SQL comes to, up to INTO or USING."""
    offset = cursor.offset
    try:
        found = texts(cursor, variables)
    except Strange:
        found = ()
    cursor.rest()
    return list(dynamic(found, cursor.dialect, (), offset))


_RUNS_SQL = words(
    "QUERY_TO_XML QUERY_TO_XMLSCHEMA QUERY_TO_XML_AND_XMLSCHEMA DBLINK DBLINK_EXEC DBLINK_OPEN"
    " DBLINK_SEND_QUERY CROSSTAB TS_STAT OPENQUERY OPENROWSET"
)


def _texts_run(group: Cursor, offset: int) -> Iterator[Action]:
    for argument in group.clauses():
        token = argument.peek()
        statement = token is not None and token.kind is TokenKind.STRING and " " in token.text
        if token is not None and statement and "=" not in token.text.split(" ")[0]:
            yield Action(kind=Kind.EXECUTE, body=token.text, offset=offset)


_NO_FUNCTIONS = RESERVED | words(
    "END DECLARE LOOP WHILE FOR ELSIF EXIT CONTINUE RETURN EXCEPTION OTHERS RAISE OPEN FETCH CLOSE PRAGMA"
    " EXECUTE IMMEDIATE REPLACE FUNCTION PROCEDURE PACKAGE BODY TRIGGER TYPE OUT NUMBER VARCHAR2 BOOLEAN"
)
"""Words of PL/SQL that nobody calls a function by."""


def called_in(cursor: Cursor) -> list[Action]:
    """Return a call for each name before a bracket; in Oracle for each name, which may be a function's too."""
    found: list[Action] = []
    offset = cursor.offset
    inside = cursor.tokens
    oracle = cursor.dialect is Dialect.ORACLE
    for index in range(cursor.index, cursor.stop if oracle else cursor.stop - 1):
        token = inside[index]
        if token.kind not in {TokenKind.WORD, TokenKind.QUOTED}:
            continue
        after = inside[index + 1].word if index + 1 < cursor.stop else ""
        if after != "(" and (not oracle or after == "." or token.word in _NO_FUNCTIONS):
            continue
        if token.word in _RUNS_SQL:
            # What it is given as a text runs as SQL, here or on another server.
            inner = Cursor(inside, cursor.dialect, cursor.text)
            inner.index, inner.stop = index + 1, cursor.stop
            found.extend(_texts_run(inner.group(), offset))
        name: Name = (cursor.fold(token),)
        behind = index - 2 >= cursor.index and inside[index - 1].word == "."
        if behind and inside[index - 2].kind is not TokenKind.SIGN:
            name = (cursor.fold(inside[index - 2]), *name)
        found.append(Action(kind=Kind.CALL, name=name, offset=offset))
    return found


def _named_only(text: str, dialect: Dialect) -> bool:
    """Whether what is not known of a text can only be a name in it, as far as its words go."""
    try:
        first = tokens(text, dialect)[:1]
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is not known then
        return False
    return bool(first) and first[0].word in _NAMED


def _execute(cursor: Cursor, variables: Variables) -> Iterator[Action]:
    offset = cursor.offset
    cursor.next()
    if cursor.dialect is Dialect.TSQL:
        yield from _called(cursor, variables)
        return
    if cursor.take("IMMEDIATE"):
        yield from _bodies(cursor, variables, (), offset)
        return
    if cursor.word() == "(" or cursor.peek() is None:
        yield from _bodies(cursor, variables, (), offset)
        return
    token = cursor.peek()
    if token is not None and token.kind is TokenKind.STRING:
        yield from _bodies(cursor, variables, (), offset)
        return
    if cursor.dialect is Dialect.ORACLE:  # SQL*Plus: EXEC package.p(...)
        yield from _called_by_name(cursor, variables)
        return
    name = cursor.name()
    cursor.rest()
    # PREPARE has been judged; what was prepared elsewhere is not known.
    known = _PREPARED + name[-1].lower() in variables
    yield Action(kind=Kind.OTHER if known else Kind.EXECUTE, name=name, offset=offset)


_PROCEDURES: dict[str, Callable[[list[Cursor], Variables, Cursor, int], Iterator[Action]]]


def _called(cursor: Cursor, variables: Variables) -> Iterator[Action]:
    """T-SQL's EXEC: of a text, of a system procedure, of one's own procedure."""
    offset = cursor.offset
    token = cursor.peek()
    if token is None:
        raise Strange
    if token.kind is TokenKind.VARIABLE and cursor.word(1) == "=":
        cursor.index += 2
        token = cursor.peek()
    if cursor.word() == "(":
        yield from dynamic(texts(cursor.group(), variables), cursor.dialect, (), offset)
        cursor.rest()
        return
    if token is None or token.kind is TokenKind.VARIABLE:
        cursor.rest()
        yield Action(kind=Kind.EXECUTE, offset=offset)
        return
    name = cursor.name()
    arguments = arguments_of(cursor)
    procedure = name[-1].lower()
    if procedure == "sp_rename":
        ordered = [argument_of(arguments, *each) for each in _RENAME_TAKES]
        yield _renamed([each for each in ordered if each is not None], variables, offset)
    elif procedure == "sp_executesql":
        given = argument_of(arguments, 0, "@stmt", "@statement")
        found = texts(given, variables) if given is not None else ()
        yield from dynamic(found, cursor.dialect, (), offset)
    elif procedure in {"sp_msforeachtable", "sp_msforeachdb"}:
        # One command, and up to four more by their names.
        for word, given in arguments:
            if word not in {"@replacechar", "@whereand"}:
                found = texts(given, variables)
                known = tuple(text.replace("?", UNKNOWN) for text in found)
                yield from dynamic(known, cursor.dialect, (), offset)
    elif procedure in _BEYOND:
        yield Action(kind=Kind.EXECUTE, name=name, offset=offset)
    else:
        yield Action(kind=Kind.CALL, name=name, offset=offset)
    cursor.rest()


_BEYOND = frozenset(
    {
        "sp_add_jobstep", "sp_cursorexecute", "sp_cursoropen", "sp_cursorprepare",
        "sp_cursorprepexec", "sp_execute", "sp_execute_external_script", "sp_execute_remote",
        "sp_oacreate", "sp_oamethod", "sp_prepare", "sp_prepexec", "sp_prepexecrpc",
        "sp_update_jobstep", "xp_cmdshell",
    }
)  # fmt: skip
"""What they run is not SQL, or nobody can read it here."""


_RENAME_TAKES = ((0, "@objname"), (1, "@newname"), (2, "@objtype"))


def _renamed(arguments: list[Cursor], variables: Variables, offset: int) -> Action:
    """``sp_rename 'dbo.t.c', 'd', 'COLUMN'``. Raises :class:`Strange` for what is not constant."""
    values = [texts(argument, variables) for argument in arguments]
    if len(values) < 2 or any(  # noqa: PLR2004 - from and to
        len(value) != 1 or UNKNOWN in value for value in values
    ):
        return Action(kind=Kind.EXECUTE, offset=offset)
    name = Cursor(tokens(values[0][0], Dialect.TSQL), Dialect.TSQL, values[0][0]).name()
    new = values[1][0].lower()
    what = values[2][0].upper() if len(values) > 2 else ""  # noqa: PLR2004 - the third is optional
    if what == "COLUMN":
        return Action(
            kind=Kind.RENAME_COLUMN,
            name=name[:-1],
            column=name[-1],
            new_name=(new,),
            offset=offset,
        )
    if what in {"", "OBJECT"}:
        return Action(kind=Kind.RENAME_TABLE, name=name, new_name=(new,), offset=offset)
    return Action(kind=Kind.OTHER, name=name, label="rename", offset=offset)


def _call(cursor: Cursor, variables: Variables) -> Iterator[Action]:
    offset = cursor.offset
    called = cursor.within(cursor.index, cursor.stop)
    cursor.next()
    if cursor.dialect is Dialect.ORACLE:
        yield from _called_by_name(cursor, variables)
        return
    name = cursor.name()
    if name[-1].lower() == "execute_prepared_stmt" and cursor.word() == "(":  # MySQL's schema sys
        yield from _bodies(cursor.group(), variables, (), offset)
        cursor.rest()
        return
    programs = variables.get(PROGRAM + name[-1].lower(), ("",))
    given = given_to(cursor.group(), variables) if programs[0] and cursor.word() == "(" else ()
    cursor.rest()
    note_assigned(called, variables)
    yield Action(kind=Kind.CALL, name=name, body=programs[0], columns=given, offset=offset)


def _do(cursor: Cursor, variables: Variables) -> Iterator[Action]:
    offset = cursor.offset
    if cursor.dialect in MYSQL:
        note_assigned(cursor, variables)
        cursor.rest()
        yield Action(kind=Kind.OTHER, offset=offset)
        return
    cursor.next()
    language = ""
    body = None
    while not cursor.done:
        if cursor.take("LANGUAGE"):
            language = cursor.next().text.lower()
            continue
        token = cursor.next()
        if token.kind is TokenKind.STRING and body is None:
            body = token
        elif token.word != ";":
            raise Strange
    if body is None:
        raise Strange
    yield Action(
        kind=Kind.DO,
        body=body.text,
        body_offset=_inner(cursor.text, body.start, body.text) - offset,
        language=language or "plpgsql",
        offset=offset,
    )


def _inner(text: str, start: int, body: str) -> int:
    """Return where the text between the quotes begins."""
    found = text.find(body[:40], start) if body else -1
    return found if found >= 0 else start


def _begin(cursor: Cursor, _: Variables) -> Iterator[Action]:
    cursor.next()
    if any(
        token.word not in {"TRANSACTION", "TRAN", "WORK", ";", "DEFERRED", "IMMEDIATE", "EXCLUSIVE"}
        and token.kind is TokenKind.WORD
        for token in cursor.tokens[cursor.index : cursor.index + 1]
    ):
        raise Strange
    cursor.rest()
    yield Action(kind=Kind.BEGIN)


def _end(cursor: Cursor, _: Variables) -> Iterator[Action]:
    cursor.rest()
    yield Action(kind=Kind.COMMIT)


def _reset(cursor: Cursor, _: Variables) -> Iterator[Action]:
    """Read RESET of a setting, or of ALL of them."""
    cursor.next()
    name = () if cursor.take("ALL") or not cursor.at_name() else (cursor.name()[-1].lower(),)
    cursor.rest()
    yield Action(kind=Kind.SET, name=name)


def _open(cursor: Cursor, variables: Variables) -> Iterator[Action]:
    """Read PL/SQL's OPEN c FOR of a text, which is a query: what it calls runs."""
    offset = cursor.offset
    cursor.next()
    inside = cursor.tokens[cursor.index : cursor.stop]
    text = cursor.dialect is Dialect.ORACLE
    at = next((at for at, token in enumerate(inside) if text and token.word == "FOR"), None)
    if at is None or at + 1 >= len(inside) or inside[at + 1].word in {"SELECT", "WITH", "("}:
        called = called_in(cursor)
        cursor.rest()
        yield Action(kind=Kind.OTHER, nested=tuple(called), offset=offset)
        return
    cursor.index += at + 1
    try:
        found = texts(cursor, variables)
    except Strange:
        found = ()
    cursor.rest()
    yield from dynamic(found, cursor.dialect, (), offset)


def _discard(cursor: Cursor, _: Variables) -> Iterator[Action]:
    """Read DISCARD: the session's own tables end, or ALL of what is its own."""
    cursor.next()
    word = cursor.one_of("ALL", "TEMP", "TEMPORARY")
    cursor.rest()
    yield (
        Action(kind=Kind.SET, name=("discard",), body=word.lower())
        if word
        else Action(kind=Kind.OTHER)
    )


_READERS: dict[str, Callable[[Cursor, Variables], Iterator[Action]]] = {
    "SET": _set,
    "DECLARE": _declare,
    "PREPARE": _prepare,
    "EXECUTE": _execute,
    "EXEC": _execute,
    "CALL": _call,
    "DO": _do,
    "BEGIN": _begin,
    "END": _end,
    "RESET": _reset,
    "DISCARD": _discard,
    "OPEN": _open,
}
