"""Labelled migrations whose statements stand in blocks, functions and transactions, or do not parse."""

from __future__ import annotations

from .labelled_kit import (
    ALONE,
    COLUMN,
    INDEX,
    NOT_NULL,
    TABLE,
    TRUNCATE,
    UNPARSABLE,
    case,
)

CERTAINTIES = (
    case(
        "default in another branch",
        "ALTER TABLE users ADD a int NOT NULL DEFAULT 0; ALTER TABLE users ALTER a DROP DEFAULT;"
        "DO $$ BEGIN IF false THEN ALTER TABLE users ALTER a SET DEFAULT 1; END IF; END $$;",
        NOT_NULL,
    ),
    case(
        "default in the same branch",
        "DO $$ BEGIN IF true THEN ALTER TABLE users ALTER age SET DEFAULT 1; UPDATE users SET age = 1;"
        "ALTER TABLE users ALTER age SET NOT NULL; END IF; END $$;",
    ),
    case(
        "null again in another branch",
        "ALTER TABLE users ADD a int NOT NULL DEFAULT 0; ALTER TABLE users ALTER a DROP DEFAULT;"
        "DO $$ BEGIN IF false THEN ALTER TABLE users ALTER a DROP NOT NULL; END IF; END $$;",
        NOT_NULL,
    ),
    case(
        "checked, but unknown to the old code",
        "ALTER TABLE users ADD a int; UPDATE users SET a = 1;"
        "ALTER TABLE users ADD CONSTRAINT c CHECK (a IS NOT NULL) NOT VALID; ALTER TABLE users VALIDATE CONSTRAINT c;"
        "ALTER TABLE users ALTER a SET NOT NULL; ALTER TABLE users DROP CONSTRAINT c;",
        NOT_NULL,
    ),
    case(
        "columns of a table that may be old",
        "CREATE TABLE IF NOT EXISTS users (id int, name text DEFAULT 'x');"
        "ALTER TABLE users ALTER name SET NOT NULL;",
        NOT_NULL,
    ),
    case(
        "an index of the table's name",
        "CREATE TABLE n (i int); CREATE INDEX logs2 ON n (i); ALTER TABLE logs RENAME TO logs3;"
        "CREATE INDEX logs ON n (i); DROP TABLE logs3;",
        TABLE,
    ),
    case(
        "search path of one transaction",
        "BEGIN; SET LOCAL search_path TO legacy; CREATE TABLE logs (i int); COMMIT; DROP TABLE logs;",
        TABLE,
        runs=ALONE,
    ),
    case(
        "catalogue by hand",
        "UPDATE pg_attribute SET attnotnull = true WHERE false;",
        UNPARSABLE,
        runs="unknown",
    ),
    case(
        "function that executes what it is given",
        "CREATE FUNCTION x(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE $1; RETURN $1; END $$;"
        "SELECT x('DROP TABLE logs');",
        TABLE,
    ),
    case(
        "the same, harmless",
        "CREATE FUNCTION x(q text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE q; RETURN q; END $$;"
        "SELECT x('ANALYZE logs');",
    ),
)

