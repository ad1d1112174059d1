"""Templates, clients' commands and what changes the reading of quotes: offsets kept, nothing hidden."""

from __future__ import annotations

import pytest

from sluiceway.migrations.cleaning import plain
from sluiceway.migrations.reading import from_texts
from sluiceway.migrations.records import Dialect
from sluiceway.migrations.statements import spans

PG, MYSQL, MARIADB = Dialect.POSTGRES, Dialect.MYSQL, Dialect.MARIADB


def read(text, dialect=PG, *others):
    reading = from_texts([("a.sql", text.encode()), *((name, b"x;") for name in others)], dialect)
    script = next(script for script in reading.scripts if script.path == "a.sql")
    assert len(script.text) == len(text)
    assert script.text.count("\n") == text.count("\n")
    return script


def statements(script, dialect=PG):
    found = script.spans if script.spans is not None else spans(script.text, dialect)
    return [script.text[begin:end] for begin, end in found]


def whats(script):
    return [problem.what for problem in script.problems]


PLACEHOLDERS = [
    ('DROP TABLE {{ index .Options "Namespace" }}_users;', "DROP TABLE         _index_Options_Namespace_users"),
    ("DROP TABLE {{.schema}}.users;", "DROP TABLE     _schema.users"),
    ("DROP TABLE ${flyway:defaultSchema}.users;", "DROP TABLE   _flyway_defaultSchema.users"),
    ("DROP TABLE {{ table }};", "DROP TABLE _table"),
    ("DROP TABLE auth_{{x}};", "DROP TABLE auth__x___"),
    ('DROP TABLE "{{x}}_users";', 'DROP TABLE "_x____users"'),
    ("DROP TABLE ${schema}.x", "DROP TABLE   _schema.x"),
    ("DROP TABLE ${schema:-public}.x", "DROP TABLE           _schema.x"),
    ("SELECT '{{x}}', '${x}'", "SELECT '_x___', '_x__'"),
    ("DO $$ BEGIN EXECUTE 'DROP TABLE {{x}}.y'; END $$", "DO $$ BEGIN EXECUTE 'DROP TABLE    _x.y'; END $$"),
    ("SELECT '{{1,2},{3,4}}', '{{;}}', '{\"a\":{\"b\":1}}'", "SELECT '{{1,2},{3,4}}', '{{;}}', '{\"a\":{\"b\":1}}'"),
    ("SELECT a LIKE '{%' OR a LIKE '%}'", "SELECT a LIKE '{%' OR a LIKE '%}'"),
    ("DROP TABLE {{- x -}}", "DROP TABLE _x"),
    ("{# a comment of Jinja #} a", "a"),
    ("{{/* a comment of Go; */}} a", "a"),
    ("{% set x = 1 %} a", "a"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), PLACEHOLDERS)
def test_placeholders_become_names(text, expected):
    script = read(text)
    assert statements(script) == [expected]
    assert not script.problems


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO mails VALUES ('Hi {{#if name}}{{name}}{{else}}you{{/if}}; {{> footer}}')",
        "INSERT INTO mails VALUES ('{% for x in y %}it''s {{ x }};{% endfor %}')",
        "SELECT 1 /* {{ if .X }} a {{ end }} */",
        "INSERT INTO mails VALUES ('{{#list}}<b>{{.}}</b>{{/list}}', '{% include \"x\" %}')",
    ],
)
def test_data_that_are_templates_are_data(text):
    script = read(text)
    assert not script.problems
    assert len(statements(script)) == 1


def test_names_of_placeholders_stay_within_what_a_server_keeps():
    long = "DROP TABLE {{ " + "a" * 80 + " }}_x, {{ " + "a" * 80 + " }}_y"
    first, second = (name.strip() for name in statements(read(long))[0][11:].split(","))
    assert first[:-1] == second[:-1]
    assert first != second


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1 {{ printf `; DROP TABLE x` }}",
        '-- {{ "\\n" }} DROP TABLE x;',
        "DROP TABLE ${a + b}",
        "SELECT $${x}$$",
        '{{ template "other" . }}',
        "{% include 'other.sql' %}",
        "{% frobnicate %}",
        "DROP TABLE {{ a\n }};",
    ],
)
def test_what_is_no_name_is_a_problem(text):
    assert whats(read(text))


