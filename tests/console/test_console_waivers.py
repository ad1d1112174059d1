"""Exceptions as people see them: all of them, and those that an environment rests on."""

from __future__ import annotations

import re
from typing import Any

from .console_kit import shown

DIGEST = "sha256:" + "9f2c41d09a7e" + "0" * 52


def board() -> list[dict[str, Any]]:
    row = {"version": "1.0.0", "since": None, "by": "dana", "run": "promote-1", "healthy": True}
    place = {"digest": DIGEST, "serving": DIGEST, "weight": 100.0, "url": "", "problem": ""}
    return [{"environment": name, **row, **place} for name in ("staging", "production")]


WAIVERS = [
    {
        "id": "waive-1",
        "code": "a.b/X-1",
        "environment": "production",
        "package": "pkg:npm/a",
        "digest": DIGEST,
        "owner": "ravi",
        "reason": "known",
        "expires": "2027-01-31T12:00:00Z",
        "state": "in-force",
        "why": "",
        "used": "",
    },
    {
        "id": "file-2",
        "code": "c.d",
        "owner": "lena",
        "reason": "past",
        "expires": "2026-01-31T12:00:00Z",
        "state": "expired",
        "why": "expired on 2026-01-31T12:00:00Z",
        "used": "promote-1",
    },
    {
        "id": "waive-3",
        "code": "e.f",
        "owner": "dana",
        "reason": "torn",
        "expires": "soon",
        "state": "not-counting",
        "why": "does not count: it is not valid (torn)",
        "used": "",
    },
]


def test_the_board_shows_waivers_and_what_rests_on_them():
    (first, *others) = board()
    rows = [{**first, "waivers": WAIVERS[:1]}, *others]
    text = shown(lambda console: console.board("settlement", rows, WAIVERS), width=120)
    scope = r"a\.b/X-1 in production of pkg:npm/a\s+for 9f2c41d09a7e"
    assert re.search(scope + r"\s+ravi, until 2027-01-31 12:00: known", text)
    assert re.search(r"c\.d +lena, expired on 2026-01-31T12:00:00Z: past", text)
    assert re.search(r"e\.f +dana, does not count: it is not valid \(torn\): torn", text)
    resting = f"{first['environment']}  a.b/X-1, waived by ravi until 2027-01-31 12:00"
    assert f"Rests on waivers\n{resting}" in text
    rows = [{**first, "waivers": WAIVERS[1:]}, *others]
    text = shown(lambda console: console.board("settlement", rows, WAIVERS))
    assert "c.d, waived by lena until 2026-01-31 12:00, which is over\n" in text
    assert "e.f, waived by dana until soon\n" in text
    assert "Rests on" not in shown(lambda console: console.board("settlement", board(), WAIVERS))


def test_waivers_are_listed_with_scope_and_state():
    text = shown(lambda console: console.waivers(WAIVERS), width=160)
    (first, second, third) = (line for line in text.splitlines()[2:] if line.strip())
    assert "a.b/X-1 in production of pkg:npm/a for 9f2c41d09a7e" in first
    assert first.endswith("in force, never used")
    assert second.endswith("expired on 2026-01-31T12:00:00Z")
    assert "soon" in third
    assert third.endswith("does not count: it is not valid (torn)")
    assert shown(lambda console: console.waivers([])) == "Nothing is waived.\n"
