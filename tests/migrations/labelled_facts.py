"""Labelled migrations for PostgreSQL, each of which is judged wrongly without one thing that is known of it."""

from __future__ import annotations

from .labelled_kit import NOT_NULL, TABLE, UNPARSABLE, case

__all__ = ["NEEDED"]

NEEDED = (
    case(
        "table of a new schema that is renamed",
        "CREATE SCHEMA n; CREATE TABLE n.t (id int); ALTER SCHEMA n RENAME TO m; DROP TABLE m.t;",
    ),
    case(
        "old schema that is renamed",
        "CREATE SCHEMA n; CREATE TABLE n.items (id int); ALTER SCHEMA n RENAME TO m;"
        "ALTER SCHEMA legacy RENAME TO n; DROP TABLE n.items;",
        TABLE,
    ),
    case(
        "not null for a while",
        "ALTER TABLE logs ADD COLUMN n int NOT NULL DEFAULT 1; ALTER TABLE logs ALTER n DROP DEFAULT;"
        "ALTER TABLE logs ALTER n DROP NOT NULL;",
    ),
    case(
        "check with another name",
        "ALTER TABLE users ADD CONSTRAINT c CHECK (name IS NOT NULL) NOT VALID;"
        "ALTER TABLE users RENAME CONSTRAINT c TO d; ALTER TABLE users VALIDATE CONSTRAINT d;"
        "ALTER TABLE users ALTER name SET NOT NULL;",
        runs="the safe way, though the old INSERT has to be changed first",
    ),
    case(
        "index on a partitioned table alone",
        "CREATE INDEX events_id ON ONLY events (id);",
        runs="it locks the table, and for a moment only: no partition is read",
    ),
    case(
        "body in a language that nobody reads",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plperl AS 'select 1'; SELECT f();",
        UNPARSABLE,
        runs="the language is an extension",
    ),
    case(
        "function of SQL that calls what drops",
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$SELECT dropgeometrytable('logs')$$; SELECT f();",
        TABLE,
        runs="the function is an extension's",
    ),
    case(
        "default by a sequence that is given later",
        "CREATE SEQUENCE s; ALTER TABLE logs ADD n int NOT NULL DEFAULT 1;"
        "ALTER TABLE logs ALTER n SET DEFAULT nextval('s'); DROP SEQUENCE s CASCADE;",
        NOT_NULL,
    ),
    case(
        "not null behind a default by a sequence",
        "CREATE SEQUENCE s; ALTER TABLE logs ADD n int DEFAULT nextval('s'); ALTER TABLE logs ALTER n SET NOT NULL;"
        "DROP SEQUENCE s CASCADE;",
        NOT_NULL,
    ),
    case(
        "default by a function that is given later",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER TABLE logs ADD n int NOT NULL DEFAULT 1;"
        "ALTER TABLE logs ALTER n SET DEFAULT f(); DROP FUNCTION f() CASCADE;",
        NOT_NULL,
    ),
    case(
        "default by a sequence that is given up",
        "CREATE SEQUENCE s; ALTER TABLE logs ADD n int NOT NULL DEFAULT nextval('s');"
        "ALTER TABLE logs ALTER n SET DEFAULT 1; DROP SEQUENCE s CASCADE;",
    ),
)
