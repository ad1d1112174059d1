"""What is passed over is what nobody asked for: the quick way says the same as reading everything."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import pytest
from tests.migrations.labelled_postgres import CASES

from sluiceway.migrations.asked import asked_by
from sluiceway.migrations.reading import from_texts
from sluiceway.migrations.records import Asked, Dialect, Kind, Script
from sluiceway.migrations.state import facts_asked
from sluiceway.policy import bundled_policies, load_bundle
from sluiceway_sql_libpg_query import quiet
from sluiceway_sql_libpg_query.alter import COMMANDS
from sluiceway_sql_libpg_query.parser import LibPgQuery
from sluiceway_sql_libpg_query.statements import handlers

PIECES = """
CREATE TABLE t (a int NOT NULL, b text DEFAULT now(), c int REFERENCES u (id))
CREATE TEMP TABLE t (a int) PARTITION BY RANGE (a)
CREATE TABLE IF NOT EXISTS t (a text NOT NULL)
CREATE TABLE t AS SELECT 1
SELECT 1 AS a INTO t
DROP TABLE t
DROP TYPE d CASCADE
DROP EXTENSION x CASCADE
DROP SERVER x CASCADE
DROP FUNCTION f
DROP SCHEMA s CASCADE
ALTER TABLE t ADD COLUMN a int
ALTER TABLE t ADD COLUMN IF NOT EXISTS a int
ALTER TABLE t ADD COLUMN a int NOT NULL
ALTER TABLE t ADD COLUMN a bigserial
ALTER TABLE t ADD COLUMN a d, ADD COLUMN e d
ALTER TABLE t ADD COLUMN a int CHECK (a IS NOT NULL)
ALTER TABLE t ADD COLUMN a int GENERATED ALWAYS AS IDENTITY
ALTER TABLE t ADD COLUMN a int GENERATED ALWAYS AS (b + 1) STORED
ALTER TABLE t ALTER COLUMN a DROP EXPRESSION
ALTER TABLE t ADD PRIMARY KEY (a)
ALTER TABLE t ADD CONSTRAINT n NOT NULL a
ALTER TABLE t ADD CONSTRAINT n CHECK (a IS NOT NULL) NOT VALID
ALTER TABLE t VALIDATE CONSTRAINT n
ALTER TABLE t ALTER COLUMN a SET NOT NULL, ALTER COLUMN b DROP DEFAULT
ALTER TABLE t ALTER COLUMN a TYPE d, ALTER COLUMN b SET DEFAULT f()
ALTER TABLE t ALTER COLUMN a DROP NOT NULL, DROP CONSTRAINT n
ALTER TABLE t DROP COLUMN a
ALTER TABLE t RENAME COLUMN a TO b
ALTER TABLE t RENAME TO u
ALTER TABLE t SET SCHEMA s
ALTER TABLE t SET UNLOGGED
ALTER TABLE t ATTACH PARTITION u DEFAULT
ALTER TABLE t INHERIT u
ALTER INDEX i RENAME TO j
ALTER TYPE d RENAME VALUE 'a' TO 'b'
ALTER TYPE d DROP ATTRIBUTE a
ALTER TYPE d ADD ATTRIBUTE a int
ALTER TYPE d RENAME TO e
ALTER FUNCTION f RENAME TO g
ALTER FUNCTION f SET SCHEMA s
CREATE DOMAIN d AS int NOT NULL
ALTER DOMAIN d SET NOT NULL
CREATE TYPE d AS ENUM ('a')
CREATE VIEW v AS SELECT f() FROM t
DROP VIEW v
REFRESH MATERIALIZED VIEW v
CREATE INDEX i ON t (a)
CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (f(a))
REINDEX TABLE t
CLUSTER t
VACUUM FULL t
TRUNCATE t CASCADE
LOCK TABLE t
CREATE SCHEMA s CREATE TABLE t (a int) CREATE INDEX i ON t (a)
CREATE SCHEMA s
COMMENT ON TABLE t IS 'DROP TABLE t'
GRANT SELECT ON t TO u
CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$BEGIN DROP TABLE t; END$$
CREATE FUNCTION f(q text) RETURNS void LANGUAGE plpgsql AS $$BEGIN EXECUTE q; END$$
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE FUNCTION now() RETURNS void LANGUAGE sql AS 'TRUNCATE t'
CREATE FUNCTION gone(t) RETURNS int LANGUAGE plpgsql AS $$BEGIN DROP TABLE u; RETURN 1; END$$
SELECT x.gone FROM t x
CREATE VIEW w AS SELECT x.gone FROM t x
CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()
SELECT f()
SELECT g(a), u.b FROM u
CREATE TABLE t (a int DEFAULT g(), b int DEFAULT f())
CREATE INDEX i ON t (g(a))
UPDATE t SET a = g(b) FROM u WHERE u.f = t.f
SELECT f('DROP TABLE t')
SELECT now()
SELECT set_config('lock_timeout', '1s', false)
SELECT query_to_xml('TRUNCATE t', true, true, '')
INSERT INTO t VALUES (1)
COPY t FROM PROGRAM 'x'
COPY t FROM '/x'
SELECT * FROM v
CREATE RULE r AS ON INSERT TO t DO ALSO SELECT f()
CREATE RULE r AS ON INSERT TO t DO ALSO INSERT INTO u VALUES (1)
ALTER FUNCTION f SET search_path = s
ALTER FUNCTION f RESET ALL
ALTER TABLE t OF d
ALTER TABLE u ALTER COLUMN a TYPE t
ALTER TABLE u ALTER COLUMN a TYPE t[]
ALTER TYPE d SET SCHEMA s
ALTER EXTENSION x SET SCHEMA s
ALTER EXTENSION x ADD TABLE t
CREATE EXTENSION x
DROP EXTENSION x
CREATE TEXT SEARCH CONFIGURATION d (COPY = pg_catalog.english)
DROP TEXT SEARCH CONFIGURATION d CASCADE
DROP ACCESS METHOD x CASCADE
CREATE UNIQUE INDEX i ON t (a)
ALTER TABLE t ADD PRIMARY KEY USING INDEX i
ALTER ROUTINE f RENAME TO g
ALTER SCHEMA s RENAME TO v
CREATE OR REPLACE FUNCTION g() RETURNS int LANGUAGE plpgsql AS $$BEGIN DROP TABLE t; END$$
UPDATE pg_settings SET setting = 's'
SELECT DropGeometryColumn(a, b) FROM u
SELECT DropGeometryTable('t')
CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()
CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN TRUNCATE t; END$$
CREATE OPERATOR @@@ (FUNCTION = f, LEFTARG = int, RIGHTARG = int)
CREATE CAST (text AS d) WITH FUNCTION f
DROP SEQUENCE t_a_seq CASCADE
UPDATE t SET a = 1 WHERE now() > b
WITH x AS (INSERT INTO t VALUES (1) RETURNING 1) SELECT 1 FROM x
DELETE FROM pg_class
WITH x AS (DELETE FROM pg_catalog.pg_attribute RETURNING 1) SELECT 1 FROM x
CALL f()
DO $$BEGIN PERFORM f(); END$$
DO $$BEGIN EXECUTE 'DROP TABLE ' || 't'; END$$
PREPARE p AS DROP TABLE t
EXPLAIN ANALYZE DELETE FROM t
SET lock_timeout = '1s'
SET search_path = s
BEGIN
SAVEPOINT a
ROLLBACK
COMMIT
DROP OWNED BY u
DROP DATABASE d
NO SQL AT ALL
""".strip().splitlines()
BODY = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN DROP TABLE u; END$$"
HUNG = "CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()"
BESIDE = """
CREATE TABLE t (a int, b text DEFAULT now())
CREATE TABLE t (LIKE u)
CREATE TABLE t PARTITION OF u DEFAULT
CREATE TABLE t () INHERITS (u)
CREATE TABLE t (a int REFERENCES u (a))
CREATE TABLE IF NOT EXISTS t (a int REFERENCES u (a))
CREATE TEMP TABLE t (a int)
CREATE TABLE t AS SELECT * FROM u
CREATE MATERIALIZED VIEW t AS SELECT * FROM u
ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES u (a)
ALTER TABLE t ADD COLUMN a int REFERENCES u (a)
ALTER TABLE t ADD COLUMN b text
ALTER TABLE t ATTACH PARTITION u DEFAULT
ALTER TABLE t DETACH PARTITION u
ALTER TABLE t RENAME TO u
ALTER TABLE s.t RENAME TO u
ALTER TABLE t DROP COLUMN a
ALTER TABLE t ALTER COLUMN a SET NOT NULL
CREATE INDEX i ON t (a)
INSERT INTO t VALUES (1)
UPDATE t SET a = 1
DROP TABLE t
DROP TABLE t, u
DROP TABLE IF EXISTS s.t CASCADE
TRUNCATE t CASCADE
SET search_path = s
DROP VIEW t
DROP SEQUENCE t
REFRESH MATERIALIZED VIEW t
VACUUM ANALYZE t
ALTER TABLE t RENAME a TO u
ALTER VIEW t RENAME TO u
BEGIN
COMMIT
""".strip().splitlines()
MADE = """
CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN DROP TABLE u; RETURN 1; END'
CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT f()'
ALTER FUNCTION f() RENAME TO g
DROP FUNCTION f()
SELECT f()
DO 'BEGIN PERFORM g(); END'
CREATE VIEW v AS SELECT f()
SELECT * FROM v
CREATE TRIGGER a BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()
INSERT INTO t VALUES (1)
CREATE DOMAIN d AS text NOT NULL
CREATE DOMAIN d AS text
CREATE DOMAIN d AS text DEFAULT 'x'
CREATE DOMAIN d AS text CHECK (f() > 0)
CREATE DOMAIN e AS d
ALTER DOMAIN d DROP NOT NULL
ALTER DOMAIN d SET NOT NULL
ALTER DOMAIN d RENAME TO e
DROP DOMAIN d
DROP DOMAIN d CASCADE
CREATE TABLE t (a d)
ALTER TABLE t ADD COLUMN b d
ALTER TABLE t ADD COLUMN b e, ADD COLUMN c int
ALTER TABLE t ADD COLUMN b d DEFAULT 'x'
ALTER TABLE t ALTER COLUMN b TYPE d
ALTER TABLE t ALTER COLUMN b DROP DEFAULT
""".strip().splitlines()
"""What one script makes and another uses."""
DEEP = (
    "ALTER TABLE t ADD CONSTRAINT c CHECK (a" + "+1" * 5_000 + " > 0)",
    "CREATE TABLE t (a int CHECK (a" + "+1" * 5_000 + " > 0)) PARTITION BY RANGE (a)",
    "SELECT 1" + "+1" * 5_000 + " INTO t",
    "CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW WHEN (1" + "+1" * 5_000 + ">0) EXECUTE FUNCTION f()",
    "COMMENT ON TABLE t IS 'a'; SELECT 1" + "+1" * 5_000,
)  # fmt: skip
POLICIES = load_bundle([bundled_policies()])
EACH = [
    Asked(frozenset({kind}), frozenset({kind} if all_ else ())) for kind in Kind for all_ in (1, 0)
]
ASKED = [asked_by(POLICIES, advice=advice) for advice in (False, True)]


def script(text: str, **more: object) -> Script:
    given = {"path": "a.sql", "name": "a.sql", "layout": "plain", "digest": "sha256:0", **more}
    return Script(text=text, **given)  # type: ignore[arg-type]


def passed_over(texts: Sequence[str], every: Sequence[Asked | None]) -> int:
    """Hold the quick way to the slow one, and return how often it was quicker."""
    return sum(held([script(text)], every) for text in texts)


def held(scripts: Sequence[Script], every: Sequence[Asked | None]) -> int:
    """Hold the quick way to the slow one for scripts that follow each other."""
    parser, count = LibPgQuery(), 0
    whole, statements = facts_asked(scripts, parser, Dialect.POSTGRES, None)
    for asked in every:
        assert asked is not None
        wanted = [fact for fact in whole if asked.wants(fact)]
        found = facts_asked(scripts, parser, Dialect.POSTGRES, asked)
        assert found == (wanted, statements), (scripts, asked)
        spared = [parser.spared(each, Dialect.POSTGRES, asked) for each in scripts]
        count += sum(isinstance(each, int) for each in spared)
    return count


def test_each_statement_by_itself_for_whoever_asks_for_any_kind() -> None:
    assert passed_over(PIECES, EACH) > 2000
    assert passed_over(DEEP, [*EACH[::25], *ASKED]) > 0


def test_statements_together_for_those_who_ask_by_default() -> None:
    chance = random.Random(18)
    together = [
        ";\n".join(chance.choice(PIECES) for _ in range(chance.randrange(2, 7))) for _ in range(300)
    ]
    assert passed_over(together, ASKED) > 20
    pairs = [f"{one};\n{other}" for one in PIECES for other in PIECES]
    assert passed_over(chance.sample(pairs, 1000), ASKED[:1]) > 100


def test_statements_about_several_tables() -> None:
    """What is said of other tables is left out, and what has to do with those asked about is not."""
    chance = random.Random(27)
    names = ("t", "u", "v", "w", "x")
    texts = []
    for number in range(1000):
        # Where all is about tables, much can be left out; much else forbids that.
        choice = [*PIECES, *BESIDE] if number % 2 else BESIDE
        pieces = chance.choices(choice, k=chance.randrange(2, 9))
        for old in ("t", "u", "v", "f"):
            pieces = [re.sub(rf"\b{old}\b", chance.choice(names), piece) for piece in pieces]
        texts.append(";\n".join(pieces))
    rules = [
        Asked(frozenset(chance.sample(list(Kind), 8)), frozenset(chance.sample(list(Kind), 4)))
        for _ in range(5)
    ]
    passed_over(texts, [*ASKED, *rules])
    assert left_out(texts) > 200


def test_scripts_that_use_what_earlier_ones_have_made() -> None:
    chance = random.Random(27)
    given = quick = 0
    for _ in range(1500):
        files = [
            (f"{number}.sql", ";\n".join(chance.choices(MADE, k=chance.randrange(1, 5))).encode())
            for number in range(chance.randrange(2, 5))
        ]
        scripts = from_texts(files, Dialect.POSTGRES).scripts
        held(scripts, ASKED)
        before = [each for each in scripts if each.before]
        given += len(before)
        quick += held(before, ASKED[:1])
    assert given > 500
    assert quick > 50


def left_out(texts: Sequence[str]) -> int:
    """Return how many statements were not read beside others that were."""
    parser, asked = LibPgQuery(), ASKED[0]
    assert asked is not None
    read = [parser.spared(script(text), Dialect.POSTGRES, asked) for text in texts]
    return sum(
        item.span == (0, 0) for found in read if not isinstance(found, int) for item in found
    )


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("CREATE TABLE t (a int); CREATE TABLE u (a int); DROP TABLE t", 1),
        ("CREATE TABLE t (a int REFERENCES u); CREATE TABLE u (a int); DROP TABLE t", 0),
        ("CREATE TABLE t (a int); CREATE TABLE u (LIKE t); CREATE TABLE v (LIKE u); DROP TABLE v", 0),
        ('CREATE TABLE "T" (a int); CREATE TABLE "a""b" (a int); DROP TABLE "T"', 1),
        ("CREATE TABLE ä (a int); CREATE TABLE ö (a int); DROP TABLE ä; DROP TABLE s.ü", 1),
        ("CREATE TABLE t (a int); ALTER TABLE t RENAME TO u; CREATE TABLE w (a int); DROP TABLE u", 1),
        ("CREATE TABLE t (a int); ALTER TABLE t RENAME a TO w; CREATE TABLE u (a int)", 1),
        ("CREATE TABLE t (a int); DROP TABLE t; CREATE INDEX i ON t (a); CREATE TABLE u (a int)", 1),
        ("SET search_path = s; CREATE TABLE u (a int); BEGIN; DROP TABLE t; COMMIT", 1),
        ("SELECT 1; INSERT INTO t VALUES (1); UPDATE u SET a = 1; DROP TABLE t", 3),
        ("CREATE TABLE u (a int DEFAULT f()); DROP TABLE t", 1),
        ("CREATE TABLE u (a text DEFAULT f('')); DROP TABLE t", 0),
        ("SELECT dblink(a) FROM u; DROP TABLE t", 0),
        ("SELECT set_config(a, b, true) FROM u; DROP TABLE t", 0),
        (f"SELECT f({'1+' * 400}1); DROP TABLE t", 0),
        (f"{BODY}; CREATE TABLE u (a date DEFAULT now()); INSERT INTO t VALUES (1); DROP TABLE t", 3),
        (f"{BODY}; SELECT f(); DROP TABLE t", 0),
        (f"{BODY}; SELECT g() FROM u; DROP TABLE t", 2),
        (f"{BODY}; SELECT now(), {'1+' * 400}1; DROP TABLE t", 0),
        (f"{BODY}; SELECT (r).f FROM r; DROP TABLE t", 0),
        (f"{BODY}; SELECT r.f FROM r; DROP TABLE t", 0),
        (f"{BODY}; SELECT r.g, f FROM r; CREATE VIEW v AS SELECT s.f.g; DROP TABLE t", 3),
        (f"{BODY}; CREATE VIEW v AS SELECT f() FROM u; DROP TABLE t", 0),
        (f"{BODY}; ALTER FUNCTION f RENAME TO g; SELECT g() FROM u", 0),
        (f"{BODY}; ALTER TABLE t RENAME TO g; SELECT g() FROM u; DROP TABLE u", 3),
        (f"{BODY}; {HUNG}; INSERT INTO t VALUES (1); DROP TABLE t", 0),
        (f"{BODY}; {HUNG}; CREATE TABLE u (a int); DROP TABLE t", 2),
        ("CREATE TABLE u (a int); DROP VIEW t; DROP TABLE t", 1),
        ("CREATE VIEW u AS SELECT 1; DROP VIEW u; DROP TABLE t", 0),
        ("CREATE TABLE u (a int); DROP SEQUENCE s CASCADE; DROP TABLE t", 0),
        ("CREATE TABLE u (a int); DROP SCHEMA s; DROP TABLE t", 0),
        ("CREATE TABLE u (a int); ALTER SCHEMA s RENAME TO r; DROP TABLE t", 0),
        ("CREATE TABLE u (a int); VACUUM u; ANALYZE; LOCK u; DROP TABLE t", 4),
        ("CREATE TABLE u (a int); ALTER TYPE m ADD VALUE 'a'; DROP INDEX i; DROP TABLE t", 1),
    ],
)  # fmt: skip
def test_what_is_left_out(text: str, number: int) -> None:
    passed_over([text], [*ASKED, *EACH])
    assert left_out([text]) == number


def test_tables_that_lead_to_one_another_are_followed_to_the_end() -> None:
    """Each is looked at once: with a look at all for each of them this took minutes."""
    last = 20_000
    chain = [f"CREATE TABLE t{i} (id int REFERENCES t{i + 1})" for i in reversed(range(last))]
    others = [f"CREATE TABLE u{i} (id int)" for i in range(last)]
    assert left_out([";".join([*chain, *others, "DROP TABLE t0"])]) == last


def test_every_labelled_migration() -> None:
    assert passed_over([case.sql for case in CASES], ASKED) > 10


def test_every_part_of_a_statement_that_leaves_something_is_known() -> None:
    assert set(quiet.SUBTYPES) == set(COMMANDS)
    assert set(quiet.MATTERS) <= {*handlers, *quiet.WRAPPED}


@pytest.mark.parametrize(
    "more", [{"spans": ((0, 14),)}, {"spans": ()}, {"conditional": ((0, 14),)}], ids=str
)
def test_what_else_is_known_of_a_script_counts(more: dict[str, object]) -> None:
    parser, (asked, _) = LibPgQuery(), ASKED
    given = script("CREATE TABLE t (a int)", **more)
    whole = facts_asked((given,), parser, Dialect.POSTGRES, None)
    assert facts_asked((given,), parser, Dialect.POSTGRES, asked) == whole
