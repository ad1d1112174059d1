"""Labelled migrations for PostgreSQL: functions that run under another name, or without any."""

from __future__ import annotations

from .labelled_kit import TABLE, UNPARSABLE, case

__all__ = ["FIRED", "RUN", "TEXTS"]

_DROPS = "CREATE FUNCTION {}f() RETURNS int LANGUAGE plpgsql AS 'BEGIN DROP TABLE public.logs; RETURN 1; END';"
_ONE = "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';"
_INSTEAD = "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN DROP TABLE app.items; RETURN 1; END';"
_RUNS = (
    "CREATE FUNCTION run(s text) RETURNS int LANGUAGE plpgsql AS 'BEGIN EXECUTE s; RETURN 1; END';"
)
RUN = (
    case(
        "path that a function is given later",
        "CREATE TABLE items (id int); CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS"
        " 'BEGIN DROP TABLE items; RETURN 1; END'; ALTER FUNCTION f() SET search_path = legacy; SELECT f();",
        TABLE,
    ),
    case(
        "path that is taken from a function",
        "CREATE TABLE items (id int); CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql SET search_path = legacy AS"
        " 'BEGIN DROP TABLE items; RETURN 1; END'; ALTER FUNCTION f() RESET ALL; SELECT f();",
    ),
    case(
        "function renamed as a routine",
        _DROPS.format("") + "ALTER ROUTINE f() RENAME TO g; SELECT g();",
        TABLE,
    ),
    case(
        "function of a renamed schema",
        "CREATE SCHEMA s;" + _DROPS.format("s.") + "ALTER SCHEMA s RENAME TO z; SELECT z.f();",
        TABLE,
    ),
    case(
        "function made in the second schema of a path",
        "SET search_path = nowhere, app;" + _DROPS.format("") + "SELECT app.f();",
        TABLE,
    ),
    case(
        "function made in the schema of whoever asks",
        "CREATE SCHEMA AUTHORIZATION CURRENT_USER;" + _DROPS.format("") + "SELECT test.f();",
        TABLE,
    ),
    case(
        "function of a default, replaced",
        _ONE
        + "ALTER TABLE logs ADD COLUMN n int DEFAULT f();"
        + _INSTEAD
        + "INSERT INTO logs (id) VALUES (3);",
        TABLE,
    ),
    case(
        "function of a materialized view, replaced",
        _ONE
        + "CREATE MATERIALIZED VIEW m AS SELECT f();"
        + _INSTEAD
        + "REFRESH MATERIALIZED VIEW m;",
        TABLE,
    ),
    case("function of a query, replaced", _ONE + "SELECT f();" + _INSTEAD),
    case(
        "view of a function that executes what it is given",
        _RUNS + "CREATE VIEW v AS SELECT run('DROP TABLE logs'); SELECT * FROM v;",
        TABLE,
    ),
    case(
        "view of such a function, given what is harmless",
        _RUNS
        + "CREATE VIEW v AS SELECT run('ANALYZE logs'); CREATE VIEW w AS SELECT * FROM v; SELECT * FROM w;",
    ),
    case(
        "path by a row of settings",
        "CREATE TABLE items (id int); UPDATE pg_settings SET setting = 'legacy' WHERE name = 'search_path';"
        "DROP TABLE items;",
        TABLE,
    ),
    case(
        "function by a row of the catalogue",
        "UPDATE pg_proc SET prosrc = 'BEGIN RETURN NULL; END' WHERE proname = 'touch';",
        UNPARSABLE,
        runs="it has to be refused",
    ),
    case(
        "column of PostGIS",
        "SELECT DropGeometryColumn('app', 'places', 'at');",
        "drop-column",
        runs="it needs an extension",
    ),
    case(
        "columns of PostGIS",
        "SELECT DropGeometryColumn(f_table_schema, f_table_name, f_geometry_column) FROM geometry_columns;",
        "drop-column",
        runs="it needs an extension",
    ),
    case(
        "table of PostGIS",
        "SELECT DropGeometryTable('places');",
        TABLE,
        runs="it needs an extension",
    ),
    case(
        "topology of PostGIS",
        "SELECT topology.DropTopology('city');",
        TABLE,
        runs="it needs an extension",
    ),
)

_HUNG = (
    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DROP TABLE app.items; RETURN NEW; END';"
    "CREATE TRIGGER t AFTER INSERT ON {} FOR EACH ROW EXECUTE FUNCTION f();"
)
FIRED = (
    case(
        "trigger, fired through a view",
        _HUNG.format("logs")
        + "CREATE VIEW v AS SELECT * FROM logs; INSERT INTO v VALUES (5, 'x');",
        TABLE,
    ),
    case(
        "trigger, fired through an old view",
        _HUNG.format("users") + "INSERT INTO recent VALUES (55, 'x');",
        TABLE,
    ),
    case(
        "trigger, fired through a rule",
        _HUNG.format("logs")
        + "CREATE RULE r AS ON INSERT TO users DO ALSO INSERT INTO logs VALUES (1, 'x');"
        "INSERT INTO users (id, email) VALUES (55, 'x');",
        TABLE,
    ),
    case(
        "trigger of a new table, fired through a rule",
        "CREATE TABLE n (id int);"
        + _HUNG.format("n")
        + "CREATE RULE r AS ON INSERT TO users DO ALSO INSERT INTO n VALUES (1);"
        "INSERT INTO users (id, email) VALUES (55, 'x');",
        TABLE,
    ),
    case(
        "trigger, fired through an old foreign key",
        "ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey, ADD FOREIGN KEY (user_id) REFERENCES users"
        " ON DELETE CASCADE; CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN DROP TABLE app.items; RETURN OLD; END';"
        "CREATE TRIGGER t BEFORE DELETE ON orders FOR EACH ROW EXECUTE FUNCTION f(); DELETE FROM users WHERE id = 1;",
        TABLE,
    ),
    case(
        "trigger of a new table, and rows of an old one",
        "CREATE TABLE n (id int);" + _HUNG.format("n") + "INSERT INTO logs VALUES (7, 'x');",
    ),
    case(
        "trigger of an old table, and rows of a new one",
        _HUNG.format("parent") + "CREATE TABLE n (id int); INSERT INTO n VALUES (1);",
        runs="the old INSERT fires it",
    ),
)

TEXTS = (
    case(
        "another session's, rolled back",
        "BEGIN; SELECT dblink_exec('dbname=labels', 'DROP TABLE logs'); ROLLBACK;",
        TABLE,
        runs="it needs a server that others can connect to",
    ),
    case(
        "execute, aggregate with a separator",
        "DO $$ BEGIN EXECUTE (SELECT string_agg('SELECT ' || i, '; DROP TABLE logs; ') FROM generate_series(1, 2) i);"
        "END $$;",
        TABLE,
    ),
    case(
        "execute, aggregate of names",
        "DO $$ BEGIN EXECUTE (SELECT 'ANALYZE ' || string_agg(quote_ident(relname), ', ') FROM pg_class"
        " WHERE relname = 'logs'); END $$;",
    ),
    case(
        "execute, separator of nothing",
        "DO $$ BEGIN EXECUTE concat_ws('--', NULL, 'DROP TABLE logs'); END $$;",
        UNPARSABLE,
        runs="what it does is not known",
    ),
    case(
        "execute, width by an argument",
        "DO $$ BEGIN EXECUTE format('SELECT %*s', 2, '1; DROP TABLE logs'); END $$;",
        UNPARSABLE,
        runs="what it does is not known",
    ),
    case("execute, width", "DO $$ BEGIN EXECUTE format('DROP TABLE %-6s', 'logs'); END $$;", TABLE),
)
