"""One text of SQL to actions: sqlfluff says whether it holds, the tokens say what it does."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

from sluiceway.migrations.records import Action, Dialect, Kind
from sluiceway.record import Changing, Record
from sluiceway_sql_sqlfluff.arguments import given_texts_alone
from sluiceway_sql_sqlfluff.bodies import read_body
from sluiceway_sql_sqlfluff.cursor import Cursor, Strange
from sluiceway_sql_sqlfluff.dynamic import UNKNOWN, Variables, merge
from sluiceway_sql_sqlfluff.guesses import dangers, guess, hidden
from sluiceway_sql_sqlfluff.harmless import harmless
from sluiceway_sql_sqlfluff.moved import by_itself, doubtful, flat, known, shifted, stored
from sluiceway_sql_sqlfluff.oracle import not_ended
from sluiceway_sql_sqlfluff.outline import Block, Engine
from sluiceway_sql_sqlfluff.programs import body_start, bound, note_program, program_made
from sluiceway_sql_sqlfluff.running import called_in
from sluiceway_sql_sqlfluff.simple import statement
from sluiceway_sql_sqlfluff.softened import shielded, softened
from sluiceway_sql_sqlfluff.tokens import MYSQL, Token, TokenKind, Unreadable, tokens
from sluiceway_sql_sqlfluff.variables import declared, note_assigned, note_filled, note_into
from sluiceway_sql_sqlfluff.words import words

__all__ = ["Read", "read"]


class Read(Record, kw_only=False):
    """What was read of one statement of a text."""

    start: int
    end: int
    actions: tuple[Action, ...]
    problem: str = ""


def read(  # noqa: PLR0911 - one a way to read
    text: str,
    dialect: Dialect,
    engine: Engine,
    variables: Variables,
    *,
    thorough: bool = False,
    depth: int = 0,
) -> list[Read]:
    """Read a text that the splitter took for one statement; it may turn out to be several.

    A statement of which every single token is understood is not given to sqlfluff, unless it is to
    be *thorough*: the common forms of DDL are nine of ten statements of a migration, and what
    sqlfluff would add is that they hold. A test compares both ways.
    """
    try:
        found = tokens(text, dialect)
    except Unreadable as error:
        return [Read(0, len(text), (), str(error))]
    if not found:
        return []
    if len(text) > _LONG and found[0].word in _DATA and not dangers(found):
        return [_long(text, dialect, found, variables)]
    if len(text) > _LONGEST:
        guesses = tuple(guess(found, dialect, text, variables))
        return [Read(0, len(text), guesses, f"a statement of {len(text)} characters is too long")]
    inner = _Inner(text, dialect, engine, variables, depth, thorough=thorough)
    program = inner.program(found)
    if program is not None:
        return [program]
    actions = None if thorough else _understood(text, dialect, found, variables)
    if actions is not None:
        return [inner.expanded(Read(0, len(text), actions))]
    given = shielded(text, dialect, found)
    outline = engine.outline(given, dialect)
    if outline.problem or _runs_together(found, outline.blocks, dialect):
        soft = softened(given, dialect, found)
        outline = engine.outline(soft, dialect) if soft != given else outline
        if outline.blocks and not soft[outline.blocks[-1].end :].strip():
            outline.blocks[-1].end = found[-1].end  # what was blanked at its end is of it
    if outline.problem or not outline.blocks:
        problem = outline.problem or "no statement in it"
        return [inner.expanded(_by_words(text, dialect, found, variables, problem))]
    problem = not_ended(found) if dialect is Dialect.ORACLE else ""
    if problem:
        return [inner.expanded(_by_words(text, dialect, found, variables, problem))]
    starts = [token.start for token in found]
    whole = _Whole(text, dialect, found, starts, variables)
    results = [inner.expanded(whole.read(block)) for block in outline.blocks]
    between = whole.outside(0, len(text), outline.blocks)
    if _runs_together(found, outline.blocks, dialect):
        problem = "where one statement ends and the next begins is unclear"
        return [inner.expanded(_by_words(text, dialect, found, variables, problem))]
    if dangers(between):
        first = results[0]
        results[0] = replace(first, problem=first.problem or hidden(between))
    return results


def _runs_together(found: Sequence[Token], blocks: Sequence[Block], dialect: Dialect) -> bool:
    """Whether sqlfluff sees a statement begin where nothing ends the one before.

    What it cannot make a clause of, it may take for a call. In T-SQL nothing has to stand between.
    """
    if dialect is Dialect.TSQL:
        return False
    starts = [token.start for token in found]
    begins = (bisect_left(starts, block.start) for block in blocks[1:])
    ends = ([token.word for token in found[begin - 2 : begin]] for begin in begins)
    return any(end[-1:] not in ([";"], ["/"]) and end != ["\\", "G"] for end in ends)


_DEEPEST = 8
"""How deeply texts are followed into texts that they run."""
_LONG = 20_000
_LONGEST = 200_000
"""In characters: sqlfluff takes about ten seconds for that."""
_DATA = frozenset({"INSERT", "REPLACE", "UPDATE", "DELETE"})


def _long(text: str, dialect: Dialect, found: list[Token], variables: Variables) -> Read:
    """Read rows of data by their tokens alone: nothing in them does anything to the schema."""
    depth = 0
    for token in found:
        depth += {"(": 1, ")": -1}.get(token.word, 0)
        if depth < 0:
            break
    problem = "its brackets do not match" if depth else ""
    actions = statement(Cursor(found, dialect, text), variables)
    return Read(0, len(text), tuple(actions), problem)


class _Whole(Changing):
    """A text, its tokens, and what its variables hold so far."""

    text: str
    dialect: Dialect
    tokens: list[Token]
    starts: list[int]
    variables: Variables

    def between(self, start: int, end: int) -> list[Token]:
        return self.tokens[bisect_left(self.starts, start) : bisect_left(self.starts, end)]

    def outside(self, start: int, end: int, blocks: Sequence[Block]) -> list[Token]:
        found: list[Token] = []
        at = start
        for block in blocks:
            found.extend(self.between(at, block.start))
            at = block.end
        found.extend(self.between(at, end))
        return found

    def read(self, block: Block) -> Read:
        if block.children:
            return self._holding(block)
        inside = self.between(block.start, block.end)
        cursor = Cursor(inside, self.dialect, self.text)
        problem = ""
        try:
            actions = statement(cursor, self.variables)
        except Strange:
            actions = list(guess(inside, self.dialect, self.text, self.variables))
            near = self.text[cursor.offset : cursor.offset + 40]
            problem = f"it is not known what this does: {near!r}"
        except Unreadable as error:
            actions, problem = [], str(error)
        else:
            if self.dialect is Dialect.TSQL:
                note_filled(inside, self.variables)
            elif self.dialect is Dialect.ORACLE:
                note_into(inside, self.variables)
            elif inside[0].word == "GET":
                note_assigned(Cursor(inside, self.dialect, self.text), self.variables)
            problem = self._bare_call(inside, actions)
            if cursor.unknown and (_harmful(actions) or dangers(cursor.unknown)):
                first = cursor.unknown[0]
                near = self.text[first.start : first.start + 40]
                problem = f"it is not known what this does: {near!r}"
            elif dangers(cursor.loose):
                problem = hidden(cursor.loose)
                actions += guess(inside[1:], self.dialect, self.text, self.variables)
        return Read(block.start, block.end, tuple(actions), problem)

    def _bare_call(self, inside: list[Token], actions: list[Action]) -> str:
        """Say why words without EXEC are no call in T-SQL, where sqlfluff takes any for one."""
        calls = len(actions) == 1 and actions[0].kind is Kind.CALL
        if self.dialect is not Dialect.TSQL or not calls or inside[0].word in _NO_CALLS:
            return ""
        if inside[0] is not self.tokens[0]:
            return "only the first statement of a batch may call a procedure without EXEC"
        given = {token.word for token in inside[1:] if token.kind is TokenKind.WORD}
        filled_in = inside[0].text.startswith("_")  # the name that stands for a placeholder
        if len(actions[0].name) == 1 and (given - _ARGUMENTS or filled_in):
            return f"{inside[0].text} is no statement"
        return ""

    def _holding(self, block: Block) -> Read:
        """Read a statement that holds others: a block, an IF, a stored program."""
        if self.dialect is Dialect.ORACLE:
            declared(self.between(block.start, block.children[0].start), self.text, self.variables)
        children, states = [], [dict(self.variables)]
        for child in block.children:
            children.append(self.read(child))
            states.append(dict(self.variables))
        nested = tuple(
            shifted(action, child.start - block.start)
            for child in children
            for action in child.actions
        )
        problem = next((child.problem for child in children if child.problem), "")
        outside = self.outside(block.start, block.end, block.children)
        head = self.between(block.start, block.children[0].start)
        made = program_made(head, self.dialect, self.text, self.variables)
        if self.dialect is Dialect.ORACLE and any(each.word == "EXCEPTION" for each in outside):
            # An error ends it, and nothing else.
            nested = (Action(kind=Kind.OTHER, label="if", nested=nested),)
        if made is not None:
            body = self.text[block.children[0].start : block.end]
            offset = block.children[0].start - block.start
            oracle = self.dialect is Dialect.ORACLE
            if oracle:  # what its variables are declared with
                nested = (*called_in(Cursor(outside, self.dialect, self.text)), *nested)
            kept = replace(made, nested=nested, body=body, body_offset=offset)
            actions = tuple(stored(kept)) if oracle else (by_itself(kept),)
        else:
            if self.dialect is Dialect.ORACLE:  # what its conditions call
                nested += tuple(called_in(Cursor(outside, self.dialect, self.text)))
            action = Action(kind=Kind.OTHER, label=_label(head), nested=nested)
            if action.label in {"if", "loop", "handler"}:
                for state in states:
                    merge(state, self.variables)
            if not problem and dangers(outside):
                problem = hidden(outside)
            actions = (action,)
        return Read(block.start, block.end, actions, problem)


_NO_CALLS = words(
    "ADD BACKUP BREAK BULK CHECKPOINT CLOSE CONTINUE DBCC DEALLOCATE DENY DISABLE ENABLE EXEC EXECUTE"
    " FETCH GOTO KILL OPEN RAISERROR RECEIVE RECONFIGURE RESTORE RETURN REVERT SAVE SEND THROW WAITFOR"
)
_ARGUMENTS = frozenset({"NULL", "DEFAULT", "OUTPUT", "OUT", "WITH", "RECOMPILE"})


def _label(head: list[Token]) -> str:
    word = head[0].word if head else ""
    # What stands behind an error in TRY does not run.
    beside = {"CATCH": "handler", "TRY": "if"}.get(head[1].word if len(head) > 1 else "")
    return {"IF": "if", "CASE": "if", "ELSE": "if", "WHILE": "loop", "LOOP": "loop"}.get(
        word, beside or word.lower()
    )


class _Inner(Changing):
    """Reads what a statement holds as a text: bodies, and SQL that is put together."""

    text: str
    dialect: Dialect
    engine: Engine
    variables: Variables
    depth: int
    thorough: bool

    def program(self, found: list[Token]) -> Read | None:
        """Read a stored program whose body is not in quotes, for which sqlfluff is not needed."""
        if self.dialect in MYSQL and [token.word for token in found[:3]] == _BLOCK:
            return self._block(found)
        begin = body_start(found, self.dialect)
        if begin is None:
            return None
        made = program_made(found[:begin], self.dialect, self.text, self.variables)
        if made is None:
            return None
        start = found[begin].start
        made = replace(made, body=self.text[start:], body_offset=start)
        if self.dialect not in MYSQL:
            # T-SQL: it is the whole batch. Whoever runs it has its body parsed.
            return Read(0, len(self.text), tuple(stored(made)))
        cursor = Cursor(found[begin:], self.dialect, self.text)
        try:
            nested = read_body(cursor, self.statement, dict(self.variables))
        except (Strange, Unreadable):
            return None
        full = tuple(self._full(action, dict(self.variables)) for action in nested)
        note_program(found, self.text, self.variables)
        made = by_itself(made)
        return Read(0, len(self.text), (replace(made, nested=full or _NOTHING),))

    def _block(self, found: list[Token]) -> Read | None:
        """Read MariaDB's block that is no procedure's."""
        try:
            cursor = Cursor(found, self.dialect, self.text)
            nested = read_body(cursor, self.statement, self.variables)
        except (Strange, Unreadable):
            return None
        full = tuple(self._full(action, self.variables) for action in nested)
        return Read(0, len(self.text), full)

    def statement(self, cursor: Cursor, variables: Variables) -> list[Action]:
        """Read a statement of a body. Raises :class:`Strange` unless it is sure what it does."""
        begin = cursor.offset
        inside = cursor.tokens[cursor.index : cursor.stop]
        if cursor.word() in _DDL:
            exact = _understood(self.text, self.dialect, inside, variables)
            if exact is None:
                part = self.text[inside[0].start : inside[-1].end]
                soft = softened(part, self.dialect, tokens(part, self.dialect))
                if (
                    self.engine.outline(soft, self.dialect).problem
                    and harmless(self.text, self.dialect, inside, variables) is None
                ):
                    raise Strange
        actions = statement(cursor, variables)
        if (cursor.unknown and (_harmful(actions) or dangers(cursor.unknown))) or dangers(
            cursor.loose
        ):
            raise Strange
        return [shifted(self._full(action, variables), begin) for action in actions]

    def expanded(self, read: Read) -> Read:
        """Return what was read with what it runs as text parsed in its turn."""
        if not any(action.nested or action.body for action in read.actions):
            return read
        actions = tuple(self._full(action, self.variables) for action in read.actions)
        return replace(read, actions=actions)

    def _full(self, action: Action, variables: Variables) -> Action:
        if action.nested:
            nested = tuple(self._full(inner, variables) for inner in action.nested)
            return replace(action, nested=nested)
        if not action.body.strip():
            return action
        if action.kind is Kind.EXECUTE:
            return self._dynamic(action, variables)
        if action.kind in {Kind.DO, Kind.CREATE_FUNCTION}:
            return self._body(action, variables)
        if action.kind is Kind.CALL:
            return self._called(action, variables)
        return action

    def _called(self, action: Action, variables: Variables) -> Action:
        """Read the body of MySQL's procedure with what it is given in this call."""
        unread = replace(action, body="", columns=())
        if self.depth > _DEEPEST:
            return unread
        found = tokens(action.body, self.dialect)
        inner = _Inner(
            action.body, self.dialect, self.engine, {}, self.depth + 1, thorough=self.thorough
        )
        given = dict(variables) | bound(found, action.columns)
        try:
            cursor = Cursor(found[body_start(found, self.dialect) :], self.dialect, action.body)
            nested = read_body(cursor, inner.statement, given)
        except (Strange, Unreadable):
            return unread
        full = tuple(inner._full(each, given) for each in nested)
        # What is the session's stays as it is left.
        variables.update({key: held for key, held in given.items() if key.startswith("@")})
        return replace(action, columns=(), nested=full or _NOTHING)

    def _dynamic(self, action: Action, variables: Variables) -> Action:
        if self.depth > _DEEPEST:
            return replace(action, body="", label="unknown")
        parts = self._parts(action.body, variables)
        if UNKNOWN in action.body and any(part.problem for part in parts):
            # Where no name may stand, a number may: START WITH 5.
            counted = self._parts(action.body.replace(UNKNOWN, "1"), variables)
            parts = parts if any(part.problem for part in counted) else counted
        read_ = [inner for part in parts for inner in part.actions]
        if _BARE.search(action.body) or any(doubtful(inner) for inner in read_):
            return replace(action, body="", label="unknown")
        nested = tuple(known(replace(flat(inner), offset=action.offset)) for inner in read_)
        unknown = UNKNOWN in action.body
        label = "unparsable" if any(part.problem for part in parts) else ""
        return replace(
            action,
            nested=nested or _NOTHING,
            body="" if unknown else action.body,
            label=label,
        )

    def _parts(self, text: str, variables: Variables) -> list[Read]:
        from sluiceway.migrations.statements import spans

        found = []
        for start, end in spans(text, self.dialect):
            part = text[start:end]
            found += read(
                part,
                self.dialect,
                self.engine,
                variables,
                thorough=self.thorough,
                depth=self.depth + 1,
            )
        return found

    def _body(self, action: Action, variables: Variables) -> Action:
        """Read a body in quotes, where its language is known; else state says that it is not."""
        if action.language == "plpgsql":
            try:
                cursor = Cursor(tokens(action.body, self.dialect), self.dialect, action.body)
                inner = _Inner(
                    action.body,
                    self.dialect,
                    self.engine,
                    variables,
                    self.depth + 1,
                    thorough=self.thorough,
                )
                nested = [
                    inner._full(action, variables)
                    for action in read_body(cursor, inner.statement, dict(variables))
                ]
            except (Strange, Unreadable):
                return action
        elif action.language in {"", "sql"} and self.depth <= _DEEPEST:
            parts = self._parts(action.body, dict(variables))
            if any(part.problem for part in parts):
                return replace(action, language=action.language or "unknown language")
            nested = [inner for part in parts for inner in part.actions]
        else:
            return action
        moved = tuple(shifted(inner, action.offset + action.body_offset) for inner in nested)
        return replace(action, nested=moved or _NOTHING)


