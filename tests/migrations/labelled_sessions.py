"""Labelled migrations in which a name or a type means something else later than it did before."""

from __future__ import annotations

from .labelled_kit import ALONE, COLUMN, NOT_NULL, RENAME, TABLE, TRUNCATE, UNPARSABLE, case

DOMAINS = (
    case(
        "domain of a domain",
        "CREATE DOMAIN a AS text NOT NULL; CREATE DOMAIN b AS a; ALTER TABLE logs ADD c b;",
        NOT_NULL,
    ),
    case(
        "a long line of domains",
        "CREATE DOMAIN d0 AS text NOT NULL;"
        + "".join(f"CREATE DOMAIN d{number + 1} AS d{number};" for number in range(1200))
        + "ALTER TABLE logs ADD c d1200;",
        NOT_NULL,
    ),
    case(
        "domain of a domain with default",
        "CREATE DOMAIN a AS text NOT NULL DEFAULT 'x'; CREATE DOMAIN b AS a; ALTER TABLE logs ADD c b;",
    ),
    case(
        "domain that demands later",
        "CREATE DOMAIN a AS text; ALTER TABLE logs ADD c a; UPDATE logs SET c = 'x';"
        "ALTER DOMAIN a SET NOT NULL;",
        NOT_NULL,
    ),
    case(
        "domain that demanded before",
        "CREATE DOMAIN a AS text NOT NULL; ALTER DOMAIN a DROP NOT NULL; ALTER TABLE logs ADD c a;",
    ),
    case(
        "domain that may have demanded before",
        "CREATE DOMAIN a AS text NOT NULL; DO $$ BEGIN IF false THEN ALTER DOMAIN a DROP NOT NULL; END IF; END $$;"
        "ALTER TABLE logs ADD c a;",
        NOT_NULL,
    ),
    case(
        "domain that loses its default",
        "CREATE DOMAIN a AS text NOT NULL DEFAULT 'x'; ALTER TABLE logs ADD c a; ALTER DOMAIN a DROP DEFAULT;",
        NOT_NULL,
    ),
    case(
        "domain that gets its default first",
        "CREATE DOMAIN a AS text NOT NULL; ALTER DOMAIN a SET DEFAULT 'x'; ALTER TABLE logs ADD c a;",
    ),
    case(
        "quoted domain",
        'CREATE DOMAIN "Req" AS text NOT NULL; ALTER TABLE logs ADD c "Req";',
        NOT_NULL,
    ),
    case(
        "renamed domain",
        "CREATE DOMAIN a AS text NOT NULL; ALTER DOMAIN a RENAME TO b; ALTER TABLE logs ADD c b;",
        NOT_NULL,
    ),
    case(
        "type that was a domain",
        "CREATE DOMAIN a AS text; ALTER TABLE logs ALTER body TYPE a; ALTER TABLE logs ALTER body TYPE text;"
        "ALTER DOMAIN a SET NOT NULL;",
    ),
    case(
        "attribute of a new type",
        "CREATE TYPE p AS (a int, b int); CREATE TABLE n OF p; ALTER TYPE p DROP ATTRIBUTE a CASCADE;",
    ),
    case(
        "renamed attribute of a new type",
        "CREATE TYPE p AS (a int, b int); ALTER TYPE p RENAME ATTRIBUTE a TO c;",
    ),
    case("renamed attribute", "ALTER TYPE address RENAME ATTRIBUTE city TO town CASCADE;", RENAME),
    case(
        "attribute of an old type beside a new table",
        "CREATE SCHEMA x; CREATE TABLE x.address (city text); ALTER TYPE address DROP ATTRIBUTE city CASCADE;",
        COLUMN,
    ),
    case(
        "renamed new type by cascade",
        "CREATE TYPE a AS ENUM ('x'); ALTER TYPE a RENAME TO b; CREATE TABLE n (c b); DROP TYPE b CASCADE;",
    ),
    case(
        "renamed old type by cascade",
        "ALTER TYPE mood RENAME TO b; CREATE TYPE mood AS ENUM ('x'); DROP TYPE b CASCADE;",
        COLUMN,
    ),
)
PATHS = (
    case(
        "path of a function",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql SET search_path = legacy, pg_temp AS"
        " $$ BEGIN DROP TABLE items; END $$; CREATE TABLE items (id int); SELECT f();",
        TABLE,
    ),
    case(
        "path after a function",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql SET search_path = legacy AS"
        " $$ BEGIN PERFORM 1; CREATE TABLE n (id int); END $$; CREATE TABLE logs2 (id int); SELECT f(); DROP TABLE logs2;",
    ),
    case(
        "path of a sql function",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql SET search_path = legacy AS"
        " 'TRUNCATE items'; CREATE TABLE items (id int); SELECT f();",
        TRUNCATE,
    ),
    case(
        "reset all",
        "CREATE SCHEMA x; SET search_path = x; CREATE TABLE logs (id int); RESET ALL; DROP TABLE logs;",
        TABLE,
    ),
    case(
        "path of when a function was made",
        "SET search_path = legacy; CREATE FUNCTION public.f() RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT"
        " AS $$ BEGIN DROP TABLE items; END $$; RESET search_path; CREATE TABLE items (id int); SELECT f();",
        TABLE,
    ),
    case(
        "discard all",
        "SET search_path = legacy; CREATE TABLE logs (id int); DISCARD ALL; DROP TABLE logs;",
        TABLE,
        runs=ALONE,
    ),
    case("discard temp", "CREATE TEMP TABLE logs (id int); DISCARD TEMP; DROP TABLE logs;", TABLE),
    case("discard plans", "CREATE TEMP TABLE logs (id int); DISCARD PLANS; DROP TABLE logs;"),
    case(
        "temporary for a transaction",
        "BEGIN; CREATE TEMP TABLE logs (id int) ON COMMIT DROP; COMMIT; DROP TABLE logs;",
        TABLE,
        runs=ALONE,
    ),
    case(
        "temporary copy for a transaction",
        "BEGIN; CREATE TEMP TABLE logs ON COMMIT DROP AS SELECT 1; COMMIT; DROP TABLE logs;",
        TABLE,
        runs=ALONE,
    ),
    case(
        "temporary in its transaction",
        "BEGIN; CREATE TEMP TABLE logs (id int) ON COMMIT DROP; DROP TABLE logs; COMMIT;",
        runs=ALONE,
    ),
    case(
        "temporary beyond a transaction",
        "BEGIN; CREATE TEMP TABLE logs (id int) ON COMMIT DELETE ROWS; COMMIT; DROP TABLE logs;",
        runs=ALONE,
    ),
    case(
        "path of a transaction, by function",
        "CREATE SCHEMA x; BEGIN; SELECT set_config('search_path', 'x', true); CREATE TABLE logs (id int);"
        "COMMIT; DROP TABLE logs;",
        TABLE,
        runs=ALONE,
    ),
    case(
        "path beyond a transaction, by function",
        "CREATE SCHEMA x; BEGIN; SELECT set_config('search_path', 'x', false); CREATE TABLE logs (id int);"
        "COMMIT; DROP TABLE logs;",
        runs=ALONE,
    ),
    case(
        "path with the temporary last",
        "SET search_path = public, pg_temp; CREATE TEMP TABLE logs (id int); DROP TABLE logs;",
        TABLE,
    ),
    case(
        "path with another schema first",
        "CREATE SCHEMA x; CREATE TABLE x.logs (id int); SET search_path = public, x; DROP TABLE logs;",
        TABLE,
    ),
    case(
        "column of a table of a second schema",
        "CREATE SCHEMA x; CREATE TABLE x.logs (id int, body text); SET search_path = public, x;"
        "ALTER TABLE logs DROP COLUMN body;",
        COLUMN,
    ),
    case(
        "path with its own schema first",
        "CREATE SCHEMA x; SET search_path = x, public; CREATE TABLE logs (id int, note text);"
        "ALTER TABLE logs DROP COLUMN note; CREATE INDEX ON logs (id); DROP TABLE logs;",
    ),
    case(
        "temporary for a transaction that nobody has begun",
        "CREATE TEMP TABLE logs (id int) ON COMMIT DROP; DROP TABLE logs;",
        TABLE,
        runs=ALONE,
    ),
    case(
        "temporary for the transaction of a block",
        "DO $$ BEGIN CREATE TEMP TABLE logs (id int) ON COMMIT DROP; TRUNCATE logs; DROP TABLE logs; END $$;",
    ),
    case("unfinished comment", "SELECT 1; /* x\nDROP TABLE logs;", UNPARSABLE, runs="an error"),
)
VARIABLES = (
    case(
        "hidden by an inner block",
        "DO $$ DECLARE q text := 'TRUNCATE logs'; BEGIN DECLARE q text := 'SELECT 1'; BEGIN EXECUTE q; END; EXECUTE q; END $$;",
        TRUNCATE,
    ),
    case(
        "changed by a procedure",
        "CREATE PROCEDURE p(INOUT q text) LANGUAGE plpgsql AS $$ BEGIN q := 'TRUNCATE logs'; END $$;"
        "DO $$ DECLARE q text := 'SELECT 1'; BEGIN CALL p(q); EXECUTE q; END $$;",
        UNPARSABLE,
        runs="what it is given is not known",
    ),
    case(
        "changed by diagnostics",
        "DO $$ DECLARE q text := 'SELECT 1'; BEGIN RAISE EXCEPTION 'TRUNCATE logs';"
        " EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS q = MESSAGE_TEXT; EXECUTE q; END $$;",
        UNPARSABLE,
        runs="what it is given is not known",
    ),
    case(
        "changed by a loop over a text",
        "DO $$ DECLARE q text := 'SELECT 1'; BEGIN FOR q IN EXECUTE 'SELECT ''TRUNCATE logs''' LOOP EXECUTE q; END LOOP; END $$;",
        UNPARSABLE,
        runs="what it is given is not known",
    ),
    case(
        "before the error",
        "DO $$ DECLARE q text; BEGIN q := 'TRUNCATE logs'; PERFORM 1/0; q := 'SELECT 1'; EXCEPTION WHEN OTHERS THEN EXECUTE q; END $$;",
        TRUNCATE,
    ),
    case(
        "one record for two loops",
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT 'logs' AS t LOOP EXECUTE format('ANALYZE %I', r.t); END LOOP;"
        " FOR r IN SELECT 'logs' AS t LOOP EXECUTE format('GRANT SELECT ON %I TO PUBLIC', r.t); END LOOP; END $$;",
    ),
    case(
        "function whose name is not known",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DROP TABLE logs; RETURN 1; END $$;"
        "DO $$ DECLARE n text; BEGIN SELECT proname INTO n FROM pg_proc WHERE proname = 'f'; EXECUTE format('SELECT %I()', n); END $$;",
        TABLE,
    ),
    case(
        "when of a trigger",
        "CREATE FUNCTION w(i bigint) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN TRUNCATE app.items; RETURN true; END $$;"
        "CREATE TRIGGER t BEFORE INSERT ON logs FOR EACH ROW WHEN (w(NEW.id)) EXECUTE FUNCTION touch(); INSERT INTO logs VALUES (5);",
        TRUNCATE,
    ),
    case(
        "trigger of a truncate",
        "CREATE FUNCTION w() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN TRUNCATE logs; RETURN NULL; END $$;"
        "CREATE TABLE n (id int); CREATE TRIGGER t AFTER TRUNCATE ON n EXECUTE FUNCTION w(); TRUNCATE n;",
        TRUNCATE,
    ),
    case(
        "default of a parameter",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN TRUNCATE logs; RETURN 1; END $$;"
        "CREATE FUNCTION g(i int DEFAULT f()) RETURNS int LANGUAGE sql AS 'SELECT i'; SELECT g();",
        TRUNCATE,
    ),
    case(
        "default of a parameter of a function that nobody calls",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN TRUNCATE logs; RETURN 1; END $$;"
        "CREATE FUNCTION g(i int DEFAULT f()) RETURNS int LANGUAGE sql AS 'SELECT i';",
    ),
    case(
        "trigger for rows beside a truncate",
        "CREATE FUNCTION w() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN TRUNCATE logs; RETURN NULL; END $$;"
        "CREATE TABLE n (id int); CREATE TRIGGER t AFTER DELETE ON n FOR EACH ROW EXECUTE FUNCTION w(); TRUNCATE n;",
    ),
)