CONDITIONS = [
    ("{{ if .X }}\nDROP a;\n{{ else }}\nDROP b;\n{{ end }}\nc;", ["DROP a", "DROP b"], ["c"]),
    ("{% if x %}a;{% elif y %}b;{% else %}c;{% endif %}d;", ["a", "b", "c"], ["d"]),
    ("-- {{ if .X }}\na;\n-- {{ end }}\nb;", ["a"], ["b"]),
    ("{{- range .Tables }}\nDROP TABLE {{ .Name }};\n{{- end }}", ["DROP TABLE _Name"], []),
    ("{{#if x}}a;{{else}}b;{{/if}}", ["a", "b"], []),
    ("{{if .X}}a;{{if .Y}}b;{{end}}c;{{end}}d;", ["a", "b", "c"], ["d"]),
    ("\\if :x\na;\n\\elif :y\nb;\n\\else\nc;\n\\endif\nd;", ["a", "b", "c"], ["d"]),
    ("\\if :x\na;\n\\if :y\nb;\n\\endif\nc;\n\\endif\nd;", ["a", "b", "c"], ["d"]),
]


@pytest.mark.parametrize(("text", "branches", "rest"), CONDITIONS)
def test_every_branch_is_judged_and_marked_for_itself(text, branches, rest):
    script = read(text)
    assert not script.problems
    assert statements(script) == [*branches, *rest]
    marked = [script.text[begin:end].strip(" \n-;") for begin, end in script.conditional]
    assert marked == branches


@pytest.mark.parametrize(
    "text",
    [
        "{{if .X}}/*{{end}} DROP TABLE x; {{if .X}}*/{{end}}",
        "SELECT {{if .X}}'{{end}} ; DROP TABLE x; {{if .X}}'{{end}}",
        "{{if .X}}EXPLAIN{{end}} DELETE FROM x;",
        "ALTER TABLE x {{if .X}}DROP a{{else}}ADD b int{{end}};",
        "DO $$ BEGIN {{if .X}}a;{{end}} END $$",
        "-- {{if .X}}\n/*\n{{end}}\nDROP TABLE x;\n*/",
        "{{if .X}} a;",
        "SELECT 'a{{if .X}}'{{end}}' ; DROP TABLE x; --'",
        "SELECT '{{if .X}}', '{{end}}';",
        "{{> other }}",
        "a; {{end}}",
    ],
)
def test_a_condition_that_changes_how_the_rest_reads_is_a_problem(text):
    assert whats(read(text))


