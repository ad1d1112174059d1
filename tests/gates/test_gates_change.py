"""Who made what a promotion would bring: joined from what each release recorded."""

from __future__ import annotations

from typing import Any

import pytest
from tests.consent_kit import made_by

from sluiceway.gates.change import joined


def released(digest: str, revision: str, *emails: str, since: str = "", **more: Any) -> Any:
    change = {**made_by(*emails, since=since), "revision": revision, **more}
    return {"digest": digest, "revision": revision, "change": change}


def people(releases: list[Any], digest: str, held: str) -> list[str]:
    found = joined(releases, digest, held)
    assert found["known"], found
    return [each["email"] for each in found["people"]]


CHAIN = [
    released("d1", "r1", "a@x"),
    released("d2", "r2", "b@x", since="r1"),
    released("d3", "r3", "c@x", "b@x", since="r2"),
]


@pytest.mark.parametrize(
    ("digest", "held", "wanted"),
    [
        ("d3", "d2", ["b@x", "c@x"]),
        ("d3", "d1", ["b@x", "c@x"]),
        ("d3", "", ["a@x", "b@x", "c@x"]),
        ("d3", "elsewhere", ["a@x", "b@x", "c@x"]),
        ("d2", "d1", ["b@x"]),
        ("d1", "", ["a@x"]),
        ("d1", "d3", ["a@x"]),  # back to an older one: rather too many than too few
        ("d3", "d3", ["a@x", "b@x", "c@x"]),
    ],
)
def test_a_change_goes_back_to_what_the_target_holds(digest, held, wanted):
    assert people(CHAIN, digest, held) == wanted


def test_the_numbers_and_the_ends_are_told():
    found = joined(CHAIN, "d3", "d1")
    assert (found["revision"], found["since"], found["commits"]) == ("r3", "r1", 3)


def test_what_no_release_recorded_is_not_known():
    assert not joined(CHAIN, "d4", "d1")["known"]
    old = {"digest": "d1", "revision": "r1"}
    assert joined([old], "d1", "")["problem"] == "its release recorded nothing about it"
    unknown = released("d1", "r1", known=False, problem="a shallow clone")
    assert joined([unknown], "d1", "")["problem"] == "a shallow clone"
    for broken in (None, "x", {}, {"known": "true"}):
        assert not joined([old | {"change": broken}], "d1", "")["known"]


def test_a_gap_in_the_chain_is_not_known_unless_it_lies_behind_what_is_held():
    gap = [{"digest": "d1", "revision": "r1"}, *CHAIN[1:]]
    assert "release of r1 recorded nothing" in joined(gap, "d3", "")["problem"]
    assert people(gap, "d3", "d1") == ["b@x", "c@x"]


def test_the_first_release_of_a_newer_kind_ends_the_chain():
    upgraded = [
        {"digest": "d1", "revision": "r1"},
        released("d2", "r2", "b@x", since="r1", first=True),
    ]
    assert people(upgraded, "d2", "") == ["b@x"]


def test_the_same_image_released_again_with_its_change_known_is_known():
    again = [{"digest": "d1", "revision": "r1-dirty"}, released("d1", "r1", "a@x")]
    assert people(again, "d1", "") == ["a@x"]


def test_a_chain_that_bites_its_tail_ends():
    ring = [released("d1", "r1", "a@x", since="r2"), released("d2", "r2", "b@x", since="r1")]
    assert people(ring, "d2", "") == ["a@x", "b@x"]
