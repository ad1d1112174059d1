"""The bodies of stored programs and anonymous blocks: MySQL's, MariaDB's, PL/pgSQL.

sqlfluff knows little of them. Their own words (``IF ... THEN``, ``LOOP``, ``DECLARE``) are few and
end where everybody can see it; between them stand statements, each read by itself.
"""

from __future__ import annotations

from collections.abc import Callable

from sluiceway.migrations.records import Action, Kind
from sluiceway.record import Changing, field
from sluiceway_sql_sqlfluff.cursor import Cursor, Strange
from sluiceway_sql_sqlfluff.dynamic import UNKNOWN, Variables, merge
from sluiceway_sql_sqlfluff.running import called_in, dynamic_of
from sluiceway_sql_sqlfluff.tokens import MYSQL, TokenKind
from sluiceway_sql_sqlfluff.variables import assign
from sluiceway_sql_sqlfluff.words import words

__all__ = ["BlockReader", "read_body"]

BlockReader = Callable[[Cursor, Variables], list[Action]]
"""Reads one statement, which is all of the cursor. Raises :class:`Strange`."""

_PASSED = words(
    "RETURN LEAVE ITERATE EXIT CONTINUE RAISE SIGNAL RESIGNAL OPEN FETCH CLOSE NULL GET ASSERT MOVE"
)
"""Statements of the language itself, which change nothing but may call functions."""


class _Open(Changing):
    label: str
    actions: list[Action] = field(default_factory=list)
    before: Variables = field(default_factory=dict)
    """What the variables held where it began."""
    guarded: bool = False
    """An error in it ends it and nothing else: what it does may not be done."""
    goes_on: bool = False
    """After an error in it, the next statement runs: each may not be done."""


def read_body(cursor: Cursor, statement: BlockReader, variables: Variables) -> list[Action]:
    """Read a body to its end, and return what its statements do.

    What an IF, a loop or a handler holds is ``nested`` in an action labelled ``if``, ``loop``,
    ``handler``. Raises :class:`Strange` for what is no body.
    """
    return _Reader(cursor, statement, variables).read()


