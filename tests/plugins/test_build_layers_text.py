"""Dockerfile text to instructions and words."""

from __future__ import annotations

import pytest

from sluiceway_build_layers.dockerfile import exec_form, parse
from sluiceway_build_layers.words import expand, pairs, split

VARIABLES = {"A": "1", "SPACED": "two words", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$A", "1"),
        ("${A}b", "1b"),
        ("$Ab", ""),
        ("'$A'", "$A"),
        ('"$A"', "1"),
        ("\\$A", "$A"),
        ('"\\$A"', "$A"),
        ('"a\\b"', "a\\b"),
        ("$", "$"),
        ("5$", "5$"),
        ("$1", "$1"),
        ("${NONE}", ""),
        ("${NONE:-else}", "else"),
        ("${NONE-else}", "else"),
        ("${EMPTY:-else}", "else"),
        ("${EMPTY-else}", ""),
        ("${A:+other}", "other"),
        ("${NONE:+other}", ""),
        ("${EMPTY+other}", "other"),
        ("${EMPTY:+other}", ""),
        ("${NONE:-$A}", "1"),
        ("${NONE:-${A}}", "1"),
        ("${NONE:-'}'}", "}"),
        ("${A:?needed}", "1"),
        ("", ""),
    ],
)
def test_variables_and_quotes(text, expected):
    assert expand(text, VARIABLES, "Dockerfile:1") == expected


def test_words_are_split_before_variables_are_replaced():
    assert split("a  \"b c\" d\\ e $SPACED ''", VARIABLES, "x") == (
        "a",
        "b c",
        "d e",
        "two words",
        "",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1", (("A", "1"),)),
        ('A=1 B="2 3" C=', (("A", "1"), ("B", "2 3"), ("C", ""))),
        ("A=b=c", (("A", "b=c"),)),
        ("KEY some text", (("KEY", "some text"),)),
    ],
)
def test_pairs(text, expected):
    assert pairs(text, VARIABLES, "x") == expected


def test_instructions_keep_their_first_line_and_lose_their_comments():
    steps = parse(
        "# syntax=docker/dockerfile:1\n"
        "\n"
        "from scratch\n"
        "  # indented comment\n"
        "copy --from=a --chown=1:1 \\\n"
        "# between\n"
        "\n"
        "   b \\  \n"
        "   c\n"
        "CMD echo \\"
    )
    assert [(step.name, step.where) for step in steps] == [
        ("FROM", "Dockerfile:3"),
        ("COPY", "Dockerfile:5"),
        ("CMD", "Dockerfile:10"),
    ]
    assert steps[1].flags == (("from", "a"), ("chown", "1:1"))
    assert steps[1].rest.split() == ["b", "c"]
    assert steps[1].original == "COPY --from=a --chown=1:1 b c"


def test_tabs_windows_lines_and_a_byte_order_mark_are_fine():
    steps = parse("\ufeffFROM\tscratch\r\nENV\tA=1\r\n")
    assert [(step.name, step.rest) for step in steps] == [("FROM", "scratch"), ("ENV", "A=1")]


def test_flags_belong_to_few_instructions():
    (step,) = parse('CMD ["--help"]')
    assert step.flags == ()
    (step,) = parse("ENTRYPOINT --flag value")
    assert step.rest == "--flag value"


def test_exec_form_is_proper_json_only():
    assert exec_form('["a", "b c"]') == ("a", "b c")
    assert exec_form("['a']") is None
    assert exec_form("[1]") is None
    assert exec_form("a b") is None