BLOCKS = (
    case("do", "DO $$ BEGIN DROP TABLE logs; END $$;", TABLE),
    case("do, quoted by marks", "DO 'BEGIN DROP TABLE logs; END';", TABLE),
    case("do, language", "DO LANGUAGE plpgsql $x$ BEGIN TRUNCATE logs; END $x$;", TRUNCATE),
    case("do, if", "DO $$ BEGIN IF true THEN ALTER TABLE users DROP name; END IF; END $$;", COLUMN),
    case(
        "do, handler",
        "DO $$ BEGIN DROP TABLE logs; EXCEPTION WHEN others THEN NULL; END $$;",
        TABLE,
    ),
    case(
        "do, in the handler",
        "DO $$ BEGIN PERFORM 1/0; EXCEPTION WHEN others THEN DROP TABLE logs; END $$;",
        TABLE,
    ),
    case(
        "do, loop",
        "DO $$ BEGIN FOR i IN 1..1 LOOP DROP TABLE IF EXISTS logs; END LOOP; END $$;",
        TABLE,
    ),
    case(
        "do, case",
        "DO $$ BEGIN CASE 1 WHEN 1 THEN DROP TABLE logs; ELSE NULL; END CASE; END $$;",
        TABLE,
    ),
    case("do, harmless", "DO $$ BEGIN RAISE NOTICE 'DROP TABLE logs'; END $$;"),
    case("do, comment", "DO $$ BEGIN -- DROP TABLE logs;\n NULL; END $$;"),
    case("execute", "DO $$ BEGIN EXECUTE 'DROP TABLE logs'; END $$;", TABLE),
    case("execute, format", "DO $$ BEGIN EXECUTE format('DROP TABLE %I', 'logs'); END $$;", TABLE),
    case(
        "execute, put together", "DO $$ BEGIN EXECUTE 'DROP ' || 'TABLE ' || 'logs'; END $$;", TABLE
    ),
    case("execute, concat", "DO $$ BEGIN EXECUTE concat('TRUNC', 'ATE logs'); END $$;", TRUNCATE),
    case(
        "execute, variable",
        "DO $$ DECLARE q text := 'DROP TABLE logs'; BEGIN EXECUTE q; END $$;",
        TABLE,
    ),
    case(
        "execute, assigned",
        "DO $$ DECLARE q text; BEGIN q := 'DROP TABLE '; q := q || 'logs'; EXECUTE q; END $$;",
        TABLE,
    ),
    case(
        "execute, select into",
        "DO $$ DECLARE q text; BEGIN SELECT 'DROP TABLE logs' INTO q; EXECUTE q; END $$;",
        TABLE,
    ),
    case(
        "execute, rows",
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT tablename FROM pg_tables WHERE tablename = 'logs' LOOP"
        " EXECUTE 'DROP TABLE ' || quote_ident(r.tablename); END LOOP; END $$;",
        TABLE,
    ),
    case(
        "execute, rows of statements",
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT format('TRUNCATE %I', tablename) AS q FROM pg_tables"
        " WHERE tablename = 'logs' LOOP EXECUTE r.q; END LOOP; END $$;",
        TRUNCATE,
    ),
    case(
        "execute, unknown",
        "DO $$ DECLARE q text; BEGIN SELECT body INTO q FROM logs; EXECUTE 'SELECT 1' || ''; EXECUTE coalesce(q, ''); END $$;",
        UNPARSABLE,
        runs="unknown",
    ),
    case(
        "execute, added column",
        "DO $$ BEGIN EXECUTE format('ALTER TABLE %I ADD COLUMN a int', 'logs'); END $$;",
    ),
    case(
        "execute, required column",
        "DO $$ BEGIN EXECUTE 'ALTER TABLE users ADD a int NOT NULL'; END $$;",
        NOT_NULL,
    ),
    case(
        "execute, harmless",
        "DO $$ BEGIN EXECUTE 'ANALYZE logs'; EXECUTE format('GRANT SELECT ON %I TO PUBLIC', 'logs'); END $$;",
    ),
    case("execute, index", "DO $$ BEGIN EXECUTE 'CREATE INDEX ON logs (id)'; END $$;", INDEX),
    case(
        "execute inside execute",
        "DO $$ BEGIN EXECUTE 'DO $x$ BEGIN DROP TABLE logs; END $x$'; END $$;",
        TABLE,
    ),
    case(
        "function, only defined",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DROP TABLE logs; END $$;",
    ),
    case(
        "function, called",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DROP TABLE logs; END $$; SELECT f();",
        TABLE,
    ),
    case(
        "function, performed",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DROP TABLE logs; END $$; DO $$ BEGIN PERFORM f(); END $$;",
        TABLE,
    ),
    case(
        "function, SQL",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DROP TABLE logs'; SELECT f();",
        TABLE,
    ),
    case(
        "function, of a schema",
        "CREATE FUNCTION app.f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN TRUNCATE logs; END $$; SELECT app.f();",
        TRUNCATE,
    ),
    case(
        "function, through another",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DROP TABLE logs; END $$;"
        "CREATE FUNCTION g() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM f(); END $$; SELECT g();",
        TABLE,
    ),
    case(
        "function, in an assignment",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DROP TABLE logs; RETURN 1; END $$;"
        "DO $$ DECLARE v int; BEGIN v := f(); END $$;",
        TABLE,
    ),
    case(
        "function, in a WHERE",
        "CREATE FUNCTION f() RETURNS bool LANGUAGE plpgsql AS $$ BEGIN DROP TABLE IF EXISTS logs; RETURN true; END $$;"
        "SELECT 1 WHERE f();",
        TABLE,
    ),
    case(
        "function, of a trigger",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN TRUNCATE logs; RETURN NEW; END $$;"
        "CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION f(); INSERT INTO users (id, email) VALUES (77, 'x');",
        TRUNCATE,
    ),
    case(
        "function, of an unused trigger",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN TRUNCATE logs; RETURN NEW; END $$;"
        "CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION f();",
        runs="the old INSERT fires it",
    ),
    case(
        "function, replaced",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DROP TABLE logs; END $$;"
        "CREATE OR REPLACE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN NULL; END $$; SELECT f();",
    ),
    case(
        "function, with a parameter",
        "CREATE FUNCTION f(t text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DROP TABLE ' || t; END $$; SELECT f('logs');",
        TABLE,
    ),
    case(
        "procedure",
        "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN DROP TABLE logs; END $$; CALL p();",
        TABLE,
    ),
    case(
        "begin atomic",
        "CREATE FUNCTION f() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM logs; END; SELECT f();",
    ),
    case(
        "query_to_xml",
        "SELECT query_to_xml('DROP TABLE logs', true, true, '');",
        TABLE,
        runs="the server refuses it",
    ),
    case(
        "dblink",
        "SELECT dblink_exec('dbname=x', 'DROP TABLE logs');",
        TABLE,
        runs="needs an extension",
    ),
    case("copy to a program", "COPY logs TO PROGRAM 'sh';", UNPARSABLE, runs="a shell"),
    case(
        "another language",
        "DO LANGUAGE plpython3u $$ plpy.execute('DROP TABLE logs') $$;",
        UNPARSABLE,
        runs="needs an extension",
    ),
    case(
        "new in the block",
        "DO $$ BEGIN CREATE TABLE n (id int); CREATE INDEX ON n (id); DROP TABLE n; END $$;",
    ),
    case(
        "new in a branch",
        "DO $$ BEGIN IF to_regclass('n') IS NULL THEN CREATE TABLE n (id int); DROP TABLE n; END IF; END $$;",
    ),
    case(
        "type if missing",
        "DO $$ BEGIN CREATE TYPE k AS ENUM ('a'); EXCEPTION WHEN duplicate_object THEN NULL; END $$;",
    ),
    case(
        "constraint if missing",
        "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conname = 'c') THEN"
        " ALTER TABLE logs ADD CONSTRAINT c CHECK (id > 0) NOT VALID; END IF; END $$;",
    ),
)

