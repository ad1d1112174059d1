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
