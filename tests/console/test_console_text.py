"""Values as words, and what is taken out of them."""

from __future__ import annotations

import sys
import textwrap
import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.console.page import Column, Grid, Line, Pairs, Tone, cell, fit
from sluiceway.console.plain import _DEEPEST, render
from sluiceway.console.text import (
    ago,
    clean,
    duration,
    milliseconds,
    moment,
    percent,
    short,
    width_of,
    wrap,
)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0.0 s"),
        (0.44, "0.4 s"),
        (9.96, "10.0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (7260, "2 h 1 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_duration_has_at_most_two_units(seconds, words):
    assert duration(seconds) == words


def test_numbers_have_their_units():
    assert (percent(None), percent(4.96), percent(0.0)) == ("-", "5.0 %", "0.0 %")
    assert (milliseconds(None), milliseconds(2.04), milliseconds(2000)) == (
        "-",
        "2.0 ms",
        "2000 ms",
    )
    assert milliseconds(float("inf")) == "beyond"
    assert short("sha256:" + "ab" * 32) == "abababababab"


def test_moments_are_utc_and_ages_are_relative():
    then = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    assert moment(then) == moment("2026-11-23T09:00:00+01:00") == "2026-11-23 08:00"
    assert moment(None) == ""
    assert ago(then, then + timedelta(hours=2)) == "2 h ago"
    assert ago(then, then + timedelta(seconds=3)) == "just now"
    assert ago(then + timedelta(hours=1), then) == "just now"  # another machine's clock


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("\x1b[2Jall is well", "\ufffd[2Jall is well"),
        ("\x9b31mred", "\ufffd31mred"),
        ("a\x07b\x00c\x7f", "a\ufffdb\ufffdc\ufffd"),
        ("refused\rallowed", "refused\nallowed"),
        ("\u202edewolla", "\ufffddewolla"),
        ("one\r\ntwo\tthree", "one\ntwo three"),
        ("[bold]kept[/bold] é 漢", "[bold]kept[/bold] é 漢"),
    ],
)
def test_nothing_a_terminal_would_obey_is_left(said, shown):
    assert clean(said) == shown


def test_of_all_characters_only_what_a_terminal_obeys_is_replaced():
    bidi = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    every = [chr(each) for each in range(sys.maxunicode + 1) if chr(each) != "\t"]
    ends = {each for each in every if len(f"a{each}b".splitlines()) > 1}
    assert {clean(f"a{each}b") for each in ends} == {"a\nb"}
    others = [each for each in every if each not in ends]
    shown = clean("".join(others))
    replaced = {before for before, after in zip(others, shown, strict=True) if before != after}
    assert {after for before, after in zip(others, shown, strict=True) if before in replaced} == {
        "\ufffd"
    }
    obeyed = {each for each in others if unicodedata.category(each) in {"Cc", "Cs"}}
    assert replaced == obeyed | bidi


def test_secrets_are_taken_out(monkeypatch):
    monkeypatch.setenv("COSIGN_PASSWORD", "hunter2-hunter2")
    monkeypatch.setenv("COSIGN_PRIVATE_KEY", "-----BEGIN\nsecret\n-----END")
    assert clean("it is hunter2-hunter2") == "it is ***"
    assert clean("key: -----BEGIN\nsecret\n-----END") == "key: ***"


def test_wide_characters_take_two_cells():
    assert width_of("漢字") == 4
    assert width_of("e\u0301") == 1
    assert wrap("漢字漢字", 4) == ["漢字", "漢字"]