_BARE = re.compile(rf"(?i)\bDROP\s+{UNKNOWN}")
"""T-SQL drops a constraint without the word, and a column with it."""
_BLOCK = ["BEGIN", "NOT", "ATOMIC"]
_NOTHING = (Action(kind=Kind.OTHER),)


def _by_words(
    text: str, dialect: Dialect, found: list[Token], variables: Variables, problem: str
) -> Read:
    """Read what sqlfluff cannot: it counts when every word of it is understood."""
    actions = _understood(text, dialect, found, variables)
    if actions is None:
        actions = harmless(text, dialect, found, variables)
        if found[0].word == "GET":
            note_assigned(Cursor(found, dialect, text), variables)
    if actions is not None:
        return Read(0, len(text), actions)
    return Read(0, len(text), tuple(guess(found, dialect, text, variables)), problem)


def _understood(
    text: str, dialect: Dialect, found: Sequence[Token], variables: Variables
) -> tuple[Action, ...] | None:
    """Return what a statement does when every token of it is understood, else ``None``."""
    first = found[0].word
    if dialect is Dialect.TSQL and first in {"EXEC", "EXECUTE"}:
        if not given_texts_alone(found):
            return None  # nothing says where the last argument ends
    elif first not in _FULLY_READ and first not in _FULLY_READ_TOO.get(dialect, ()):
        return None
    cursor = Cursor(found, dialect, text)
    changed = dict(variables)
    try:
        actions = statement(cursor, changed)
    except (Strange, Unreadable):
        return None
    if cursor.unknown or cursor.loose or not actions:
        return None
    variables.update(changed)
    return tuple(actions)


_DDL = frozenset({"ALTER", "CREATE", "DROP", "TRUNCATE", "RENAME"})
_FULLY_READ = _DDL | {"PREPARE", "EXECUTE", "SAVEPOINT", "RELEASE", "ROLLBACK", "COMMIT"}
_FULLY_READ_TOO = {Dialect.ORACLE: frozenset({"CALL", "EXEC"})}
_JUDGED = frozenset(
    {
        Kind.DROP_TABLE,
        Kind.DROP_COLUMN,
        Kind.DROP_DATABASE,
        Kind.DROP_SCHEMA,
        Kind.ADD_COLUMN,
        Kind.CHANGE_TYPE,
        Kind.SET_NOT_NULL,
        Kind.RENAME_COLUMN,
        Kind.TRUNCATE,
    }
)


def _harmful(actions: Sequence[Action]) -> bool:
    """Whether what was not understood stands beside something that is judged."""
    return any(
        action.kind in _JUDGED
        and not (
            action.kind in {Kind.ADD_COLUMN, Kind.CHANGE_TYPE}
            and action.definition is not None
            and not action.definition.not_null
        )
        for action in actions
    )
