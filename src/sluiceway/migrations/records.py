"""What flows through the room: scripts, the actions of their statements, and facts.

Names of tables, columns and the like are a :data:`Name`: the parts as the server keeps them, after
its own folding of case (``"Users"`` in quotes stays, ``Users`` is ``users`` on PostgreSQL), outermost
first: ``("public", "users")``, ``("users",)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from sluiceway.migrations.dialect import Dialect
from sluiceway.record import Record, field

__all__ = [
    "EXCUSES",
    "Action",
    "Asked",
    "Column",
    "Dialect",
    "Earlier",
    "Fact",
    "Kind",
    "Maybe",
    "Name",
    "Parsed",
    "Problem",
    "Remark",
    "Script",
    "Span",
    "Sparing",
    "SqlParser",
]

Name = tuple[str, ...]
"""A name as the server keeps it, outermost part first; empty for none."""

Span = tuple[int, int]
"""Where a statement begins and ends in :attr:`Script.text`, in characters, end excluded."""


class Maybe(StrEnum):
    """An answer that a text alone does not always give."""

    YES = "yes"
    NO = "no"
    MAYBE = "maybe"
    """It depends on the database: ``CREATE TABLE IF NOT EXISTS`` makes a table that may be old."""


class Problem(Record):
    """Something of a file that could not be read, and therefore cannot be judged."""

    line: int
    what: str
    """One sentence: what is wrong, and what would help."""


class Remark(Record):
    """Something about the style of a file. It decides nothing."""

    path: Path
    line: int
    column: int
    code: str
    """The rule's, as the tool calls it."""
    what: str


class Earlier(Record, kw_only=False):
    """A statement of an earlier script. What it says is the same, whoever says it."""

    text: str
    file: str = field(compare=False)
    """The script's path."""


class Script(Record):
    """The forward part of one migration, ready for a parser."""

    path: str
    """As a person would name the file: below the folder that was asked for, with ``/``."""
    name: str
    """The migration's own name within its tool (``V3__add_plan.sql``, ``20240102_add/migration.sql``,
    ``00003_add.up.sql``), which stays the same from wherever the folder is looked at."""
    layout: str
    """Whose folder it is: ``prisma``, ``flyway``, ``goose``, ... or ``plain``."""
    text: str
    """The SQL that the server would be given. What is not SQL (sections, commands, data of COPY, the
    backward part) is blanked, and what is replaced keeps its length, so that a character and a line
    stand where they stand in the file as decoded."""
    digest: str
    """``sha256:<hex>`` of the file's bytes."""
    spans: tuple[Span, ...] | None = None
    """The statements where their ends are not semicolons of the grammar (DELIMITER, GO,
    ``-- +goose StatementBegin``); ``None`` leaves the cutting to the parser."""
    in_transaction: Maybe = Maybe.MAYBE
    """Whether the tool runs the whole file in one transaction."""
    problems: tuple[Problem, ...] = ()
    conditional: tuple[Span, ...] = ()
    """Parts that the tool or the server may leave out (``\\if``, a template's ``{{ if }}``,
    ``/*!100000``): they are judged, and what they make may not be there for what follows."""
    before: tuple[Earlier, ...] = ()
    """What has made functions, triggers and domains which this one may need."""

    def line(self, offset: int) -> int:
        """Return the line, from 1, on which the character at *offset* stands."""
        return self.text.count("\n", 0, offset) + 1


