"""Labelled migrations for PostgreSQL: in which order a server does things, and what keeps NULL out."""

from __future__ import annotations

from .labelled_kit import COLUMN, NOT_NULL, RENAME, TABLE, TRUNCATE, case

__all__ = ["CHECKS", "DEFAULTS", "ORDER"]

_DROPS = "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN DROP TABLE app.items; RETURN 1; END';"
ORDER = (
    case("added and dropped in one", "ALTER TABLE users ADD COLUMN name text, DROP name;", COLUMN),
    case("dropped and added in one", "ALTER TABLE users DROP name, ADD COLUMN name text;", COLUMN),
    case(
        "added in one, dropped in another",
        "ALTER TABLE users ADD COLUMN a text; ALTER TABLE users DROP a, ADD COLUMN b text;",
    ),
    case(
        "function of a loop's bounds",
        _DROPS + "DO $$ BEGIN FOR i IN 1..f() LOOP NULL; END LOOP; END $$;",
        TABLE,
    ),
    case(
        "function of what an EXECUTE is given",
        _DROPS + "DO $$ BEGIN EXECUTE 'SELECT $1' USING f(); END $$;",
        TABLE,
    ),
    case(
        "function of what a cursor is given",
        _DROPS + "DO $$ DECLARE c CURSOR (a int) FOR SELECT a; BEGIN OPEN c(f()); CLOSE c; END $$;",
        TABLE,
    ),
    case(
        "function of a query in a text",
        _DROPS + "SELECT * FROM ts_stat('SELECT to_tsvector(f()::text)');",
        TABLE,
    ),
    case("query in a text", "SELECT * FROM ts_stat('SELECT to_tsvector(body) FROM logs');"),
    case(
        "chunks of TimescaleDB",
        "SELECT drop_chunks('metrics', INTERVAL '30 days');",
        TRUNCATE,
        runs="it needs an extension",
    ),
    case(
        "old column of a new view's rows",
        "CREATE VIEW v AS SELECT 'a'::text AS street, 'b'::text AS city;"
        "ALTER TABLE users ALTER home TYPE v USING NULL; DROP VIEW v CASCADE;",
        COLUMN,
    ),
    case(
        "view of new rows, dropped",
        "CREATE VIEW v AS SELECT 1 AS a; CREATE VIEW w AS SELECT a FROM v; DROP VIEW v CASCADE;",
    ),
    case(
        "own server with what is on it",
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
        "CREATE FOREIGN TABLE n (a int) SERVER s; DROP SERVER s CASCADE;",
    ),
    case(
        "own foreign data wrapper with what is on it",
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
        "CREATE FOREIGN TABLE n (a int) SERVER s; DROP FOREIGN DATA WRAPPER w CASCADE;",
    ),
    case(
        "server that may have been there",
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER IF NOT EXISTS s FOREIGN DATA WRAPPER w; DROP SERVER s CASCADE;",
        TABLE,
        runs="there is none, and no table of it",
    ),
    case(
        "extension that is called as a server is",
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER citext FOREIGN DATA WRAPPER w; DROP EXTENSION citext CASCADE;",
        COLUMN,
        runs="there is none, and no column of it",
    ),
)

