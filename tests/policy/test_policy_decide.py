"""A gate is closed unless everything worked; waivers excuse findings and nothing else."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sluiceway.errors import ConfigurationError
from sluiceway.model import Decision, Level, Waiver, digest_of
from sluiceway.policy import Bundle, EngineError, PolicyEngine, decide

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ANY = {"type": "object"}
FINDING = '{"code": "g.no", "msg": "No.", "solution": "Do."}'


def rego(body: str, *, gate: str = "g", schema: Any = None) -> Bundle:
    return Bundle(
        modules={f"{gate}/{gate}.rego": f"package {gate}\n\n{body}\n"},
        data={},
        schemas={gate: ANY if schema is None else schema},
        digest="sha256:" + "0" * 64,
        origin="test",
    )


def judge(engine: PolicyEngine | None, bundle: Any, document: Any = None, **more: Any) -> Decision:
    return decide(engine, bundle, "g", {} if document is None else document, now=NOW, **more)


def codes(decision: Decision) -> list[str]:
    return [finding.code for finding in decision.findings]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("decision := ", "policy.syntax"),
        ("decision := nowhere", "policy.syntax"),
        ('decision := {"deny": {x}, "warn": set()} if x := http.send({})', "policy.forbidden"),
        ('decision := {"deny": {time.now_ns()}, "warn": set()}', "policy.forbidden"),
        ('decision := {"deny": {to_number("x")}, "warn": set()}', "policy.builtin"),
        ('decision := {"deny": set(), "warn": set()} if input.nothing', "policy.entrypoint"),
        ("other := 1", "policy.entrypoint"),
        ("decision := true", "policy.malformed"),
        ('decision := {"deny": set()}', "policy.malformed"),
        ('decision := {"deny": set(), "warn": set(), "allow": true}', "policy.malformed"),
        ('decision := {"deny": false, "warn": set()}', "policy.malformed"),
        ('decision := {"deny": {}, "warn": set()}', "policy.malformed"),
        ('decision := {"deny": {"text"}, "warn": set()}', "policy.malformed"),
        ('decision := {"deny": {{"msg": "m"}}, "warn": set()}', "policy.malformed"),
        (f'decision := {{"deny": [], "warn": [{FINDING}, 7]}}', "policy.malformed"),
        (
            'decision := {"deny": {{"code": "g.x", "msg": "m", "solution": "s", "about": 1}}, "warn": []}',
            "policy.malformed",
        ),
        ("decision := 1\n\ndecision := 2", "policy.evaluation"),
    ],
)
def test_whatever_a_policy_does_wrong_is_a_deny_of_its_own(
    engine: PolicyEngine, body: str, code: str
) -> None:
    decision = judge(engine, rego(body))
    assert not decision.allow
    assert code in codes(decision)
    assert all(finding.message and finding.solution for finding in decision.findings)


def test_a_syntax_error_names_file_and_line(engine: PolicyEngine) -> None:
    (finding,) = judge(engine, rego("decision := [1, }\n")).findings
    assert finding.message.startswith("g/g.rego:3: rego_parse_error: unexpected")
    assert "\n" not in finding.message


def test_a_malformed_finding_does_not_hide_the_others(engine: PolicyEngine) -> None:
    body = f'decision := {{"deny": [7, {FINDING}], "warn": []}}'
    assert codes(judge(engine, rego(body))) == ["g.no", "policy.malformed"]


def test_no_engine_refuses_with_the_line_that_installs_one() -> None:
    decision = judge(None, rego('decision := {"deny": set(), "warn": set()}'))
    assert not decision.allow
    assert codes(decision) == ["policy.engine-missing"]
    assert "invoke policy.engine --install" in decision.findings[0].solution
    assert decision.engine == "none"


def test_policies_that_cannot_be_read_refuse_with_that_reason(engine: PolicyEngine) -> None:
    error = ConfigurationError("there is no Rego in x", remedy="Add some.", code="policy.empty")
    decision = judge(engine, error)
    assert not decision.allow
    assert codes(decision) == ["policy.empty"]
    assert decision.findings[0].solution == "Add some."
    assert decision.policy_digest == ""


class Broken:
    """An engine whose plugin has a defect."""

    name = "broken"
    version = "0"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def evaluate(self, bundle: Bundle, path: str, document: Mapping[str, Any]) -> Any:
        raise self.error

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EngineError("it took too long", code="policy.timeout"), "policy.timeout"),
        (EngineError("it died", code="policy.crashed"), "policy.crashed"),
        (RuntimeError("boom"), "policy.crashed"),
        (RecursionError("deep"), "policy.crashed"),
    ],
)
def test_an_engine_that_fails_refuses(error: Exception, code: str) -> None:
    decision = judge(Broken(error), rego('decision := {"deny": set(), "warn": set()}'))
    assert not decision.allow
    assert codes(decision) == [code]


@pytest.mark.parametrize(
    ("document", "schema"),
    [
        ({"a": 1}, {"type": "object", "required": ["b"]}),
        ({"a": "x"}, {"type": "object", "properties": {"a": {"type": "integer"}}}),
        ({"a": 1}, {"type": "object", "maxProperties": 7}),  # a keyword that is not understood
        ({"a": float("nan")}, ANY),
        ({"a": object()}, ANY),
        ({"a": "\ud800"}, ANY),
    ],
)
def test_an_input_that_is_not_right_refuses(
    engine: PolicyEngine, document: Any, schema: Any
) -> None:
    good = 'decision := {"deny": set(), "warn": set()}'
    decision = judge(engine, rego(good, schema=schema), document)
    assert not decision.allow
    assert set(codes(decision)) == {"input.schema"}


def test_a_gate_without_a_schema_refuses(engine: PolicyEngine) -> None:
    bundle = rego('decision := {"deny": set(), "warn": set()}', gate="other")
    assert codes(judge(engine, bundle)) == ["input.schema"]


def test_allowing_and_warning(engine: PolicyEngine) -> None:
    document = {"b": 1, "a": [True, None, "ü"]}
    bundle = rego(f'decision := {{"deny": set(), "warn": {{{FINDING}}}}}')
    decision = judge(engine, bundle, document)
    assert decision.allow
    assert [finding.level for finding in decision.findings] == [Level.WARN]
    assert decision.policy_digest == bundle.digest
    assert decision.input_digest == digest_of(document)
    assert decision.engine == "embedded"
    assert decision.at == NOW


def test_findings_come_sorted_and_once(engine: PolicyEngine) -> None:
    body = """decision := {
	"deny": [made("b.b", "2"), made("a.a", "1"), made("b.b", "1"), made("b.b", "1")],
	"warn": [made("a.a", "0")],
}

