"""Explanations, replays and failing tests as a person sees them, at any width."""

from __future__ import annotations

import io
from typing import Any

import pytest

from sluiceway.console import Console

FOUND = {"code": "g.no", "level": "deny", "message": "No.", "solution": "Do.", "waived": None}
DECISION = {
    "gate": "g",
    "allow": False,
    "findings": [FOUND],
    "policy_digest": "sha256:" + "a" * 64,
    "input_digest": "sha256:" + "b" * 64,
    "engine": "embedded",
    "at": "2026-11-24T12:00:00Z",
}
FINDING = {
    **FOUND,
    "title": "It holds",
    "description": "Because.",
    "rule": {"package": "g", "name": "deny", "file": "g/g.rego", "row": 7},
    "waivable": False,
    "facts": [{"path": "input.a", "value": {"long": "x" * 300}, "decides": False}],
    "flips": [],
}
EXPLAINED: dict[str, Any] = {
    "decision": DECISION,
    "image": None,
    "source": None,
    "target": None,
    "run": None,
    "recorded": None,
    "findings": [FINDING],
    "together": None,
    "needed": [],
    "evaluated": 3,
}


def shown(name: str, document: dict[str, Any], width: int = 100) -> str:
    out = io.StringIO()
    getattr(Console(stdout=out, environ={}, width=width), name)(document)
    return out.getvalue()


def flip(
    *changes: dict[str, Any], allow: bool = True, left: tuple[str, ...] = ()
) -> dict[str, Any]:
    return {"changes": list(changes), "allow": allow, "left": list(left)}


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_an_explanation_without_deciding_facts_or_flips_is_shown(width: int) -> None:
    text = shown("explanation", EXPLAINED, width)
    assert "input.a" in text
    assert "x" * 150 not in text  # long values are cut
    assert "No change of one or two" in " ".join(text.split())
    assert "without it, it would not" not in text


def test_flips_are_shown_with_what_they_change_and_what_is_left() -> None:
    flips = [
        flip({"path": "input.a", "before": 1, "after": 2}),
        flip({"path": "input.l", "before": [1], "after": [1, 5]}, allow=False, left=("g.other",)),
        flip({"path": "input.m", "before": ["a", "b", "c", "d"], "after": ["a", "b", "d"]}),
        flip({"path": "input.n", "after": {"empty": "", "x": 1}}),
    ]
    lines = shown(
        "explanation", {**EXPLAINED, "findings": [{**FINDING, "flips": flips}]}
    ).splitlines()
    rows = {line.split()[0]: line for line in lines if line.startswith("input.")}
    assert rows["input.a"].split() == ["input.a", "1", "2", "allowed"]
    assert "and 5" in rows["input.l"]
    assert "still refused: g.other" in rows["input.l"]
    assert 'without "c"' in rows["input.m"]
    assert '(missing)  {"x": 1}' in rows["input.n"]


def test_digests_are_shortened_in_values() -> None:
    fact = {"path": "input.d", "value": "sha256:" + "c" * 64, "decides": True}
    text = shown("explanation", {**EXPLAINED, "findings": [{**FINDING, "facts": [fact]}]})
    assert "sha256:cccccccccccc…" in text
    assert "*  input.d" in text


def test_several_findings_are_told_together_or_that_nothing_was_found() -> None:
    two = [FINDING, {**FINDING, "code": "g.two"}]
    assert "No set of changes was found" in shown("explanation", {**EXPLAINED, "findings": two})
    together = flip({"path": "input.a", "before": 1, "after": 2})
    text = shown("explanation", {**EXPLAINED, "findings": two, "together": together})
    assert "With all of these the gate would allow" in text


@pytest.mark.parametrize(
    ("recorded", "says"),
    [
        ({"outcome": "same", "same_policies": True}, "As recorded, by the same policies."),
        ({"outcome": "same", "same_policies": False}, "The policies have changed since"),
        ({"outcome": "changed", "same_policies": False}, "other policies then (dddddddddddd)"),
        ({"outcome": "changed", "same_policies": True}, "though the policies are the same"),
    ],
)
def test_the_record_is_compared(recorded: dict[str, Any], says: str) -> None:
    whole = {
        "allow": True,
        "codes": [],
        "policy_digest": "sha256:" + "d" * 64,
        "seq": 1,
        **recorded,
    }
    assert says in shown("explanation", {**EXPLAINED, "recorded": whole})


def test_a_replay_counts_every_outcome_and_explains_the_first() -> None:
    row = {
        "at": "2026-11-24T12:00:00Z",
        "run": "r1",
        "environment": "dev",
        "outcome": "allow-to-deny",
        "appeared": ["g.no"],
        "vanished": [],
        "decision": DECISION,
    }
    outcomes = ("same", "words", "findings", "allow-to-deny", "deny-to-allow")
    counts = {**dict.fromkeys(outcomes, 0), "input-unfit": 2, "not-judged": 0, "allow-to-deny": 1}
    document = {"policies": "changed", "counts": counts, "changed": [row]}
    text = shown("replay", document)
    assert "3 recorded decisions under changed" in text
    assert "input does not fit  2" in text
    assert "+ g.no" in text
    assert "The first, r1, would be told" in text
    counts = {**dict.fromkeys(counts, 0), "same": 1}
    assert "Nothing would have been decided otherwise." in shown(
        "replay", {**document, "counts": counts, "changed": []}
    )


def test_sides_that_are_alike_stand_side_by_side() -> None:
    failed = {
        "rule": "g_test.test_x",
        "error": "",
        "failed_at": "g/g_test.rego:4: __local3__ = {2, 3}",
        "printed": [],
        "compared": {
            "left": "g.x",
            "operator": "==",
            "right": "{2, 3}",
            "actual": [1, 2, "x" * 80],
            "expected": [2, 3],
        },
    }
    document = {
        "passed": 0,
        "failed": [failed],
        "errors": [],
        "skipped": [],
        "coverage": 100.0,
        "uncovered": {},
    }
    rows = [line.split() for line in shown("policy_tests", document).splitlines()]
    assert ["g/g_test.rego:4:", "g.x", "==", "{2,", "3}"] in rows
    assert ["2", "2"] in rows
    assert ["1"] in rows
    assert "__local" not in shown("policy_tests", document)
    assert "--only" not in shown("policy_tests", document)
    unseen = {**failed, "compared": None, "failed_at": ""}
    assert "--only=NAME" in shown("policy_tests", {**document, "failed": [failed, unseen]})
