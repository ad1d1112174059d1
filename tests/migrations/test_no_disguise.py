"""A statement that is blocked stays blocked, however it is written and whatever stands around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.migrations.reading import from_texts
from sluiceway.migrations.records import Dialect
from sluiceway.migrations.state import facts
from sluiceway_sql_libpg_query.parser import LibPgQuery

from .test_labelled_postgres import code, found

_DENIED = {"drop-table", "drop-column", "not-null-without-default", "truncate", "unparsable"}

# A word in braces is an identifier, and "?" and "!" words may be left out: IF EXISTS, CASCADE.
_BLOCKED = {
    "DROP TABLE ?IF_EXISTS {logs} ?CASCADE": "drop-table",
    "DROP TABLE {fresh} , {logs}": "drop-table",
    "DROP SCHEMA ?IF_EXISTS {app} CASCADE": "drop-table",
    "TRUNCATE ?TABLE ?ONLY {logs} ?RESTART_IDENTITY ?CASCADE": "truncate",
    "ALTER TABLE ?IF_EXISTS ?ONLY {logs} DROP ?COLUMN {body} ?CASCADE": "drop-column",
    "ALTER TABLE {logs} ADD ?COLUMN {extra} int , DROP COLUMN ?IF_EXISTS {body}": "drop-column",
    "ALTER TABLE ?IF_EXISTS {logs} ADD ?COLUMN {extra} int NOT NULL": "not-null-without-default",
    "ALTER TABLE {logs} ADD {extra} text DEFAULT NULL NOT NULL": "not-null-without-default",
    "ALTER TABLE {logs} ADD {extra} uuid PRIMARY KEY": "not-null-without-default",
    "ALTER TABLE {logs} ALTER ?COLUMN {body} SET NOT NULL": "not-null-without-default",
    "ALTER TABLE {logs} ADD CONSTRAINT {c} NOT NULL {body}": "not-null-without-default",
}
_QUALIFIED = ("logs", "fresh")
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
_BETWEEN = (
    " ", "  ", "\n", "\t", "\r\n", "\f", "\v", "/**/", "/* DROP */", "/* ; ' \" $$ é */", "/* a /* b */ ; */",
    "-- noqa\n", "-- noqa: disable=all\n", "/* sqlfluff:disable */", "-- squawk-ignore-file\n", "--\n",
    "-- squawk-ignore ban-drop-table\n", "-- +migrate StatementBegin\n", "-- eugene: ignore\n", "--é ' \n",
    "-- sluiceway: allow\n", "/* /* */ -- */\n", "--/*\n",
)  # fmt: skip
_HARMLESS = (
    "SELECT 1", "SET lock_timeout = '5s'", "CREATE TABLE other (id int)", "ANALYZE", "-- nothing", "",
     "INSERT INTO t VALUES ('DROP TABLE logs')", "CREATE TABLE IF NOT EXISTS logs (id int)",
     "CREATE TEMP TABLE elsewhere (body int)", "COMMENT ON TABLE logs IS 'é; ''\"$$'", "SELECT $$;$$, ';', E'\\';'",
     "CREATE TABLE app.logs (id int)", 'CREATE TABLE "LOGS" (id int)', "SAVEPOINT s", "é := 1",
     "SELEC 1", "CREATE TABEL x (id int)", "GRANT ALL ON logs TO me", "WITH x AS (SELECT 1) SELECT * FROM x",
)  # fmt: skip


def _spelt(form: str, chance: Random, note: str) -> str:
    """Return a blocked statement in some spelling."""
    words: list[str] = []
    for word in form.split():
        if word.startswith("?"):
            words.extend(word[1:].split("_") if chance.random() < 0.5 else ())
        else:
            words.append(word)
    between = (*_BETWEEN, "--" + note.replace("\n", "").replace("\r", "") + "\n")
    pieces = [chance.choice(between)]
    for word in words:
        name = word.strip("{}")
        pieces.append(_cased(word, chance) if word == name else _identifier(name, chance))
        pieces.append(chance.choice(between))
    return "".join(pieces)


def _cased(word: str, chance: Random) -> str:
    return "".join(chance.choice((letter.upper(), letter.lower())) for letter in word)


def _identifier(name: str, chance: Random) -> str:
    unicode = f'U&"\\{ord(name[0]):04x}{name[1:]}"'
    spelt = chance.choice((name, _cased(name, chance), f'"{name}"', unicode))
    if name in _QUALIFIED:
        spelt = chance.choice(("", "public.", '"public" . ', "PUBLIC/**/.")) + spelt
    return spelt


@dataclass(frozen=True)
class Statement:
    text: str
    code: str
    chance: Random
    """For further choices. One number decides them all: thousands of examples cost seconds then."""


def _statement(form: str, seed: int, note: str) -> Statement:
    chance = Random(seed)
    return Statement(_spelt(form, chance, note), _BLOCKED[form], chance)


_WRITTEN = st.builds(
    _statement, st.sampled_from(sorted(_BLOCKED)), st.integers(0, 2**32 - 1), _TEXT
)


def literal(text: str) -> str:
    """Return text as a constant of SQL."""
    return "'" + text.replace("'", "''") + "'"


def _dollars(text: str) -> str:
    tag = "$q$"
    while tag in text:
        tag = tag[:-1] + "q$"
    return tag + text + tag


def _function(text: str, language: str) -> str:
    body = f"BEGIN {text}; END" if language == "plpgsql" else text
    return (
        f"CREATE FUNCTION f() RETURNS void LANGUAGE {language} AS {_dollars(body)};"
        "SELECT 1, coalesce(f()::text, '')"
    )


_WRAPPINGS: dict[str, Callable[[str], str]] = {
    "nothing": lambda text: text,
    "transaction": lambda text: f"BEGIN; {text}; COMMIT",
    "rollback of something else": lambda text: f"{text}; COMMIT; BEGIN; SELECT 1; ROLLBACK",
    "rollback to": lambda text: f"BEGIN; {text}; SAVEPOINT a; ROLLBACK TO a; COMMIT",
    "do": lambda text: f"DO {_dollars(f'BEGIN {text}; END')}",
    "do in quotes": lambda text: "DO " + literal(f"BEGIN {text}; END"),
    "if": lambda text: f"DO {_dollars(f'BEGIN IF false THEN NULL; ELSE {text}; END IF; END')}",
    "handler": lambda text: "DO " + _dollars(f"BEGIN NULL; EXCEPTION WHEN others THEN {text}; END"),
    "loop": lambda text: f"DO {_dollars(f'BEGIN FOR i IN 1..3 LOOP {text}; END LOOP; END')}",
    "execute": lambda text: f"DO {_dollars(f'BEGIN EXECUTE {literal(text)}; END')}",
    "variable": lambda text: (
        "DO " + _dollars(f"DECLARE v text := {literal(text)}; BEGIN EXECUTE v; END")
    ),
    "halves": lambda text: (
        "DO "
        + _dollars(
            f"BEGIN EXECUTE {literal(text[: len(text) // 2])} || {literal(text[len(text) // 2 :])}; END"
        )
    ),
    "format": lambda text: "DO " + _dollars(f"BEGIN EXECUTE format('%s', {literal(text)}); END"),
    "plpgsql function": lambda text: _function(text, "plpgsql"),
    "sql function": lambda text: _function(text, "sql"),
    "procedure": lambda text: (
        "CREATE PROCEDURE p() LANGUAGE plpgsql AS " + _dollars(f"BEGIN {text}; END") + "; CALL p()"
    ),
}


@given(_WRITTEN)
@settings(max_examples=3500, deadline=None)
def test_no_spelling_and_no_wrapping_hides_it(statement: Statement) -> None:
    text, expected, chance = statement.text, statement.code, statement.chance
    wrappings = chance.choices(sorted(_WRAPPINGS), k=chance.randrange(3))
    for name in wrappings:
        text = _WRAPPINGS[name](text + "\n")
    codes = found(text)
    # A transaction cannot stand in a block: then the whole cannot be read, or it is still seen.
    assert codes & {expected, "unparsable"}, text
    if not wrappings:
        assert codes == {expected}, text


@given(_WRITTEN, _TEXT)
@settings(max_examples=900, deadline=None)
def test_no_neighbour_hides_it(statement: Statement, other: str) -> None:
    text, expected, chance = statement.text, statement.code, statement.chance
    before = chance.choices(_HARMLESS, k=chance.randrange(3))
    after = chance.choices((*_HARMLESS, other.replace(";", " ")), k=chance.randrange(3))
    end = chance.choice((";", " ;\n", ";;", "; -- noqa\n", ";\r\n"))
    whole = end.join([*(item + "\n" for item in before), text + "\n", *after])
    assert found(whole) & {expected, "unparsable"}, whole


@given(_WRITTEN, _TEXT, _TEXT)
@settings(max_examples=500, deadline=None)
def test_no_prefix_and_no_suffix_makes_it_pass(
    statement: Statement, prefix: str, suffix: str
) -> None:
    text, expected = statement.text, statement.code
    # What is read as a comment, a quote or a command of psql may hold it: then it is not run either.
    if any(mark in prefix for mark in ("--", "/*", "'", '"', "$", "\\", "{", ":", "#")):
        prefix = ""
    codes = found(prefix + ";" + text + "\n;" + suffix)
    assert codes & {expected, "unparsable"}


@given(_WRITTEN, st.sampled_from(["\\set x 1\n", "\\echo DROP\n", "\\if true\n", "\\timing\n"]))
@settings(max_examples=150, deadline=None)
def test_no_command_of_psql_hides_it(statement: Statement, command: str) -> None:
    text = statement.text
    file = f"{command}{text}\n;\n"
    reading = from_texts([("a.sql", file.encode())], Dialect.POSTGRES)
    answer = facts(reading.scripts, LibPgQuery(), Dialect.POSTGRES)
    assert {code(fact) for fact in answer.facts} & _DENIED
