"""What a rule reads is told before it is evaluated: nothing is left out, constants are followed."""

from __future__ import annotations

from typing import Any

import pytest

from sluiceway.policy import PolicyWorkbench, bundled_policies, load_bundle
from sluiceway.policy.facts import MISSING, concrete, look, outermost, pointer, replaced
from sluiceway.policy.reading import Reader
from sluiceway.policy.seen import ANY, Keyed, shown_path
from sluiceway.policy.tree import package, rule_name

LIB = """package lib

status(kind) := object.get(input, ["evidence", kind, "status"], "missing")

at_least(a, b) if a >= b

same("", "")

same(a, b) if a == b
"""


def read(engine: PolicyWorkbench, source: str, name: str = "x") -> tuple[set[str], set[str]]:
    modules = {"g.rego": f"package g\n\nimport data.lib\n\n{source}\n", "lib.rego": LIB}
    parsed = engine.parse(modules)
    assert not any(each.error for each in parsed.values()), parsed
    found = Reader([each.tree for each in parsed.values()]).named("g", name)
    return {shown_path(path) for path in found.judged}, {shown_path(path) for path in found.told}


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("x if input.a.b == 1", {"input.a.b"}),
        ('x if input["a b"][0]', {'input["a b"][0]'}),
        ('x if lib.status("scan") == "ok"', {"input.evidence.scan.status"}),
        ('x if { some k in ["p", "q"]; input[k].z }', {"input.p.z", "input.q.z"}),
        ("x if { some v in input.list; v.name == 1 }", {"input.list[_]", "input.list[_].name"}),
        ("x if { some i, v in input.list; v > i }", {"input.list[_]"}),
        ("x if { every v in input.list { v.ok } }", {"input.list", "input.list[_].ok"}),
        ("x if { v := input.a; v.b }", {"input.a", "input.a.b"}),
        ("x if data.roles[input.who]", {"data.roles[input.who]", "input.who"}),
        ("x if y\n\ny if input.deep", {"input.deep"}),
        ("x if lib.at_least(input.n, data.least)", {"input.n", "data.least"}),
        ('x if lib.same("", input.k)', {"input.k"}),
        ("x := 1 if input.a else := 2 if input.b", {"input.a", "input.b"}),
        ("x if count({v | some v in input.s; v.t}) > 0", {"input.s[_]", "input.s[_].t"}),
        ("x if object.union(input.a, input.b).c", {"input.a", "input.b"}),
        ("x if f(input)\n\nf(d) if d.e", {"input.e"}),
        ("x if f[input.k]\n\nf contains 1 if input.z", {"input.k", "input.z"}),
        ("x if walk(input, [p, v])", {"input"}),
        ("x if not y\n\ny if input.n", {"input.n"}),
        ("x if p.one\n\np[k] contains 1 if { some k in [`one`, `two`]; input[k] }", {"input.one"}),
        ("x if input.a with input.a as input.b", {"input.a", "input.b"}),
        ("x if { [a, b] := [input.a, input.b]; a.c; b }", {"input.a", "input.b", "input.a.c"}),
        (
            "x if { o := {`a`: input.a, `b`: {`c`: input.c}}; o.a.d; o.b.c.d }",
            {"input.a", "input.c", "input.a.d", "input.c.d"},
        ),
        (
            "x if { some k in [`a`, `b`]; {`a`: input.a, `b`: input.b, `c`: input.c}[k].d }",
            {"input.a", "input.b", "input.c", "input.a.d", "input.b.d"},
        ),
        ("x if { {`a`: input.a, `b`: input.b}[input.k].d }", {"input.a.d", "input.b.d", "input.k"}),
        ("x if { {input.k: input.a, `b`: input.b}.b.d }", {"input.k", "input.a.d", "input.b.d"}),
    ],
)
def test_paths_that_decide(engine: PolicyWorkbench, source: str, wanted: set[str]) -> None:
    judged, _ = read(engine, source)
    assert wanted <= judged
    assert not {path for path in judged - wanted if not any(w.startswith(path) for w in wanted)}