PSQL = [
    ("\\echo a; b\nc;", ["c"]),
    ("\\set ON_ERROR_STOP on\n\\timing\nBEGIN;\nDROP TABLE x;\nCOMMIT;", ["BEGIN", "DROP TABLE x", "COMMIT"]),
    ("\\restrict abc\nSET a = 1;\n\\unrestrict abc\n", ["SET a = 1"]),
    ("\\connect app\nDROP TABLE x;", ["DROP TABLE x"]),
    ("SELECT 1 \\g\nSELECT 2\\gx\nDROP TABLE x;", ["SELECT 1", "SELECT 2", "DROP TABLE x"]),
    ("SELECT 1 \\; DROP TABLE x;", ["SELECT 1", "DROP TABLE x"]),
    ("\\set t users\nDROP TABLE :t;\nSELECT :'t', :\"t\";", ["DROP TABLE _t", "SELECT  't',  \"t\""]),
    ('SELECT a::text, b[1:n], c::"T" FROM :schema.x;', ['SELECT a::text, b[1:n], c::"T" FROM _schema.x']),
    ("COPY a (b) FROM stdin;\n1\t'\nwe drop; that\n\\.\nDROP TABLE x;", ["COPY a (b) FROM stdin", "DROP TABLE x"]),
    ('/* c */ COPY "a;b" FROM stdin;\n1\n\\.\nDROP TABLE x;', ['COPY "a;b" FROM stdin', "DROP TABLE x"]),
    ("COPY (SELECT ' FROM STDIN') TO STDOUT;\nDROP TABLE x;", ["COPY (SELECT ' FROM STDIN') TO STDOUT", "DROP TABLE x"]),
    ("COPY (SELECT a FROM stdin) TO STDOUT;\nDROP TABLE x;", ["COPY (SELECT a FROM stdin) TO STDOUT", "DROP TABLE x"]),
    ("COPY a FROM '/b' WHERE c IS DISTINCT FROM stdin;\nDROP TABLE x;", ["COPY a FROM '/b' WHERE c IS DISTINCT FROM stdin", "DROP TABLE x"]),
    ("COPY a FROM '/b' STDIN;\nDROP TABLE x;", ["COPY a FROM '/b' STDIN", "DROP TABLE x"]),
    ("copy a from STDIN with csv; DROP TABLE x;\n'\n\\.\n", ["copy a from STDIN with csv", "DROP TABLE x"]),
    ("\\copy a from 'f.csv' csv\nDROP TABLE x;", ["DROP TABLE x"]),
    ("\\copy a from stdin\n'\n\\.\nDROP TABLE x;", ["DROP TABLE x"]),
    ("\\if :x\nDROP TABLE x;\n\\else\na;\n\\endif\n", ["DROP TABLE x", "a"]),
    ("\\q\nDROP TABLE x;", ["DROP TABLE x"]),
    ("\\echo a \\\\ DROP TABLE x;", ["DROP TABLE x"]),
    ("\\echo 'it\\\\s' \"a\\\\b\" \\\\ DROP TABLE x;\n\\qecho \\echo b\na;", ["DROP TABLE x", "a"]),
    ("\\set y z \\\\ DROP TABLE x;\n\\timing \\\\ a;", ["DROP TABLE x", "a"]),
    ("\\pset null '\\\\N'\nDROP TABLE x;", ["DROP TABLE x"]),
    ("\\echo it's \\\\ DROP TABLE x;", ["DROP TABLE x"]),
    ("SELECT 1 \\g \\\\ DROP TABLE x;", ["SELECT 1", "DROP TABLE x"]),
    ("\\set a '''b;c'''::uuid\nSELECT :a;", ["SELECT _a"]),
    ("\\set a 'b c; DROP TABLE x'\nSELECT :'a';", ["SELECT  'a'"]),
    ("\\set a id, -5\n\\set b 'c d'\nSELECT :a;", ["SELECT _a"]),
    ("\\set a 'b c'\n\\set a d\nSELECT :a;", ["SELECT _a"]),
    ("COPY a FROM stdin;\n1; do it now; select the best; drop me; create joy; call us (or not)\n\\.\nb;", ["COPY a FROM stdin", "b"]),
    # However many comments there are, each ends in one place: looking for others would never end.
    ("COPY a FROM stdin;\n1; " + "/* a */ " * 99 + "b;\n\\.\nc;", ["COPY a FROM stdin", "c"]),
    ("SET " + "/* names */ " * 99 + "a = 1;", ["SET " + "/* names */ " * 99 + "a = 1"]),
    ("\\d+ x\n\\dt\n\\encoding UTF8\n\\pset pager off\n\\? \na;", ["a"]),
    ("SELECT E'\\\\', '\\', $$\\echo$$;", ["SELECT E'\\\\', '\\', $$\\echo$$"]),
    ("-- \\i x\n/* \\! y */ a", ["a"]),
    ("SELECT 1 -- it's \\g here\n;", ["SELECT 1"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), PSQL)
def test_psql(text, expected):
    script = read(text)
    assert statements(script) == expected
    assert not script.problems


@pytest.mark.parametrize(
    "text",
    [
        "\\i other.sql",
        "\\ir ../other.sql",
        "SELECT 'DROP TABLE x' \\gexec",
        "\\copy t from program 'curl x'",
        "\\! psql -c 'DROP TABLE x'",
        "\\set x `cat drop.sql`\n",
        "SELECT 1 \\g | psql",
        "a;\n\\connect other\nDROP TABLE x;",
        "\\set x '; DROP TABLE x'\nSELECT 1 :x;",
        "SELECT a FROM b \\gset\n:a;",
        "\\set a text, 'DROP COLUMN' ' b'\nALTER TABLE c ADD d :a;",
        "\\set a 'int NOT NULL'\nALTER TABLE c ADD d :a;",
        "\\set a --\nSELECT 1 :a;",
        "\\set a b:c\nSELECT :a;",
        "\\set a 'b c'\n\\if :x\n\\set a d\n\\endif\nSELECT :a;",
        "\\set 'a' 'b c'\nSELECT :a;",
        "\\encoding SJIS",
        "\\frobnicate",
        "SELECT 1 \\if :x\n;\n\\endif",
        "\\if :x\na;",
        "\\endif",
        "COPY a FROM stdin;\n1\n",
        "COPY no_such_table FROM stdin;\nDROP TABLE x;\n\\.\n",
        "COPY no_such_table FROM stdin;\n1; /* a */\nTRUNCATE x;\n\\.\n",
        "COPY no_such_table FROM stdin;\n1; drop /* a */\ntable x;\n\\.\n",
        "COPY no_such_table FROM stdin;\n1; create or replace\nfunction x;\n\\.\n",
        "COPY no_such_table FROM stdin;\n1; select f(1);\n\\.\n",
        "COPY no_such_table FROM stdin;\n1; do $$ a $$;\n\\.\n",
        "\\copy (DELETE FROM x RETURNING *) to 'y'",
        "SET standard_conforming_strings = off;",
        "SELECT set_config('standard_conforming_strings', 'off', false);",
        "SET client_encoding = 'SJIS';",
        "SET NAMES 'GBK';",
        "SET /* a\nb */ -- c\nNAMES 'GBK';",
        "COPY no_such_table FROM stdin;\n1; " + "/* a */ " * 99 + "drop table x;\n\\.\n",
        "SET /* */ -- x\n NAMES 'GBK';",
    ],
)
def test_what_psql_does_out_of_sight_is_a_problem(text):
    assert whats(read(text))


@pytest.mark.parametrize(
    "text",
    [
        "SET standard_conforming_strings = on;",
        "SET client_encoding = 'UTF8';",
        "SET client_encoding TO utf8; SET NAMES 'utf8'; SELECT '\\';",
        "SELECT pg_catalog.set_config('search_path', '', false);",
    ],
)
def test_settings_of_a_dump_are_no_problem(text):
    assert not whats(read(text))


def test_an_included_file_that_is_judged_too_is_no_problem():
    assert not read("\\i b.sql\n\\ir c/d.sql\n", PG, "b.sql", "c/d.sql").problems


MYSQLS = [
    ("/*!40000 DROP TABLE x */;", ["DROP TABLE x"]),
    ("/*!50001 CREATE */ /*!50013 VIEW a */ AS b;", ["CREATE             VIEW a    AS b"]),
    ("/*! SELECT '*/' */; a", ["SELECT '*/'", "a"]),
    ("SELECT 1 /* ; */, 2 /*+ ; */; a", ["SELECT 1 /* ; */, 2", "a"]),
    ("DELIMITER //\nCREATE PROCEDURE p() BEGIN a; b; END//\nDELIMITER ;\nDROP TABLE x;", ["CREATE PROCEDURE p() BEGIN a; b; END", "DROP TABLE x"]),
    ("delimiter $$\nCREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW BEGIN a; END $$\nDROP TABLE x $$\ndelimiter ;", ["CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW BEGIN a; END", "DROP TABLE x"]),
    ("DELIMITER //\nSELECT 1; DROP TABLE x//\n", ["SELECT 1", "DROP TABLE x"]),
    ("CREATE TABLE a (\n  delimiter varchar(9),\n  b int\n);\nDROP TABLE x;", ["CREATE TABLE a (\n  delimiter varchar(9),\n  b int\n)", "DROP TABLE x"]),
    ("a; DELIMITER ;;\nb; c;;\n", ["a", "b", "c"]),
    ("DELIMITER //\nSELECT '//', \"//\" -- //\n// DROP TABLE x //", ["SELECT '//', \"//\"", "DROP TABLE x"]),
    ("# delimiter //\na; -- b\nc # d;\n;", ["a", "c"]),
    ("SET  NAMES   'utf8'; SET CHARACTER SET utf8", ["SET  NAMES   'utf8'", "SET CHARACTER SET utf8"]),
    ("SET NAMES utf8mb4; /*!40101 SET NAMES utf8 */; SET sql_mode = 'STRICT_ALL_TABLES';", ["SET NAMES utf8mb4", "SET NAMES utf8", "SET sql_mode = 'STRICT_ALL_TABLES'"]),
    ("ALTER TABLE a DROP b;--> statement-breakpoint\nDROP TABLE x;", ["ALTER TABLE a DROP b", "DROP TABLE x"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), MYSQLS)
def test_mysql(text, expected):
    script = read(text, MYSQL)
    assert statements(script, MYSQL) == expected
    assert not script.problems


@pytest.mark.parametrize(
    ("dialect", "text", "certain"),
    [
        (MYSQL, "/*!50001 a */", True),
        (MYSQL, "/*! a */", True),
        (MYSQL, "/*!99999 a */", False),
        (MYSQL, "/*!100100 a */", False),
        (MYSQL, "/*M! a */", False),
        (MARIADB, "/*M! a */", True),
        (MARIADB, "/*!50799 a */", False),
    ],
)
def test_what_not_every_server_runs_is_marked(dialect, text, certain):
    script = read(text, dialect)
    assert script.text.strip() == "a"
    assert bool(script.conditional) is not certain


@pytest.mark.parametrize(
    "text",
    [
        "/*!99999 ' */ DROP TABLE x; /* ' */",
        "/*!50001 a",
        'SET sql_mode = \'ANSI_QUOTES\'; SELECT "a\\"; DROP TABLE x; -- ";',
        'SET sql_mode = \'ANSI_QUOTES\'; SELECT "a""b";',
        "SET sql_mode = 'ANSI_QUOTES'; SELECT \"a`b\";",
        "SET sql_mode = 'ANSI_QUOTES'; SELECT \"\";",
        "SET sql_mode = 'ANSI_QUOTES'; SELECT \"a;",
        "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES';",
        "SET sql_mode = 'ANSI,ORACLE';",
        "SET sql_mode = 'ORACLE,ANSI_QUOTES';",
        "SET SESSION sql_mode='NO_BACKSLASH_ESCAPES';",
        'SET sql_mode = \'ANSI\'; SELECT "a\\"; DROP TABLE x; -- ";',
        "SET NAMES gbk;",
        "SET /* a\nb */ # c\nNAMES gbk;",
        "SET " + "/* a */ " * 99 + "NAMES gbk;",
        "SET/**/NAMES gbk;",
        "SET CHARACTER SET gbk;",
        "a -- b\rDROP TABLE x;",
        "DELIMITER\na",
    ],
)
def test_what_mysql_reads_in_another_way_is_a_problem(text):
    assert whats(read(text, MYSQL))


@pytest.mark.parametrize(
    "text",
    ["/*!50001 a*/; -- x\r\n\r\n", "a; -- x\r\n\r\nb;\r\n", "-- x\r\n-- y\r\n", "a; # x\n\rb;"],
)
def test_a_line_that_ends_as_windows_ends_it_is_no_problem(text):
    assert whats(read(text, MYSQL)) == []


@pytest.mark.parametrize(
    "setting",
    [
        "SET sql_mode = 'ANSI_QUOTES';",
        "SET SESSION sql_mode='STRICT_ALL_TABLES,ANSI';",
        "SET @@sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES');",
        "/*!40101 SET SQL_MODE='ANSI_QUOTES' */;",
        "SET sql_mode = 'POSTGRESQL';",
    ],
)
def test_double_quotes_of_mysql_that_end_where_they_do_are_names(setting):
    script = read(
        f"""SELECT "before"; {setting} DROP TABLE "a b"; -- it's "c\nSELECT '"d"';""", MYSQL
    )
    assert not script.problems
    assert statements(script)[0] == 'SELECT "before"'
    assert statements(script)[-2:] == ["DROP TABLE `a b`", "SELECT '\"d\"'"]


def test_another_servers_comment_is_a_comment():
    assert statements(read("/*!40000 DROP TABLE x */ a")) == ["a"]


def test_sql_server():
    text = ":setvar s dbo\nCREATE TABLE $(s).[a;b] (c int);\nGO\nDROP TABLE x\ngo 2 -- again\nSELECT 'GO\nGO\n'\n"
    script = read(text, Dialect.TSQL)
    assert statements(script) == [
        "CREATE TABLE _s__.[a;b] (c int)",
        "DROP TABLE x",
        "SELECT 'GO\nGO\n'",
    ]
    assert script.text.count("GO") == 2
    assert not script.problems
    assert whats(read(":r other.sql\n", Dialect.TSQL))


def test_sqlite_and_oracle():
    assert statements(read(".mode csv\na;\n", Dialect.SQLITE)) == ["a"]
    assert whats(read(".read other.sql\n", Dialect.SQLITE))
    oracle = read(
        "SET DEFINE OFF\nPROMPT it's\nDROP TABLE &&s..x;\nBEGIN a; END;\n/\nEXIT\n", Dialect.ORACLE
    )
    assert statements(oracle) == ["DROP TABLE xs__.x", "BEGIN a; END;"]
    assert whats(read("@@other.sql\n", Dialect.ORACLE))


def test_what_looks_like_a_command_inside_of_a_program_is_the_program_s():
    # A thousand of them: looking through the program anew for each took longer than anybody waits.
    body = "LOOP\n  EXIT WHEN a;\nEND LOOP;\n" * 1000
    program = f"CREATE PROCEDURE p IS BEGIN\n{body}END;"
    oracle = read(f"PROMPT one's\n{program}\n/\nEXIT WHEN\nDROP TABLE x;\n", Dialect.ORACLE)
    assert statements(oracle) == [program, "DROP TABLE x"]


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfa;", "a;".encode("utf-16"), b"a;\xff", b"a;\xc3", b"a;\0", b"{{ x }}", b"{% if x %}", b"${x}",
        b"{# x #}", b"-- x\rDROP TABLE t;", b"--\n\nMIGRATE:up", b"a;\n--migrate:down", b"-- +migrate Up",
        b"a;\n--\xc2\xa0+GOOSE Up", b"\n--\n--\nliquibase formatted sql", b"--> statement-breakpoint",
        b"a; ---- create above / drop below ----", b"-- rambler down", b"--\nup\nmigration", b"-- -- Up  Migration",
    ],
)  # fmt: skip
def test_what_may_be_more_than_sql_is_looked_into(data, dialect):
    assert plain(data, dialect) is None


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        (PG, "\\i x.sql"), (PG, "SELECT :'x'"), (PG, "SELECT :x"), (PG, "COPY t FROM STDIN;\n1\n"), (PG, "SET NAMES latin1"),
        (PG, "SET client_encoding = latin1"), (PG, "SET standard_conforming_strings = off"),
        (MYSQL, "DELIMITER //"), (MYSQL, "/*!50001 a */"), (MARIADB, "/*M! a */"), (MYSQL, "SET sql_mode = ansi"),
        (MYSQL, "SET NAMES gbk"), (MYSQL, "SET CHARACTER SET gbk"), (Dialect.SQLITE, ".read x"), (Dialect.SQLITE, "a;\n.read x"),
        (Dialect.TSQL, "SELECT 1"), (Dialect.ORACLE, "SELECT 1"),
    ],
)  # fmt: skip
def test_what_a_client_may_obey_is_looked_into(dialect, text):
    assert plain(text.encode(), dialect) is None


def test_most_files_are_plain():
    text = (
        "-- This migration sets é.\r\nALTER TABLE t ALTER c SET DEFAULT '{}'::jsonb; -- goes up\n"
    )
    assert plain(text.encode(), PG) == text
    script = read(text)
    assert (script.text, script.problems, script.spans) == (text, (), None)


def test_drizzle_cuts_at_its_marks_in_comments_too():
    script = read("a; -- b --> statement-breakpoint DROP TABLE x;\n")
    assert "DROP TABLE x" in statements(script)