class Kind(StrEnum):
    """What a statement, or one part of it, does to the schema."""

    CREATE_SCHEMA = "create_schema"
    DROP_SCHEMA = "drop_schema"
    RENAME_SCHEMA = "rename_schema"
    CREATE_DATABASE = "create_database"
    DROP_DATABASE = "drop_database"
    CREATE_TABLE = "create_table"
    DROP_TABLE = "drop_table"
    RENAME_TABLE = "rename_table"
    SET_SCHEMA = "set_schema"
    ADD_COLUMN = "add_column"
    DROP_COLUMN = "drop_column"
    RENAME_COLUMN = "rename_column"
    CHANGE_TYPE = "change_type"
    SET_NOT_NULL = "set_not_null"
    DROP_NOT_NULL = "drop_not_null"
    SET_DEFAULT = "set_default"
    DROP_DEFAULT = "drop_default"
    ADD_CONSTRAINT = "add_constraint"
    VALIDATE_CONSTRAINT = "validate_constraint"
    DROP_CONSTRAINT = "drop_constraint"
    RENAME_CONSTRAINT = "rename_constraint"
    ATTACH_PARTITION = "attach_partition"
    DETACH_PARTITION = "detach_partition"
    REWRITE_TABLE = "rewrite_table"
    """SET LOGGED, SET TABLESPACE, SET ACCESS METHOD, CLUSTER, VACUUM FULL, MySQL's ENGINE= ..."""
    CREATE_INDEX = "create_index"
    DROP_INDEX = "drop_index"
    REINDEX = "reindex"
    TRUNCATE = "truncate"
    CREATE_VIEW = "create_view"
    """Materialized ones too (``Action.materialized``)."""
    DROP_VIEW = "drop_view"
    RENAME_VIEW = "rename_view"
    REFRESH_VIEW = "refresh_view"
    CREATE_TYPE = "create_type"
    ALTER_TYPE = "alter_type"
    """A value of an enum added or renamed, an attribute of a composite type changed, ..."""
    DROP_TYPE = "drop_type"
    CREATE_DOMAIN = "create_domain"
    ALTER_DOMAIN = "alter_domain"
    CREATE_SEQUENCE = "create_sequence"
    DROP_SEQUENCE = "drop_sequence"
    CREATE_FUNCTION = "create_function"
    """Procedures and triggers' bodies too; :attr:`Action.body` is its text."""
    DROP_FUNCTION = "drop_function"
    CREATE_TRIGGER = "create_trigger"
    DROP_TRIGGER = "drop_trigger"
    CALL = "call"
    """A function or procedure is run: ``SELECT f()``, ``CALL p()``, ``PERFORM f()``, ``EXEC p``. It
    does what the :attr:`Action.nested` of a CREATE_FUNCTION of that name does, if the script has one."""
    DO = "do"
    """An anonymous block; :attr:`Action.body` is its text, :attr:`Action.language` its language. What
    it does is in :attr:`Action.nested`; a body with nothing nested, in another language than SQL, is one
    that nobody has read, and becomes UNPARSABLE. One that was read and does nothing holds an OTHER."""
    EXECUTE = "execute"
    """Dynamic SQL; :attr:`Action.body` is its text when that is constant, else empty. What it does, as
    far as the text shows, is in :attr:`Action.nested`, with empty names for what is not known; a
    constant with nothing nested is parsed by state. With the label ``elsewhere`` a session of its own
    does it. The label ``unknown`` says that nothing can be
    read from it, ``unparsable`` that it does not parse: both become UNPARSABLE."""
    BEGIN = "begin"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    SET = "set"
    """A setting of the session: ``name`` and the value in :attr:`Action.body`."""
    LOCK = "lock"
    CHANGE_DATA = "change_data"
    """INSERT, UPDATE, DELETE, MERGE, COPY."""
    EXTENSION = "extension"
    OTHER = "other"
    """Understood, and nothing that anybody asks about. With the label ``if``, ``loop`` or ``handler``
    its :attr:`Action.nested` may not run."""
    UNPARSABLE = "unparsable"
    """Not understood. Only in facts: a parser says ``Parsed.problem`` instead."""


class Column(Record):
    """A column as a statement defines it."""

    name: str
    type: str = ""
    """As written, lower case, one space between words; ``serial`` stays ``serial``."""
    not_null: bool = False
    """NOT NULL or PRIMARY KEY, by the column or by a constraint of the same statement; an identity or
    a ``serial`` too, and a CHECK of its own that says so."""
    default: bool = False
    """It gets a value when an INSERT does not name it: a DEFAULT other than NULL, an identity, a
    sequence of ``serial``, AUTO_INCREMENT, a generated value."""
    default_name: str = ""
    """Of T-SQL: the constraint that the default is, by whose name it can be dropped."""
    default_volatile: bool = False
    """The default differs from row to row (``random()``, ``clock_timestamp()``, a sequence); also a
    function that is not known, because it may."""
    generated: bool = False
    primary_key: bool = False
    unique: bool = False
    references: Name = ()
    check: bool = False