def test_what_only_words_are_made_of_is_kept_apart(engine: PolicyWorkbench) -> None:
    source = """x contains found if {
	input.a
	limit := input.limit
	input.n > limit
	text := sprintf("%v of %v", [input.name, input.n])
	found := {"msg": text}
}"""
    judged, told = read(engine, source)
    assert judged == {"input.a", "input.limit", "input.n"}
    assert told == {"input.name"}


def test_a_key_from_a_wildcard_reads_every_entry(engine: PolicyWorkbench) -> None:
    source = (
        'x if { some k in (names - {"b"}); input.e[k].s }\n\nnames := {k | some k, _ in input.e}'
    )
    judged, _ = read(engine, source)
    assert "input.e[_].s" in judged


def test_elements_of_a_set_rule_are_what_was_put_in_and_nothing_below(
    engine: PolicyWorkbench,
) -> None:
    source = "x if { some n in names; n.first }\n\nnames contains p.name if some p in input.people"
    judged, _ = read(engine, source)
    assert "input.people[_].name.first" in judged
    assert not [path for path in judged if "name[_]" in path]


def test_a_rule_of_the_policies_reads_what_it_says(engine: PolicyWorkbench) -> None:
    bundle = load_bundle([bundled_policies()])
    parsed = engine.parse(bundle.modules)
    reader = Reader([each.tree for each in parsed.values()])
    tree = parsed["promotion/role/role.rego"].tree
    role = next(rule for rule in tree["rules"] if rule_name(rule) == "deny")
    shown = {shown_path(path) for path in reader.rule(package(tree), role).judged}
    assert {
        "data.promotion.people[input.actor.name]",
        "data.promotion.paths[input.source][input.target].roles",
        "input.actor.name",
    } <= shown
    assert "input.image.digest" not in shown


ROOTS: dict[str, Any] = {
    "input": {"who": "ann", "list": [{"n": 1}, {"n": 2}], "none": None},
    "data": {"roles": {"ann": ["a"], "bob": []}},
}


@pytest.mark.parametrize(
    ("path", "places"),
    [
        (("input", "who"), [("input", "who")]),
        (("input", "list", ANY, "n"), [("input", "list", 0, "n"), ("input", "list", 1, "n")]),
        (("input", "nothing", ANY), []),
        (("input", "nothing", "here"), [("input", "nothing", "here")]),
        (
            ("data", "roles", Keyed(frozenset({("input", "who")}))),
            [("data", "roles", "ann")],
        ),
        (("data", "roles", Keyed(frozenset({("input", "nobody")}))), []),
    ],
)
def test_paths_come_to_places(path: Any, places: Any) -> None:
    assert list(concrete(path, ROOTS)) == places


def test_looking_tells_null_from_nothing() -> None:
    assert look(ROOTS, ("input", "none")) is None
    assert look(ROOTS, ("input", "none", "x")) is MISSING
    assert look(ROOTS, ("input", "list", 2)) is MISSING
    assert look(ROOTS, ("input", "list", "0")) is MISSING


def test_the_place_where_something_begins_to_be_missing_is_named() -> None:
    places = [
        ("input", "a", "b", "c"),
        ("input", "a", "b"),
        ("input", "list"),
        ("input", "list", 0),
    ]
    assert outermost(places, ROOTS) == [("input", "a"), ("input", "list", 0)]


def test_replacing_leaves_the_rest_alone() -> None:
    document = {"a": [{"b": 1}, {"b": 2}], "c": 3}
    assert replaced(document, ("a", 1, "b"), 9) == {"a": [{"b": 1}, {"b": 9}], "c": 3}
    assert replaced(document, ("a", 0), MISSING) == {"a": [{"b": 2}], "c": 3}
    assert replaced(document, ("d", "e"), 1) == {**document, "d": {"e": 1}}
    assert replaced(document, ("c",), MISSING) == {"a": document["a"]}
    assert document == {"a": [{"b": 1}, {"b": 2}], "c": 3}


def test_a_pointer_escapes_what_it_must() -> None:
    assert pointer(("input", "a/b", "c~d", 0)) == "/a~1b/c~0d/0"
