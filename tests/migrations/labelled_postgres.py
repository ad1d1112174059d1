"""Migrations for PostgreSQL, each with the codes that it deserves.

The schema before them is :data:`SCHEMA`, with rows. A test runs every case on a real server and
compares the codes with what happened there: a table or column that is gone, a column with another
name, rows that are gone, an INSERT of the old code that fails for NULL, an index built under a lock
that keeps writers out. ``runs=""`` is a case that is compared so; another word says why it is not.
"""

from __future__ import annotations

from .labelled_along import ALONG
from .labelled_blocks import BEHIND, BLOCKS, CERTAINTIES, ERRORS, SESSIONS
from .labelled_doubts import BRANCHES, PARTS
from .labelled_facts import NEEDED
from .labelled_hidden import FIRED, RUN, TEXTS
from .labelled_kit import (
    ALONE,
    COLUMN,
    INDEX,
    NOT_NULL,
    RENAME,
    TABLE,
    TRUNCATE,
    Case,
    case,
)
from .labelled_order import CHECKS, DEFAULTS, ORDER
from .labelled_sessions import DOMAINS, PATHS, VARIABLES
from .labelled_types import ROWS, TYPES

__all__ = ["ALONE", "CASES", "INSERTS", "SCHEMA", "Case"]

SCHEMA = """
CREATE SCHEMA app; CREATE SCHEMA legacy;
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE address AS (street text, city text);
CREATE DOMAIN short AS text;
CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, name text, plan text DEFAULT 'free',
  age int, mood mood, home address, nick short, "Mixed" int);
CREATE TABLE orders (id bigserial PRIMARY KEY, user_id bigint REFERENCES users, total numeric, note text);
CREATE TABLE logs (id bigint, body text);
CREATE TABLE "Users" (id bigint, name text);
CREATE TABLE app.items (id bigint, label text);
CREATE TABLE legacy.items (id bigint, label text);
CREATE TABLE events (id bigint, at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE parent (id bigint, note text); CREATE TABLE child (extra int) INHERITS (parent);
CREATE VIEW recent AS SELECT id, email FROM users;
CREATE MATERIALIZED VIEW totals AS SELECT user_id, sum(total) AS total FROM orders GROUP BY user_id;
CREATE INDEX logs_body ON logs (body);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
INSERT INTO users (id, email, name, age, mood) VALUES (1, 'a@x', 'a', 3, 'ok'), (2, 'b@x', 'b', 4, 'sad');
INSERT INTO orders (user_id, total, note) VALUES (1, 5, 'n'), (2, 6, 'm');
INSERT INTO logs VALUES (1, 'x'); INSERT INTO "Users" VALUES (1, 'x'); INSERT INTO app.items VALUES (1, 'x');
INSERT INTO legacy.items VALUES (1, 'x'); INSERT INTO events VALUES (1, '2024-02-03');
INSERT INTO child VALUES (1, 'x', 2); INSERT INTO parent VALUES (2, 'y');
"""

INSERTS = (
    "INSERT INTO users (id, email) VALUES (9001, 'o@x')",
    "INSERT INTO orders (user_id) VALUES (1)",
    "INSERT INTO logs (id) VALUES (9001)",
    'INSERT INTO "Users" (id) VALUES (9001)',
    "INSERT INTO app.items (id) VALUES (9001)",
    "INSERT INTO legacy.items (id) VALUES (9001)",
    "INSERT INTO events (id, at) VALUES (9001, '2024-03-04')",
    "INSERT INTO parent (id) VALUES (9001)",
)
"""What the old code does."""