class Action(Record):
    """One thing that a statement does. Which fields count is a matter of its kind.

    ``ALTER TABLE t ADD a int, DROP b`` is two actions. MySQL's ``MODIFY`` and ``CHANGE`` are
    CHANGE_TYPE with the whole ``definition``, and ``CHANGE`` to another name a RENAME_COLUMN before
    it. A dropped or truncated list is one action a table.
    """

    kind: Kind
    name: Name = ()
    """The table, or for objects that are not of a table the object itself (index, view, type,
    function, sequence, schema, setting)."""
    table: Name = ()
    """The table of an index or a trigger."""
    column: str = ""
    columns: tuple[str, ...] = ()
    """Of an index or a constraint. Of a function ``(`` and the types of its input, which tell it from
    others of its name; nothing where a DROP_FUNCTION does not name them."""
    definition: Column | None = None
    """Of ADD_COLUMN, CHANGE_TYPE and CREATE_DOMAIN."""
    definitions: Sequence[Column] = ()
    """Of CREATE_TABLE; a tuple, or :class:`~sluiceway.migrations.later.LaterColumns`."""
    new_name: Name = ()
    """Of the renaming kinds and SET_SCHEMA; the partition that is attached or detached, and the heir
    where a table INHERITs (ATTACH_PARTITION, labelled ``inherit``), or the table that a partition changes
    places with (``exchange``)."""
    constraint: str = ""
    """``check``, ``foreign key``, ``unique``, ``primary key``, ``exclude``, ``not null``. The last one
    is a SET_NOT_NULL (``ADD CONSTRAINT n NOT NULL c`` of PostgreSQL 18)."""
    constraint_name: str = ""
    references: Name = ()
    """Of a constraint the other table; of a trigger the function it runs; of CREATE_TABLE the table it
    is a partition of, or (the first) that it inherits from."""
    not_valid: bool = False
    using_index: bool = False
    check_not_null: str = ""
    """The column ``c`` of a check that says ``c IS NOT NULL`` (alone or by AND)."""
    if_exists: bool = False
    """``IF EXISTS`` or ``IF NOT EXISTS``: the statement may do nothing."""
    or_replace: bool = False
    cascade: bool = False
    concurrently: bool = False
    """CONCURRENTLY; ONLINE = ON and ALGORITHM = INPLACE or INSTANT in other dialects."""
    unique: bool = False
    only: bool = False
    """``ONLY``: not the partitions."""
    temporary: bool = False
    partitioned: bool = False
    materialized: bool = False
    value: bool = False
    """SET_DEFAULT to something other than NULL."""
    volatile: bool = False
    """SET_DEFAULT to what may come from a sequence or a function."""
    label: str = ""
    """More of what the kind leaves open (``add value`` of ALTER_TYPE, ``logged`` of REWRITE_TABLE,
    ``row`` of a CREATE_TRIGGER that is fired for each)."""
    body: str = ""
    """A text that is to be parsed in its turn, or the value of a setting."""
    body_offset: int = 0
    """Where the body begins in the statement, in characters."""
    language: str = ""
    """Of the body, lower case: ``sql``, ``plpgsql``; empty for the dialect's own."""
    nested: Sequence[Action] = ()
    """What the statement holds inside (IF blocks of T-SQL, BEGIN ... END, bodies), in order; a tuple, or
    of CREATE_FUNCTION :class:`~sluiceway.migrations.later.LaterActions`."""
    offset: int = 0
    """Where it begins in its statement, in characters, when that is known."""


class Parsed(Record):
    """One statement, as one grammar read it."""

    span: Span
    """In the script's text, without spaces and comments before it where the parser can tell."""
    actions: tuple[Action, ...]
    problem: str = ""
    """Why it could not be parsed. Then *actions* are what its words let one guess."""


class SqlParser(Protocol):
    """A grammar. Given by plugins (``sluiceway_sql_parser``)."""

    name: str
    """``libpg_query``, ``sqlfluff``."""
    version: str
    """Of everything that decides what it answers: part of the key of every cache."""

    def parse(self, script: Script, dialect: Dialect) -> list[Parsed]:
        """Return the statements of *script* in order, each parsed for itself.

        One bad statement costs one statement. Never raises for a text: what cannot be parsed, too
        deep or too long included, is a ``Parsed`` with a ``problem``.
        """
        ...