class _Reader:
    def __init__(self, cursor: Cursor, statement: BlockReader, variables: Variables) -> None:
        self.cursor = cursor
        self.statement = statement
        self.variables = variables
        self.open = [_Open("body")]

    def read(self) -> list[Action]:
        cursor = self.cursor
        while not cursor.done:
            if cursor.take(";"):
                continue
            if not self._control():
                self._simple()
        if len(self.open) != 1:
            raise Strange
        return self.open[0].actions

    def _push(self, label: str) -> None:
        self.open.append(_Open(label, before=dict(self.variables)))

    def _pop(self) -> _Open:
        if len(self.open) == 1:
            raise Strange
        closed = self.open.pop()
        if closed.guarded or closed.label in {"if", "loop", "handler"}:
            merge(closed.before, self.variables)
        if closed.actions:
            label = "if" if closed.guarded else closed.label
            action = Action(kind=Kind.OTHER, label=label, nested=tuple(closed.actions))
            self.open[-1].actions.append(action)
        return closed

    def _control(self) -> bool:  # noqa: PLR0912 - one branch a word
        """Go past one of the language's own words; ``False`` when a statement is next."""
        cursor = self.cursor
        mysql = cursor.dialect in MYSQL
        if cursor.take("<", "<"):
            cursor.part()
            cursor.need(">", ">")
            return True
        if mysql and cursor.at_name() and cursor.word(1) == ":":
            cursor.index += 2
            return True
        word = cursor.word()
        if word == "BEGIN":
            cursor.next()
            cursor.take("NOT", "ATOMIC")
            self._push("begin")
        elif word == "DECLARE":
            cursor.next()
            self._declare()
        elif word in {"IF", "CASE"}:
            cursor.next()
            self._push("if")
            if word == "CASE":
                self._until("WHEN")
            self._until("THEN")
        elif word in {"ELSEIF", "ELSIF", "WHEN"} and self.open[-1].label in {"if", "handler"}:
            cursor.next()
            self._until("THEN")
            self._push(self._pop().label)
        elif word == "ELSE" and self.open[-1].label == "if":
            cursor.next()
            self._pop()
            self._push("if")
        elif word == "LOOP" or (word == "REPEAT" and mysql):
            cursor.next()
            self._push("loop")
        elif word in {"WHILE", "FOR", "FOREACH"}:
            self._loop()
        elif word == "UNTIL":
            self._until("END")
            cursor.index -= 1
        elif word == "EXCEPTION" and self.open[-1].label == "begin":
            cursor.next()
            self._guard()
            self._push("handler")
            cursor.need("WHEN")
            self._until("THEN")
        elif word == "END":
            self._end()
        else:
            return False
        return True

    def _guard(self) -> None:
        """Take what the block has done so far for something that an error may have ended."""
        block = self.open[-1]
        if block.actions:
            block.actions = [Action(kind=Kind.OTHER, label="if", nested=tuple(block.actions))]
        merge(block.before, self.variables)

    def _end(self) -> None:
        cursor = self.cursor
        cursor.next()
        if self.open[-1].label == "handler":
            self._pop()
        wanted = {"IF": "if", "CASE": "if", "LOOP": "loop", "WHILE": "loop", "FOR": "loop"}.get(
            cursor.word(), "loop" if cursor.word() == "REPEAT" else "begin"
        )
        if self.open[-1].label != wanted:
            raise Strange
        if wanted != "begin":
            cursor.next()
        self._pop()
        if self.open[-1].label == "handler" and cursor.dialect in MYSQL:
            self._pop()
        while not cursor.done and cursor.word() != ";":
            cursor.part()  # the block's label

    def _until(self, word: str) -> None:
        """Go past *word*; CASE ... END and brackets before it are of an expression."""
        cursor = self.cursor
        begin = cursor.index
        depth = 0
        while True:
            found = cursor.word()
            if found == word and not depth:
                break
            if cursor.done or found == ";":
                raise Strange
            if found == "CASE":
                depth += 1
            elif found == "END":
                depth -= 1
            if not cursor.skip_group():
                cursor.next()
        self._calls(begin, cursor.index)
        cursor.next()

    def _loop(self) -> None:
        cursor = self.cursor
        begin = cursor.index
        self._until("DO" if cursor.dialect in MYSQL else "LOOP")
        head = self._slice(begin, cursor.index - 1)
        if any(head.word(ahead) == "EXECUTE" for ahead in range(head.stop - head.index)):
            while head.next().word != "EXECUTE":
                pass
            self.open[-1].actions.extend(dynamic_of(head, self.variables))
        self._push("loop")

    def _slice(self, begin: int, end: int) -> Cursor:
        inner = self.cursor.within(begin, end)
        inner.procedural = True
        return inner

    def _statement_end(self) -> Cursor:
        cursor = self.cursor
        begin = cursor.index
        while not cursor.done and cursor.word() != ";":
            cursor.index += 1
        return self._slice(begin, cursor.index)

    def _declare(self) -> None:
        cursor = self.cursor
        if cursor.dialect not in MYSQL:
            self._declarations()
            return
        if cursor.word() in {"CONTINUE", "EXIT", "UNDO"} and cursor.word(1) == "HANDLER":
            goes_on = cursor.word() == "CONTINUE"
            cursor.index += 2
            cursor.need("FOR")
            while True:
                # A change of the schema finds nothing to be missing.
                if self._condition():
                    self.open[-1].goes_on |= goes_on
                    self.open[-1].guarded |= not goes_on
                if not cursor.take(","):
                    break
            self._push("handler")
            if cursor.word() != "BEGIN":
                self._simple()
                self._pop()
            return
        part = self._statement_end()
        names = [part.part()]
        while part.take(","):
            names.append(part.part())
        while not part.done and part.word() not in {"DEFAULT", "="}:
            part.next()
        for name in names:
            at = part.index
            if not part.done:
                assign(part, name, self.variables)
            part.index = at
        part.finish()

    def _condition(self) -> bool:
        """Go past what a handler is for; ``False`` where that is the end of a cursor's rows."""
        cursor = self.cursor
        if cursor.take("NOT", "FOUND"):
            return False
        if cursor.take("SQLSTATE"):
            cursor.take("VALUE")
            return not cursor.next().text[1:].startswith("02")
        cursor.next()
        return True

    def _declarations(self) -> None:
        """PL/pgSQL: from DECLARE to BEGIN."""
        cursor = self.cursor
        while cursor.word() != "BEGIN":
            if cursor.done:
                raise Strange
            if cursor.take(";") or cursor.take("DECLARE"):
                continue
            part = self._statement_end()
            begin = part.index
            name = part.part()
            while not part.done and part.word() not in {":", "=", "DEFAULT"}:
                if not part.skip_group():
                    part.next()
            if not part.done:
                assign(part, name, self.variables)
            self._calls(begin, part.stop)

    def _calls(self, begin: int, end: int) -> None:
        """Note the functions that an expression calls."""
        if self.cursor.dialect not in MYSQL:
            self.open[-1].actions.extend(called_in(self._slice(begin, end)))

    def _simple(self) -> None:
        cursor = self.cursor
        part = self._statement_end()
        begin = part.index
        word = part.word()
        plpgsql = cursor.dialect not in MYSQL
        actions = self.open[-1].actions
        if plpgsql and word == "EXECUTE":
            part.next()
            actions.extend(dynamic_of(part, self.variables))
        elif plpgsql and word == "PERFORM":
            self._calls(begin, part.stop)
        elif word in _PASSED:
            if any(part.word(ahead) == "EXECUTE" for ahead in range(part.stop - part.index)):
                while part.next().word != "EXECUTE":
                    pass
                actions.extend(dynamic_of(part, self.variables))
            self._calls(begin, part.stop)
            if word in {"FETCH", "GET"}:
                self._filled(part)
            part.rest()
        elif plpgsql and self._assignment(part):
            self._calls(begin, part.stop)
        else:
            done = self.statement(part, self.variables)
            if done and any(block.goes_on for block in self.open):
                done = [Action(kind=Kind.OTHER, label="if", nested=tuple(done))]
            actions.extend(done)

    def _filled(self, part: Cursor) -> None:
        """Forget what variables held into which a row, or what is said of an error, is put."""
        filled = part.word() == "GET"
        while not part.done:
            token = part.next()
            filled = filled or token.word == "INTO"
            if filled and token.kind is not TokenKind.SIGN:
                self.variables[token.text.lower()] = (UNKNOWN,)

    def _assignment(self, part: Cursor) -> bool:
        token = part.peek()
        if token is None or token.kind not in {TokenKind.WORD, TokenKind.QUOTED}:
            return False
        inner = self._slice(part.index, part.stop)
        name = inner.name()
        if inner.word() == "[":
            while not inner.done and inner.next().word != "]":
                pass
        if inner.word() not in {":", "="}:
            return False
        assign(inner, name[-1], self.variables)
        return True
