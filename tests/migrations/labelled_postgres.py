"""Migrations for PostgreSQL, each with the codes that it deserves.

The schema before them is :data:`SCHEMA`, with rows. A test runs every case on a real server and
compares the codes with what happened there: a table or column that is gone, a column with another
name, rows that are gone, an INSERT of the old code that fails for NULL, an index built under a lock
that keeps writers out. ``runs=""`` is a case that is compared so; another word says why it is not.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ALONE", "CASES", "INSERTS", "SCHEMA", "Case"]

TABLE, COLUMN, NOT_NULL = "drop-table", "drop-column", "not-null-without-default"
RENAME, INDEX, TRUNCATE = "rename-column", "index-not-concurrent", "truncate"
UNPARSABLE = "unparsable"

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

ALONE = "alone"
"""It has transactions of its own, or cannot be in one: on a database of its own."""


@dataclass(frozen=True, slots=True)
class Case:
    """A migration and its codes."""

    name: str
    sql: str
    codes: frozenset[str]
    runs: str = ""


def _case(name: str, sql: str, *codes: str, runs: str = "") -> Case:
    return Case(name, sql, frozenset(codes), runs)


_DROPS = (
    _case("drop table", "DROP TABLE logs;", TABLE),
    _case("drop table if exists", "DROP TABLE IF EXISTS logs;", TABLE),
    _case("drop table cascade", "drop table users cascade", TABLE),
    _case("drop two tables", "DROP TABLE logs, app.items;", TABLE),
    _case("drop quoted table", 'DROP TABLE "Users";', TABLE),
    _case("drop table of a schema", "DROP TABLE legacy.items;", TABLE),
    _case("drop table by search path", "SET search_path TO legacy; DROP TABLE items;", TABLE),
    _case("drop schema cascade", "DROP SCHEMA legacy CASCADE;", TABLE),
    _case("drop partition", "DROP TABLE events_2024;", TABLE),
    _case("drop partitioned", "DROP TABLE events;", TABLE),
    _case("comments inside", "DROP /* a /* b */ */ TABLE -- x\n logs;", TABLE),
    _case("noqa", "DROP TABLE logs; -- noqa", TABLE),
    _case("squawk-ignore", "-- squawk-ignore ban-drop-table\nDROP TABLE logs;", TABLE),
    _case("new table", "CREATE TABLE n (id int); DROP TABLE n;"),
    _case("new table, qualified", "CREATE TABLE n (id int); DROP TABLE public.n;"),
    _case("new table of the schema", "CREATE TABLE app.n (id int); DROP TABLE app.n;"),
    _case("same name, other schema", "CREATE TABLE app.logs (id int); DROP TABLE logs;", TABLE),
    _case("other case", "CREATE TABLE N (id int); DROP TABLE n;"),
    _case("quoted is another", 'CREATE TABLE "Logs" (id int); DROP TABLE logs;', TABLE),
    _case("temporary table", "CREATE TEMP TABLE n AS SELECT 1; DROP TABLE n;"),
    _case("temporary hides", "CREATE TEMP TABLE logs (id int); DROP TABLE logs;"),
    _case(
        "temporary, then the old",
        "CREATE TEMP TABLE logs (i int); DROP TABLE logs, public.logs;",
        TABLE,
    ),
    _case(
        "if not exists may be old",
        "CREATE TABLE IF NOT EXISTS logs (id int); DROP TABLE logs;",
        TABLE,
    ),
    _case(
        "made, dropped, made", "DROP TABLE logs; CREATE TABLE logs (i int); DROP TABLE logs;", TABLE
    ),
    _case("rename, then drop", "ALTER TABLE logs RENAME TO logs_old; DROP TABLE logs_old;", TABLE),
    _case(
        "swap",
        "CREATE TABLE n (LIKE logs); ALTER TABLE logs RENAME TO o; ALTER TABLE n RENAME TO logs; DROP TABLE o;",
        TABLE,
    ),
    _case(
        "swap, drop the new",
        "CREATE TABLE n (LIKE logs); ALTER TABLE logs RENAME TO o; ALTER TABLE n RENAME TO logs; DROP TABLE logs;",
    ),
    _case("set schema, then drop", "ALTER TABLE logs SET SCHEMA app; DROP TABLE app.logs;", TABLE),
    _case("create table as", "CREATE TABLE n AS SELECT * FROM logs; DROP TABLE n;"),
    _case("select into", "SELECT * INTO n FROM logs; DROP TABLE n;"),
    _case("drop view", "DROP VIEW recent;"),
    _case("drop materialized view", "DROP MATERIALIZED VIEW totals;"),
    _case("drop index", "DROP INDEX logs_body;"),
    _case("detach", "ALTER TABLE events DETACH PARTITION events_2024;"),
    _case(
        "detach and drop",
        "ALTER TABLE events DETACH PARTITION events_2024; DROP TABLE events_2024;",
        TABLE,
    ),
    _case(
        "old under a new parent",
        "CREATE TABLE p (id bigint, body text) PARTITION BY LIST (id);"
        "ALTER TABLE p ATTACH PARTITION logs FOR VALUES IN (1); DROP TABLE p;",
        TABLE,
    ),
    _case("drop owned", "DROP OWNED BY CURRENT_USER;", TABLE, runs="refused to a superuser"),
    _case("drop database", "DROP DATABASE other;", TABLE, runs="there is none"),
    _case("rename table", "ALTER TABLE logs RENAME TO lines;"),
    _case("explain", "EXPLAIN SELECT * FROM logs;"),
    _case("text of a comment", "COMMENT ON TABLE logs IS 'DROP TABLE logs';"),
    _case("text of a string", "INSERT INTO logs VALUES (2, 'DROP TABLE logs; TRUNCATE logs;');"),
    _case("delete", "DELETE FROM logs WHERE id > 100;"),
    _case("grant", "GRANT SELECT ON logs TO PUBLIC;"),
)
_COLUMNS = (
    _case("drop column", "ALTER TABLE users DROP COLUMN name;", COLUMN),
    _case("drop without the word", "ALTER TABLE users DROP name;", COLUMN),
    _case(
        "drop column if exists",
        "ALTER TABLE IF EXISTS users DROP COLUMN IF EXISTS name CASCADE;",
        COLUMN,
    ),
    _case("drop quoted column", 'ALTER TABLE users DROP "Mixed";', COLUMN),
    _case(
        "drop among others",
        "ALTER TABLE users ADD a int, DROP age, ALTER plan DROP DEFAULT;",
        COLUMN,
    ),
    _case("column of a new table", "CREATE TABLE n (a int, b int); ALTER TABLE n DROP a;"),
    _case("new column", "ALTER TABLE users ADD a int; ALTER TABLE users DROP a;"),
    _case("new column renamed", "ALTER TABLE users ADD a int; ALTER TABLE users RENAME a TO b;"),
    _case(
        "renamed, dropped",
        "ALTER TABLE users RENAME age TO years; ALTER TABLE users DROP years;",
        RENAME,
        COLUMN,
        runs="only its end is seen",
    ),
    _case("attribute of a type", "ALTER TYPE address DROP ATTRIBUTE city;", COLUMN),
    _case("type by cascade", "DROP TYPE mood CASCADE;", COLUMN),
    _case("domain by cascade", "DROP DOMAIN short CASCADE;", COLUMN),
    _case("drop constraint", "ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey;"),
    _case("drop default", "ALTER TABLE users ALTER plan DROP DEFAULT;"),
    _case("drop not null", "ALTER TABLE users ALTER email DROP NOT NULL;"),
    _case(
        "table renamed first",
        "ALTER TABLE users RENAME TO people; ALTER TABLE people DROP name;",
        COLUMN,
    ),
    _case("rename column", "ALTER TABLE users RENAME COLUMN name TO title;", RENAME),
    _case("rename without the word", "ALTER TABLE users RENAME name TO title;", RENAME),
    _case("rename quoted", 'ALTER TABLE users RENAME "Mixed" TO mixed;', RENAME),
    _case(
        "rename twice",
        "ALTER TABLE users RENAME name TO a; ALTER TABLE users RENAME a TO b;",
        RENAME,
    ),
    _case("rename in a new table", "CREATE TABLE n (a int); ALTER TABLE n RENAME a TO b;"),
    _case("rename attribute", "ALTER TYPE address RENAME ATTRIBUTE city TO town;", RENAME),
    _case(
        "rename of a view", "ALTER VIEW recent RENAME COLUMN email TO mail;", RENAME, runs="a view"
    ),
    _case("rename constraint", "ALTER TABLE orders RENAME CONSTRAINT orders_pkey TO pk;"),
    _case("rename index", "ALTER INDEX logs_body RENAME TO x;"),
    _case("rename of a parent", "ALTER TABLE parent RENAME note TO remark;", RENAME),
    _case("change type", "ALTER TABLE users ALTER age TYPE bigint;"),
)
_NOT_NULLS = (
    _case("required", "ALTER TABLE users ADD COLUMN a int NOT NULL;", NOT_NULL),
    _case(
        "required, if not exists",
        "ALTER TABLE users ADD COLUMN IF NOT EXISTS a int NOT NULL;",
        NOT_NULL,
    ),
    _case("with a default", "ALTER TABLE users ADD COLUMN a int NOT NULL DEFAULT 0;"),
    _case("default first", "ALTER TABLE users ADD COLUMN a int DEFAULT 0 NOT NULL;"),
    _case("default NULL", "ALTER TABLE users ADD COLUMN a int NOT NULL DEFAULT NULL;", NOT_NULL),
    _case(
        "default NULL, cast", "ALTER TABLE users ADD a text NOT NULL DEFAULT NULL::text;", NOT_NULL
    ),
    _case("nullable", "ALTER TABLE users ADD COLUMN a int;"),
    _case("primary key", "ALTER TABLE logs ADD COLUMN a uuid PRIMARY KEY;", NOT_NULL),
    _case("serial", "ALTER TABLE logs ADD COLUMN a serial NOT NULL;"),
    _case("serial primary key", "ALTER TABLE logs ADD COLUMN a bigserial PRIMARY KEY;"),
    _case("identity", "ALTER TABLE logs ADD a int GENERATED ALWAYS AS IDENTITY;"),
    _case("generated", "ALTER TABLE users ADD a int NOT NULL GENERATED ALWAYS AS (id + 1) STORED;"),
    _case(
        "default taken away",
        "ALTER TABLE users ADD a int NOT NULL DEFAULT 0; ALTER TABLE users ALTER a DROP DEFAULT;",
        NOT_NULL,
    ),
    _case(
        "default taken away in one",
        "ALTER TABLE users ADD a int NOT NULL DEFAULT 0; ALTER TABLE users ALTER a DROP DEFAULT, ADD b int;",
        NOT_NULL,
    ),
    _case(
        "default to NULL",
        "ALTER TABLE users ADD a int NOT NULL DEFAULT 0; ALTER TABLE users ALTER a SET DEFAULT NULL;",
        NOT_NULL,
    ),
    _case(
        "default changed",
        "ALTER TABLE users ADD a int NOT NULL DEFAULT 0; ALTER TABLE users ALTER a SET DEFAULT 1;",
    ),
    _case("set not null", "ALTER TABLE users ALTER COLUMN name SET NOT NULL;", NOT_NULL),
    _case(
        "backfill",
        "UPDATE users SET age = 0 WHERE age IS NULL; ALTER TABLE users ALTER age SET NOT NULL;",
        NOT_NULL,
    ),
    _case(
        "default, backfill, not null",
        "ALTER TABLE users ALTER age SET DEFAULT 0; UPDATE users SET age = 0; ALTER TABLE users ALTER age SET NOT NULL;",
    ),
    _case(
        "added, filled, required",
        "ALTER TABLE users ADD a int; UPDATE users SET a = 1; ALTER TABLE users ALTER a SET NOT NULL;",
        NOT_NULL,
    ),
    _case(
        "default, then required",
        "ALTER TABLE users ADD a int DEFAULT 1; ALTER TABLE users ALTER a SET NOT NULL;",
    ),
    _case(
        "by a validated check",
        "ALTER TABLE users ADD CONSTRAINT c CHECK (name IS NOT NULL) NOT VALID;"
        "ALTER TABLE users VALIDATE CONSTRAINT c; ALTER TABLE users ALTER name SET NOT NULL;"
        "ALTER TABLE users DROP CONSTRAINT c;",
        runs="the safe way, though the old INSERT has to be changed first",
    ),
    _case(
        "check not validated",
        "ALTER TABLE users ADD CONSTRAINT c CHECK (name IS NOT NULL) NOT VALID; ALTER TABLE users ALTER name SET NOT NULL;",
        NOT_NULL,
    ),
    _case(
        "check of another column",
        "ALTER TABLE users ADD CONSTRAINT c CHECK (age IS NOT NULL) NOT VALID;"
        "ALTER TABLE users VALIDATE CONSTRAINT c; ALTER TABLE users ALTER name SET NOT NULL;",
        NOT_NULL,
    ),
    _case(
        "check dropped before",
        "ALTER TABLE users ADD CONSTRAINT c CHECK (name IS NOT NULL) NOT VALID; ALTER TABLE users VALIDATE CONSTRAINT c;"
        "ALTER TABLE users DROP CONSTRAINT c; ALTER TABLE users ALTER name SET NOT NULL;",
        NOT_NULL,
    ),
    _case(
        "new table",
        "CREATE TABLE n (a int); ALTER TABLE n ADD b int NOT NULL; ALTER TABLE n ALTER a SET NOT NULL;",
    ),
    _case(
        "not null dropped",
        "ALTER TABLE users ADD a int NOT NULL DEFAULT 0; ALTER TABLE users ALTER a DROP NOT NULL;",
    ),
    _case(
        "named not null",
        "ALTER TABLE users ADD CONSTRAINT nn NOT NULL name;",
        NOT_NULL,
        runs="PostgreSQL 18",
    ),
    _case(
        "named not null, not valid",
        "ALTER TABLE users ADD CONSTRAINT nn NOT NULL name NOT VALID;",
        NOT_NULL,
        runs="PostgreSQL 18",
    ),
    _case(
        "domain",
        "CREATE DOMAIN d AS int NOT NULL; ALTER TABLE users ADD a d;",
        NOT_NULL,
        runs="another error",
    ),
    _case(
        "domain with default",
        "CREATE DOMAIN d AS int NOT NULL DEFAULT 1; ALTER TABLE users ADD a d;",
    ),
    _case(
        "check of its own",
        "ALTER TABLE users ADD a int CHECK (a IS NOT NULL);",
        NOT_NULL,
        runs="another error",
    ),
    _case(
        "key on a new column",
        "ALTER TABLE logs ADD k uuid; UPDATE logs SET k = gen_random_uuid(); ALTER TABLE logs ADD PRIMARY KEY (k);",
        NOT_NULL,
    ),
    _case("add primary key", "ALTER TABLE events_2024 ADD PRIMARY KEY (at);"),
    _case("foreign key", "ALTER TABLE logs ADD FOREIGN KEY (id) REFERENCES users (id) NOT VALID;"),
    _case("reference to nobody", "ALTER TABLE users ADD org_id bigint REFERENCES users (id);"),
    _case(
        "foreign key, required",
        "ALTER TABLE users ADD org_id bigint NOT NULL REFERENCES users (id);",
        NOT_NULL,
    ),
)
_INDEXES = (
    _case("index", "CREATE INDEX i ON logs (id);", INDEX),
    _case("index without a name", "CREATE INDEX ON logs (id);", INDEX),
    _case("unique index", "CREATE UNIQUE INDEX i ON logs (id);", INDEX),
    _case("if not exists", "CREATE INDEX IF NOT EXISTS i ON logs (id);", INDEX),
    _case("concurrently", "CREATE INDEX CONCURRENTLY i ON logs (id);", runs=ALONE),
    _case(
        "unique concurrently",
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON logs (id);",
        runs=ALONE,
    ),
    _case("on a new table", "CREATE TABLE n (id int); CREATE INDEX ON n (id);"),
    _case(
        "on a table that may be new",
        "CREATE TABLE IF NOT EXISTS n (id int); CREATE INDEX ON n (id);",
    ),
    _case("on a new copy", "CREATE TABLE n AS SELECT * FROM logs; CREATE INDEX ON n (id);"),
    _case("on a selected copy", "SELECT * INTO n FROM logs; CREATE INDEX ON n (id);"),
    _case("on a temporary table", "CREATE TEMP TABLE n (id int); CREATE INDEX ON n (id);"),
    _case(
        "on a new materialized view",
        "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a; CREATE UNIQUE INDEX ON m (a);",
    ),
    _case("on an old materialized view", "CREATE INDEX ON totals (user_id);", INDEX),
    _case(
        "on a renamed new table",
        "CREATE TABLE n (id int); ALTER TABLE n RENAME TO m; CREATE INDEX ON m (id);",
    ),
    _case("on a renamed old table", "ALTER TABLE logs RENAME TO m; CREATE INDEX ON m (id);", INDEX),
    _case("of a schema", "CREATE INDEX ON app.items (id);", INDEX),
    _case(
        "on a new partition",
        "CREATE TABLE p PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01'); CREATE INDEX ON p (id);",
    ),
    _case("on the partitioned", "CREATE INDEX ON events (id);", INDEX),
    _case(
        "two statements", "CREATE INDEX ON logs (id); ALTER TABLE users DROP age;", INDEX, COLUMN
    ),
    _case("drop index concurrently", "DROP INDEX CONCURRENTLY logs_body;", runs=ALONE),
    _case("unique constraint", "ALTER TABLE logs ADD UNIQUE (id);", runs="another rule's"),
)
_TRUNCATES = (
    _case("truncate", "TRUNCATE logs;", TRUNCATE),
    _case("truncate table", "TRUNCATE TABLE ONLY logs RESTART IDENTITY CASCADE;", TRUNCATE),
    _case("truncate two", "TRUNCATE logs, orders;", TRUNCATE),
    _case("truncate a new one", "CREATE TABLE n AS SELECT * FROM logs; TRUNCATE n;"),
    _case("truncate of a schema", "TRUNCATE app.items;", TRUNCATE),
    _case("truncate a partition", "TRUNCATE events_2024;", TRUNCATE),
    _case(
        "truncate a new one that an old one refers to",
        "CREATE TABLE n (id int PRIMARY KEY); ALTER TABLE logs ADD n_id int REFERENCES n; TRUNCATE n CASCADE;",
        TRUNCATE,
    ),
)
_BLOCKS = (
    _case("do", "DO $$ BEGIN DROP TABLE logs; END $$;", TABLE),
    _case("do, quoted by marks", "DO 'BEGIN DROP TABLE logs; END';", TABLE),
    _case("do, language", "DO LANGUAGE plpgsql $x$ BEGIN TRUNCATE logs; END $x$;", TRUNCATE),
    _case(
        "do, if", "DO $$ BEGIN IF true THEN ALTER TABLE users DROP name; END IF; END $$;", COLUMN
    ),
    _case(
        "do, handler",
        "DO $$ BEGIN DROP TABLE logs; EXCEPTION WHEN others THEN NULL; END $$;",
        TABLE,
    ),
    _case(
        "do, in the handler",
        "DO $$ BEGIN PERFORM 1/0; EXCEPTION WHEN others THEN DROP TABLE logs; END $$;",
        TABLE,
    ),
    _case(
        "do, loop",
        "DO $$ BEGIN FOR i IN 1..1 LOOP DROP TABLE IF EXISTS logs; END LOOP; END $$;",
        TABLE,
    ),
    _case(
        "do, case",
        "DO $$ BEGIN CASE 1 WHEN 1 THEN DROP TABLE logs; ELSE NULL; END CASE; END $$;",
        TABLE,
    ),
    _case("do, harmless", "DO $$ BEGIN RAISE NOTICE 'DROP TABLE logs'; END $$;"),
    _case("do, comment", "DO $$ BEGIN -- DROP TABLE logs;\n NULL; END $$;"),
    _case("execute", "DO $$ BEGIN EXECUTE 'DROP TABLE logs'; END $$;", TABLE),
    _case("execute, format", "DO $$ BEGIN EXECUTE format('DROP TABLE %I', 'logs'); END $$;", TABLE),
    _case(
        "execute, put together", "DO $$ BEGIN EXECUTE 'DROP ' || 'TABLE ' || 'logs'; END $$;", TABLE
    ),
    _case("execute, concat", "DO $$ BEGIN EXECUTE concat('TRUNC', 'ATE logs'); END $$;", TRUNCATE),
    _case(
        "execute, variable",
        "DO $$ DECLARE q text := 'DROP TABLE logs'; BEGIN EXECUTE q; END $$;",
        TABLE,
    ),
    _case(
        "execute, assigned",
        "DO $$ DECLARE q text; BEGIN q := 'DROP TABLE '; q := q || 'logs'; EXECUTE q; END $$;",
        TABLE,
    ),
    _case(
        "execute, select into",
        "DO $$ DECLARE q text; BEGIN SELECT 'DROP TABLE logs' INTO q; EXECUTE q; END $$;",
        TABLE,
    ),
    _case(
        "execute, rows",
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT tablename FROM pg_tables WHERE tablename = 'logs' LOOP"
        " EXECUTE 'DROP TABLE ' || quote_ident(r.tablename); END LOOP; END $$;",
        TABLE,
    ),
    _case(
        "execute, rows of statements",
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT format('TRUNCATE %I', tablename) AS q FROM pg_tables"
        " WHERE tablename = 'logs' LOOP EXECUTE r.q; END LOOP; END $$;",
        TRUNCATE,
    ),
    _case(
        "execute, unknown",
        "DO $$ DECLARE q text; BEGIN SELECT body INTO q FROM logs; EXECUTE 'SELECT 1' || ''; EXECUTE coalesce(q, ''); END $$;",
        UNPARSABLE,
        runs="unknown",
    ),
    _case(
        "execute, added column",
        "DO $$ BEGIN EXECUTE format('ALTER TABLE %I ADD COLUMN a int', 'logs'); END $$;",
    ),
    _case(
        "execute, required column",
        "DO $$ BEGIN EXECUTE 'ALTER TABLE users ADD a int NOT NULL'; END $$;",
        NOT_NULL,
    ),
    _case(
        "execute, harmless",
        "DO $$ BEGIN EXECUTE 'ANALYZE logs'; EXECUTE format('GRANT SELECT ON %I TO PUBLIC', 'logs'); END $$;",
    ),
    _case("execute, index", "DO $$ BEGIN EXECUTE 'CREATE INDEX ON logs (id)'; END $$;", INDEX),
    _case(
        "execute inside execute",
        "DO $$ BEGIN EXECUTE 'DO $x$ BEGIN DROP TABLE logs; END $x$'; END $$;",
        TABLE,
    ),
    _case(
        "function, only defined",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DROP TABLE logs; END $$;",
    ),
    _case(
        "function, called",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DROP TABLE logs; END $$; SELECT f();",
        TABLE,
    ),
    _case(
        "function, performed",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DROP TABLE logs; END $$; DO $$ BEGIN PERFORM f(); END $$;",
        TABLE,
    ),
    _case(
        "function, SQL",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DROP TABLE logs'; SELECT f();",
        TABLE,
    ),
    _case(
        "function, of a schema",
        "CREATE FUNCTION app.f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN TRUNCATE logs; END $$; SELECT app.f();",
        TRUNCATE,
    ),
    _case(
        "function, through another",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DROP TABLE logs; END $$;"
        "CREATE FUNCTION g() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM f(); END $$; SELECT g();",
        TABLE,
    ),
    _case(
        "function, in an assignment",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DROP TABLE logs; RETURN 1; END $$;"
        "DO $$ DECLARE v int; BEGIN v := f(); END $$;",
        TABLE,
    ),
    _case(
        "function, in a WHERE",
        "CREATE FUNCTION f() RETURNS bool LANGUAGE plpgsql AS $$ BEGIN DROP TABLE IF EXISTS logs; RETURN true; END $$;"
        "SELECT 1 WHERE f();",
        TABLE,
    ),
    _case(
        "function, of a trigger",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN TRUNCATE logs; RETURN NEW; END $$;"
        "CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION f(); INSERT INTO users (id, email) VALUES (77, 'x');",
        TRUNCATE,
    ),
    _case(
        "function, of an unused trigger",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN TRUNCATE logs; RETURN NEW; END $$;"
        "CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION f();",
        runs="the old INSERT fires it",
    ),
    _case(
        "function, replaced",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DROP TABLE logs; END $$;"
        "CREATE OR REPLACE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN NULL; END $$; SELECT f();",
    ),
    _case(
        "function, with a parameter",
        "CREATE FUNCTION f(t text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DROP TABLE ' || t; END $$; SELECT f('logs');",
        TABLE,
    ),
    _case(
        "procedure",
        "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN DROP TABLE logs; END $$; CALL p();",
        TABLE,
    ),
    _case(
        "begin atomic",
        "CREATE FUNCTION f() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM logs; END; SELECT f();",
    ),
    _case(
        "query_to_xml",
        "SELECT query_to_xml('DROP TABLE logs', true, true, '');",
        TABLE,
        runs="the server refuses it",
    ),
    _case(
        "dblink",
        "SELECT dblink_exec('dbname=x', 'DROP TABLE logs');",
        TABLE,
        runs="needs an extension",
    ),
    _case(
        "another language",
        "DO LANGUAGE plpython3u $$ plpy.execute('DROP TABLE logs') $$;",
        UNPARSABLE,
        runs="needs an extension",
    ),
    _case(
        "new in the block",
        "DO $$ BEGIN CREATE TABLE n (id int); CREATE INDEX ON n (id); DROP TABLE n; END $$;",
    ),
    _case(
        "new in a branch",
        "DO $$ BEGIN IF to_regclass('n') IS NULL THEN CREATE TABLE n (id int); DROP TABLE n; END IF; END $$;",
    ),
    _case(
        "type if missing",
        "DO $$ BEGIN CREATE TYPE k AS ENUM ('a'); EXCEPTION WHEN duplicate_object THEN NULL; END $$;",
    ),
    _case(
        "constraint if missing",
        "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conname = 'c') THEN"
        " ALTER TABLE logs ADD CONSTRAINT c CHECK (id > 0) NOT VALID; END IF; END $$;",
    ),
)
_SESSIONS = (
    _case("transaction", "BEGIN; DROP TABLE logs; COMMIT;", TABLE, runs=ALONE),
    _case("rolled back", "BEGIN; DROP TABLE logs; ROLLBACK;", runs=ALONE),
    _case("rolled back too late", "BEGIN; DROP TABLE logs; COMMIT; ROLLBACK;", TABLE, runs=ALONE),
    _case("rolled back without a begin", "DROP TABLE logs; ROLLBACK;", TABLE, runs=ALONE),
    _case("savepoint", "BEGIN; SAVEPOINT s; DROP TABLE logs; ROLLBACK TO s; COMMIT;", runs=ALONE),
    _case(
        "after a savepoint",
        "BEGIN; SAVEPOINT s; TRUNCATE logs; ROLLBACK TO s; DROP TABLE logs; COMMIT;",
        TABLE,
        runs=ALONE,
    ),
    _case(
        "made, rolled back",
        "BEGIN; ALTER TABLE logs RENAME TO o; CREATE TABLE logs (i int); ROLLBACK; DROP TABLE logs;",
        TABLE,
        runs=ALONE,
    ),
    _case("prepared", "PREPARE q AS SELECT 1; EXECUTE q; DEALLOCATE q;"),
    _case("explain analyze", "EXPLAIN ANALYZE DELETE FROM logs WHERE false;"),
    _case("empty", ""),
    _case("comments only", "-- DROP TABLE logs;\n/* TRUNCATE logs; */"),
    _case("semicolons", ";;;DROP TABLE logs;;;", TABLE),
)
_ERRORS = (
    _case("misspelt", "SELEC 1;", UNPARSABLE, runs="an error"),
    _case(
        "misspelt neighbour",
        "CREATE TABEL x (i int); DROP TABLE logs;",
        UNPARSABLE,
        TABLE,
        runs="an error",
    ),
    _case("unfinished text", "INSERT INTO logs VALUES (1, 'x);", UNPARSABLE, runs="an error"),
    _case("body that does not compile", "DO $$ BEGIN IF THEN END $$;", UNPARSABLE, runs="an error"),
)

CASES = _DROPS + _COLUMNS + _NOT_NULLS + _INDEXES + _TRUNCATES + _BLOCKS + _SESSIONS + _ERRORS
