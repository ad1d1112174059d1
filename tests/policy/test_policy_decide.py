"""A gate is closed unless everything worked; waivers excuse findings and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sluiceway.errors import ConfigurationError
from sluiceway.model import Decision, Level, Place, digest_of
from sluiceway.policy import Bundle, EngineError, PolicyEngine, decide
from sluiceway.policy.archive import document_bytes

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
        ("decision := {f(1)}\n\nf(x) := f(x - 1)", "policy.recursion"),
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


class Counting(Broken):
    """An engine that should not be asked."""

    def __init__(self) -> None:
        super().__init__(AssertionError("it was asked"))


def test_an_input_of_ten_megabytes_is_not_looked_into() -> None:
    bundle = rego('decision := {"deny": set(), "warn": set()}')
    decision = judge(Counting(), bundle, {"a": "x" * (10 << 20)})
    assert codes(decision) == ["input.size"]
    assert "10.0 MB" in decision.findings[0].message
    assert decision.input_digest.startswith("sha256:")


def test_an_input_just_small_enough_is_judged(engine: PolicyEngine) -> None:
    bundle = rego('decision := {"deny": set(), "warn": set()}')
    assert judge(engine, bundle, {"a": "x" * ((8 << 20) - 8)}).allow


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


def test_the_engine_is_given_the_very_bytes_that_the_digest_names() -> None:
    document = {"b": 1, "a": [{"d": True, "c": None}, "ü"], "e": {}}
    engine = Saying([])
    assert judge(engine, rego(""), document).input_digest == digest_of(engine.given)
    assert json.loads(engine.given) == document
    assert list(document) == ["b", "a", "e"]


@pytest.mark.parametrize("value", [Path("a"), {"x"}, NOW])
def test_what_is_no_json_for_an_engine_is_refused_there(value: Any) -> None:
    engine = Saying([])
    decision = judge(engine, rego(""), {"a": value})
    assert codes(decision) == ["policy.evaluation"]
    assert "cannot be written as JSON" in decision.findings[0].message
    assert decision.input_digest == digest_of({"a": value})
    assert engine.given == b""


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


class Saying(Broken):
    """An engine that says what it is told to, and keeps what it was given."""

    def __init__(self, deny: list[Any]) -> None:
        self.deny = deny
        self.given = b""

    def evaluate(self, bundle: Bundle, path: str, document: Mapping[str, Any]) -> Any:
        self.given = document_bytes(document)
        return {"deny": self.deny, "warn": []}


PLACE: dict[str, Any] = {
    "file": "a.sql",
    "line": 1,
    "statement": "DROP TABLE a",
    "statement_hash": "sha256:1",
    "table": "a",
    "column": "",
}
ENTRY = {"code": "g.no", "msg": "No.", "solution": "Do.", "about": "x", "at": PLACE}


def test_a_finding_has_its_place_whatever_the_order_of_its_keys() -> None:
    turned = {**dict(reversed(ENTRY.items())), "at": dict(reversed(PLACE.items()))}
    (finding,) = judge(Saying([ENTRY, turned]), rego("")).findings
    assert finding.at == Place(**PLACE)
    assert (finding.code, finding.message, finding.about) == ("g.no", "No.", "x")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"msg": " \n"}, "has no text as msg"),
        ({"solution": ""}, "has no text as solution"),
        ({"code": 1}, "has no text as code"),
        ({"about": None}, "'about', which is not a key of a finding or is of another type"),
        ({"waivable": 1}, "'waivable', which is not a key"),
        ({"more": "x"}, "'more', which is not a key"),
        ({"aliases": ["a", 1]}, "'aliases' that are not texts"),
        ({"packages": [None]}, "'packages' that are not texts"),
        ({"at": None}, "'at', which is not a key of a finding or is of another type"),
        ({"at": {}}, "not a place"),
        ({"at": {**PLACE, "line": 0}}, "not a place"),
        ({"at": {**PLACE, "line": True}}, "not a place"),
        ({"at": {**PLACE, "line": 1.0}}, "not a place"),
        ({"at": {**PLACE, "table": None}}, "not a place"),
        ({"at": {**PLACE, "more": ""}}, "not a place"),
        ({"at": {**{k: v for k, v in PLACE.items() if k != "line"}, "row": 1}}, "not a place"),
    ],
)
def test_one_finding_that_is_right_excuses_no_other_of_its_form(
    change: dict[str, Any], says: str
) -> None:
    right = [{**ENTRY, "aliases": ["a"], "packages": []}, ENTRY]
    engine = Saying([*right, {**ENTRY, **change}, {**right[0], **change}])
    found = judge(engine, rego("")).findings
    assert [each.code for each in found] == ["g.no", "policy.malformed"]
    assert says in found[1].message


@pytest.mark.parametrize("key", ["aliases", "packages"])
@pytest.mark.parametrize("aliases", ['"X"', "[1]", '{"X": 1}', "null"])
def test_names_in_another_form_are_no_finding(engine: PolicyEngine, aliases: str, key: str) -> None:
    body = (
        'decision := {"deny": {{"code": "g.no", "msg": "No.", "solution": "Do.", '
        f'"{key}": {aliases}}}}}, "warn": set()}}'
    )
    assert codes(judge(engine, rego(body))) == ["policy.malformed"]
