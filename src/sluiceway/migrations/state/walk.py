"""The walk over a script's statements: each action changes the catalogue and may leave a draft."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

from sluiceway.migrations.records import (
    Action,
    Asked,
    Dialect,
    Kind,
    Maybe,
    Name,
    Parsed,
    Script,
    SqlParser,
)
from sluiceway.migrations.state import objects
from sluiceway.migrations.state.catalogue import Catalogue, ColumnState, Thing
from sluiceway.migrations.state.draft import At, Draft
from sluiceway.migrations.state.routines import Routine, Routines
from sluiceway.migrations.state.text import Statements
from sluiceway.migrations.state.transactions import Transactions
from sluiceway.migrations.state.world import CATALOGUES, RECALLED, Where, World
from sluiceway.record import replace

__all__ = ["Walk"]

_DEEPEST = 16
"""How deeply functions are followed into functions."""


class Walk:
    """Goes through scripts and keeps what they have made."""

    def __init__(self, dialect: Dialect, asked: Asked | None = None) -> None:
        self.dialect = dialect
        self._asked = asked.kinds if asked is not None else None
        self.forget()
        self._branches = 0
        self._transactions = Transactions(dialect, takes_back=False)
        self._handlers: dict[Kind, Callable[[Action], None]] = {
            Kind.DO: self._do,
            Kind.EXECUTE: self._execute,
            Kind.CREATE_FUNCTION: self._create_function,
            Kind.DROP_FUNCTION: self._drop_function,
            Kind.CALL: self._call,
            Kind.CREATE_TRIGGER: self._create_trigger,
            Kind.CHANGE_DATA: self._change_data,
            Kind.SET: self._set,
            Kind.BEGIN: self._begin,
            Kind.COMMIT: self._commit,
            Kind.ROLLBACK: self._rollback,
        }

    def forget(self) -> None:
        """Know of nothing any more."""
        self.world = World(Catalogue(self.dialect), Routines(self.dialect))

    def start(self, script: Script, parser: SqlParser, parsed: Sequence[Parsed]) -> None:
        """Begin with another script: a session, and so its settings, are its own."""
        self.where = Where()
        self._script = script
        self._parser = parser
        self._statements = Statements(script, self.dialect)
        self._waiting: list[tuple[Where, Action]] = []
        self._made_in = ""
        self._path: tuple[str, ...] | None = None
        takes_back = any(action.kind is Kind.ROLLBACK for item in parsed for action in item.actions)
        self._transactions = Transactions(self.dialect, takes_back=takes_back)
        self.world.drafts = []
        self.world.lock_timeout = False
        self.world.catalogue.search("")

    def recall(self, parsed: Sequence[Parsed], starts: Sequence[int], files: Sequence[str]) -> None:
        """Know the functions, triggers and domains of earlier scripts, and nothing else of them.

        Args:
            parsed: Their statements, in one text.
            starts: Where in that text another file's begin.
            files: Those files.
        """
        for number, item in enumerate(parsed, start=1):
            self.where = Where(number=number, span=item.span)
            self._made_in = files[bisect_right(starts, item.span[0]) - 1]
            self.actions([action for action in item.actions if action.kind in RECALLED])
        self._made_in = ""
        self.world.grow_old()

    def script(self, parsed: Sequence[Parsed]) -> list[Draft]:
        """Return the drafts of one script."""
        for problem in self._script.problems:
            self._problem(problem.line, problem.what)
        for number, item in enumerate(parsed, start=1):
            if not item.problem and _does_nothing(item.actions):
                continue  # as most do
            self.where = Where(number=number, span=item.span)
            if self._script.conditional:
                self._enter(item.span)
            if item.problem:
                self.fact(Kind.UNPARSABLE, label=item.problem)
                self.where.guessed = True
            self.actions(item.actions)
            self.world.catalogue.branch = ()
        waiting, self._waiting = self._waiting, []
        for self.where, action in waiting:
            self._call(action)
        self._waiting = []
        return self.world.drafts

    def _enter(self, span: tuple[int, int]) -> None:
        """Take a statement for conditional that stands in a part which may be left out."""
        start, end = span
        for number, (begin, stop) in enumerate(self._script.conditional, start=1):
            if start < stop and begin < end:
                self.where.conditional = True
                # No branch of a body has such a number: those count up from 1.
                self.world.catalogue.branch = (-number,)

    # --- what is run ------------------------------------------------------------------------------

    def actions(self, actions: Sequence[Action]) -> None:
        """Take these actions in their order."""
        for action in actions:
            handler = self._handlers.get(action.kind)
            if handler is not None:
                handler(action)
            elif action.kind is not Kind.OTHER:
                objects.apply(self, action)
            if action.kind not in _HOLDERS and action.nested:
                later = {"later": True} if action.label == "event" else {}
                branch = action.label in _BRANCHES or action.if_exists
                self._nested(action, branch=branch, **later)

    def _nested(self, action: Action, *, branch: bool, **changes: Any) -> None:
        if self.where.depth > _DEEPEST:
            self.fact(Kind.UNPARSABLE, label="it runs other texts too deeply")
            return
        before, outer = self.where, self.world.catalogue.branch
        self.where = replace(before, depth=before.depth + 1, **changes)
        if branch:
            self._branches += 1
            self.where.conditional = True
            self.world.catalogue.branch = (*outer, self._branches)
        self.actions(action.nested)
        self.where = before
        self.world.catalogue.branch = outer

    def _do(self, action: Action) -> None:
        if action.nested:
            self._nested(action, branch=False, in_do=True)
        elif action.body.strip():
            self._body(action, in_do=True)

    def _execute(self, action: Action) -> None:
        dynamic = not action.body
        if action.label == "unknown":
            self._cannot("SQL that is put together while running, of which nothing can be read")
        elif action.label == "unparsable":
            self._cannot("SQL given as text that does not parse")
            self._nested(action, branch=False, in_do=self.where.in_do, guessed=True)
        elif action.label == "elsewhere":
            self._nested(action, branch=False, elsewhere=True)
        elif action.nested:
            self._nested(action, branch=False, dynamic=dynamic or self.where.dynamic)
        elif action.body.strip():
            self._body(action)
        else:
            self._cannot("SQL that is put together while running, of which nothing can be read")

    def _cannot(self, why: str) -> None:
        self.where.dynamic, before = True, self.where.dynamic
        self.fact(Kind.UNPARSABLE, label=why)
        self.where.dynamic = before

    def _body(self, action: Action, **changes: Any) -> None:
        """Take a body that the parser has left as text."""
        if action.language not in {"", "sql"}:
            before = self.where
            self.where = replace(before, **changes)
            self.fact(Kind.UNPARSABLE, label=f"a body in {action.language} cannot be judged")
            self.where = before
            return
        inner = replace(self._script, text=action.body, spans=None, problems=(), conditional=())
        for item in self._parser.parse(inner, self.dialect):
            nested = item.actions
            if item.problem:
                self.fact(Kind.UNPARSABLE, label=item.problem)
                changes["guessed"] = True
            moved = tuple(
                replace(given, offset=action.offset + action.body_offset + item.span[0])
                for given in nested
            )
            self._nested(replace(action, nested=moved), branch=False, **changes)

    # --- functions --------------------------------------------------------------------------------

    def _create_function(self, action: Action) -> None:
        start, end = self.where.span
        actions = action.nested
        if isinstance(actions, tuple) and actions and actions[0].label == "function as it is":
            # SET search_path FROM CURRENT: that of this moment, whenever it is called.
            path = ",".join(self.world.catalogue.path)
            actions = (replace(actions[0], label="function", body=path), *actions[1:])
        routines = self.world.routines
        if action.label == "settings":
            routines.set_path(action.name, actions)
            return
        text = self._script.text[start:end]
        routine = Routine(actions, text, action.body, action.language, self._made_in)
        sure = not (self.where.conditional or action.if_exists)
        routines.add(self._routine(action.name), action.columns, routine, sure=sure)
        self.world.triggers.forget_fired()
        if action.or_replace and routines.is_kept(action.name):
            self._call(action)  # as what calls it without naming it will

    def _drop_function(self, action: Action) -> None:
        objects.apply(self, action)
        if not self.where.conditional:
            self.world.routines.drop(action.name, action.columns)

    def _routine(self, name: Name) -> Name:
        name = self.world.routines.folded(name)
        path = self.world.catalogue.path
        return self.world.catalogue.keys(name)[-len(path) :][0] if len(name) == 1 else name[-2:]

    def rename_function(self, action: Action) -> None:
        """Move a function to its new name."""
        sure = not self.where.conditional
        self.world.routines.rename(action.name, action.new_name, sure=sure)

    @property
    def alone(self) -> bool:
        """Whether the statement may be a transaction by itself."""
        return not self._transactions.open and self._script.in_transaction is not Maybe.YES

    def move_triggers(self, old: Name, new: Name) -> None:
        """Let the triggers of a table that is renamed go with it."""
        keys = self.world.catalogue.keys(old)
        given = new[-2] if len(new) > 1 else ""
        self.world.triggers.move(keys, [(given or schema, new[-1]) for schema, _ in keys])

    def add_part(self, part: Name, parent: Name) -> None:
        """Note that a table is a partition or an heir of another: triggers fire through it."""
        keys = self.world.catalogue.keys
        self.world.triggers.add_part(keys(part), keys(parent))

    def defines(self, name: Name) -> bool:
        """Say whether this script has made a function of that name."""
        return bool(self.world.routines.named(name))

    def _call(self, action: Action) -> None:
        if action.label == "kept":
            self.world.routines.keep(action.name)
        called = self.world.routines.called(action.name)
        if not called and self.where.later:
            self._waiting.append((self.where, action))  # for a routine that is made later on
        for name in called:
            self._run(action, name)

    def _run(self, action: Action, name: Name) -> None:
        for routine in self.world.routines.of(name):
            if any(routine is other for other in self.where.running):
                continue
            offset = self.where.offset if self.where.offset is not None else action.offset
            changes: dict[str, Any] = {
                "in_do": True,
                "offset": offset,
                "through": (*self.where.through, routine.text),
                "running": (*self.where.running, routine),
                "within": name[-1] if name else "",
            }
            if action.nested and action.body == routine.text:
                self._nested(action, branch=False, **changes)  # read with what it is given
            elif routine.actions:
                path = self.world.catalogue.path
                self._nested(replace(action, nested=routine.actions), branch=False, **changes)
                if routine.actions[0].label == "function":
                    # Its own settings end with it.
                    self.world.catalogue.path = path
            elif routine.body.strip():
                before = self.where
                self.where = replace(before, **changes)
                given = replace(action, body=routine.body, language=routine.language)
                self._body(given)
                self.where = before

    def _create_trigger(self, action: Action) -> None:
        catalogue = self.world.catalogue
        if action.label == "rule":
            catalogue.thing(action.table).passes_on = True
        elif action.references:
            new = catalogue.made(catalogue.find(action.table) or Thing()) is Maybe.YES
            row = action.label == "row"
            keys = catalogue.keys(action.table)
            self.world.triggers.add(keys, action.references, for_row=row, new=new)

    def _change_data(self, action: Action) -> None:
        if not action.name:
            return
        if action.name[-1] in CATALOGUES.get(self.dialect, ()):
            self.fact(
                Kind.UNPARSABLE, action, label="the server's own catalogue is written by hand"
            )
        # A row changed there is a SET, of the search path perhaps.
        self.world.catalogue.doubt |= action.name[-1] == "pg_settings"
        self.fire(action)

    def fire(self, action: Action, *, emptied: bool = False) -> None:
        """Run what a change of the rows of a table fires, or that it is *emptied*."""
        catalogue, triggers = self.world.catalogue, self.world.triggers
        if not triggers.hung:
            return
        fired = list(triggers.fired(catalogue.keys(action.name), emptied=emptied))
        thing = catalogue.find(action.name)
        everywhere = thing is not None and thing.passes_on
        old = thing is None or catalogue.made(thing) is not Maybe.YES
        if everywhere or (old and self.dialect is Dialect.POSTGRES):
            # It may be a view, or have a rule, or another table's key may follow it.
            fired += triggers.elsewhere(everywhere=everywhere, emptied=emptied, but=fired)
        for function in fired:
            for name in self.world.routines.called(function):
                self._run(action, name)

    # --- the session ------------------------------------------------------------------------------

    def _set(self, action: Action) -> None:
        word = action.name[-1].lower() if action.name else ""
        if word == "search_path":
            if action.label == "local" and self._transactions.open and self._path is None:
                self._path = self.world.catalogue.path
            self.world.catalogue.search(action.body)
            # Outside of a transaction SET LOCAL does nothing; whether there is one is not always known.
            passing = action.label == "local" and self.alone
            self.world.catalogue.doubt |= self.where.conditional or passing
        elif word == "use":
            # T-SQL: another database, or the same; what was made so far may not be what is meant.
            self.world.catalogue.doubt |= self.world.catalogue.holds_new()
        elif word == "discard":
            self.world.catalogue.forget_temporary()
            if action.body == "all":
                self._set(replace(action, name=(), body=""))
        elif word == "lock_timeout" or not word:
            if not word:  # RESET ALL
                self.world.catalogue.search("")
            self.world.lock_timeout = bool(action.body) and action.body.strip() not in {"0", "0s"}

    def _begin(self, action: Action) -> None:
        self._transactions.begin(action, self.world, sure=not self.where.conditional)

    def _commit(self, action: Action) -> None:
        sure = not self.where.conditional
        if action.label == "savepoint" and not self._transactions.released(action, sure=sure):
            return
        if self._path is not None:
            # SET LOCAL ends with its transaction.
            self.world.catalogue.path, self._path = self._path, None
            self.world.catalogue.doubt |= self.where.conditional
        self.world.catalogue.forget_temporary(passing=True)
        self._transactions.end()
        if "chain" in action.label:
            self._begin(Action(kind=Kind.BEGIN))

    def _rollback(self, action: Action) -> None:
        world = self._transactions.taken_back(action, sure=not self.where.conditional)
        if world is None:
            return
        self._restore(world)
        if self._transactions.open:
            return
        self._path = None
        if "chain" in action.label:
            self._begin(Action(kind=Kind.BEGIN))

    def _restore(self, world: World) -> None:
        # What could not be read may have been anything, a COMMIT too.
        if any(
            draft.stays or draft.values["kind"] is Kind.UNPARSABLE
            for draft in self.world.drafts[len(world.drafts) :]
        ):
            return
        self.world = world

    # --- facts ------------------------------------------------------------------------------------

    def fact(
        self,
        kind: Kind,
        action: Action | None = None,
        *,
        settles: ColumnState | None = None,
        at_once: bool = False,
        **values: Any,
    ) -> None:
        """Leave a fact about where we stand, if it is asked for or says what others will be."""
        where, script = self.where, self._script
        start, end = where.span
        self._statements.note(where.number, script.text[start:end])
        unasked = self._asked is not None and kind not in self._asked
        if unasked and settles is None and kind is not Kind.UNPARSABLE:
            return
        offset = where.offset if where.offset is not None else action.offset if action else 0
        found: dict[str, Any] = {key: value for key, value in values.items() if value}
        found.update(
            kind=kind,
            file=script.path,
            migration=script.name,
            in_transaction=Maybe.YES if self._transactions.open else script.in_transaction,
        )
        if action is not None and action.if_exists:
            found["conditional"] = True
        if where.in_do:
            found["in_do"] = True
        if where.within:
            found["within"] = where.within
            found["made_in"] = where.running[-1].made_in
        if where.dynamic:
            found["dynamic"] = True
        if where.guessed:
            found["guessed"] = True
        if where.conditional:
            found["conditional"] = True
        if self.world.lock_timeout:
            found["lock_timeout"] = True
        draft = Draft(
            found,
            column=settles,
            at_once=at_once,
            branch=self.world.catalogue.branch,
            stays=where.elsewhere,
            at=At(self._statements, where.number, min(start + offset, end), where.through),
        )
        if settles is not None:
            draft.default = settles.gives and draft.runs_with(settles.default_branch)
        self.world.drafts.append(draft)

    def _problem(self, line: int, what: str) -> None:
        script = self._script
        self._statements.note(-line, f"{script.digest} {what}")
        found: dict[str, Any] = {
            "kind": Kind.UNPARSABLE,
            "file": script.path,
            "line": line,
            "migration": script.name,
            "statement": "",
            "statement_hash": self._statements.hash(-line),
            "label": what,
            "in_transaction": script.in_transaction,
        }
        self.world.drafts.append(Draft(found))


def _does_nothing(actions: Sequence[Action]) -> bool:
    return len(actions) == 1 and actions[0].kind is Kind.OTHER and not actions[0].nested


_BRANCHES = frozenset({"if", "loop", "handler"})
_HOLDERS = frozenset({Kind.DO, Kind.EXECUTE, Kind.CREATE_FUNCTION, Kind.CREATE_TRIGGER, Kind.CALL})
