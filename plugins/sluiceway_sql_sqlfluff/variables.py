"""What variables hold: declared, set, selected, and filled by what nobody can follow."""

from __future__ import annotations

from collections.abc import Sequence

from sluiceway.migrations.records import Dialect
from sluiceway_sql_sqlfluff.cursor import Cursor, Strange
from sluiceway_sql_sqlfluff.dynamic import PROGRAM, UNKNOWN, Variables, assigned, limited, texts
from sluiceway_sql_sqlfluff.tokens import MYSQL, Token, TokenKind

__all__ = [
    "assign",
    "declared",
    "note_assigned",
    "note_filled",
    "note_into",
    "note_programs",
    "note_run",
    "note_selected",
]


def assign(clause: Cursor, name: str, variables: Variables) -> None:
    """Take over what ``= expression`` behind a variable comes to."""
    key = name.lower()
    added = clause.take("+", "=")
    if not added:
        clause.take(":")
        if not clause.one_of("=", "TO", "DEFAULT"):
            clause.rest()
            return
    before = variables.get(key, (UNKNOWN,)) if added else ("",)
    try:
        found = assigned(clause, variables)
    except Strange:
        found = ()
    clause.rest()
    variables[key] = tuple(old + new for old in before for new in (found or (UNKNOWN,)))[:16]


def declared(head: Sequence[Token], text: str, variables: Variables) -> None:
    """Take over what Oracle's variables are declared with, and what is put into them.

    Args:
        head: The tokens before the first statement of a block.
        text: Where they are from.
        variables: What is brought up to date.
    """
    begin = 0
    for index, token in enumerate(head):
        if token.word not in {";", "BEGIN", "DECLARE", "IS", "AS"}:
            continue
        piece = Cursor(head, Dialect.ORACLE, text)
        piece.index, piece.stop, begin = begin, index, index + 1
        name = piece.peek()
        while not piece.done and not piece.at(":", "=") and piece.word() != "DEFAULT":
            piece.next()
        if name is not None and not piece.done:
            assign(piece, name.text, variables)


def note_selected(cursor: Cursor, variables: Variables) -> None:
    """Take over what ``SELECT @a = 'x' + name FROM ...`` (T-SQL) and ``SELECT ... INTO @a``
    (MySQL) put into variables.
    """
    copy = cursor.within(cursor.index + 1, cursor.stop)
    copy.one_of("ALL", "DISTINCT")
    if copy.take("TOP"):
        copy.skip_group() or copy.next()
        copy.take("PERCENT")
    rows = any(token.word in _MAY_BE_NONE for token in cursor.tokens[cursor.index : cursor.stop])
    if cursor.dialect is Dialect.TSQL:
        while not copy.done:
            token = copy.peek()
            if token is None or token.kind is not TokenKind.VARIABLE:
                return
            copy.next()
            if copy.word() not in {"=", "+"}:
                return
            before = variables.get(token.text.lower(), ())
            try:
                _step(copy, token.text, variables)
            except Strange:
                variables[token.text.lower()] = (UNKNOWN,)
            if rows:
                both = (*variables[token.text.lower()], *before)
                variables[token.text.lower()] = tuple(dict.fromkeys(both))[:32]
            if not copy.take(","):
                return
    elif cursor.dialect in MYSQL or cursor.procedural:
        _selected_into(cursor, copy, variables)


_MAY_BE_NONE = frozenset({"FROM", "WHERE", "HAVING"})
"""With one of these there may be no row, and then nothing is put into a variable."""


def _selected_into(cursor: Cursor, copy: Cursor, variables: Variables) -> None:
    """Take over what ``SELECT a, b INTO @c, d`` puts into variables: of several nobody knows what."""
    found = cursor.tokens
    names = [
        found[index + 1].text.lower()
        for index in range(cursor.index, cursor.stop - 1)
        if found[index].word == "INTO" and found[index + 1].kind in _VARIABLES
    ]
    if not names:
        return
    others = cursor.within(cursor.index, cursor.stop)
    while not others.take("INTO"):
        others.next()
    others.next()
    several = others.word() == ","
    while others.take(",") and not others.done:
        variables[others.next().text.lower()] = (UNKNOWN,)
    try:
        known = () if several else texts(copy, variables)
    except Strange:
        known = ()
    variables[names[0]] = known or (UNKNOWN,)


