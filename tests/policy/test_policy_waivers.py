"""Waivers excuse findings and nothing else, and only those that the policies count."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sluiceway.model import Decision, Level, rfc3339, to_json
from sluiceway.policy import Bundle, PolicyEngine, decide

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ANY = {"type": "object"}
FINDING = '{"code": "g.no", "msg": "No.", "solution": "Do."}'


def rego(body: str, *, schema: Any = None) -> Bundle:
    return Bundle(
        modules={"g/g.rego": f"package g\n\n{body}\n"},
        data={},
        schemas={"g": ANY if schema is None else schema},
        digest="sha256:" + "0" * 64,
        origin="test",
    )


def judge(engine: PolicyEngine | None, bundle: Bundle, document: Any) -> Decision:
    return decide(engine, bundle, "g", document, now=NOW)


def codes(decision: Decision) -> list[str]:
    return [finding.code for finding in decision.findings]


def waiver(code: str = "g.no", **more: Any) -> dict[str, Any]:
    """Return a waiver as an input has it, by somebody who may."""
    return {
        "id": "w1",
        "service": "settlement",
        "code": code,
        "environment": "",
        "digest": "",
        "package": "",
        "reason": "r",
        "owner": "rita",
        "method": "ssh",
        "proven": True,
        "key": "SHA256:rita",
        "signed": True,
        "made_at": rfc3339(NOW - timedelta(hours=1)),
        "expires": rfc3339(NOW + timedelta(days=30)),
        "valid": True,
        "problem": "",
        **more,
    }


def excused(document: Any, *waivers: dict[str, Any]) -> dict[str, Any]:
    named = [{**each, "id": f"w{number}"} for number, each in enumerate(waivers, 1)]
    return {**copy.deepcopy(document), "waivers": named}


def denying(finding: str, said: str = "{each.id: set() | some each in input.waivers}") -> Bundle:
    return rego(
        f'decision := {{"deny": {{{finding}}}, "warn": set(), '
        f'"waivers": {{"objections": {said}, "warn": set()}}}}'
    )


ABOUT = (
    '{"code": "g.no", "msg": "No.", "solution": "Do.", "about": "X-1", "packages": ["pkg:npm/a@1"]}'
)
DENIED = denying(ABOUT)
DOCUMENT = {
    "service": "settlement",
    "target": "production",
    "image": {"digest": "sha256:" + "a" * 64},
}


@pytest.mark.parametrize(
    "exception",
    [
        waiver(),
        waiver("g.no/X-1"),
        waiver(environment="production"),
        waiver(digest="sha256:" + "a" * 64),
        waiver(package="pkg:npm/a"),
        waiver(package="pkg:npm/a@1"),
    ],
)
def test_a_waiver_in_force_excuses_and_stays_visible(
    engine: PolicyEngine, exception: dict[str, Any]
) -> None:
    decision = judge(engine, DENIED, excused(DOCUMENT, exception))
    assert decision.allow
    (finding,) = decision.findings
    assert finding.level is Level.DENY
    assert finding.waived is not None
    assert finding.waived.owner == "rita"
    assert to_json(finding.waived).items() <= exception.items()


@pytest.mark.parametrize(
    "exception",
    [
        waiver("g.other"),
        waiver("g"),
        waiver("g.no/X-2"),
        waiver(environment="canary"),
        waiver(digest="sha256:" + "b" * 64),
        waiver(service="payments"),
        waiver(package="pkg:npm/b"),
        waiver(package="pkg:npm/a@2"),
        waiver(package="pkg:npm/"),
        waiver("g.no/X-2", package="pkg:npm/a"),
    ],
)
def test_a_waiver_for_something_else_does_not(
    engine: PolicyEngine, exception: dict[str, Any]
) -> None:
    decision = judge(engine, DENIED, excused(DOCUMENT, exception))
    assert not decision.allow
    assert decision.findings[0].message == "No."


@pytest.mark.parametrize(
    ("packages", "allow"),
    [
        ('["pkg:npm/a@1", "pkg:npm/a@2?x=y", "pkg:npm/a#sub"]', True),
        ('["pkg:npm/a@1", "pkg:npm/b@1"]', False),
        ('["pkg:npm/ab@1"]', False),
        ("[]", False),
    ],
)
def test_a_waiver_for_a_package_excuses_what_is_about_that_one_alone(
    engine: PolicyEngine, packages: str, *, allow: bool
) -> None:
    finding = FINDING.replace("}", f', "packages": {packages}}}')
    document = excused(DOCUMENT, waiver(package="pkg:npm/a"))
    assert judge(engine, denying(finding), document).allow is allow


def test_the_beginning_of_many_packages_is_none_of_them(engine: PolicyEngine) -> None:
    finding = FINDING.replace("}", ', "packages": ["pkg:npm/@scope/a@1"]}')
    assert not judge(engine, denying(finding), excused(DOCUMENT, waiver(package="pkg:npm/"))).allow
    document = excused(DOCUMENT, waiver(package="pkg:npm/@scope/a"))
    assert judge(engine, denying(finding), document).allow


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=-1), timedelta(days=-30)])
def test_an_expired_waiver_does_not_and_it_is_said(engine: PolicyEngine, late: timedelta) -> None:
    document = excused(DOCUMENT, waiver(expires=rfc3339(NOW + late)))
    decision = judge(engine, DENIED, document)
    assert not decision.allow
    assert f"waiver w1 by rita expired on {rfc3339(NOW + late)}." in decision.findings[0].message


def test_of_two_waivers_the_one_in_force_counts(engine: PolicyEngine) -> None:
    over, now = rfc3339(NOW - timedelta(days=1)), rfc3339(NOW)
    document = excused(DOCUMENT, waiver(expires=over), waiver(), waiver(expires=now))
    decision = judge(engine, DENIED, document)
    assert decision.allow
    assert decision.findings[0].waived is not None
    assert decision.findings[0].waived.id == "w2"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ('{"w1": {"it is torn", "it is old"}}', "does not count: it is old and it is torn."),
        ("{}", "does not count: the policies say nothing about it."),
        ('{"w2": set()}', "does not count: the policies say nothing about it."),
    ],
)
def test_one_that_the_policies_object_to_does_not_count(
    engine: PolicyEngine, said: str, why: str
) -> None:
    decision = judge(engine, denying(ABOUT, said), excused(DOCUMENT, waiver()))
    assert not decision.allow
    assert decision.findings[0].message == f"No. The waiver w1 by rita {why}"


def test_policies_that_say_nothing_about_waivers_let_none_count(engine: PolicyEngine) -> None:
    bundle = rego(f'decision := {{"deny": {{{ABOUT}}}, "warn": set()}}')
    decision = judge(engine, bundle, excused(DOCUMENT, waiver()))
    assert not decision.allow
    assert decision.findings[0].message.endswith("the policies say nothing about it.")


@pytest.mark.parametrize(
    "word",
    [
        "null",
        "{}",
        '{"objections": {}}',
        '{"objections": {}, "warn": set(), "more": 1}',
        '{"objections": [], "warn": set()}',
        '{"objections": {"w1": null}, "warn": set()}',
        '{"objections": {"w1": false}, "warn": set()}',
        '{"objections": {"w1": {7}}, "warn": set()}',
        '{"objections": {"w1": {""}}, "warn": set()}',
        '{"objections": {"w1": set()}, "warn": {7}}',
        '{"objections": {"w1": set()}, "warn": {}}',
    ],
)
def test_a_word_on_waivers_that_is_not_understood_refuses(engine: PolicyEngine, word: str) -> None:
    bundle = rego(f'decision := {{"deny": {{{ABOUT}}}, "warn": set(), "waivers": {word}}}')
    decision = judge(engine, bundle, excused(DOCUMENT, waiver()))
    assert not decision.allow
    assert set(codes(decision)) == {"g.no", "policy.malformed"}


@pytest.mark.parametrize(
    "entry", [7, {}, waiver(expires="soon"), {**waiver(), "code": None}, {**waiver(), "id": None}]
)
def test_waivers_in_another_form_refuse_where_no_schema_does(
    engine: PolicyEngine, entry: Any
) -> None:
    good = rego('decision := {"deny": set(), "warn": set()}')
    decision = judge(engine, good, {**DOCUMENT, "waivers": [entry]})
    assert codes(decision) == ["input.schema"]
    assert codes(judge(engine, good, {**DOCUMENT, "waivers": {"a": 1}})) == ["input.schema"]


def test_what_is_said_of_a_waiver_is_heard_where_the_decision_rests_on_it(
    engine: PolicyEngine,
) -> None:
    body = f"""decision := {{"deny": {{{ABOUT}}}, "warn": set(), "waivers": {{
	"objections": {{each.id: set() | some each in input.waivers}},
	"warn": {{found | some each in input.waivers; found := {{
		"code": "waiver.expiring", "msg": each.id, "solution": "s", "about": each.id,
	}}}},
}}}}"""
    decision = judge(engine, rego(body), excused(DOCUMENT, waiver(), waiver("g.other")))
    assert decision.allow
    assert [(each.level.value, each.code, each.message) for each in decision.findings] == [
        ("deny", "g.no", "No."),
        ("warn", "waiver.expiring", "w1"),
    ]
    assert codes(judge(engine, rego(body), excused(DOCUMENT, waiver("g.other")))) == ["g.no"]


def test_what_the_policy_forbids_to_waive_stays(engine: PolicyEngine) -> None:
    finding = FINDING.replace("}", ', "waivable": false}')
    decision = judge(engine, denying(finding), excused(DOCUMENT, waiver()))
    assert not decision.allow
    assert "cannot be waived" in decision.findings[0].message


@pytest.mark.parametrize("code", ["policy.engine-missing", "policy.entrypoint", "input.schema"])
def test_the_judgement_itself_cannot_be_waived(engine: PolicyEngine, code: str) -> None:
    bundle = rego("other := 1", schema={"type": "object", "required": ["x"]})
    chosen = None if code == "policy.engine-missing" else engine
    document = {"x": 1} if code == "policy.entrypoint" else {}
    decision = judge(chosen, bundle, excused(document, waiver(code)))
    assert codes(decision) == [code]
    assert not decision.allow


def test_a_policy_cannot_pass_its_own_code_off_as_waivable(engine: PolicyEngine) -> None:
    forged = FINDING.replace("g.no", "policy.timeout")
    assert not judge(engine, denying(forged), excused(DOCUMENT, waiver("policy.timeout"))).allow


def test_the_bundled_gates_pass_and_waive(
    engine: PolicyEngine, staffed: Bundle, passing: dict[str, Any]
) -> None:
    for gate, document in passing.items():
        decision = decide(engine, staffed, gate, document, now=NOW)
        assert decision.allow, decision
        assert decision.findings == ()
    unscanned = copy.deepcopy(passing["promotion"])
    unscanned["evidence"]["scan"] |= {"status": "no-data", "facts": {"attested": False}}
    refused = decide(engine, staffed, "promotion", unscanned, now=NOW)
    assert codes(refused) == ["image.scan-unscanned"]
    document = excused(unscanned, waiver("image.scan-unscanned", environment="production"))
    assert decide(engine, staffed, "promotion", document, now=NOW).allow
    unsigned = excused(passing["promotion"], waiver("image.signature"))
    del unsigned["evidence"]["signature"]
    assert not decide(engine, staffed, "promotion", unsigned, now=NOW).allow


def test_a_vulnerability_may_be_waived_by_its_id(
    engine: PolicyEngine, staffed: Bundle, passing: dict[str, Any]
) -> None:
    document = copy.deepcopy(passing["promotion"])
    facts = document["evidence"]["scan"]["facts"]
    facts["counts"] |= {"MEDIUM": 0, "HIGH": 1, "CRITICAL": 1}
    (whole,) = facts["vulnerabilities"]
    facts["vulnerabilities"] = [
        {**whole, "id": name, "severity": severity}
        for name, severity in (("GHSA-1", "HIGH"), ("GHSA-2", "CRITICAL"))
    ]
    one = waiver("image.vulnerability/GHSA-1")
    decision = decide(engine, staffed, "promotion", excused(document, one), now=NOW)
    assert not decision.allow
    assert [finding.waived is not None for finding in decision.findings] == [True, False]
    both = excused(document, one, waiver("image.vulnerability/GHSA-2"))
    assert decide(engine, staffed, "promotion", both, now=NOW).allow
    by_package = excused(document, waiver("image.vulnerability", package="pkg:pypi/a"))
    assert decide(engine, staffed, "promotion", by_package, now=NOW).allow
    other = excused(document, waiver("image.vulnerability", package="pkg:pypi/b"))
    assert not decide(engine, staffed, "promotion", other, now=NOW).allow


def named(document: Any, *names: tuple[str, ...]) -> Any:
    """Return *document* with a serious vulnerability of one package for each of *names*."""
    changed = copy.deepcopy(document)
    facts = changed["evidence"]["scan"]["facts"]
    facts["counts"] |= {"MEDIUM": 0, "HIGH": len(names)}
    (whole,) = facts["vulnerabilities"]
    facts["vulnerabilities"] = [
        {
            **whole,
            "id": first,
            "aliases": others,
            "own_aliases": [name for name in others if sum(name in each for each in names) == 1],
            "severity": "HIGH",
        }
        for first, *others in names
    ]
    return changed


@pytest.mark.parametrize("name", ["CVE-1", "GHSA-1", "PYSEC-1"])
def test_a_vulnerability_may_be_waived_by_any_of_its_names(
    engine: PolicyEngine, staffed: Bundle, passing: dict[str, Any], name: str
) -> None:
    document = named(passing["promotion"], ("CVE-1", "GHSA-1", "PYSEC-1"))
    document = excused(document, waiver(f"image.vulnerability/{name}"))
    assert decide(engine, staffed, "promotion", document, now=NOW).allow


def test_a_name_that_two_vulnerabilities_share_excuses_neither(
    engine: PolicyEngine, staffed: Bundle, passing: dict[str, Any]
) -> None:
    document = named(passing["promotion"], ("CVE-1", "GHSA-1"), ("CVE-2", "GHSA-1"))

    def waived(*names: str) -> list[bool]:
        asked = excused(document, *(waiver(f"image.vulnerability/{name}") for name in names))
        decision = decide(engine, staffed, "promotion", asked, now=NOW)
        return [finding.waived is not None for finding in decision.findings]

    assert waived("GHSA-1") == [False, False]
    assert waived("CVE-1") == [True, False]
    assert waived("CVE-1", "CVE-2") == [True, True]