_DROPS = "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DROP TABLE logs; RETURN 1; END $$;"
_EACH_ROW = (
    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN DROP TABLE IF EXISTS logs; RETURN NEW; END $$;"
)
_PARTITIONED = (
    "CREATE TABLE days (n int) PARTITION BY RANGE (n);"
    "CREATE TABLE old PARTITION OF days FOR VALUES FROM (0) TO (9);"
)
_FIRED = (
    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DROP TABLE logs; RETURN NEW; END $$;"
    "CREATE TRIGGER t AFTER INSERT ON orders FOR EACH STATEMENT EXECUTE FUNCTION f();"
)

BEHIND = (
    case("view of a function", _DROPS + "CREATE VIEW v AS SELECT f();"),
    case("view of a function, looked at", _DROPS + "CREATE VIEW v AS SELECT f(); TABLE v;", TABLE),
    case(
        "view of a view, looked at in a block",
        _DROPS + 'CREATE VIEW "V é" AS SELECT f() AS a; CREATE VIEW w AS SELECT a FROM "V é";'
        "DO $$ BEGIN PERFORM a FROM w; END $$;",
        TABLE,
    ),
    case(
        "another view, looked at",
        _DROPS + "CREATE VIEW v AS SELECT f(); SELECT * FROM recent;",
    ),
    case(
        "rule",
        _DROPS + "CREATE RULE r AS ON INSERT TO orders DO ALSO SELECT f();"
        "INSERT INTO orders (user_id) VALUES (1);",
        TABLE,
    ),
    case(
        "operator",
        "CREATE FUNCTION f(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN DROP TABLE logs; RETURN 1; END $$;"
        "CREATE OPERATOR !!! (FUNCTION = f, RIGHTARG = int); SELECT !!! 1;",
        TABLE,
    ),
    case("aggregate", "CREATE AGGREGATE a (int) (SFUNC = int4pl, STYPE = int);"),
    case(
        "cast",
        "CREATE FUNCTION f(point) RETURNS mood LANGUAGE plpgsql AS $$ BEGIN DROP TABLE logs; RETURN 'ok'; END $$;"
        "CREATE CAST (point AS mood) WITH FUNCTION f(point); SELECT point(1, 2)::mood;",
        TABLE,
    ),
    case(
        "event trigger",
        "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF tg_tag = 'CREATE VIEW' THEN DROP TABLE logs; END IF; END $$;"
        "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION e(); CREATE VIEW v AS SELECT 1;",
        TABLE,
    ),
    case(
        "harmless event trigger",
        "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS"
        " $$ BEGIN EXECUTE format('GRANT SELECT ON %I TO PUBLIC', 'logs'); END $$;"
        "CREATE EVENT TRIGGER e ON ddl_command_end WHEN TAG IN ('CREATE VIEW') EXECUTE FUNCTION e();"
        "CREATE VIEW v AS SELECT 1;",
    ),
    case(
        "sequence of a default",
        "CREATE SEQUENCE s; ALTER TABLE logs ADD a int NOT NULL DEFAULT nextval('s'); DROP SEQUENCE s CASCADE;",
        NOT_NULL,
    ),
    case(
        "sequence of a serial",
        "ALTER TABLE logs ADD a serial; DROP SEQUENCE logs_a_seq CASCADE;",
        NOT_NULL,
    ),
    case(
        "function of another schema",
        _DROPS + "ALTER FUNCTION f() SET SCHEMA app; SELECT app.f();",
        TABLE,
    ),
    case(
        "trigger, fired by a part of a query",
        _FIRED
        + "WITH w AS (INSERT INTO orders (user_id) VALUES (1) RETURNING id) SELECT id FROM w;",
        TABLE,
    ),
    case(
        "trigger of a renamed table",
        _FIRED + "ALTER TABLE orders RENAME TO o; INSERT INTO o (user_id) VALUES (1);",
        TABLE,
    ),
    case(
        "trigger of a table in another schema",
        _FIRED + "ALTER TABLE orders SET SCHEMA app; INSERT INTO app.orders (user_id) VALUES (1);",
        TABLE,
    ),
    case(
        "trigger of a partition, fired through its table",
        _EACH_ROW + _PARTITIONED + "CREATE TRIGGER t BEFORE INSERT ON old FOR EACH ROW"
        " EXECUTE FUNCTION f(); INSERT INTO days VALUES (1);",
        TABLE,
    ),
    case(
        "trigger of a table of partitions, fired through one",
        _EACH_ROW + _PARTITIONED + "CREATE TRIGGER t AFTER INSERT ON days FOR EACH ROW"
        " EXECUTE FUNCTION f(); INSERT INTO old VALUES (1);",
        TABLE,
    ),
    case(
        "trigger of a partition that is attached later",
        _EACH_ROW + "CREATE TABLE days (n int) PARTITION BY RANGE (n); CREATE TABLE old (n int);"
        "CREATE TRIGGER t BEFORE INSERT ON old FOR EACH ROW EXECUTE FUNCTION f();"
        "ALTER TABLE days ATTACH PARTITION old FOR VALUES FROM (0) TO (9); INSERT INTO days VALUES (1);",
        TABLE,
    ),
    case(
        "trigger of a partition for each statement",
        _EACH_ROW + _PARTITIONED + "CREATE TRIGGER t AFTER INSERT ON old FOR EACH STATEMENT"
        " EXECUTE FUNCTION f(); INSERT INTO days VALUES (1);",
    ),
    case(
        "trigger of an heir, fired through what it inherits from",
        _EACH_ROW + "CREATE TABLE heir (n int) INHERITS (parent); INSERT INTO heir (id) VALUES (3);"
        "CREATE TRIGGER t BEFORE UPDATE ON heir FOR EACH ROW EXECUTE FUNCTION f();"
        "UPDATE parent SET note = 'z';",
        TABLE,
    ),
    case(
        "trigger of a table that inherits later",
        _EACH_ROW + "CREATE TABLE heir (id bigint, note text); INSERT INTO heir (id) VALUES (3);"
        "CREATE TRIGGER t BEFORE DELETE ON heir FOR EACH ROW EXECUTE FUNCTION f();"
        "ALTER TABLE heir INHERIT parent; ALTER TABLE heir RENAME TO h; DELETE FROM parent WHERE id = 3;",
        TABLE,
    ),
    case(
        "trigger that is hung after rows were changed",
        _EACH_ROW
        + "CREATE FUNCTION h() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER h BEFORE UPDATE ON parent FOR EACH ROW EXECUTE FUNCTION h();"
        "INSERT INTO parent (id) VALUES (7); UPDATE parent SET note = 'a' WHERE id = 7;"
        "CREATE TRIGGER t BEFORE UPDATE ON parent FOR EACH ROW EXECUTE FUNCTION f();"
        "UPDATE parent SET note = 'b' WHERE id = 7;",
        TABLE,
    ),
    case(
        "trigger of a table that a foreign key lets follow",
        _EACH_ROW + "CREATE TABLE kids (n bigint REFERENCES users ON DELETE CASCADE);"
        "INSERT INTO users (id, email) VALUES (77, 'x'); INSERT INTO kids VALUES (77);"
        "CREATE TRIGGER t BEFORE DELETE ON kids FOR EACH ROW EXECUTE FUNCTION f();"
        "DELETE FROM users WHERE id = 77;",
        TABLE,
    ),
    case(
        "trigger of a table that follows one that follows",
        _EACH_ROW + "CREATE TABLE kids (n bigint PRIMARY KEY); CREATE TABLE toys (n bigint);"
        "ALTER TABLE kids ADD FOREIGN KEY (n) REFERENCES users ON DELETE CASCADE;"
        "ALTER TABLE toys ADD FOREIGN KEY (n) REFERENCES kids ON DELETE CASCADE;"
        "INSERT INTO users (id, email) VALUES (77, 'x'); INSERT INTO kids VALUES (77); INSERT INTO toys VALUES (77);"
        "CREATE TRIGGER t AFTER DELETE ON toys FOR EACH STATEMENT EXECUTE FUNCTION f();"
        "DELETE FROM users WHERE id = 77;",
        TABLE,
    ),
    case(
        "function of a default",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;"
        "ALTER TABLE logs ADD a int NOT NULL DEFAULT f(); DROP FUNCTION f() CASCADE;",
        NOT_NULL,
    ),
    case(
        "another sequence",
        "ALTER TABLE logs ADD a uuid NOT NULL DEFAULT gen_random_uuid(); DROP SEQUENCE IF EXISTS s CASCADE;",
    ),
)

