"""Labelled migrations for PostgreSQL: types that take older columns along, and functions of rows."""

from __future__ import annotations

from .labelled_kit import COLUMN, TABLE, case

__all__ = ["ROWS", "TYPES"]

TYPES = (
    case(
        "old column of a new type",
        "CREATE TYPE k AS ENUM ('x'); ALTER TABLE logs ALTER body TYPE k USING body::k; DROP TYPE k CASCADE;",
        COLUMN,
    ),
    case(
        "old column of a new domain",
        "CREATE DOMAIN app.k AS text; ALTER TABLE logs ALTER body TYPE app.k; DROP DOMAIN app.k CASCADE;",
        COLUMN,
    ),
    case(
        "old column of an array of a new type",
        "CREATE TYPE k AS ENUM ('x'); ALTER TABLE logs ALTER body TYPE k[] USING ARRAY[body::k]; DROP TYPE k CASCADE;",
        COLUMN,
    ),
    case(
        "old column of a new type that is renamed",
        "CREATE TYPE k AS ENUM ('x'); ALTER TABLE logs ALTER body TYPE k USING body::k;"
        "ALTER TYPE k RENAME TO l; DROP TYPE l CASCADE;",
        COLUMN,
    ),
    case(
        "new column of a new type",
        "CREATE TYPE k AS ENUM ('x'); ALTER TABLE logs ADD a text; ALTER TABLE logs ALTER a TYPE k USING a::k;"
        "DROP TYPE k CASCADE;",
    ),
    case(
        "column of a new type in a new table",
        "CREATE TYPE k AS ENUM ('x'); CREATE TABLE n (a text); ALTER TABLE n ALTER a TYPE k USING a::k; DROP TYPE k CASCADE;",
    ),
)

_ROW = "CREATE FUNCTION {} RETURNS int LANGUAGE plpgsql AS 'BEGIN DROP TABLE logs; RETURN 1; END';"
ROWS = (
    case(
        "function of a row, called as a column is read",
        _ROW.format("gone(users)") + "SELECT u.gone FROM users u LIMIT 1;",
        TABLE,
    ),
    case(
        "function of a row with a default",
        _ROW.format("gone(u users, n int DEFAULT 1)") + "SELECT u.gone FROM users u LIMIT 1;",
        TABLE,
    ),
    case(
        "function of a row, through a view",
        _ROW.format("gone(users)") + "INSERT INTO users (id, email) VALUES (78, 'y');"
        "CREATE VIEW v AS SELECT u.gone FROM users u WHERE u.id = 78; SELECT gone FROM v;",
        TABLE,
    ),
    case(
        "column of the name of a function of something else",
        "CREATE FUNCTION name(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; SELECT u.name FROM users u;",
    ),
    case(
        "function of a row in brackets",
        _ROW.format("gone(users)") + "SELECT (u).gone FROM users u LIMIT 1;",
        TABLE,
    ),
    case(
        "function of a row that a query gives",
        _ROW.format("gone(users)") + "SELECT ((SELECT u FROM users u LIMIT 1)).gone;",
        TABLE,
    ),
    case(
        "function of a row, in the column of a row",
        _ROW.format("gone(address)") + "UPDATE users SET age = (home).gone WHERE id = 1;",
        TABLE,
    ),
    case(
        "column in brackets of the name of a function of something else",
        "CREATE FUNCTION city(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; SELECT (home).city FROM users;",
    ),
)
