"""The sequences themselves: which release does what, and what has to hold before the next. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from sluiceway.errors import UsageError
from sluiceway.migrations.plans.records import Check, Draft, Known, Plan, Step, Target
from sluiceway.migrations.plans.sql import (
    batches,
    count,
    demanded,
    indexes,
    quoted,
    slug,
    usage,
)

__all__ = ["drop_column", "drop_table", "not_null", "replaced"]


def replaced(
    change: str,
    target: Target,
    columns: Mapping[str, str],
    fills: Mapping[str, str],
    known: Known,
) -> Plan:
    """Put *columns* in the place of the target's: write both, fill, read the new, stop, drop."""
    old, new = target.column, tuple(columns)
    if old in new:
        raise UsageError(
            f"{target.dotted} is called {old} already",
            remedy="Name another column.",
            code="migrations.plan",
        )
    table, quoted_old = quoted(target.table), quoted((old,))
    filled = {each: fills[each].replace("{old}", quoted_old) for each in new}
    listed = " and ".join(new)
    both = f"{old}, {', '.join(new)}" if len(new) > 1 else f"{old} and {new[0]}"
    expand = (
        Draft(
            slug=slug("add", target, *new),
            statements=tuple(
                f"ALTER TABLE {table} ADD COLUMN {quoted((each,))} {columns[each]};" for each in new
            ),
        ),
        *indexes(target, new, known),
    )
    unfilled = " OR ".join(f"{quoted((each,))} IS NULL" for each in new)
    pending = f"({unfilled}) AND {quoted_old} IS NOT NULL"
    required = new if known.not_null else ()
    optional = Draft(
        slug=slug("let", target, old, "be_empty"),
        statements=(f"ALTER TABLE {table} ALTER COLUMN {quoted_old} DROP NOT NULL;",),
    )
    drops = Draft(
        slug=slug("drop", target, old),
        statements=(f"ALTER TABLE {table} DROP COLUMN {quoted_old};",),
    )
    final = tuple(draft for each in required for draft in demanded(target, each))
    return Plan(
        change=change,
        table=target.table_name,
        columns=(old, *new),
        steps=(
            Step(
                title=f"Expand: add {listed}, write both",
                drafts=expand,
                job=batches(
                    table, ", ".join(f"{quoted((each,))} = {filled[each]}" for each in new), pending
                ),
                code=(f"reads {old}", f"writes {both}, in the same statement"),
                checks=(
                    Check(what="this release serves alone in every environment"),
                    Check(
                        what=f"every row has {listed}",
                        sql=count(table, pending),
                        answer="0",
                    ),
                ),
                reads=(old,),
                writes=(old, *new),
            ),
            Step(
                title=f"Migrate: read {listed}",
                code=(
                    f"reads {listed}",
                    f"still writes {both}: the way back needs all of them",
                ),
                checks=(
                    Check(
                        what="it serves production, and you would not go back behind it any more",
                    ),
                ),
                reads=new,
                writes=(old, *new),
            ),
            Step(
                title=f"Let go: stop writing {old}",
                drafts=(optional,) if known.not_null else (),
                code=(f"reads and writes {listed} only",),
                checks=(
                    Check(what=f"the release that wrote {old} has left production"),
                    *(
                        Check(
                            what=f"{each} has a value everywhere, so that the constraint can be validated",
                            sql=count(table, f"{quoted((each,))} IS NULL"),
                            answer="0",
                        )
                        for each in required
                    ),
                ),
                reads=new,
                writes=new,
            ),
            Step(
                title=f"Contract: drop {old}",
                drafts=(*final, drops),
                code=("as before",),
                reads=new,
                writes=new,
            ),
        ),
        notes=_notes(known, old, listed),
    )


def _notes(known: Known, old: str, listed: str) -> tuple[str, ...]:
    said = [
        f"Triggers, views, foreign keys and defaults on {old} are for you to give {listed} as well."
    ]
    if known.not_null:
        said.append(
            f"{old} is taken to be NOT NULL, and so {listed} will be; leave that out if it is not."
        )
    return tuple(said)


def drop_column(target: Target) -> Plan:
    """Stop reading while every row is still filled, then stop writing, then drop."""
    table, column = quoted(target.table), quoted((target.column,))
    name = target.column
    return Plan(
        change="drop-column",
        table=target.table_name,
        columns=(name,),
        steps=(
            Step(
                title=f"Stop reading {name}",
                code=(
                    f"no longer reads {name} (an ORM is told to ignore it)",
                    f"still writes {name}",
                ),
                checks=(Check(what="this release serves alone in every environment"),),
                writes=(name,),
            ),
            Step(
                title=f"Let go: stop writing {name}",
                drafts=(
                    Draft(
                        slug=slug("let", target, name, "be_empty"),
                        statements=(f"ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL;",),
                    ),
                ),
                code=(f"neither reads nor writes {name}",),
                checks=(Check(what=f"the release that wrote {name} has left production"),),
            ),
            Step(
                title=f"Contract: drop {name}",
                drafts=(
                    Draft(
                        slug=slug("drop", target, name),
                        statements=(f"ALTER TABLE {table} DROP COLUMN {column};",),
                    ),
                ),
                code=("as before",),
            ),
        ),
        notes=(
            f"Keep a copy of what {name} holds if anybody may ask for it: there is no way back.",
        ),
    )


def drop_table(target: Target) -> Plan:
    """Stop using it, and drop it one release later."""
    table = quoted(target.table)
    return Plan(
        change="drop-table",
        table=target.table_name,
        columns=(),
        steps=(
            Step(
                title=f"Stop using {target.table_name}",
                code=(f"neither reads nor writes {target.table_name}",),
                checks=(
                    Check(what="the release that used it has left production"),
                    Check(
                        what="nothing has scanned it or changed it since",
                        sql=usage(table),
                        answer="the same numbers a day apart",
                    ),
                ),
            ),
            Step(
                title=f"Contract: drop {target.table_name}",
                drafts=(Draft(slug=slug("drop", target), statements=(f"DROP TABLE {table};",)),),
                code=("as before",),
            ),
        ),
        notes=(
            "Foreign keys of other tables to it are dropped before, each by a migration of its own.",
        ),
    )


def not_null(target: Target, default: str) -> Plan:
    """Write it always and fill what is there, then demand it."""
    table, column = quoted(target.table), quoted((target.column,))
    name = target.column
    defaulted = (
        Draft(
            slug=slug("default", target, name),
            statements=(f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {default};",),
        ),
    )
    empty = Check(
        what=f"every row has {name}",
        sql=count(table, f"{column} IS NULL"),
        answer="0",
    )
    return Plan(
        change="not-null",
        table=target.table_name,
        columns=(name,),
        steps=(
            Step(
                title=f"Expand: always write {name}",
                drafts=defaulted if default else (),
                job=batches(table, f"{column} = {default}", f"{column} IS NULL") if default else "",
                code=(f"every INSERT and UPDATE gives {name} a value",),
                checks=(Check(what="this release serves alone in every environment"), empty),
                reads=(name,),
                writes=(name,),
            ),
            Step(
                title="Contract: NOT NULL",
                drafts=demanded(target, name),
                code=("as before",),
                reads=(name,),
                writes=(name,),
            ),
        ),
        notes=()
        if default
        else (
            "Rows without a value are filled by you: say --default=EXPRESSION to have it planned.",
        ),
    )