made(code, msg) := {"code": code, "msg": msg, "solution": "s"}"""
    decision = judge(engine, rego(body))
    found = [(finding.level.value, finding.code, finding.message) for finding in decision.findings]
    assert found == [
        ("deny", "a.a", "1"),
        ("deny", "b.b", "1"),
        ("deny", "b.b", "2"),
        ("warn", "a.a", "0"),
    ]


def waiver(code: str = "g.no", **more: Any) -> Waiver:
    fields = {"reason": "r", "owner": "olga", "expires": NOW + timedelta(days=1), **more}
    return Waiver(code=code, **fields)


DENIED = rego(
    'decision := {"deny": {{"code": "g.no", "msg": "No.", "solution": "Do.", "about": "X-1"}}, '
    '"warn": set()}'
)
DOCUMENT = {"target": "production", "image": {"digest": "sha256:" + "a" * 64}}


@pytest.mark.parametrize(
    "exception",
    [
        waiver(),
        waiver("g.no/X-1"),
        waiver(environment="production"),
        waiver(digest="sha256:" + "a" * 64),
    ],
)
def test_a_waiver_in_force_excuses_and_stays_visible(
    engine: PolicyEngine, exception: Waiver
) -> None:
    decision = judge(engine, DENIED, DOCUMENT, waivers=[exception])
    assert decision.allow
    (finding,) = decision.findings
    assert finding.level is Level.DENY
    assert finding.waived == exception


@pytest.mark.parametrize(
    "exception",
    [
        waiver("g.other"),
        waiver("g"),
        waiver("g.no/X-2"),
        waiver(environment="canary"),
        waiver(digest="sha256:" + "b" * 64),
    ],
)
def test_a_waiver_for_something_else_does_not(engine: PolicyEngine, exception: Waiver) -> None:
    decision = judge(engine, DENIED, DOCUMENT, waivers=[exception])
    assert not decision.allow
    assert decision.findings[0].message == "No."


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=-1), timedelta(days=-30)])
def test_an_expired_waiver_does_not_and_it_is_said(engine: PolicyEngine, late: timedelta) -> None:
    decision = judge(engine, DENIED, DOCUMENT, waivers=[waiver(expires=NOW + late)])
    assert not decision.allow
    assert "waiver by olga expired on 20" in decision.findings[0].message


def test_of_two_waivers_the_one_in_force_counts(engine: PolicyEngine) -> None:
    both = [waiver(expires=NOW - timedelta(days=1)), waiver(), waiver(expires=NOW)]
    assert judge(engine, DENIED, DOCUMENT, waivers=both).allow


def test_what_the_policy_forbids_to_waive_stays(engine: PolicyEngine) -> None:
    body = (
        'decision := {"deny": {{"code": "g.no", "msg": "No.", "solution": "Do.", '
        '"waivable": false}}, "warn": set()}'
    )
    decision = judge(engine, rego(body), DOCUMENT, waivers=[waiver()])
    assert not decision.allow
    assert "cannot be waived" in decision.findings[0].message


@pytest.mark.parametrize("code", ["policy.engine-missing", "policy.entrypoint", "input.schema"])
def test_the_judgement_itself_cannot_be_waived(engine: PolicyEngine, code: str) -> None:
    bundle = rego("other := 1", schema={"type": "object", "required": ["x"]})
    chosen = None if code == "policy.engine-missing" else engine
    document = {"x": 1} if code == "policy.entrypoint" else {}
    decision = judge(chosen, bundle, document, waivers=[waiver(code)])
    assert codes(decision) == [code]
    assert not decision.allow


def test_a_policy_cannot_pass_its_own_code_off_as_waivable(engine: PolicyEngine) -> None:
    forged = FINDING.replace("g.no", "policy.timeout")
    bundle = rego(f'decision := {{"deny": {{{forged}}}, "warn": set()}}')
    assert not judge(engine, bundle, {}, waivers=[waiver("policy.timeout")]).allow


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
    excused = waiver("image.scan-unscanned", environment="production")
    assert decide(engine, staffed, "promotion", unscanned, now=NOW, waivers=[excused]).allow
    unsigned = copy.deepcopy(passing["promotion"])
    del unsigned["evidence"]["signature"]
    never = waiver("image.signature")
    assert not decide(engine, staffed, "promotion", unsigned, now=NOW, waivers=[never]).allow


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
    one = [waiver("image.vulnerability/GHSA-1")]
    decision = decide(engine, staffed, "promotion", document, now=NOW, waivers=one)
    assert not decision.allow
    assert [finding.waived is not None for finding in decision.findings] == [True, False]
    both = [*one, waiver("image.vulnerability/GHSA-2")]
    assert decide(engine, staffed, "promotion", document, now=NOW, waivers=both).allow


def named(document: Any, *names: tuple[str, ...]) -> Any:
    """Return *document* with a serious vulnerability of one package for each of *names*."""
    changed = copy.deepcopy(document)
    facts = changed["evidence"]["scan"]["facts"]
    facts["counts"] |= {"MEDIUM": 0, "HIGH": len(names)}
    (whole,) = facts["vulnerabilities"]
    facts["vulnerabilities"] = [
        {**whole, "id": first, "aliases": list(others), "severity": "HIGH"}
        for first, *others in names
    ]
    return changed


@pytest.mark.parametrize("name", ["CVE-1", "GHSA-1", "PYSEC-1"])
def test_a_vulnerability_may_be_waived_by_any_of_its_names(
    engine: PolicyEngine, staffed: Bundle, passing: dict[str, Any], name: str
) -> None:
    document = named(passing["promotion"], ("CVE-1", "GHSA-1", "PYSEC-1"))
    excused = [waiver(f"image.vulnerability/{name}")]
    assert decide(engine, staffed, "promotion", document, now=NOW, waivers=excused).allow


def test_a_name_that_two_vulnerabilities_share_excuses_neither(
    engine: PolicyEngine, staffed: Bundle, passing: dict[str, Any]
) -> None:
    document = named(passing["promotion"], ("CVE-1", "GHSA-1"), ("CVE-2", "GHSA-1"))

    def waived(*names: str) -> list[bool]:
        waivers = [waiver(f"image.vulnerability/{name}") for name in names]
        decision = decide(engine, staffed, "promotion", document, now=NOW, waivers=waivers)
        return [finding.waived is not None for finding in decision.findings]

    assert waived("GHSA-1") == [False, False]
    assert waived("CVE-1") == [True, False]
    assert waived("CVE-1", "CVE-2") == [True, True]


@pytest.mark.parametrize("aliases", ['"X"', "[1]", '{"X": 1}', "null"])
def test_aliases_in_another_form_are_no_finding(engine: PolicyEngine, aliases: str) -> None:
    body = (
        'decision := {"deny": {{"code": "g.no", "msg": "No.", "solution": "Do.", '
        f'"aliases": {aliases}}}}}, "warn": set()}}'
    )
    assert codes(judge(engine, rego(body))) == ["policy.malformed"]
