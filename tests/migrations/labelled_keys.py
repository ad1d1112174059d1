"""Labelled migrations for PostgreSQL: keys that forbid NULL, and types that take older columns along."""

from __future__ import annotations

from .labelled_kit import COLUMN, INDEX, NOT_NULL, case

__all__ = ["KEYS", "TYPES"]

KEYS = (
    case("key on an old column", "ALTER TABLE logs ADD PRIMARY KEY (body);", NOT_NULL),
    case("key on two old columns", "ALTER TABLE logs ADD PRIMARY KEY (id, body);", NOT_NULL),
    case(
        "key of an index of the script",
        "CREATE UNIQUE INDEX n ON logs (body); ALTER TABLE logs ADD CONSTRAINT k PRIMARY KEY USING INDEX n;",
        INDEX,
        NOT_NULL,
        runs="the index is the constraint's afterwards",
    ),
    case(
        "key of an index that was there",
        "ALTER TABLE logs ADD PRIMARY KEY USING INDEX logs_n;",
        NOT_NULL,
        runs="there is none",
    ),
    case(
        "key of an index on a proven column",
        "ALTER TABLE logs ADD CONSTRAINT c CHECK (body IS NOT NULL) NOT VALID;"
        "ALTER TABLE logs VALIDATE CONSTRAINT c; CREATE UNIQUE INDEX n ON logs (body);"
        "ALTER TABLE logs ADD PRIMARY KEY USING INDEX n;",
        INDEX,
        runs="the index is the constraint's afterwards",
    ),
    case(
        "unique of an index",
        "CREATE UNIQUE INDEX n ON logs (body); ALTER TABLE logs ADD UNIQUE USING INDEX n;",
        INDEX,
        runs="the index is the constraint's afterwards",
    ),
    case(
        "key on a proven column",
        "ALTER TABLE users ADD CONSTRAINT c CHECK (name IS NOT NULL) NOT VALID; ALTER TABLE users VALIDATE CONSTRAINT c;"
        "ALTER TABLE users DROP CONSTRAINT users_pkey CASCADE; ALTER TABLE users ADD PRIMARY KEY (name);",
        runs="the old code gives no name",
    ),
    case(
        "key on a column with a default",
        "ALTER TABLE app.items ALTER label SET DEFAULT 'x'; ALTER TABLE app.items ADD PRIMARY KEY (id, label);",
        NOT_NULL,
        runs="id is always given",
    ),
    case(
        "key on a new column with a default",
        "ALTER TABLE logs ADD k uuid DEFAULT gen_random_uuid(); ALTER TABLE logs ADD PRIMARY KEY (k);",
    ),
    case(
        "key of a new table", "CREATE TABLE n (id int, b int); ALTER TABLE n ADD PRIMARY KEY (b);"
    ),
    case(
        "key of a new table by an index",
        "CREATE TABLE n (id int); CREATE UNIQUE INDEX i ON n (id); ALTER TABLE n ADD PRIMARY KEY USING INDEX i;",
    ),
    case(
        "key dropped, NULL taken again",
        "ALTER TABLE logs ADD CONSTRAINT k PRIMARY KEY (body); ALTER TABLE logs DROP CONSTRAINT k;"
        "ALTER TABLE logs ALTER body DROP NOT NULL;",
        runs="there is a NULL while the key stands",
    ),
    case(
        "key in a block",
        "DO $$ BEGIN ALTER TABLE logs ADD PRIMARY KEY (body); END $$;",
        NOT_NULL,
    ),
)
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
