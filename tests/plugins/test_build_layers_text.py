"""Dockerfile text to instructions and words, and ``.dockerignore`` to yes or no."""

from __future__ import annotations

import pytest

from sluiceway.errors import ConfigurationError
from sluiceway_build_layers.dockerfile import exec_form, parse
from sluiceway_build_layers.ignore import Ignore, read_ignore
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


@pytest.mark.parametrize(
    ("patterns", "path", "ignored"),
    [
        ("a", "a", True),
        ("a", "a/b", True),
        ("a", "b/a", False),
        ("/a", "a", True),
        ("a/", "a", True),
        ("./a", "a", True),
        ("*.pyc", "x.pyc", True),
        ("*.pyc", "d/x.pyc", False),
        ("**/*.pyc", "d/e/x.pyc", True),
        ("**/*.pyc", "x.pyc", True),
        ("**", "a/b", True),
        ("a/**", "a/b/c", True),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        ("?", "a", True),
        ("?", "ab", False),
        ("[a-c]", "b", True),
        ("[^a]", "a", False),
        ("# a", "a", False),
        ("a\n!a", "a", False),
        ("!a\na", "a", True),
        ("*\n!keep", "keep", False),
        ("*\n!keep", "keep/inside", False),
        ("*\n!keep", "other", True),
        ("d\n!d/keep", "d/keep", False),
        ("d\n!d/keep", "d/other", True),
        ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", True),
        ("*.md\n!README*.md\nREADME-secret.md", "README.md", False),
        ("a b", "a b", True),
        ("\\*", "*", True),
        ("\\*", "x", False),
        (".", "a", False),
    ],
)
def test_dockerignore(patterns, path, ignored):
    assert Ignore(patterns.split("\n"))(path) is ignored


def test_the_dockerfiles_own_ignore_file_goes_first(tmp_path):
    (tmp_path / ".dockerignore").write_text("a\n")
    assert read_ignore(tmp_path, tmp_path / "Dockerfile")("a")
    (tmp_path / "Dockerfile.dockerignore").write_text("b\n")
    ignored = read_ignore(tmp_path, tmp_path / "Dockerfile")
    assert (ignored("a"), ignored("b")) == (False, True)


def test_an_ignore_file_that_cannot_be_understood_stops_the_build(tmp_path):
    (tmp_path / ".dockerignore").write_text("fine\n[a\n")
    with pytest.raises(ConfigurationError) as caught:
        read_ignore(tmp_path, tmp_path / "Dockerfile")
    assert caught.value.what.startswith(".dockerignore:2: ")
    (tmp_path / ".dockerignore").write_bytes(b"\xff\n")
    with pytest.raises(ConfigurationError):
        read_ignore(tmp_path, tmp_path / "Dockerfile")