@given(st.text(max_size=300), st.integers(20, 100))
def test_wrapping_fits_and_loses_nothing(text, width):
    cleaned = clean(text)
    lines = wrap(cleaned, width)
    assert all(width_of(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(cleaned.split())


@given(
    st.text(st.sampled_from(" ab-\t\x1f\xa0é~"), max_size=60),
    st.integers(1, 30),
    st.booleans(),
)
def test_lines_are_broken_where_the_standard_library_breaks_them(text, width, whole):
    wanted = textwrap.wrap(
        text, width, break_long_words=not whole, break_on_hyphens=False, drop_whitespace=True
    )
    assert wrap(text, width, whole=whole) == (wanted or [""])


_WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=200)


def test_what_is_too_long_for_the_last_column_stands_under_its_row():
    columns = (Column(title="Digest", minimum=12), Column(title="Detail", minimum=12))
    path = "migrations/0003_validate_the_fee_schedule.sql"
    rows = [("0123456789ab", "done"), ("0123456789ab", f"1 new: {path}")]
    grid = Grid(columns=columns, rows=tuple(tuple(map(cell, row)) for row in rows))
    assert render([grid], 50) == (
        "Digest        Detail\n"
        "------------  ------------------------------------\n"
        "0123456789ab  done\n"
        "0123456789ab\n"
        f"     1 new:\n     {path}\n"
    )
    # Where it fits on no line of its own, each value has one.
    assert f"Detail  {path}" not in render([grid], len(path) + _DEEPEST)
    assert render([grid], len(path) + _DEEPEST - 1).startswith("Digest  0123456789ab\nDetail  done")


@given(st.lists(st.tuples(_WORDS, _WORDS, _WORDS), min_size=1, max_size=4), st.integers(40, 100))
def test_a_plain_grid_fits_and_loses_nothing(rows, width):
    grid = Grid(
        columns=(
            Column(title="Code", minimum=12),
            Column(title="Why", minimum=16),
            Column(title="Right", right=True),
        ),
        rows=tuple(tuple(cell(value) for value in row) for row in rows),
    )
    lines = render([grid], width).split("\n")
    # A word is never broken, so that it can be copied: it may be longer than the line.
    words = [word for row in grid.rows for item in row for word in item.text.split()]
    if all(width_of(word) <= width - len("Right") - 2 for word in words):
        assert all(width_of(line) <= width for line in lines)
    # Lines of a row are spread over columns: every character is there, if not in its order.
    shown = sorted("".join("".join(lines).split()))
    for row in rows:
        for value in row:
            for character in set("".join(clean(value).split())):
                assert character in shown


def test_columns_share_what_is_left_and_give_up_below_their_minimum():
    grid = Grid(
        columns=(Column(title="a", minimum=10), Column(title="b", minimum=10)),
        rows=((cell("x" * 100), cell("y" * 5)),),
    )
    assert fit(grid, 200, 2) == (100, 5)
    assert fit(grid, 40, 2) == (33, 5)
    assert fit(grid, 16, 2) is None
    assert render([grid], 16).startswith("a  xxx")


def test_a_column_is_as_wide_as_its_longest_word_before_any_is_wider():
    grid = Grid(
        columns=(Column(title="Fact", minimum=8), Column(title="Detail", minimum=8)),
        rows=((cell("data.promotion.approvals"), cell("one two three four five six")),),
    )
    assert fit(grid, 40, 2) == (24, 14)
    assert fit(grid, 34, 2) == (24, 8)


def test_a_word_at_the_end_of_a_row_may_be_longer_than_its_column():
    grid = Grid(
        columns=(Column(title="What", minimum=8), Column(title="Detail", minimum=8)),
        rows=(
            (cell("decision"), cell("refused: image.scan-unscanned")),
            (cell("deployed"), cell("")),
        ),
    )
    assert render([grid], 24).splitlines() == [
        "What      Detail",
        "--------  --------------",
        "decision",
        "    refused:",
        "    image.scan-unscanned",
        "deployed",
    ]


def test_stacked_rows_begin_with_what_has_no_title():
    digest = "sha256:" + "a" * 64
    grid = Grid(
        columns=(Column(title="", minimum=1), Column(title="Fact"), Column(title="Value")),
        rows=((cell("*"), cell("input.digest"), cell(digest)), (cell(""), cell("b"), cell("1"))),
    )
    assert render([grid], 40).splitlines() == [
        "*  Fact   input.digest",
        f"   Value  {digest}",
        "",
        "   Fact   b",
        "   Value  1",
    ]


def test_plain_pairs_keep_values_whole_for_copying():
    digest = "sha256:" + "a" * 64
    text = render(
        [Line.of("Built", Tone.STRONG), Pairs.of([("image", f"host/app@{digest}"), ("", "ok")])], 60
    )
    assert text == f"Built\n  image  host/app@{digest}\n         ok\n"