_VARIABLES = frozenset({TokenKind.VARIABLE, TokenKind.WORD})


def note_assigned(cursor: Cursor, variables: Variables) -> None:
    """Take over what ``@a := 'x'`` puts into MySQL's variables, wherever it stands in a statement.

    And forget what a list of columns or CALL may put anything into: ``(a, @b)``.
    """
    if cursor.dialect not in MYSQL or "@" not in cursor.text:
        return
    found = cursor.tokens
    for index in range(cursor.index, cursor.stop):
        token = found[index]
        if token.kind is not TokenKind.VARIABLE:
            continue
        copy = cursor.within(index + 1, cursor.stop)
        key = token.text.lower()
        if copy.take(":", "="):
            try:
                known = texts(copy, variables)
            except Strange:
                known = ()
            plain = index == cursor.index + 1 and not any(
                each.word in _MAY_BE_NONE for each in found[index : cursor.stop]
            )
            before = () if plain else variables.get(key, ())
            variables[key] = tuple(dict.fromkeys((*(known or (UNKNOWN,)), *before)))
        elif found[cursor.index].word in _MAY_FILL:
            variables[key] = (UNKNOWN,)


_MAY_FILL = frozenset({"CALL", "LOAD", "GET", "FETCH"})


def note_programs(found: Sequence[Token], variables: Variables) -> None:
    """Keep which of MySQL's session variables a function or a trigger puts something into."""
    names = [
        token.text.lower()
        for index, token in enumerate(found)
        if token.kind is TokenKind.VARIABLE
        and token.text.startswith("@")
        and (
            found[index - 1].word == "INTO"
            or (index + 1 < len(found) and found[index + 1].word in {":", "="})
        )
    ]
    if names:
        variables[_SET] = tuple(dict.fromkeys((*variables.get(_SET, ()), *names)))


_SET = PROGRAM + "@"


def note_run(variables: Variables) -> None:
    """Take into account that functions and triggers may have run, and have filled variables."""
    for name in variables.get(_SET, ()):
        variables[name] = tuple(dict.fromkeys((*variables.get(name, ()), UNKNOWN)))


def note_into(found: Sequence[Token], variables: Variables) -> None:
    """Forget what the variables of an Oracle block held that stand behind INTO."""
    listed = False
    for index, token in enumerate(found):
        if token.kind is TokenKind.SIGN:
            listed = listed and token.word == ","
            continue
        before = found[index - 1].word if index else ""
        listed = before == "INTO" or (listed and before == ",")
        if listed and token.text.lower() in variables:
            variables[token.text.lower()] = (UNKNOWN,)


def note_filled(found: Sequence[Token], variables: Variables) -> None:
    """Forget what T-SQL's variables held that a statement may put anything into.

    ``FETCH ... INTO @a``, ``EXEC p @a OUTPUT``, ``EXEC @a = p``, ``UPDATE t SET @a = b``.
    """
    first, listed = found[0].word, False
    for index, token in enumerate(found):
        before = found[index - 1].word if index else ""
        after = [each.word for each in found[index + 1 : index + 3]]
        listed = first == "FETCH" and (before == "INTO" or (listed and before in {",", ""}))
        if token.kind is TokenKind.VARIABLE and (
            listed
            or after[:1] in (["OUTPUT"], ["OUT"])
            or (before in {"EXEC", "EXECUTE"} and after[:1] == ["="])
            or (
                first in {"UPDATE", "DELETE", "MERGE"}
                and before in {"SET", ","}
                and (after[:1] == ["="] or after[1:] == ["="])
            )
        ):
            variables[token.text.lower()] = (UNKNOWN,)


def _step(copy: Cursor, name: str, variables: Variables) -> None:
    added = copy.take("+", "=")
    if not added:
        copy.need("=")
    found = texts(copy, variables) or (UNKNOWN,)
    before = variables.get(name.lower(), (UNKNOWN,)) if added else ("",)
    variables[name.lower()] = limited(tuple(old + new for old in before for new in found)[:16])