class Asked(Record, kw_only=False):
    """Which facts somebody asks for."""

    kinds: frozenset[str]
    """Facts of no other kind; the words of :class:`Kind`, and perhaps of a site's own."""
    others: frozenset[str]
    """Those of *kinds* of which excused facts are asked for as well (:data:`EXCUSES`)."""

    def wants(self, fact: Mapping[str, Any]) -> bool:
        """Say whether *fact*, by the fields of :class:`Fact`, is one of them."""
        kind = fact["kind"]
        if kind not in self.kinds:
            return False
        return kind in self.others or not any(fact.get(field) is True for field in EXCUSES)

    def covers(self, other: Asked) -> bool:
        """Say whether whoever has these has those of *other* too."""
        return other.kinds <= self.kinds and other.others <= self.others


EXCUSES = ("nullable", "default_at_end", "generated", "covered")
"""Each of these, where it is true of a fact, excuses it from what is asked about new values."""


@runtime_checkable
class Sparing(Protocol):
    """What a grammar may offer besides :meth:`SqlParser.parse`."""

    def spared(self, script: Script, dialect: Dialect, asked: Asked) -> int | list[Parsed]:
        """Return the statements of a script that stands alone, as ``parse`` does.

        Or only how many they are, where none of them can leave a fact that is *asked* for: most
        scripts of most projects are like that, and need not be looked at any closer. In other
        scripts a statement that changes nothing of such a fact may be given without what it does.
        """
        ...


class Fact(Record):
    """One thing that a migration does, with what is known around it. What policies read.

    Its JSON leaves out what has its default value, so that thousands of facts stay small. Therefore
    the default of every field that may excuse a statement is the one that does not: a field that is
    lost refuses.
    """

    kind: Kind
    file: str
    line: int
    migration: str
    """:attr:`Script.name`."""
    statement: str
    """As the file has it, shortened to one readable line."""
    statement_hash: str
    """``sha256:<hex>`` of the migration's name, the statement without comments and with single
    spaces, and which of several equal ones of this file it is; for what a called function does also of
    that function's definition. What an approval names; changes when the statement does."""
    table: str = ""
    """Dotted, as the server keeps it; empty when there is none or it cannot be known."""
    column: str = ""
    object: str = ""
    """The index, view, type, constraint, function that it is about, dotted."""
    new_name: str = ""
    new_object: Maybe = Maybe.NO
    """The table (or other object) was made by this same script, or set of scripts, before."""
    nullable: bool = False
    """After the last statement the column takes NULL (ADD_COLUMN, CHANGE_TYPE, SET_NOT_NULL)."""
    default_at_end: bool = False
    """After the last statement an INSERT that does not name the column gets a value. Of an ADD_COLUMN
    the statement itself has to give one too: it fails on a table with rows otherwise."""
    covered: bool = False
    """SET_NOT_NULL on a column of which a check already says so that was added NOT VALID and then
    validated."""
    concurrently: bool = False
    not_valid: bool = False
    using_index: bool = False
    temporary: bool = False
    partitioned: Maybe = Maybe.NO
    only: bool = False
    """``CREATE INDEX ... ON ONLY``: of a partitioned table without its partitions, which is quick."""
    materialized: bool = False
    generated: bool = False
    primary_key: bool = False
    unique: bool = False
    cascade: bool = False
    conditional: bool = False
    """IF EXISTS, or inside an IF: it may do nothing."""
    constraint: str = ""
    """``check``, ``foreign key``, ... as in :attr:`Action.constraint`."""
    references: str = ""
    type: str = ""
    """The column's new type, as written."""
    volatile: bool = False
    in_do: bool = False
    """In an anonymous block, or in the body of a function that is called."""
    within: str = ""
    """The function, procedure or trigger in which it happens, where the statement runs one: its own name, the
    innermost of several."""
    made_in: str = ""
    """The earlier file that has made that one; empty where it is made by the statement's own."""
    dynamic: bool = False
    """In SQL that is put together while running."""
    guessed: bool = False
    """From the words of a statement that could not be parsed; an UNPARSABLE fact stands beside it."""
    in_transaction: Maybe = Maybe.MAYBE
    lock_timeout: bool = False
    """A lock_timeout was set before, in this script."""
    label: str = ""
    """More of what the kind leaves open; ``by cascade`` where something goes with something else (the
    ``object``); for UNPARSABLE why, for a person."""
