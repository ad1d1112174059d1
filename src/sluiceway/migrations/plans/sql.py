"""The statements of a plan: PostgreSQL's, each in the form that stops nobody."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sluiceway.migrations.plans.records import Draft, Known, Target

__all__ = [
    "batches",
    "count",
    "demanded",
    "indexes",
    "quoted",
    "slug",
    "usage",
    "word",
]

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_BATCH = 1000
_LONGEST = 63
"""Bytes of a name; the server cuts what is longer, and two names may then be one."""


def demanded(target: Target, column: str) -> tuple[Draft, Draft]:
    """Make it NOT NULL by way of a check: no scan of the table under its strongest lock.

    Two migrations, because the first one's lock is held until its transaction ends; of one release,
    because who judges the second has to see the first.
    """
    table, check = quoted(target.table), _constraint(target, column)
    name = quoted((column,))
    return (
        Draft(
            slug=slug("check", target, column),
            statements=(
                f"ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({name} IS NOT NULL) NOT VALID;",
            ),
        ),
        Draft(
            slug=slug("require", target, column),
            statements=(
                f"ALTER TABLE {table} VALIDATE CONSTRAINT {check};",
                f"ALTER TABLE {table} ALTER COLUMN {name} SET NOT NULL;",
                f"ALTER TABLE {table} DROP CONSTRAINT {check};",
            ),
        ),
    )


def batches(table: str, assignments: str, pending: str) -> str:
    """Change a few of the rows that *pending* says, and leave alone what somebody has locked."""
    return f"""\
UPDATE {table} SET {assignments}
WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM {table} WHERE {pending}
    LIMIT {_BATCH} FOR UPDATE SKIP LOCKED
));"""  # noqa: S608 - it is written for a person, and names are quoted


def count(table: str, where: str) -> str:
    """Count the rows that *where* says."""
    return f"SELECT count(*) FROM {table} WHERE {where};"  # noqa: S608 - as above


def usage(table: str) -> str:
    """Ask the server how often the table was read and changed."""
    return f"""\
SELECT seq_scan, idx_scan, n_tup_ins + n_tup_upd + n_tup_del
FROM pg_stat_all_tables WHERE relid = '{table.replace("'", "''")}'::regclass;"""  # noqa: S608 - as above


def indexes(target: Target, new: tuple[str, ...], known: Known) -> tuple[Draft, ...]:
    """Give the one new column the indexes of the old, each alone and outside of a transaction."""
    if len(new) != 1:
        return ()
    drafts = []
    for name, columns, unique in known.indexes:
        if target.column not in columns:
            continue
        renamed = [new[0] if each == target.column else each for each in columns]
        kind = "UNIQUE INDEX" if unique else "INDEX"
        index = _short(f"{name}_{new[0]}")
        where = f"{quoted(target.table)} ({', '.join(quoted((each,)) for each in renamed)})"
        drafts.append(
            Draft(
                slug=slug("index", target, new[0]),
                statements=(
                    f"CREATE {kind} CONCURRENTLY IF NOT EXISTS {quoted((index,))} ON {where};",
                ),
                in_transaction=False,
            )
        )
    return tuple(drafts)


def _constraint(target: Target, column: str) -> str:
    return quoted((_short(f"{target.table[-1]}_{column}_not_null"),))


def _short(name: str) -> str:
    return name.encode()[:_LONGEST].decode(errors="ignore")


def quoted(name: Sequence[str]) -> str:
    """Return a name as SQL: quoted where the server would not keep it as it is."""
    return ".".join(
        part if _PLAIN.fullmatch(part) else '"' + part.replace('"', '""') + '"' for part in name
    )


def slug(verb: str, target: Target, *more: str) -> str:
    """Return what a migration does, as a part of its file's name."""
    return word("_".join((verb, target.table[-1], *more)))


def word(text: str) -> str:
    """Return *text* as one word of a name."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
