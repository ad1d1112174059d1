"""The document that a report is made from: what is there is shown, and what is not is said."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.report_kit import (
    ENDED,
    NEW,
    OLD,
    at,
    compared,
    entry,
    recorded,
    reported,
    values,
)

from sluiceway.runs.recorded import Step


def test_a_look_has_what_each_side_did_since_the_one_before():
    found = reported(recorded(values([0, 1, 5, 5, 5])))
    looks = found["watch"]["looks"]
    assert [look["at"] for look in looks] == [0, 10, 20, 30, 40]
    assert [look["canary"]["errors"] for look in looks] == [0, 1, 5, 5, 5]
    assert [look["canary"]["requests"] for look in looks] == [0, 25, 25, 25, 25]
    assert looks[2]["canary"]["error_rate"] == 20.0
    assert looks[0]["canary"]["error_rate"] is None
    assert looks[1]["stable"] == {
        "requests": 475,
        "errors": 2,
        "error_rate": pytest.approx(200 / 475),
        "p99_ms": 120.0,
    }
    streams = [look["streams"]["error_rate"] for look in looks]
    assert [stream["bad"] for stream in streams] == [False, False, True, True, True]
    assert streams[-1]["streak"] == 3
    assert found["watch"]["totals"]["canary"]["errors"] == 16


def test_the_reason_of_a_rollback_is_its_sentence_with_both_sides():
    found = reported(recorded(values([0, 1, 5, 5, 5])))
    assert found["outcome"] == "rolled-back"
    assert found["reason"].startswith("Roll back after 40 s: the error rate was over 5 %")
    assert found["watch"]["code"] == "canary.error-rate"
    assert found["watch"]["rollback_seconds"] == 0.04
    assert (found["previous"], found["serves"], found["image"]["digest"]) == (OLD, OLD, NEW)
    assert found["seconds"] == 42.0
    assert not found["missing"]


def test_what_was_compared_is_computed_again_from_what_was_kept_of_a_look():
    looks = values([0, 1, 5, 5, 5])
    last = reported(recorded(looks))["watch"]["looks"][-1]
    assert last["evidence"]["worse"]["together"] > last["evidence"]["beyond"]["together"] > 1
    assert last["evidence"]["leading"] == "errors"
    for value in looks:
        value["watch"]["version"] = 1
    found = reported(recorded(looks))
    assert "the version that wrote these looks compared no sides" in found["missing"][0]
    assert [look["evidence"] for look in found["watch"]["looks"]] == [None] * 5


def test_how_quickly_a_rollback_came_is_taken_from_where_it_was_written():
    sla = {"kind": "automatic", "seconds": 31.0, "limit_seconds": 120.0, "kept": True}
    assert reported(recorded([]))["sla"] is None
    assert reported(recorded([]), (entry("rolled-back", 50, {"sla": sla}),))["sla"] == sla


def test_evidence_verdicts_and_steps_are_taken_where_they_are_there():
    first, second, third = values([0, 1, 1])
    looks = [
        first,
        compared(second, 3.0, 2.0, "continue"),
        compared(third, 120.0, 0.1, "rollback"),
    ]
    found = reported(recorded(looks))
    last = found["watch"]["looks"][-1]
    assert last["evidence"]["worse"]["together"] == 120.0
    assert last["evidence"]["safe"]["errors"] == 0.1
    assert (last["verdict"], last["codes"]) == ("rollback", ["canary.worse"])
    assert last["step"]["index"] == 1
    assert not found["missing"]


def test_a_side_that_was_started_anew_is_counted_from_its_new_beginning():
    looks = values([0, 1, 1])
    looks[1]["watch"]["stable"]["last"] = {"requests": 5000, "errors": 50, "latency_ms": {}}
    found = reported(recorded(looks))["watch"]["looks"]
    assert found[2]["stable"]["requests"] == 950


def test_a_look_that_nobody_can_read_is_counted_and_the_others_are_shown():
    looks = values([0, 1, 1])
    looks[1]["watch"] = {"version": 99}
    found = reported(recorded(looks))
    assert len(found["watch"]["looks"]) == 3  # nothing was seen in it, which is not nothing
    assert found["watch"]["looks"][1]["canary"] is None
    looks[1]["watch"] = None
    found = reported(recorded(looks))
    assert len(found["watch"]["looks"]) == 2
    assert "1 of the canary's looks cannot be read" in " ".join(found["missing"])


def test_an_unseen_stable_side_is_said():
    found = reported(recorded(values([0, 0, 0], stable=False)))
    assert any("stable side: nobody saw it" in words for words in found["missing"])
    assert found["watch"]["totals"]["stable"] is None


@pytest.mark.parametrize(
    ("carried", "state", "words"),
    [
        ("", "left-behind", "`invoke resume --run=promote-20261126T080000-abcdef`"),
        ("host:1:2", "under-way", "under way"),
    ],
)
def test_a_run_that_has_not_ended_says_where_it_stands(carried, state, words):
    kept = recorded(values([0, 1]), ended=None, outcome=None)
    found = reported(kept, (), carried=carried)
    assert (found["state"], found["outcome"], found["ended_at"]) == (state, "", None)
    assert words in found["reason"]
    assert len(found["watch"]["looks"]) == 2


def test_a_step_that_failed_keeps_its_error_and_no_more():
    error = {"code": "c", "what": "w", "means": "m", "remedy": "r", "trace": "secret trace"}
    step = Step(name="deploy", value=None, error=error, started=at(0), ended=at(1.5))
    kept = recorded(values([0]))
    found = reported(replace(kept, steps=(*kept.steps, step)))
    assert found["steps"][-1] == {
        "name": "deploy",
        "started_at": "2026-11-26T08:00:00Z",
        "seconds": 1.5,
        "error": {"code": "c", "what": "w", "means": "m", "remedy": "r"},
    }


def test_what_a_watch_came_to_does_not_repeat_the_decision_that_it_rests_on():
    decision = {"gate": "canary", "allow": False, "verdict": "rollback", "findings": [], "at": "t"}
    entries = [
        entry("decision", 30, {"decision": decision}),
        entry("canary", 30, {"verdict": "fail", "decision": decision}),
        entry("decision", 40, {"decision": {**decision, "at": "u"}}),
    ]
    found = reported(recorded(values([0, 1])), entries)
    assert [each["decision"]["at"] for each in found["decisions"]] == ["t", "u"]


def test_decisions_come_with_their_evidence_and_waivers_and_without_their_input():
    decision = {
        "gate": "promotion",
        "allow": False,
        "findings": [
            {"code": "a.b", "level": "deny", "message": "No.", "solution": "Do.", "waived": None},
            {"code": "a.c", "level": "deny", "message": "Nor.", "solution": "Do.", "waived": None},
        ],
    }
    given = {
        "evidence": {"scan": {"kind": "scan", "status": "failed", "summary": "2 found"}, "x": None},
        "waivers": [{"code": "a.b", "owner": "tom", "expires": "2026-12-01", "reason": "r"}],
        "anything": "not shown",
    }
    body = {"decision": decision, "input": given, "signature": "-----BEGIN SSH SIGNATURE-----"}
    ended = replace(ENDED, body={**ENDED.body, "outcome": "refused"})
    kept = recorded([], outcome={"outcome": "refused"}, steps=())
    found = reported(kept, (entry("decision", 1, body), ended))
    (one,) = found["decisions"]
    assert one["decision"] == decision
    assert [item["status"] for item in one["evidence"]] == ["failed", "missing"]
    assert one["waivers"][0]["owner"] == "tom"
    assert found["reason"] == "No. (and 1 more)"
    said = json.dumps(found)
    assert "not shown" not in said
    assert "SSH SIGNATURE" not in said


def test_every_number_of_the_document_is_json():
    kept = recorded(values([0, 1, 5, 5, 5]))
    json.dumps(reported(kept), allow_nan=False)


def test_a_soak_is_a_watch_as_well():
    looks = values([0, 1, 5])
    names = ("blue-green.switch", "blue-green.look.1", "blue-green.look.2")
    steps = [
        Step(name=name, value=value, error=None, started=at(0), ended=at(1))
        for name, value in zip(names, looks, strict=True)
    ]
    report = {"verdict": "fail", "code": "canary.worse", "reason": "Worse.", "limits": {}}
    kept = recorded([], steps=tuple(steps), outcome={"outcome": "rolled-back", "soak": report})
    watch = reported(kept)["watch"]
    assert [look["canary"]["errors"] for look in watch["looks"]] == [0, 1, 5]
    assert watch["reason"] == "Worse."
