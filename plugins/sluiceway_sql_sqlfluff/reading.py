"""One text of SQL to actions: sqlfluff says whether it holds, the tokens say what it does."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sluiceway.migrations.records import Action, Dialect, Kind, Name
from sluiceway_sql_sqlfluff.bodies import read_body
from sluiceway_sql_sqlfluff.cursor import Cursor, Strange
from sluiceway_sql_sqlfluff.dynamic import UNKNOWN, Variables
from sluiceway_sql_sqlfluff.outline import Block, Engine
from sluiceway_sql_sqlfluff.programs import body_start, program_made
from sluiceway_sql_sqlfluff.simple import statement
from sluiceway_sql_sqlfluff.tokens import MYSQL, Token, TokenKind, Unreadable, tokens

__all__ = ["Read", "read"]


@dataclass(frozen=True, slots=True)
class Read:
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
    outline = engine.outline(text, dialect)
    if outline.problem or not outline.blocks:
        problem = outline.problem or "no statement in it"
        return [inner.expanded(_by_words(text, dialect, found, variables, problem))]
    starts = [token.start for token in found]
    whole = _Whole(text, dialect, found, starts, variables)
    results = [inner.expanded(whole.read(block)) for block in outline.blocks]
    between = whole.outside(0, len(text), outline.blocks)
    if dangers(between):
        first = results[0]
        results[0] = replace(first, problem=first.problem or _hidden(between))
    return results


_DEEPEST = 8
"""How deeply texts are followed into texts that they run."""
_LONG = 20_000
_LONGEST = 500_000
"""In characters: sqlfluff takes about a minute for a megabyte."""
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


@dataclass(slots=True)
class _Whole:
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
            if cursor.unknown and (_harmful(actions) or dangers(cursor.unknown)):
                first = cursor.unknown[0]
                near = self.text[first.start : first.start + 40]
                problem = f"it is not known what this does: {near!r}"
            elif dangers(cursor.loose):
                problem = _hidden(cursor.loose)
                actions += guess(inside[1:], self.dialect, self.text, self.variables)
        return Read(block.start, block.end, tuple(actions), problem)

    def _holding(self, block: Block) -> Read:
        """Read a statement that holds others: a block, an IF, a stored program."""
        children = [self.read(child) for child in block.children]
        nested = tuple(
            _shifted(action, child.start - block.start)
            for child in children
            for action in child.actions
        )
        problem = next((child.problem for child in children if child.problem), "")
        outside = self.outside(block.start, block.end, block.children)
        head = self.between(block.start, block.children[0].start)
        made = program_made(head, self.dialect, self.text, self.variables)
        if made is not None:
            body = self.text[block.children[0].start : block.end]
            offset = block.children[0].start - block.start
            action = replace(made, nested=nested, body=body, body_offset=offset)
        else:
            action = Action(kind=Kind.OTHER, label=_label(head), nested=nested)
            if not problem and dangers(outside):
                problem = _hidden(outside)
        return Read(block.start, block.end, (action,), problem)


def _shifted(action: Action, by: int) -> Action:
    """Return an action of an inner statement with its place in the outer one."""
    nested = tuple(_shifted(inner, by) for inner in action.nested)
    return replace(action, offset=action.offset + by, nested=nested)


def _label(head: list[Token]) -> str:
    word = head[0].word if head else ""
    return {"IF": "if", "CASE": "if", "ELSE": "if", "WHILE": "loop", "LOOP": "loop"}.get(
        word, "handler" if len(head) > 1 and head[1].word == "CATCH" else word.lower()
    )


@dataclass(slots=True)
class _Inner:
    """Reads what a statement holds as a text: bodies, and SQL that is put together."""

    text: str
    dialect: Dialect
    engine: Engine
    variables: Variables
    depth: int
    thorough: bool

    def program(self, found: list[Token]) -> Read | None:
        """Read a stored program whose body is not in quotes, for which sqlfluff is not needed."""
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
            return Read(0, len(self.text), (made,))
        cursor = Cursor(found[begin:], self.dialect, self.text)
        try:
            nested = read_body(cursor, self.statement, dict(self.variables))
        except (Strange, Unreadable):
            return None
        full = tuple(self._full(action, self.variables) for action in nested)
        return Read(0, len(self.text), (replace(made, nested=full or _NOTHING),))

    def statement(self, cursor: Cursor, variables: Variables) -> list[Action]:
        """Read a statement of a body. Raises :class:`Strange` unless it is sure what it does."""
        begin = cursor.offset
        inside = cursor.tokens[cursor.index : cursor.stop]
        if cursor.word() in _DDL:
            exact = _understood(self.text, self.dialect, inside, variables)
            if exact is None:
                part = self.text[inside[0].start : inside[-1].end]
                if self.engine.outline(part, self.dialect).problem:
                    raise Strange
        actions = statement(cursor, variables)
        if (cursor.unknown and (_harmful(actions) or dangers(cursor.unknown))) or dangers(
            cursor.loose
        ):
            raise Strange
        return [_shifted(self._full(action, variables), begin) for action in actions]

    def expanded(self, read: Read) -> Read:
        """Return what was read with what it runs as text parsed in its turn."""
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
        return action

    def _dynamic(self, action: Action, variables: Variables) -> Action:
        if self.depth > _DEEPEST:
            return replace(action, body="", label="unknown")
        parts = self._parts(action.body, variables)
        nested = tuple(
            _known(replace(_flat(inner), offset=action.offset))
            for part in parts
            for inner in part.actions
        )
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
        moved = tuple(_shifted(inner, action.offset + action.body_offset) for inner in nested)
        return replace(action, nested=moved or _NOTHING)


_NOTHING = (Action(kind=Kind.OTHER),)


def _flat(action: Action) -> Action:
    return replace(action, nested=tuple(replace(_flat(inner), offset=0) for inner in action.nested))


def _known(action: Action) -> Action:
    """Return an action without the names that stand for what is not known."""

    def name(parts: Name) -> Name:
        return () if any(UNKNOWN in part for part in parts) else parts

    return replace(
        action,
        name=name(action.name),
        table=name(action.table),
        new_name=name(action.new_name),
        column="" if UNKNOWN in action.column else action.column,
        nested=tuple(_known(inner) for inner in action.nested),
    )


def _by_words(
    text: str, dialect: Dialect, found: list[Token], variables: Variables, problem: str
) -> Read:
    """Read what sqlfluff cannot: it counts when every word of it is understood."""
    actions = _understood(text, dialect, found, variables)
    if actions is not None:
        return Read(0, len(text), actions)
    return Read(0, len(text), tuple(guess(found, dialect, text, variables)), problem)


def _understood(
    text: str, dialect: Dialect, found: Sequence[Token], variables: Variables
) -> tuple[Action, ...] | None:
    """Return what a statement does when every token of it is understood, else ``None``."""
    first = found[0].word
    if first not in _FULLY_READ:
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
_FULLY_READ = _DDL | {"PREPARE", "EXECUTE"}
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


_OBJECTS = frozenset({"TABLE", "TABLES", "DATABASE", "SCHEMA", "COLUMN", "PARTITION", "TEMPORARY"})
_NOT_TRUNCATED = frozenset({"(", ",", ")", "ON", "OR", "", ";", "="})


def dangers(found: Sequence[Token]) -> list[int]:
    """Return where among these tokens stand the first words of something that is judged."""
    hits = []
    for index, token in enumerate(found):
        if token.word not in _FIRST_WORDS or token.kind is not TokenKind.WORD:
            continue
        after = found[index + 1] if index + 1 < len(found) else None
        word = after.word if after else ""
        second = found[index + 2].word if index + 2 < len(found) else ""
        if (
            (token.word == "DROP" and word in _OBJECTS)
            or (token.word in {"ALTER", "RENAME"} and word in {"TABLE", "TABLES", "COLUMN"})
            or (token.word == "TRUNCATE" and after is not None and word not in _NOT_TRUNCATED)
            or (token.word == "CREATE" and (word == "INDEX" or second == "INDEX"))
            or (token.word in {"EXEC", "EXECUTE"} and after is not None and _runs(after))
        ):
            hits.append(index)
    return hits


_FIRST_WORDS = frozenset({"DROP", "ALTER", "RENAME", "TRUNCATE", "CREATE", "EXEC", "EXECUTE"})
_NOT_RUN = frozenset({"ON", "AS", "FUNCTION", "PROCEDURE", ",", ")", "", ";"})


def _runs(after: Token) -> bool:
    return after.kind is TokenKind.STRING or after.word not in _NOT_RUN


def _hidden(found: Sequence[Token]) -> str:
    first = found[dangers(found)[0]]
    return f"{first.word} stands in it where it is not known what it does"


def guess(
    found: Sequence[Token], dialect: Dialect, text: str, variables: Variables
) -> Iterator[Action]:
    """Yield what the words of a text that could not be parsed let one guess."""
    for index in dangers(found):
        end = next((at for at in range(index + 1, len(found)) if found[at].word == ";"), len(found))
        part = list(found[index:end])
        if part[0].word == "DROP" and len(part) > 1 and part[1].word in {"COLUMN", "PARTITION"}:
            continue  # of an ALTER TABLE, which is guessed as a whole
        cursor = Cursor(part, dialect, text)
        begin = part[0].start - found[0].start
        try:
            actions = statement(cursor, dict(variables))
        except (Strange, Unreadable):
            actions = list(_bare(part, dialect, text))
        for action in actions:
            yield replace(action, offset=begin + action.offset)


def _bare(part: list[Token], dialect: Dialect, text: str) -> Iterator[Action]:
    """Yield what the first words say when the rest makes no sense."""
    kind = {
        "DROP": Kind.DROP_TABLE,
        "TRUNCATE": Kind.TRUNCATE,
    }.get(part[0].word)
    cursor = Cursor(part, dialect, text)
    cursor.next()
    cursor.one_of("TABLE", "TABLES", "DATABASE", "SCHEMA")
    cursor.take("IF", "EXISTS")
    try:
        name = cursor.name()
    except Strange:
        name = ()
    if kind is not None:
        yield Action(kind=kind, name=name)
        return
    if part[0].word != "ALTER":
        return
    for index, token in enumerate(part[:-1]):
        inner = Cursor(part, dialect, text)
        inner.index = index + 1
        try:
            if token.word == "DROP" and inner.take("COLUMN"):
                inner.take("IF", "EXISTS")
                yield Action(kind=Kind.DROP_COLUMN, name=name, column=inner.column())
            elif token.word == "RENAME" and inner.take("COLUMN"):
                yield Action(kind=Kind.RENAME_COLUMN, name=name, column=inner.column())
        except Strange:
            continue