_DROPS = (
    case("drop table", "DROP TABLE logs;", TABLE),
    case("drop table if exists", "DROP TABLE IF EXISTS logs;", TABLE),
    case("drop table cascade", "drop table users cascade", TABLE),
    case("drop two tables", "DROP TABLE logs, app.items;", TABLE),
    case("drop quoted table", 'DROP TABLE "Users";', TABLE),
    case("drop table of a schema", "DROP TABLE legacy.items;", TABLE),
    case("drop table by search path", "SET search_path TO legacy; DROP TABLE items;", TABLE),
    case("drop empty schema", "CREATE SCHEMA x; DROP SCHEMA x;"),
    case("drop schema without cascade", "DROP SCHEMA legacy;", runs="it is refused: not empty"),
    case("drop schema cascade", "DROP SCHEMA legacy CASCADE;", TABLE),
    case("drop partition", "DROP TABLE events_2024;", TABLE),
    case("drop partitioned", "DROP TABLE events;", TABLE),
    case("comments inside", "DROP /* a /* b */ */ TABLE -- x\n logs;", TABLE),
    case("noqa", "DROP TABLE logs; -- noqa", TABLE),
    case("squawk-ignore", "-- squawk-ignore ban-drop-table\nDROP TABLE logs;", TABLE),
    case("new table", "CREATE TABLE n (id int); DROP TABLE n;"),
    case("new table, qualified", "CREATE TABLE n (id int); DROP TABLE public.n;"),
    case("new table of the schema", "CREATE TABLE app.n (id int); DROP TABLE app.n;"),
    case("same name, other schema", "CREATE TABLE app.logs (id int); DROP TABLE logs;", TABLE),
    case("other case", "CREATE TABLE N (id int); DROP TABLE n;"),
    case("quoted is another", 'CREATE TABLE "Logs" (id int); DROP TABLE logs;', TABLE),
    case("temporary table", "CREATE TEMP TABLE n AS SELECT 1; DROP TABLE n;"),
    case("temporary hides", "CREATE TEMP TABLE logs (id int); DROP TABLE logs;"),
    case(
        "temporary, then the old",
        "CREATE TEMP TABLE logs (i int); DROP TABLE logs, public.logs;",
        TABLE,
    ),
    case(
        "if not exists may be old",
        "CREATE TABLE IF NOT EXISTS logs (id int); DROP TABLE logs;",
        TABLE,
    ),
    case(
        "made, dropped, made", "DROP TABLE logs; CREATE TABLE logs (i int); DROP TABLE logs;", TABLE
    ),
    case("rename, then drop", "ALTER TABLE logs RENAME TO logs_old; DROP TABLE logs_old;", TABLE),
    case(
        "swap",
        "CREATE TABLE n (LIKE logs); ALTER TABLE logs RENAME TO o; ALTER TABLE n RENAME TO logs; DROP TABLE o;",
        TABLE,
    ),
    case(
        "swap, drop the new",
        "CREATE TABLE n (LIKE logs); ALTER TABLE logs RENAME TO o; ALTER TABLE n RENAME TO logs; DROP TABLE logs;",
    ),
    case("set schema, then drop", "ALTER TABLE logs SET SCHEMA app; DROP TABLE app.logs;", TABLE),
    case("create table as", "CREATE TABLE n AS SELECT * FROM logs; DROP TABLE n;"),
    case("select into", "SELECT * INTO n FROM logs; DROP TABLE n;"),
    case("drop view", "DROP VIEW recent;"),
    case("drop materialized view", "DROP MATERIALIZED VIEW totals;"),
    case("drop index", "DROP INDEX logs_body;"),
    case("detach", "ALTER TABLE events DETACH PARTITION events_2024;"),
    case(
        "detach and drop",
        "ALTER TABLE events DETACH PARTITION events_2024; DROP TABLE events_2024;",
        TABLE,
    ),
    case(
        "old under a new parent",
        "CREATE TABLE p (id bigint, body text) PARTITION BY LIST (id);"
        "ALTER TABLE p ATTACH PARTITION logs FOR VALUES IN (1); DROP TABLE p;",
        TABLE,
    ),
    case(
        "old under a new parent for a while",
        "CREATE TABLE p (id bigint, body text) PARTITION BY LIST (id);"
        "ALTER TABLE p ATTACH PARTITION logs FOR VALUES IN (1);"
        "ALTER TABLE p DETACH PARTITION logs; DROP TABLE p;",
    ),
    case(
        "old under a new parent that an IF may have let go",
        "CREATE TABLE p (id bigint, body text) PARTITION BY LIST (id);"
        "ALTER TABLE p ATTACH PARTITION logs FOR VALUES IN (1);"
        "DO $$ BEGIN IF false THEN ALTER TABLE p DETACH PARTITION logs; END IF; END $$; DROP TABLE p;",
        TABLE,
    ),
    case(
        "old under a new partition of a new parent",
        "CREATE TABLE p (id bigint, body text) PARTITION BY LIST (id);"
        "CREATE TABLE q PARTITION OF p DEFAULT PARTITION BY LIST (id);"
        "ALTER TABLE q ATTACH PARTITION logs FOR VALUES IN (1); DROP TABLE p;",
        TABLE,
    ),
    case(
        "new partitions of a new parent",
        "CREATE TABLE p (id bigint) PARTITION BY LIST (id);"
        "CREATE TABLE IF NOT EXISTS q PARTITION OF p DEFAULT; DROP TABLE p;",
    ),
    case("database of its own", "CREATE DATABASE scratch; DROP DATABASE scratch;", runs=ALONE),
    case("drop owned", "DROP OWNED BY CURRENT_USER;", TABLE, runs="refused to a superuser"),
    case("drop database", "DROP DATABASE other;", TABLE, runs="there is none"),
    case("rename table", "ALTER TABLE logs RENAME TO lines;"),
    case("explain", "EXPLAIN SELECT * FROM logs;"),
    case("text of a comment", "COMMENT ON TABLE logs IS 'DROP TABLE logs';"),
    case("text of a string", "INSERT INTO logs VALUES (2, 'DROP TABLE logs; TRUNCATE logs;');"),
    case("delete", "DELETE FROM logs WHERE id > 100;"),
    case("grant", "GRANT SELECT ON logs TO PUBLIC;"),
)
_COLUMNS = (
    case("drop column", "ALTER TABLE users DROP COLUMN name;", COLUMN),
    case("drop without the word", "ALTER TABLE users DROP name;", COLUMN),
    case(
        "drop column if exists",
        "ALTER TABLE IF EXISTS users DROP COLUMN IF EXISTS name CASCADE;",
        COLUMN,
    ),
    case("drop quoted column", 'ALTER TABLE users DROP "Mixed";', COLUMN),
    case(
        "drop among others",
        "ALTER TABLE users ADD a int, DROP age, ALTER plan DROP DEFAULT;",
        COLUMN,
    ),
    case("column of a new table", "CREATE TABLE n (a int, b int); ALTER TABLE n DROP a;"),
    case("new column", "ALTER TABLE users ADD a int; ALTER TABLE users DROP a;"),
    case("new column renamed", "ALTER TABLE users ADD a int; ALTER TABLE users RENAME a TO b;"),
    case(
        "renamed, dropped",
        "ALTER TABLE users RENAME age TO years; ALTER TABLE users DROP years;",
        RENAME,
        COLUMN,
        runs="only its end is seen",
    ),
    case("attribute of a type", "ALTER TYPE address DROP ATTRIBUTE city;", COLUMN),
    case("type by cascade", "DROP TYPE mood CASCADE;", COLUMN),
    case("domain by cascade", "DROP DOMAIN short CASCADE;", COLUMN),
    case("drop constraint", "ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey;"),
    case("drop default", "ALTER TABLE users ALTER plan DROP DEFAULT;"),
    case("drop not null", "ALTER TABLE users ALTER email DROP NOT NULL;"),
    case(
        "table renamed first",
        "ALTER TABLE users RENAME TO people; ALTER TABLE people DROP name;",
        COLUMN,
    ),
    case("rename column", "ALTER TABLE users RENAME COLUMN name TO title;", RENAME),
    case("rename without the word", "ALTER TABLE users RENAME name TO title;", RENAME),
    case("rename quoted", 'ALTER TABLE users RENAME "Mixed" TO mixed;', RENAME),
    case(
        "rename twice",
        "ALTER TABLE users RENAME name TO a; ALTER TABLE users RENAME a TO b;",
        RENAME,
    ),
    case("rename in a new table", "CREATE TABLE n (a int); ALTER TABLE n RENAME a TO b;"),
    case("rename attribute", "ALTER TYPE address RENAME ATTRIBUTE city TO town;", RENAME),
    case(
        "rename of a view", "ALTER VIEW recent RENAME COLUMN email TO mail;", RENAME, runs="a view"
    ),
    case("rename constraint", "ALTER TABLE orders RENAME CONSTRAINT orders_pkey TO pk;"),
    case("rename index", "ALTER INDEX logs_body RENAME TO x;"),
    case("rename of a parent", "ALTER TABLE parent RENAME note TO remark;", RENAME),
    case("change type", "ALTER TABLE users ALTER age TYPE bigint;"),
)
_NOT_NULLS = (
    case("domain of old columns", "ALTER DOMAIN short SET NOT NULL;", NOT_NULL),
    case(
        "expression dropped",
        "ALTER TABLE logs ADD c int NOT NULL GENERATED ALWAYS AS (1) STORED;"
        "ALTER TABLE logs ALTER c DROP EXPRESSION;",
        NOT_NULL,
    ),
    case("required", "ALTER TABLE users ADD COLUMN a int NOT NULL;", NOT_NULL),
    case(
        "required, if not exists",
        "ALTER TABLE users ADD COLUMN IF NOT EXISTS a int NOT NULL;",
        NOT_NULL,
    ),
    case("with a default", "ALTER TABLE users ADD COLUMN a int NOT NULL DEFAULT 0;"),
    case("default first", "ALTER TABLE users ADD COLUMN a int DEFAULT 0 NOT NULL;"),
    case("default NULL", "ALTER TABLE users ADD COLUMN a int NOT NULL DEFAULT NULL;", NOT_NULL),
    case(
        "default NULL, cast", "ALTER TABLE users ADD a text NOT NULL DEFAULT NULL::text;", NOT_NULL
    ),
    case("nullable", "ALTER TABLE users ADD COLUMN a int;"),
    case("primary key", "ALTER TABLE logs ADD COLUMN a uuid PRIMARY KEY;", NOT_NULL),
    case("serial", "ALTER TABLE logs ADD COLUMN a serial NOT NULL;"),
    case("serial primary key", "ALTER TABLE logs ADD COLUMN a bigserial PRIMARY KEY;"),
    case("identity", "ALTER TABLE logs ADD a int GENERATED ALWAYS AS IDENTITY;"),
    case("generated", "ALTER TABLE users ADD a int NOT NULL GENERATED ALWAYS AS (id + 1) STORED;"),
    case(
        "default taken away",
        "ALTER TABLE users ADD a int NOT NULL DEFAULT 0; ALTER TABLE users ALTER a DROP DEFAULT;",
        NOT_NULL,
    ),
    case(
        "default taken away in one",
        "ALTER TABLE users ADD a int NOT NULL DEFAULT 0; ALTER TABLE users ALTER a DROP DEFAULT, ADD b int;",
        NOT_NULL,
    ),
    case(
        "default to NULL",
        "ALTER TABLE users ADD a int NOT NULL DEFAULT 0; ALTER TABLE users ALTER a SET DEFAULT NULL;",
        NOT_NULL,
    ),
    case(
        "default changed",
        "ALTER TABLE users ADD a int NOT NULL DEFAULT 0; ALTER TABLE users ALTER a SET DEFAULT 1;",
    ),
    case("set not null", "ALTER TABLE users ALTER COLUMN name SET NOT NULL;", NOT_NULL),
    case(
        "backfill",
        "UPDATE users SET age = 0 WHERE age IS NULL; ALTER TABLE users ALTER age SET NOT NULL;",
        NOT_NULL,
    ),
    case(
        "default, backfill, not null",
        "ALTER TABLE users ALTER age SET DEFAULT 0; UPDATE users SET age = 0; ALTER TABLE users ALTER age SET NOT NULL;",
    ),
    case(
        "added, filled, required",
        "ALTER TABLE users ADD a int; UPDATE users SET a = 1; ALTER TABLE users ALTER a SET NOT NULL;",
        NOT_NULL,
    ),
    case(
        "default, then required",
        "ALTER TABLE users ADD a int DEFAULT 1; ALTER TABLE users ALTER a SET NOT NULL;",
    ),
    case(
        "by a validated check",
        "ALTER TABLE users ADD CONSTRAINT c CHECK (name IS NOT NULL) NOT VALID;"
        "ALTER TABLE users VALIDATE CONSTRAINT c; ALTER TABLE users ALTER name SET NOT NULL;"
        "ALTER TABLE users DROP CONSTRAINT c;",
        runs="the safe way, though the old INSERT has to be changed first",
    ),
    case(
        "check not validated",
        "ALTER TABLE users ADD CONSTRAINT c CHECK (name IS NOT NULL) NOT VALID; ALTER TABLE users ALTER name SET NOT NULL;",
        NOT_NULL,
    ),
    case(
        "check of another column",
        "ALTER TABLE users ADD CONSTRAINT c CHECK (age IS NOT NULL) NOT VALID;"
        "ALTER TABLE users VALIDATE CONSTRAINT c; ALTER TABLE users ALTER name SET NOT NULL;",
        NOT_NULL,
    ),
    case(
        "check dropped before",
        "ALTER TABLE users ADD CONSTRAINT c CHECK (name IS NOT NULL) NOT VALID; ALTER TABLE users VALIDATE CONSTRAINT c;"
        "ALTER TABLE users DROP CONSTRAINT c; ALTER TABLE users ALTER name SET NOT NULL;",
        NOT_NULL,
    ),
    case(
        "new table",
        "CREATE TABLE n (a int); ALTER TABLE n ADD b int NOT NULL; ALTER TABLE n ALTER a SET NOT NULL;",
    ),
    case(
        "not null dropped",
        "ALTER TABLE users ADD a int NOT NULL DEFAULT 0; ALTER TABLE users ALTER a DROP NOT NULL;",
    ),
    case(
        "named not null",
        "ALTER TABLE users ADD CONSTRAINT nn NOT NULL name;",
        NOT_NULL,
        runs="PostgreSQL 18",
    ),
    case(
        "named not null, not valid",
        "ALTER TABLE users ADD CONSTRAINT nn NOT NULL name NOT VALID;",
        NOT_NULL,
        runs="PostgreSQL 18",
    ),
    case(
        "domain",
        "CREATE DOMAIN d AS int NOT NULL; ALTER TABLE users ADD a d;",
        NOT_NULL,
        runs="another error",
    ),
    case(
        "domain with default",
        "CREATE DOMAIN d AS int NOT NULL DEFAULT 1; ALTER TABLE users ADD a d;",
    ),
    case(
        "check of its own",
        "ALTER TABLE users ADD a int CHECK (a IS NOT NULL);",
        NOT_NULL,
        runs="another error",
    ),
    case(
        "key on a new column",
        "ALTER TABLE logs ADD k uuid; UPDATE logs SET k = gen_random_uuid(); ALTER TABLE logs ADD PRIMARY KEY (k);",
        NOT_NULL,
    ),
    case("add primary key", "ALTER TABLE events_2024 ADD PRIMARY KEY (at);"),
    case("foreign key", "ALTER TABLE logs ADD FOREIGN KEY (id) REFERENCES users (id) NOT VALID;"),
    case("reference to nobody", "ALTER TABLE users ADD org_id bigint REFERENCES users (id);"),
    case(
        "foreign key, required",
        "ALTER TABLE users ADD org_id bigint NOT NULL REFERENCES users (id);",
        NOT_NULL,
    ),
)
_INDEXES = (
    case("index", "CREATE INDEX i ON logs (id);", INDEX),
    case("index without a name", "CREATE INDEX ON logs (id);", INDEX),
    case("unique index", "CREATE UNIQUE INDEX i ON logs (id);", INDEX),
    case("if not exists", "CREATE INDEX IF NOT EXISTS i ON logs (id);", INDEX),
    case("concurrently", "CREATE INDEX CONCURRENTLY i ON logs (id);", runs=ALONE),
    case(
        "unique concurrently",
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON logs (id);",
        runs=ALONE,
    ),
    case("on a new table", "CREATE TABLE n (id int); CREATE INDEX ON n (id);"),
    case(
        "on a table that may be new",
        "CREATE TABLE IF NOT EXISTS n (id int); CREATE INDEX ON n (id);",
    ),
    case("on a new copy", "CREATE TABLE n AS SELECT * FROM logs; CREATE INDEX ON n (id);"),
    case("on a selected copy", "SELECT * INTO n FROM logs; CREATE INDEX ON n (id);"),
    case("on a temporary table", "CREATE TEMP TABLE n (id int); CREATE INDEX ON n (id);"),
    case(
        "on a new materialized view",
        "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a; CREATE UNIQUE INDEX ON m (a);",
    ),
    case("on an old materialized view", "CREATE INDEX ON totals (user_id);", INDEX),
    case(
        "on a renamed new table",
        "CREATE TABLE n (id int); ALTER TABLE n RENAME TO m; CREATE INDEX ON m (id);",
    ),
    case("on a renamed old table", "ALTER TABLE logs RENAME TO m; CREATE INDEX ON m (id);", INDEX),
    case("of a schema", "CREATE INDEX ON app.items (id);", INDEX),
    case(
        "on a new partition",
        "CREATE TABLE p PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01'); CREATE INDEX ON p (id);",
    ),
    case("on the partitioned", "CREATE INDEX ON events (id);", INDEX),
    case("two statements", "CREATE INDEX ON logs (id); ALTER TABLE users DROP age;", INDEX, COLUMN),
    case("drop index concurrently", "DROP INDEX CONCURRENTLY logs_body;", runs=ALONE),
    case("unique constraint", "ALTER TABLE logs ADD UNIQUE (id);", runs="another rule's"),
)
_TRUNCATES = (
    case("truncate", "TRUNCATE logs;", TRUNCATE),
    case("truncate table", "TRUNCATE TABLE ONLY logs RESTART IDENTITY CASCADE;", TRUNCATE),
    case("truncate two", "TRUNCATE logs, orders;", TRUNCATE),
    case("truncate a new one", "CREATE TABLE n AS SELECT * FROM logs; TRUNCATE n;"),
    case("truncate of a schema", "TRUNCATE app.items;", TRUNCATE),
    case("truncate a partition", "TRUNCATE events_2024;", TRUNCATE),
    case(
        "truncate a new one that an old one refers to",
        "CREATE TABLE n (id int PRIMARY KEY); ALTER TABLE logs ADD n_id int REFERENCES n; TRUNCATE n CASCADE;",
        TRUNCATE,
    ),
)

CASES = (
    _DROPS
    + _COLUMNS
    + _NOT_NULLS
    + CERTAINTIES
    + _INDEXES
    + _TRUNCATES
    + BLOCKS
    + BEHIND
    + SESSIONS
    + DOMAINS
    + PATHS
    + VARIABLES
    + ERRORS
    + TYPES
    + ROWS
    + BRANCHES
    + PARTS
    + RUN
    + FIRED
    + TEXTS
    + ALONG
    + NEEDED
    + ORDER
    + CHECKS
    + DEFAULTS
)
