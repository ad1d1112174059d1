"""Labelled migrations for PostgreSQL: what goes along with something that the migration made itself."""

from __future__ import annotations

from .labelled_kit import COLUMN, INDEX, NOT_NULL, TABLE, case

__all__ = ["ALONG"]

_ROWS = "CREATE TABLE n (street text, city text); ALTER TABLE users ALTER home TYPE {} USING {}; DROP TABLE n CASCADE;"
ALONG = (
    case(
        "old table that an index's new name is given",
        "CREATE TABLE n (id int); ALTER INDEX n RENAME TO m; ALTER INDEX logs RENAME TO n; DROP TABLE n;",
        TABLE,
    ),
    case("index renamed, dropped", "ALTER INDEX logs_body RENAME TO b; DROP INDEX b;"),
    case(
        "old table in a new extension",
        "CREATE EXTENSION citext; ALTER EXTENSION citext ADD TABLE logs; DROP EXTENSION citext;",
        TABLE,
    ),
    case("new extension", "CREATE EXTENSION citext; DROP EXTENSION citext CASCADE;"),
    case(
        "new extension beside another change of a type",
        "CREATE EXTENSION citext; ALTER TABLE logs ALTER body TYPE varchar(9); DROP EXTENSION citext;",
    ),
    case(
        "old column of a new extension's type",
        "CREATE EXTENSION citext; ALTER TABLE logs ALTER body TYPE citext; DROP EXTENSION citext CASCADE;",
        COLUMN,
    ),
    case(
        "old table of a new type",
        "CREATE TYPE k AS (id bigint, body text); ALTER TABLE logs OF k; DROP TYPE k CASCADE;",
        TABLE,
    ),
    case(
        "new table of a new type",
        "CREATE TYPE k AS (id bigint); CREATE TABLE n OF k; DROP TYPE k CASCADE;",
    ),
    case(
        "old table of a new access method",
        "CREATE ACCESS METHOD k TYPE TABLE HANDLER heap_tableam_handler; ALTER TABLE logs SET ACCESS METHOD k;"
        "DROP ACCESS METHOD k CASCADE;",
        TABLE,
    ),
    case(
        "old column of a new table's rows",
        _ROWS.format("n", "row((home).street, (home).city)::n"),
        TABLE,
        runs="the column goes, and the table is new",
    ),
    case(
        "old column of a new table's rows in an array",
        _ROWS.format("n[]", "NULL"),
        TABLE,
        runs="the column goes, and the table is new",
    ),
    case(
        "text search configuration of a column",
        "DROP TEXT SEARCH CONFIGURATION IF EXISTS k CASCADE;",
        COLUMN,
        runs="there is none, and no column of it",
    ),
    case(
        "new text search configuration",
        "CREATE TEXT SEARCH CONFIGURATION k (COPY = pg_catalog.english); DROP TEXT SEARCH CONFIGURATION k CASCADE;",
    ),
    case(
        "key of an index on a new column",
        "ALTER TABLE logs ADD COLUMN n int; CREATE UNIQUE INDEX i ON logs (n);"
        "ALTER TABLE logs ADD PRIMARY KEY USING INDEX i;",
        NOT_NULL,
        INDEX,
        runs="it fails before the index is seen",
    ),
    case(
        "key of an index on a new column with a default",
        "ALTER TABLE app.items ADD COLUMN n int DEFAULT 7; CREATE UNIQUE INDEX i ON app.items (n);"
        "ALTER TABLE app.items ADD PRIMARY KEY USING INDEX i;",
        INDEX,
        runs="the key is the index then, and is not seen as one",
    ),
    case(
        "function of a default in a schema that goes",
        "CREATE SCHEMA s; CREATE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'SELECT 1';"
        "ALTER TABLE users ADD COLUMN n int NOT NULL DEFAULT s.f(); DROP SCHEMA s CASCADE;",
        NOT_NULL,
    ),
    case(
        "sequence of a default in a schema that goes",
        "CREATE SCHEMA s; CREATE SEQUENCE s.q; ALTER TABLE users ADD COLUMN n int NOT NULL DEFAULT nextval('s.q');"
        "DROP SCHEMA s CASCADE;",
        NOT_NULL,
    ),
    case(
        "default beside a schema that goes",
        "CREATE SCHEMA s; CREATE TABLE s.t (id int); ALTER TABLE users ADD COLUMN n int NOT NULL DEFAULT 1;"
        "DROP SCHEMA s CASCADE;",
    ),
    case(
        "old column of a type in a schema that goes",
        "CREATE SCHEMA s; CREATE DOMAIN s.d AS text; ALTER TABLE users ALTER name TYPE s.d; DROP SCHEMA s CASCADE;",
        COLUMN,
    ),
    case(
        "old type moved to a schema that goes",
        "CREATE SCHEMA s; ALTER TYPE mood SET SCHEMA s; DROP SCHEMA s CASCADE;",
        COLUMN,
    ),
    case(
        "old domain moved to a schema that goes",
        "CREATE SCHEMA s; ALTER DOMAIN short SET SCHEMA s; DROP SCHEMA s CASCADE;",
        COLUMN,
    ),
    case(
        "new type moved to a schema that goes",
        "CREATE TYPE k AS ENUM ('a'); CREATE SCHEMA s; ALTER TYPE k SET SCHEMA s; DROP SCHEMA s CASCADE;",
    ),
    case(
        "new type moved from a schema that goes",
        "CREATE SCHEMA s; CREATE TYPE s.k AS ENUM ('a'); ALTER TYPE s.k SET SCHEMA app; DROP SCHEMA s CASCADE;"
        "DROP TYPE app.k CASCADE;",
    ),
    case(
        "old column of a new extension in a schema that goes",
        "CREATE SCHEMA s; CREATE EXTENSION citext SCHEMA s; ALTER TABLE logs ALTER body TYPE s.citext;"
        "DROP SCHEMA s CASCADE;",
        COLUMN,
    ),
    case(
        "new extension moved to a schema that goes",
        "CREATE EXTENSION citext; CREATE SCHEMA s; ALTER EXTENSION citext SET SCHEMA s; DROP SCHEMA s CASCADE;",
    ),
    case(
        "old table whose name begins as a type's is kept",
        'CREATE SCHEMA s; ALTER TABLE logs RENAME TO "type k"; ALTER TABLE "type k" SET SCHEMA s; DROP SCHEMA s CASCADE;',
        TABLE,
    ),
)
