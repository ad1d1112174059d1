"""For any text: nothing moves, nothing is lost, and no quote or comment glues statements together."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.migrations import statements as splitter
from sluiceway.migrations.cleaning import Draft, clean, plain
from sluiceway.migrations.reading import from_texts
from sluiceway.migrations.records import Dialect
from sluiceway.migrations.statements import BLANK, spans, tokens
from sluiceway.record import replace

PIECES = [
    "'", '"', "`", "[", "]", "$$", "$a$", "$", "--", "-- ", "/*", "*/", "/*!", "/*!50001 ", "#", ";",
    "\\", "\\\\", "\\g", "\\if x", "\\endif", "\n", "\r", "\r\n", " ", "(", ")", "a", "é", "E'", "q'[", "{{", "}}",
    "{{ x }}", "${x}", "{{if x}}", "{{end}}", "{%", "%}", ":x", ":'x'", "BEGIN", " ATOMIC ", " END ",
    "CASE ", "CREATE FUNCTION f() ", "CREATE TRIGGER t ", "CREATE RULE r ", "GO\n", "\nGO\n", "\n/\n", "COPY a FROM stdin;",
    "\\.\n", "DELIMITER //\n", "//", "-- +goose Up\n", "-- +goose Down\n", "-- migrate:up\n",
    "-- migrate:down\n", "-- +migrate Up\n", "-- +migrate Down\n", "--liquibase formatted sql\n",
    "--changeset a:1 endDelimiter://\n", "--> statement-breakpoint", "\u2028", "\u00a0", "\ufeff", "\x00", "DROP TABLE x;",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)
DIALECTS = st.sampled_from(list(Dialect))
MARKS = [
    "SELECT 1;", "\n", "--", "-- ", "\n--", "--\n", "-", "é", "\u00a0", "\x1c", "Up", "up ", "\nmigration", "Migration", "down migration",
    "migrate:up", "migrate:down", "+migrate Up", "+goose Up", "+goose down", "liquibase", " formatted sql", "rambler up", "rambler",
    "-> statement-breakpoint", "---- create above / drop below ----",
]  # fmt: skip


@given(TEXTS, DIALECTS)
@settings(max_examples=400, deadline=None)
def test_spans_hold_everything_that_is_not_space_comment_or_an_end(text, dialect):
    found = spans(text, dialect)
    assert found == sorted(found)
    position = 0
    for begin, end in [*found, (len(text), len(text))]:
        assert position <= begin <= end
        between = text[position:begin]
        # What lies between two statements: nothing but comments, spaces and ends of statements.
        for kind, a, b in reversed(list(tokens(between, dialect))):
            assert kind in {"comment", "end", "separator"} or not between.strip(BLANK)
            between = between[:a] + between[b:]
        assert not between.strip(BLANK)
        position = end
    for begin, end in found:
        assert text[begin:end].lstrip(BLANK) == text[begin:end] != ""


BATCHES = st.lists(
    st.sampled_from([*PIECES, "GO", "go 3", " GO -- x", "GO;", "GOTO x", "\n", "\n", "SELECT 1", "IF x "]),
    max_size=15,
).map("".join)  # fmt: skip


def _at_every_place(scanner):
    """Return the same scanner without what it passes over at once."""
    parts = re.compile(scanner.flat.__self__.pattern.removeprefix(scanner.lexis.gap), re.DOTALL)
    return replace(scanner, plain=None, flat=parts.search)


@given(TEXTS | BATCHES, DIALECTS)
@settings(max_examples=1500, deadline=None)
def test_nothing_is_passed_over_that_begins_or_ends_anything(text, dialect):
    quick = splitter._scanner(dialect), spans(text, dialect), list(tokens(text, dialect))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splitter, "_scanner", lambda _: _at_every_place(quick[0]))
        assert (spans(text, dialect), list(tokens(text, dialect))) == quick[1:]


@given(TEXTS, DIALECTS)
@settings(max_examples=400, deadline=None)
def test_cleaning_moves_nothing(text, dialect):
    data = text.encode()
    (script,) = from_texts([("a.sql", data)], dialect).scripts
    assert len(script.text) == len(text)
    assert re.findall(r"[\r\n]", script.text) == re.findall(r"[\r\n]", text)
    for begin, end in script.spans or ():
        assert 0 <= begin < end <= len(text)


@given(st.lists(st.sampled_from(MARKS), max_size=8).map("".join), DIALECTS)
@settings(max_examples=400, deadline=None)
def test_a_file_that_shows_to_be_plain_is_what_cleaning_leaves_of_it(text, dialect):
    data = text.encode()
    if (found := plain(data, dialect)) is not None:
        assert found == text
        assert clean(data, dialect, tool="") == (Draft(text=text), "")


QUOTES = {
    Dialect.POSTGRES: ["';'", '";"', "$$;'$$", "$a$;$$;$a$", "E'\\';'", "/*;/*;*/;*/", "-- ;'\n"],
    Dialect.MYSQL: ["'\\';'", '"\\";"', "`;'`", "/*;'*/", "-- ;'\n", "# ;'\n"],
    Dialect.TSQL: ["';'", "[;']", '";"', "/*;/*;*/'*/", "-- ;'\n"],
    Dialect.SQLITE: ["';'", "`;`", "[;']", "/*;'*/", "-- ;'\n"],
    Dialect.ORACLE: ["';'", "q'[;']'", "q'!;'!'", "/*;'*/", "-- ;'\n"],
}


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_quotes_and_comments_never_merge_statements(data):
    dialect = data.draw(st.sampled_from(list(QUOTES)))
    held = st.lists(st.sampled_from(QUOTES[dialect]), max_size=4).map(" ".join)
    statements = [f"SELECT {data.draw(held)} x" for _ in range(data.draw(st.integers(1, 5)))]
    text = ";\n".join(statements)
    assert [text[begin:end] for begin, end in spans(text, dialect)] == statements


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_a_drop_behind_any_text_is_seen_or_a_problem_says_why(text):
    """Of a file that a tool or a server could still run: an open quote makes it one that nobody can."""
    (script,) = from_texts(
        [("a.sql", (text + "\nDROP TABLE victim;\n").encode())], Dialect.POSTGRES
    ).scripts
    if "DROP TABLE victim" in script.text or script.problems:
        return
    # It was left out: only as a backward part, as data of COPY, or on a line of psql's.
    assert re.search(r"goose|migrate|stdin|\\", text)
