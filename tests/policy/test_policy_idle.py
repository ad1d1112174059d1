"""What has no effect is told: rules nobody reaches, data nobody reads, facts nobody can have."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sluiceway.policy import Bundle, PolicyWorkbench, check_bundle

META = """# METADATA
# title: T
# description: D.
# custom:
#   code: g.no
#   solution: Do.
"""
RULE = f"{META}deny contains found if {{\n\tnot ok\n\tfound := rego.metadata.rule().custom\n}}\n"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "status": {"enum": ["ok", "failed"]},
        "number": {"type": "integer"},
        "facts": {"type": "object"},
        "people": {"type": "array", "items": {"$ref": "#/$defs/person"}},
        "evidence": {"type": "object", "additionalProperties": {"$ref": "#/$defs/person"}},
    },
    "$defs": {
        "person": {
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "then": {"properties": {"key": {"type": "string"}}},
        }
    },
}


def told(
    engine: PolicyWorkbench, body: str, data: dict[str, Any] | None = None, **more: str
) -> list[tuple[str, int, str]]:
    source = f'package g\n\ndecision := {{"deny": deny, "warn": set()}}\n\n{RULE}\n{body}\n'
    bundle = Bundle(
        modules={"g/g.rego": source, **more},
        data=data or {},
        digest="",
        origin="test",
        schemas={"g": SCHEMA},
    )
    return [(each.code, each.row, each.message) for each in check_bundle(engine, bundle)]


@pytest.mark.parametrize(
    "condition",
    [
        'ok if input.status == "ok"',
        "ok if input.number == 3",
        "ok if input.facts.whatever.deep == 3",
        'ok if input.people[0].name == "x"',
        "ok if { some person in input.people; person.key }",
        "ok if input.evidence[input.status].name",
        'ok if object.get(input, ["status"], "missing") == "missing"',
        'ok if object.get(input, "number", null) == null',
        "ok if input.number in {1, 2}",
    ],
)
def test_what_can_be_is_fine(engine: PolicyWorkbench, condition: str) -> None:
    assert told(engine, condition) == []


@pytest.mark.parametrize(
    ("condition", "code", "says"),
    [
        ("ok if input.stats", "policy.input", "did you mean status?"),
        ("ok if input.people[0].nme", "policy.input", "did you mean name?"),
        ("ok if { some p in input.people; p.nme }", "policy.input", "input.people[_].nme"),
        ('ok if object.get(input, ["stats", "x"], 1)', "policy.input", "did you mean status?"),
        ('ok if input.status == "okay"', "policy.value", 'compared with "okay"'),
        ('ok if input.number == "3"', "policy.value", 'compared with "3"'),
        ('ok if object.get(input, ["status"], "no") == "okay"', "policy.value", '"okay"'),
    ],
)
def test_what_no_input_can_be_is_told_at_its_row(
    engine: PolicyWorkbench, condition: str, code: str, says: str
) -> None:
    ((found, row, message),) = told(engine, condition)
    assert (found, row) == (code, 16)
    assert says in message


def test_a_denial_outside_of_the_decision_is_dead(engine: PolicyWorkbench) -> None:
    more = RULE.replace("deny", "deny_more").replace("g.no", "g.more")
    found = told(engine, f"ok if input.number\n\n{more}\nhelper := 1")
    assert [each[0] for each in found] == ["policy.dead-rule", "policy.dead-rule"]
    assert "g.deny_more" in found[0][2]
    assert "g.helper" in found[1][2]


@pytest.mark.parametrize("name", ["deny_more", "violation", "warn", "warn_x", "finding"])
def test_findings_that_only_something_else_asks_for_are_not_joined(
    engine: PolicyWorkbench, name: str
) -> None:
    more = RULE.replace("deny", name).replace("g.no", "g.more")
    asked = f"# METADATA\n# entrypoint: true\nseen := count({name})"
    found = told(engine, f"ok if input.number\n\n{more}\n{asked}")
    does = "warns" if "warn" in name else "denies"
    says = f"the decision of gate g does not join g.{name}, so nothing in it {does} there"
    assert found == [("policy.unjoined", 24, says)]


def test_a_gate_that_takes_what_denies_elsewhere_takes_all_of_it(engine: PolicyWorkbench) -> None:
    decision = 'decision := {"deny": deny | data.h.deny, "warn": set()}'
    source = f"package g\n\n{decision}\n\n{RULE}\nok if input.number\n"
    for name, joined in (("deny_more", False), ("warn_more", True), ("helper", True)):
        more = f'{RULE.replace("deny", name)}\ndecision := {{"deny": deny | {name}, "warn": set()}}'
        other = f"package h\n\n{RULE}\nok if input.status\n\n{more}\n"
        bundle = Bundle(
            modules={"g/g.rego": source, "h/h.rego": other},
            data={},
            digest="",
            origin="test",
            schemas={"g": SCHEMA, "h": SCHEMA},
        )
        found = [(each.file, each.row, each.code) for each in check_bundle(engine, bundle)]
        assert found == ([] if joined else [("h/h.rego", 22, "policy.unjoined")])
        both = source.replace("data.h.deny", f"data.h.deny | data.h.{name}")
        more_joined = replace(bundle, modules={"g/g.rego": both, "h/h.rego": other})
        assert check_bundle(engine, more_joined) == []


def test_a_function_that_makes_a_key_of_a_rule_is_not_dead(engine: PolicyWorkbench) -> None:
    body = """ok if count(sorted_by.x) > 0

sorted_by[kind(each)] contains each if some each in [input.status]

kind(each) := "x" if each == "ok"
"""
    assert told(engine, body) == []


def test_rules_that_conftest_asks_are_not_dead(engine: PolicyWorkbench) -> None:
    other = f"package k8s\n\n{RULE.replace('g.no', 'k8s.no')}\nok if input.kind\n"
    assert told(engine, "ok if input.number", None, **{"k8s/k8s.rego": other}) == []


def test_data_that_no_rule_reads_is_told_with_the_nearest_that_is(engine: PolicyWorkbench) -> None:
    body = """ok if {
	input.number >= data.g.least
	row := data.g.rows[input.status]
	row.roles
	data.g.list
}"""
    data = {
        "g": {
            "leest": 1,
            "rows": {"a": {"roles": [], "rolls": []}, "b": {"roles": []}},
            "list": {"any": {"thing": 1}},
        },
        "elsewhere": {"x": 1},
    }
    found = told(engine, body, data)
    assert [(code, message.split(" reads ")[1]) for code, _, message in found] == [
        ("policy.unused-data", "data.elsewhere"),
        ("policy.unused-data", "data.g.leest; did you mean least?"),
        ("policy.unused-data", "data.g.rows.a.rolls; did you mean roles?"),
    ]


def test_a_rule_that_is_asked_for_by_name_is_not_dead(engine: PolicyWorkbench) -> None:
    body = '# METADATA\n# title: T\n{}asked := helper\n\nhelper := input.number\n\nok if input.status == "ok"\n'
    dead = [code for code, _, _ in told(engine, body.format(""))]
    assert dead == ["policy.dead-rule", "policy.dead-rule"]
    assert told(engine, body.format("# entrypoint: true\n")) == []
    assert told(engine, body.format("# entrypoint: false\n"))