SESSIONS = (
    case("transaction", "BEGIN; DROP TABLE logs; COMMIT;", TABLE, runs=ALONE),
    case("rolled back", "BEGIN; DROP TABLE logs; ROLLBACK;", runs=ALONE),
    case("rolled back too late", "BEGIN; DROP TABLE logs; COMMIT; ROLLBACK;", TABLE, runs=ALONE),
    case("rolled back without a begin", "DROP TABLE logs; ROLLBACK;", TABLE, runs=ALONE),
    case("savepoint", "BEGIN; SAVEPOINT s; DROP TABLE logs; ROLLBACK TO s; COMMIT;", runs=ALONE),
    case(
        "after a savepoint",
        "BEGIN; SAVEPOINT s; TRUNCATE logs; ROLLBACK TO s; DROP TABLE logs; COMMIT;",
        TABLE,
        runs=ALONE,
    ),
    case(
        "made, rolled back",
        "BEGIN; ALTER TABLE logs RENAME TO o; CREATE TABLE logs (i int); ROLLBACK; DROP TABLE logs;",
        TABLE,
        runs=ALONE,
    ),
    case("prepared", "PREPARE q AS SELECT 1; EXECUTE q; DEALLOCATE q;"),
    case("explain analyze", "EXPLAIN ANALYZE DELETE FROM logs WHERE false;"),
    case("empty", ""),
    case("comments only", "-- DROP TABLE logs;\n/* TRUNCATE logs; */"),
    case("semicolons", ";;;DROP TABLE logs;;;", TABLE),
)

ERRORS = (
    case("misspelt", "SELEC 1;", UNPARSABLE, runs="an error"),
    case(
        "misspelt neighbour",
        "CREATE TABEL x (i int); DROP TABLE logs;",
        UNPARSABLE,
        TABLE,
        runs="an error",
    ),
    case("unfinished text", "INSERT INTO logs VALUES (1, 'x);", UNPARSABLE, runs="an error"),
    case("body that does not compile", "DO $$ BEGIN IF THEN END $$;", UNPARSABLE, runs="an error"),
)
