"""A decision is explained by its rule, the facts it read, and changes that were evaluated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from sluiceway.model import Level
from sluiceway.policy import Bundle, Explanation, PolicyWorkbench, decide, explain
from sluiceway.policy.explaining import Explained
from sluiceway.policy.facts import MISSING, replaced
from sluiceway.policy.reports import explanation_document
from sluiceway.policy.seen import shown_path
from sluiceway.policy.trial import Change, Trials, changed

from .waivers_kit import WAIVER

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
Ask = Callable[..., Explanation]


@pytest.fixture
def ask(engine: PolicyWorkbench, staffed: Bundle, passing: dict[str, dict[str, Any]]) -> Ask:
    """Explain the passing promotion with some of its facts changed."""

    def asked(*changes: tuple[tuple[str | int, ...], Any], **more: Any) -> Explanation:
        document: Any = passing["promotion"]
        for place, value in changes:
            document = replaced(document, place, value)
        return explain(engine, staffed, "promotion", document, now=NOW, **more)

    return asked


def flips(explained: Explained) -> list[tuple[str, ...]]:
    return [tuple(shown_path(change.place) for change in flip.changes) for flip in explained.flips]


Changed = tuple[tuple[str | int, ...], Any]
ROLE: Changed = (("actor", "name"), "anna")
NO_APPROVAL: Changed = (("approvals",), [])
UNKNOWN_SOURCE: Changed = (("source_holds",), None)


@pytest.mark.parametrize(
    ("changes", "code", "file", "flip"),
    [
        ([ROLE], "promotion.role", "promotion/role/role.rego", "input.actor.name"),
        ([ROLE], "promotion.role", "promotion/role/role.rego", "data.promotion.people.anna"),
        (
            [NO_APPROVAL],
            "promotion.approval",
            "promotion/approval/approval.rego",
            "input.approvals",
        ),
        (
            [(("approvals", 0, "approver", "name"), "tom")],
            "promotion.approval",
            "promotion/approval/approval.rego",
            "input.approvals[0].approver.name",
        ),
        (
            [(("evidence", "canary", "facts", "requests"), 12)],
            "promotion.canary",
            "promotion/canary/canary.rego",
            "input.evidence.canary.facts.requests",
        ),
        (
            [(("evidence", "canary", "made_at"), "2026-11-01T00:00:00Z")],
            "promotion.canary",
            "promotion/canary/canary.rego",
            "input.evidence.canary.made_at",
        ),
        ([(("target",), "dev")], "promotion.path", "promotion/path/path.rego", "input.target"),
        (
            [UNKNOWN_SOURCE],
            "promotion.source",
            "promotion/source/source.rego",
            "input.source_holds",
        ),
        (
            [(("evidence", "smoke"), MISSING)],
            "gate.smoke",
            "promotion/checks/checks.rego",
            "input.evidence.smoke",
        ),
        (
            [(("evidence", "signature"), MISSING)],
            "image.signature",
            "image/signature/signature.rego",
            "input.evidence.signature",
        ),
        (
            [(("evidence", "scan", "facts", "scanned_at"), "2026-11-20T00:00:00Z")],
            "image.scan-stale",
            "image/scan/scan.rego",
            "input.evidence.scan.facts.scanned_at",
        ),
    ],
)
def test_each_refusal_has_its_rule_and_a_change_that_lifts_it(
    ask: Ask, changes: Any, code: str, file: str, flip: str
) -> None:
    explanation = ask(*changes)
    assert not explanation.decision.allow
    found = next(each for each in explanation.findings if each.finding.code == code)
    assert found.document is not None
    assert found.document.file == file
    assert (flip,) in flips(found)


FREEZE = {"name": "n", "reason": "r", "environments": "all", "roles": []}
HOURS = {"from": "2026-11-24T11:00:00Z", "to": "2026-11-24T12:30:00Z"}
NIGHT = {"days": ["Monday"], "from": "20:00", "to": "14:00", "offset": "+01:00"}


@pytest.mark.parametrize(
    ("path", "value", "changes", "code", "flip"),
    [
        (["freezes"], [{**FREEZE, **HOURS}], [], "promotion.freeze", "input.now"),
        (["freezes"], [{**FREEZE, "weekly": NIGHT}], [], "promotion.freeze", "input.now"),
        (
            ["paths", "canary", "production", "soak_hours"],
            48,
            [],
            "promotion.soak",
            "input.source_since",
        ),
        (
            ["canary_limits", "minutes"],
            5,
            [(("evidence", "canary", "facts", "limits", "duration_seconds"), 6)],
            "promotion.canary-limits",
            "input.evidence.canary.facts.limits.duration_seconds",
        ),
    ],
)
def test_what_waiting_or_another_number_would_do_is_told(
    engine: PolicyWorkbench,
    staffed: Bundle,
    passing: dict[str, dict[str, Any]],
    path: list[str],
    value: Any,
    changes: Any,
    code: str,
    flip: str,
) -> None:
    document: Any = passing["promotion"]
    for place, instead in changes:
        document = replaced(document, place, instead)
    data = replaced(staffed.data, ("promotion", *path), value)
    explanation = explain(engine, replace(staffed, data=data), "promotion", document, now=NOW)
    (found,) = explanation.findings
    assert found.finding.code == code
    assert (flip,) in flips(found)
    assert all(each.allow for each in found.flips)


@pytest.mark.parametrize(
    "changes",
    [
        [ROLE],
        [NO_APPROVAL],
        [ROLE, NO_APPROVAL, UNKNOWN_SOURCE],
        [(("evidence", "smoke"), MISSING), (("evidence", "scan"), MISSING)],
        [(("target",), "staging")],
        [(("evidence", "sbom", "facts", "attested"), False)],
    ],
)
def test_every_change_that_is_told_was_true_when_evaluated_anew(
    ask: Ask,
    engine: PolicyWorkbench,
    staffed: Bundle,
    passing: dict[str, dict[str, Any]],
    changes: Any,
) -> None:
    document: Any = passing["promotion"]
    for place, value in changes:
        document = replaced(document, place, value)
    explanation = ask(*changes)
    told = [(each, flip) for each in explanation.findings for flip in each.flips]
    assert told
    whole = [(None, explanation.whole)] if explanation.whole else []
    for each, flip in [*told, *whole]:
        other, data = changed(document, staffed.data, flip.changes)
        bundle = replace(staffed, data=data)
        decision = decide(engine, bundle, "promotion", other, now=NOW)
        denied = [finding.code for finding in decision.findings if finding.level is Level.DENY]
        assert decision.allow is flip.allow
        assert tuple(dict.fromkeys(denied)) == flip.left
        if each is not None:
            before = [item.finding.code for item in explanation.findings]
            assert denied.count(each.finding.code) < before.count(each.finding.code)


def test_several_refusals_have_one_set_of_changes_that_allows(ask: Ask) -> None:
    explanation = ask(ROLE, NO_APPROVAL, UNKNOWN_SOURCE)
    assert explanation.whole is not None
    assert {change.place[:2] for change in explanation.whole.changes} == {
        ("input", "actor"),
        ("input", "approvals"),
        ("input", "source_holds"),
    }


def test_changes_that_spoil_each_other_are_not_taken_together(ask: Ask) -> None:
    # Tom may promote and rita consents; but tom must not be made the one who consents as well.
    explanation = ask(ROLE, NO_APPROVAL, (("builder",), "rita"))
    assert explanation.whole is not None
    changes = {shown_path(change.place): change.after for change in explanation.whole.changes}
    approver = changes["input.approvals"][-1]["approver"]["name"]
    assert approver != changes.get("input.actor.name", "anna")


def test_facts_that_decide_are_told_from_those_that_were_only_read(ask: Ask) -> None:
    (found,) = ask(ROLE).findings
    decides = {shown_path(fact.place): fact.decides for fact in found.facts}
    assert decides["input.actor.name"]
    assert not decides["data.promotion.people.anna[0]"]  # without it she has no role either
    assert "input.image.digest" not in decides
    values = {shown_path(fact.place): fact.value for fact in found.facts}
    assert values["data.promotion.paths.canary.production.roles[0]"] == "tech-lead"


def test_the_rule_among_several_of_one_code_is_the_one_that_found_it(ask: Ask) -> None:
    messages = {
        each.finding.message.split(";")[0]: each.document.row
        for each in ask((("target",), "nowhere")).findings
        if each.finding.code == "promotion.path" and each.document
    }
    assert len(messages) == 2
    assert len(set(messages.values())) == 2


def test_an_allowed_decision_says_what_it_cannot_do_without(ask: Ask) -> None:
    explanation = ask()
    assert explanation.decision.allow
    needed = {shown_path(each.place): each for each in explanation.needed}
    assert needed["input.evidence.smoke"].codes == ("gate.smoke",)
    assert needed["input.approvals[0]"].codes == ("promotion.approval",)
    assert not needed["input.evidence.smoke"].schema
    assert needed["input.source_holds"].schema


def test_where_nothing_lifts_it_nothing_is_told(engine: PolicyWorkbench) -> None:
    source = """package g

