"""A failing test shows what it compared: both sides, evaluated where it stopped."""

from __future__ import annotations

from typing import Any

import pytest

from sluiceway.policy import Bundle, PolicyWorkbench
from sluiceway.policy.compared import UNDEFINED, compare
from sluiceway.policy.unparse import body

POLICY = """package g

codes contains "one" if input.a

codes contains "two" if input.b

full := {"n": input.n}
"""


def asked(engine: PolicyWorkbench, test: str) -> Any:
    tests = f"package g_test\n\nimport data.g\n\nasked(d) := found if found := g.codes with input as d\n\n{test}\n"
    modules = {"g/g.rego": POLICY, "g/g_test.rego": tests}
    bundle = Bundle(modules=modules, data={}, digest="", origin="test")
    tree = engine.parse(modules)["g/g_test.rego"].tree
    return compare(engine, bundle, [("g/g_test.rego", tree, "test_x")]).get("g_test.test_x")


@pytest.mark.parametrize(
    ("test", "left", "operator", "actual", "expected"),
    [
        ('test_x if asked({"a": 1}) == {"two"}', 'asked({"a": 1})', "==", ["one"], ["two"]),
        ("test_x if { y := 2; y > 3 }", "y", ">", 2, 3),
        ('test_x if "no" in asked({"a": 1})', '"no"', "in", "no", ["one"]),
        ('test_x if g.full == {"n": 1} with input as {"n": 2}', "g.full", "==", {"n": 2}, {"n": 1}),
        ("test_x if count([1, 2]) != 2", "count([1, 2])", "!=", 2, 2),
        ("test_x if { true; 1 + 1 == 3; false }", "(1 + 1)", "==", 2, 3),
        (
            "test_x if [v | some v in [1, 2]; v > 1] == [1]",
            "[v | some v in [1, 2]; v > 1]",
            "==",
            [2],
            [1],
        ),
        ("test_x if g.full.n == 1 with input as {}", "g.full.n", "==", UNDEFINED, 1),
        ("test_x if false == true", "false", "==", False, True),
    ],
)
def test_both_sides(
    engine: PolicyWorkbench, test: str, left: str, operator: str, actual: Any, expected: Any
) -> None:
    found = asked(engine, test)
    assert (found.left, found.operator) == (left, operator)
    assert (found.actual, found.expected) == (actual, expected)


@pytest.mark.parametrize(
    "test",
    [
        "test_x if not 1 == 1",
        "test_x if g.nowhere",
        "test_x if { every v in [1] { v == 2 } }",
        "test_x := false",
        "test_x if 1 == 2\n\ntest_x if 1 == 3",
        "test_x if 1 / 0 == 3",
    ],
)
def test_where_nothing_is_compared_the_line_has_to_do(engine: PolicyWorkbench, test: str) -> None:
    if "nowhere" in test:
        test = test.replace("nowhere", "full.x")
    assert asked(engine, test) is None


def test_several_are_asked_for_at_once_and_none_spoils_another(engine: PolicyWorkbench) -> None:
    tests = {
        "a/a_test.rego": "package a_test\n\ntest_x if 1 == 2\n\ntest_y if 1 / 0 == 3\n\ntest_z if 3 > 4\n",
        "b/b_test.rego": 'package b_test\n\nimport data.g\n\ntest_x if g.full == {"n": 1} with input.n as 7\n',
    }
    modules = {"g/g.rego": POLICY, **tests}
    bundle = Bundle(modules=modules, data={}, digest="", origin="test")
    parsed = engine.parse(modules)
    asked_for = [
        ("a/a_test.rego", "test_x"),
        ("a/a_test.rego", "test_y"),
        ("a/a_test.rego", "test_z"),
    ]
    asked_for.append(("b/b_test.rego", "test_x"))
    failing = [(file, parsed[file].tree, rule) for file, rule in asked_for]
    found = compare(engine, bundle, failing)
    assert {test: (each.actual, each.expected) for test, each in found.items()} == {
        "a_test.test_x": (1, 2),
        "a_test.test_z": (3, 4),
        "b_test.test_x": ({"n": 7}, {"n": 1}),
    }


def test_one_that_does_not_compile_leaves_the_others(engine: PolicyWorkbench) -> None:
    modules = {"g/g.rego": POLICY, "g/g_test.rego": "package g_test\n\ntest_x if 1 == 2\n"}
    bundle = Bundle(modules=modules, data={}, digest="", origin="test")
    tree = engine.parse(modules)["g/g_test.rego"].tree
    other = "package g_test\n\nimport data.lost\n\ntest_y if lost.f(1) == 2\n"
    broken = engine.parse({"g/o_test.rego": other})["g/o_test.rego"].tree
    failing = [("g/g_test.rego", tree, "test_x"), ("g/o_test.rego", broken, "test_y")]
    assert list(compare(engine, bundle, failing)) == ["g_test.test_x"]


def test_what_is_written_again_is_what_was_read(engine: PolicyWorkbench) -> None:
    lines = [
        'x := {"a": [1, null, true], "b": {2, 3}}',
        "not x.a[0] == 2",
        'some k, v in x["odd key"]',
        "some i",
        "every item in x.a { item != 1; not item }",
        '{o: p | some o, p in x} != {"q": 1}',
        'startswith("a", concat("/", ["b", `c`])) with input.a as 5 with data.b as set()',
        "x.a[_] in {1}",
        "y = (x.n * 2) - 1",
    ]
    source = "package g\n\nx if {\n\t" + "\n\t".join(lines) + "\n}\n"
    parsed = engine.parse({"g": source})["g"]
    assert parsed.error == ""
    written = body(parsed.tree["rules"][0]["body"])
    again = engine.parse({"g": f"package g\n\nx if {{ {written} }}\n"})["g"]
    assert again.error == ""
    assert body(again.tree["rules"][0]["body"]) == written
    assert again.tree["rules"][0]["body"] == parsed.tree["rules"][0]["body"] or "$" in str(parsed)
