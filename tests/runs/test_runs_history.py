"""What served before, from the ledger alone."""

import itertools

import pytest

from sluiceway.ledger import Ledger
from sluiceway.runs import history


def digest(letter):
    return "sha256:" + letter * 64 if letter else ""


@pytest.mark.parametrize(
    ("story", "before"),
    [
        ("", ""),
        ("a", ""),
        ("a b", "a"),
        ("a b b", "a"),  # promoted again: the way back stays
        ("a b a", "b"),
        ("a b <a", ""),
        ("a b c <b", "a"),
        ("a b c <b <a", ""),
        ("a b a <b <a", ""),  # not to and fro
        ("a b <a c", "a"),
        ("<", ""),  # a first canary that failed: nothing held it before
        ("a <a b", "a"),
    ],
)
def test_previous(tmp_path, story, before):
    ledger = Ledger(tmp_path)
    numbers = itertools.count()
    for word in story.split():
        ledger.append(
            "rolled-back" if word.startswith("<") else "deployed",
            key=str(next(numbers)),
            run="r",
            service="shop",
            environment="production",
            digest=digest(word.removeprefix("<")),
        )
    assert history.previous(ledger, "shop", "production") == digest(before)


@pytest.mark.parametrize(
    ("story", "since"),
    [
        ("", None),
        ("a", 0),
        ("a b", None),
        ("b a", 1),
        ("a a a", 0),  # the same brought there again: it never left
        ("a b <a", 2),  # back again: it was away
        ("a !b <a", 2),  # a canary of b failed: meanwhile its tag stood there
        ("a b a a", 2),
        ("a <", None),
    ],
)
def test_held_since(tmp_path, story, since):
    ledger = Ledger(tmp_path)
    held, entries = "", []
    for number, word in enumerate(story.split()):
        letter = word.lstrip("<!")
        if word.startswith("!"):  # only the canary's verdict is written down, and what came after
            kind, before, held = "canary", held, letter
        else:
            kind = "rolled-back" if word.startswith("<") else "deployed"
            before, held = held, letter
        entries.append(
            ledger.append(
                kind,
                key=str(number),
                run="r",
                service="shop",
                environment="canary",
                digest=digest(letter),
                body={"previous": digest(before)},
            )
        )
    expected = None if since is None else entries[since].at
    assert history.held_since(ledger, "shop", "canary", digest("a")) == expected


def test_a_build_is_held_since_its_first_release(tmp_path):
    ledger = Ledger(tmp_path)
    first, _, _ = (
        ledger.append(
            "release",
            key=str(number),
            run="r",
            service="shop",
            environment="build",
            digest=digest(letter),
        )
        for number, letter in enumerate("aba")
    )
    assert history.held_since(ledger, "shop", "build", digest("a")) == first.at
    assert history.held_since(ledger, "shop", "build", digest("c")) is None