decision := {"deny": deny, "warn": set()}

# METADATA
# custom:
#   code: g.never
deny contains {"code": "g.never", "msg": "No.", "solution": "None."} if {
	input.a != 17
	input.a != 18
	not possible
}

possible if input.a * input.b == 1234567
"""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    bundle = Bundle(
        modules={"g/g.rego": source}, data={}, digest="", origin="t", schemas={"g": schema}
    )
    (found,) = explain(engine, bundle, "g", {"a": 1, "b": 2}, now=NOW).findings
    assert ("input.a",) in flips(found)
    harder = source.replace("\tinput.a != 17\n\tinput.a != 18\n", "")
    bundle = replace(bundle, modules={"g/g.rego": harder})
    (found,) = explain(engine, bundle, "g", {"a": 1, "b": 2}, now=NOW).findings
    assert found.flips == ()
    assert found.document is not None


def test_two_facts_are_tried_when_one_does_not_do(engine: PolicyWorkbench) -> None:
    source = """package g

decision := {"deny": deny, "warn": set()}

# METADATA
# custom:
#   code: g.pair
deny contains {"code": "g.pair", "msg": "No.", "solution": "Do."} if not ok

ok if {
	input.a == "x"
	input.b >= 5
}
"""
    bundle = Bundle(
        modules={"g/g.rego": source},
        data={},
        digest="",
        origin="t",
        schemas={"g": {"type": "object"}},
    )
    (found,) = explain(engine, bundle, "g", {"a": "y", "b": 1}, now=NOW).findings
    (flip,) = found.flips
    assert [(change.place[1], change.after) for change in flip.changes] == [("a", "x"), ("b", 5)]


def test_what_others_have_recorded_is_tried_about_this_image(
    ask: Ask, passing: dict[str, dict[str, Any]]
) -> None:
    theirs = "sha256:" + "c" * 64
    other = replaced(passing["promotion"], ("image", "digest"), theirs)
    other = replaced(other, ("evidence", "smoke", "subject"), theirs)
    other = replaced(other, ("evidence", "smoke", "summary"), "As recorded.")
    (found,) = ask((("evidence", "smoke"), MISSING), others=[other]).findings
    smoke = next(f for f in found.flips if f.changes[0].place == ("input", "evidence", "smoke"))
    assert smoke.changes[0].after["summary"] == "As recorded."
    assert smoke.changes[0].after["subject"] == passing["promotion"]["image"]["digest"]


def test_a_waiver_is_offered_only_where_it_would_work(ask: Ask) -> None:
    (smoke,) = ask((("evidence", "smoke"), MISSING)).findings
    (role,) = ask(ROLE).findings
    assert smoke.waivable
    assert not role.waivable


def test_a_waived_finding_needs_no_flip(ask: Ask) -> None:
    explanation = ask((("evidence", "smoke"), MISSING), (("waivers",), [WAIVER]))
    (found,) = explanation.findings
    assert explanation.decision.allow
    assert found.finding.waived is not None
    assert found.finding.waived.id == "w1"
    assert found.flips == ()


@pytest.mark.parametrize(
    ("changes", "code"),
    [([(("actor", "proven"), "yes")], "input.schema"), ([(("image",), MISSING)], "input.schema")],
)
def test_what_no_rule_found_has_no_rule(ask: Ask, changes: Any, code: str) -> None:
    found = ask(*changes).findings
    assert {each.finding.code for each in found} == {code}
    assert all(each.document is None and each.flips == () for each in found)


def test_a_gate_that_cannot_be_judged_is_explained_as_that(engine: PolicyWorkbench) -> None:
    source = "package g\n\nx := 1\n"
    bundle = Bundle(modules={"g/g.rego": source}, data={}, digest="", origin="t", schemas={"g": {}})
    explanation = explain(engine, bundle, "g", {}, now=NOW)
    assert [each.finding.code for each in explanation.findings] == ["policy.entrypoint"]
    assert explanation.needed == ()


def test_the_document_is_json_and_leaves_missing_values_out(ask: Ask) -> None:
    explanation = ask((("evidence", "smoke"), MISSING))
    told = explanation_document(explanation, {"source": "canary", "target": "production"})
    assert told["decision"]["allow"] is False
    assert told["changed"] is False
    change = told["findings"][0]["flips"][0]["changes"][0]
    assert change["path"] == "input.evidence.smoke"
    assert "before" not in change
    assert change["after"]["status"] == "ok"


def test_trials_in_one_question_answer_as_each_alone(
    engine: PolicyWorkbench, staffed: Bundle, passing: dict[str, dict[str, Any]]
) -> None:
    document = passing["promotion"]
    cases: list[tuple[Change, ...]] = [
        (),
        (Change(("input", "source_holds"), document["source_holds"], None),),
        (Change(("input", "evidence", "smoke"), document["evidence"]["smoke"], MISSING),),
        (Change(("data", "promotion", "canary_minimum_requests"), 50, 9999),),
        (Change(("input", "now"), document["now"], "not a moment"),),
    ]
    trials = Trials(engine, staffed, "promotion", document)
    together = trials.judge(cases)
    assert together == [
        Trials(engine, staffed, "promotion", document).judge([case])[0] for case in cases
    ]
    assert together[4] is None  # a built-in reported an error; the others were judged all the same
    assert [len(each["deny"]) for each in together[:4]] == [0, 1, 1, 1]
    assert trials.evaluated == 5