CHECKS = (
    case(
        "check on a column that the old code does not know",
        "ALTER TABLE users ADD a int; UPDATE users SET a = 1; ALTER TABLE users ADD CHECK (a IS NOT NULL);",
        NOT_NULL,
    ),
    case(
        "check on such a column, not validated",
        "ALTER TABLE users ADD a int; ALTER TABLE users ADD CONSTRAINT c CHECK (a IS NOT NULL) NOT VALID;",
        NOT_NULL,
    ),
    case(
        "check on such a column of which nobody knows whether it is new",
        "ALTER TABLE users ADD COLUMN IF NOT EXISTS a int; UPDATE users SET a = 1;"
        "ALTER TABLE users ADD CHECK (a IS NOT NULL);",
        NOT_NULL,
    ),
    case(
        "check on such a column with a default",
        "ALTER TABLE users ADD a int DEFAULT 1; ALTER TABLE users ADD CHECK (a IS NOT NULL);",
    ),
    case(
        "check on such a column, dropped again",
        "ALTER TABLE users ADD a int; ALTER TABLE users ADD CONSTRAINT c CHECK (a IS NOT NULL) NOT VALID;"
        "ALTER TABLE users DROP CONSTRAINT c;",
    ),
    case(
        "check on a renamed new column, dropped again behind a NOT NULL",
        "ALTER TABLE users ADD a int; UPDATE users SET a = 1; ALTER TABLE users ADD CONSTRAINT c CHECK (a IS NOT NULL);"
        "ALTER TABLE users RENAME a TO b; ALTER TABLE users ALTER b SET NOT NULL; ALTER TABLE users DROP CONSTRAINT c;",
        NOT_NULL,
    ),
    case(
        "check on an old column, for later",
        "ALTER TABLE users ADD CONSTRAINT c CHECK (name IS NOT NULL) NOT VALID;",
        runs="the safe way, though the old INSERT has to be changed first",
    ),
    case(
        "check on an old column that gets another name",
        "ALTER TABLE users ADD CONSTRAINT c CHECK (email IS NOT NULL) NOT VALID; ALTER TABLE users RENAME email TO mail;",
        RENAME,
    ),
    case(
        "check on a column of a new table",
        "CREATE TABLE n (a int); ALTER TABLE n ADD b int; ALTER TABLE n ADD CHECK (b IS NOT NULL);",
    ),
    case(
        "check that is distinct from NULL",
        "ALTER TABLE users ADD a int CHECK (a IS DISTINCT FROM NULL);",
        NOT_NULL,
        runs="the migration fails for its check",
    ),
)

DEFAULTS = (
    case(
        "default of nothing by NULLIF",
        "ALTER TABLE users ADD a int NOT NULL DEFAULT NULLIF(1, 1);",
        NOT_NULL,
    ),
    case(
        "default of nothing by CASE",
        "ALTER TABLE users ADD a int NOT NULL DEFAULT CASE WHEN false THEN 1 END;",
        NOT_NULL,
    ),
    case(
        "default of nothing by COALESCE",
        "ALTER TABLE users ADD a int NOT NULL DEFAULT COALESCE(NULL::int, NULL);",
        NOT_NULL,
    ),
    case(
        "default of something by all of them",
        "ALTER TABLE users ADD a int NOT NULL DEFAULT NULLIF(1, 2), ADD b int NOT NULL DEFAULT COALESCE(NULL, 3),"
        "ADD c int NOT NULL DEFAULT CASE WHEN now() > '2020-01-01' THEN 1 ELSE 2 END;",
    ),
    case(
        "default of a sequence that goes with its table",
        "CREATE TABLE n (id serial); ALTER TABLE logs ADD a int NOT NULL DEFAULT nextval('n_id_seq'); DROP TABLE n CASCADE;",
        NOT_NULL,
    ),
    case(
        "default of a sequence that goes with its column",
        "CREATE TABLE n (id serial, b int); ALTER TABLE logs ADD a int NOT NULL DEFAULT nextval('n_id_seq');"
        "ALTER TABLE n DROP COLUMN id CASCADE;",
        NOT_NULL,
    ),
    case(
        "default of a sequence that goes with its own column",
        "ALTER TABLE orders ADD k bigserial; ALTER TABLE logs ADD a int NOT NULL DEFAULT nextval('orders_k_seq');"
        "ALTER TABLE orders DROP COLUMN k CASCADE;",
        NOT_NULL,
    ),
    case(
        "default of a constant beside a table that goes",
        "CREATE TABLE n (id serial); ALTER TABLE logs ADD a int NOT NULL DEFAULT 1; DROP TABLE n CASCADE;",
    ),
    case(
        "default of a function beside a table that goes",
        "CREATE TABLE n (id int); ALTER TABLE logs ADD a uuid NOT NULL DEFAULT gen_random_uuid(); DROP TABLE n CASCADE;",
    ),
)
