"""Labelled migrations for PostgreSQL: types that take older columns along."""

from __future__ import annotations

from .labelled_kit import COLUMN, case

__all__ = ["TYPES"]

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
