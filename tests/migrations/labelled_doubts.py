"""Labelled migrations for PostgreSQL: what may not run, and names that come to mean something older."""

from __future__ import annotations

from .labelled_kit import ALONE, COLUMN, TABLE, case

__all__ = ["BRANCHES", "PARTS"]

_NEVER = "DO $$ BEGIN IF false THEN {} END IF; END $$;"
BRANCHES = (
    case(
        "renamed in a branch",
        "CREATE TABLE n (id int);"
        + _NEVER.format("ALTER TABLE logs RENAME TO x; ALTER TABLE n RENAME TO logs;")
        + "DROP TABLE logs;",
        TABLE,
    ),
    case(
        "renamed and dropped in a branch",
        "DO $$ BEGIN CREATE TABLE n (id int); IF true THEN ALTER TABLE n RENAME TO m; DROP TABLE m; END IF; END $$;",
    ),
    case(
        "renamed, if nothing is in the way",
        "CREATE TABLE n (id int); DO $$ BEGIN ALTER TABLE n RENAME TO logs; EXCEPTION WHEN duplicate_table THEN NULL;"
        "END $$; DROP TABLE logs;",
        TABLE,
    ),
    case(
        "renamed in two branches",
        "CREATE TABLE n (id int); DO $$ BEGIN IF true THEN ALTER TABLE n RENAME TO m; END IF;"
        "IF false THEN ALTER TABLE m RENAME TO logs; END IF; DROP TABLE logs; END $$;",
        TABLE,
    ),
    case(
        "moved to a schema in a branch",
        "CREATE TABLE items (id int);"
        + _NEVER.format("DROP VIEW recent; ALTER TABLE items SET SCHEMA legacy;")
        + "DROP TABLE legacy.items;",
        TABLE,
    ),
    case(
        "schema renamed in a branch",
        "CREATE SCHEMA n; CREATE TABLE n.items (id int);"
        + _NEVER.format("ALTER SCHEMA legacy RENAME TO x; ALTER SCHEMA n RENAME TO legacy;")
        + "DROP SCHEMA legacy CASCADE;",
        TABLE,
    ),
    case(
        "table of a schema renamed in a branch",
        "CREATE SCHEMA n; CREATE TABLE n.items (id int);"
        + _NEVER.format("ALTER SCHEMA legacy RENAME TO x; ALTER SCHEMA n RENAME TO legacy;")
        + "DROP TABLE legacy.items;",
        TABLE,
    ),
    case(
        "column renamed in a branch",
        "ALTER TABLE users ADD COLUMN other text;"
        + _NEVER.format("ALTER TABLE users RENAME other TO name;")
        + "ALTER TABLE users DROP COLUMN name;",
        COLUMN,
    ),
    case(
        "path of a transaction that nobody has begun",
        "CREATE TABLE legacy.logs (id int); SET LOCAL search_path TO legacy; DROP TABLE logs;",
        TABLE,
        runs=ALONE,
    ),
)

PARTS = (
    case(
        "column that a new parent had before its old part came",
        "CREATE TABLE n (id bigint) PARTITION BY RANGE (id); ALTER TABLE n ADD COLUMN body text;"
        "ALTER TABLE n ATTACH PARTITION logs DEFAULT; ALTER TABLE n DROP COLUMN body;",
        COLUMN,
    ),
    case(
        "column that an old parent got before its old part came",
        "ALTER TABLE events ADD COLUMN body text; ALTER TABLE logs ADD COLUMN at date NOT NULL DEFAULT '2030-01-01';"
        "ALTER TABLE events ATTACH PARTITION logs DEFAULT; ALTER TABLE events DROP COLUMN body;",
        COLUMN,
    ),
)
