"""What authors are told: every kind of problem at its place, and failing tests with their line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sluiceway.policy import (
    Bundle,
    EngineError,
    PolicyEngine,
    PolicyWorkbench,
    Problem,
    check_bundle,
    rule_documents,
    run_tests,
)
from sluiceway.policy.builtins import ALLOWED, FORBIDDEN
from sluiceway.record import replace

META = """# METADATA
# title: T
# description: D.
# custom:
#   code: g.no
#   solution: Do.
"""
GOOD = f'package g\n\n{META}deny contains "x" if input.x\n\ndecision := deny\n'


def bundle(source: str, name: str = "g/g.rego", **more: Any) -> Bundle:
    modules = {name: source, **more.pop("modules", {})}
    return Bundle(modules=modules, data={}, digest="", origin="test", **more)


def problems(engine: PolicyWorkbench, source: str, **more: Any) -> list[tuple[str, int, int, str]]:
    found = check_bundle(engine, bundle(source, **more))
    assert all(isinstance(each, Problem) and each.message for each in found)
    return [(each.code, each.row, each.col, each.file) for each in found]


def test_a_good_policy_has_none(engine: PolicyWorkbench) -> None:
    assert problems(engine, GOOD, schemas={"g": {}}) == []


def test_a_code_that_no_rule_has_is_said(engine: PolicyWorkbench) -> None:
    """A waiver of g.no could be for everything at once, though the site wanted it narrow."""
    lists = {"lib": {"waivable": ["g.no"]}, "waiver": {"narrow": ["g.mo", 7, "other.code"]}}
    given = replace(bundle(GOOD, schemas={"g": {}}), data=lists)
    found = [each.message for each in check_bundle(engine, given) if "names" in each.message]
    assert found == [
        "data.waiver.narrow names 'g.mo', and no rule has that code; did you mean g.no?",
        "data.waiver.narrow names 'other.code', and no rule has that code",
    ]
    odd = replace(given, data={"lib": [], "waiver": {"narrow": "g.mo"}})
    assert not [each for each in check_bundle(engine, odd) if "names" in each.message]
    without_gates = replace(given, schemas={})
    assert not [each for each in check_bundle(engine, without_gates) if "names" in each.message]


@pytest.mark.parametrize(
    ("source", "code", "row"),
    [
        ("package g\n\nx := 1 )\n", "policy.syntax", 3),
        ("package g\n\nx if {\n\ty\n}\n", "policy.syntax", 4),
        ("package g\n\nx := data.g.y(1)\n", "policy.syntax", 3),
        ("x := 1\n", "policy.syntax", 1),
        ("package g\n\nx := time.now_ns()\n", "policy.forbidden", 3),
        ("package g\n\nx := nothing.like(1)\n", "policy.forbidden", 3),
        ("package other\n\nx := 1\n", "policy.package", 1),
        ("package g.g\n\nx := 1\n", "policy.package", 1),
        ('package g\n\ndeny contains "x" if input.x\n', "policy.metadata", 3),
        (GOOD.replace("#   solution: Do.\n", ""), "policy.metadata", 8),
        (GOOD.replace("# title: T", "# title: ''"), "policy.metadata", 9),
        (GOOD.replace("g.no", "NO-1"), "policy.metadata", 9),
        (f'package g\n\n{META}deny := "x" if input.x\n', "policy.shape", 9),
        (f"package g\n\n{META}deny[x] := 1 if some x in input\n", "policy.shape", 9),
        ("package g\n\nx if not startswith(input.a, 1)\n", "policy.syntax", 3),
        ('package g\n\nx if not startswith(input.a, "b")\n', "policy.negation", 3),
        ('package g\n\nx if not "b" in input.a\n', "policy.negation", 3),
        ("package g\n\nx if {\n\tnot input.a != 1\n}\n", "policy.negation", 4),
        ("package g\n\nf(a) if a == 1\n\nx if not f(input.b)\n", "policy.negation", 5),
        ("package g\n\n  x := 1\n", "policy.layout", 1),
    ],
)
def test_each_problem_is_found_at_its_place(
    engine: PolicyWorkbench, source: str, code: str, row: int
) -> None:
    assert (code, row) in [(each[0], each[1]) for each in problems(engine, source)]


@pytest.mark.parametrize(
    ("name", "source", "codes"),
    [
        ("g/rule/rule.rego", "package g\n\nx := 1\n", []),
        ("g/rule/rule_test.rego", "package g_test\n\nx := 1\n", []),
        ("g/rule/rule.rego", "package g.rule\n\nx := 1\n", []),
        ("g/rule/rule.rego", "package g_test\n\nx := 1\n", ["policy.package"]),
        ("g/rule/rule.rego", "package rule\n\nx := 1\n", ["policy.package"]),
        ("g/rule/deeper/rule.rego", "package g\n\nx := 1\n", ["policy.package"]),
    ],
)
def test_a_rule_may_have_a_folder_of_its_own_in_that_of_its_package(
    engine: PolicyWorkbench, name: str, source: str, codes: list[str]
) -> None:
    found = problems(engine, "package h\n\nx := 1\n", modules={name: source})
    assert [code for code, *_, file in found if file == name] == codes


def test_the_column_is_that_of_the_drawing(engine: PolicyWorkbench) -> None:
    found = check_bundle(engine, bundle("package g\n\nx := [1, }\n"))
    assert {(each.row, each.col) for each in found} == {(3, 10)}
    assert not any("^" in each.message for each in found)


def test_every_file_is_checked_not_only_the_first(engine: PolicyWorkbench) -> None:
    more = {"h/h.rego": "package h\n\nx := (\n", "i/i.rego": "package i\n\nx := {\n"}
    files = {each[3] for each in problems(engine, "package g\n\nx := [\n", modules=more)}
    assert files == {"g/g.rego", "h/h.rego", "i/i.rego"}


def test_what_a_file_that_cannot_be_read_defines_is_not_missing(engine: PolicyWorkbench) -> None:
    uses = "package g\n\nx if helps(1)\n\ny if time.now_ns() > 0\n"
    found = problems(engine, uses, modules={"g/h.rego": "package g\n\nhelps(a) if {\n"})
    assert {(code, file) for code, _, _, file in found if file != "g/g.rego"} == {
        ("policy.syntax", "g/h.rego")
    }
    rows = {(code, row) for code, row, _, file in found if file == "g/g.rego"}
    assert ("policy.forbidden", 5) in rows
    assert ("policy.forbidden", 3) not in rows
    assert ("policy.forbidden", 3) in [each[:2] for each in problems(engine, uses)]


@pytest.mark.parametrize(
    "source",
    ["package g\n\nx := 1\n", f'package g\n\n{META}deny contains "x" if input.x\n'],
)
def test_a_gate_needs_its_decision_and_something_that_denies(
    engine: PolicyWorkbench, source: str
) -> None:
    found = problems(engine, source, schemas={"g": {}})
    assert ("policy.entrypoint", 1, 1, "schemas/g/input.json") in found
    nothing_denies = problems(engine, "package g\n\ndecision := {}\n", schemas={"g": {}})
    assert nothing_denies == [("policy.entrypoint", 1, 1, "schemas/g/input.json")]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("decision := {}\n", "stands in g/g.rego:11 already"),
        ("decision := {} if input.y\n", "stands in g/g.rego:11 already"),
        ("default decision := {}\n", "this default would decide instead"),
    ],
)
def test_a_gate_has_one_decision(engine: PolicyWorkbench, more: str, told: str) -> None:
    given = bundle(GOOD, schemas={"g": {}}, modules={"g/x/x.rego": f"package g\n\n{more}"})
    (found,) = check_bundle(engine, given)
    assert (found.code, found.file, found.row) == ("policy.entrypoint", "g/x/x.rego", 3)
    assert told in found.message


def test_decisions_for_different_cases_are_one(engine: PolicyWorkbench) -> None:
    source = GOOD.replace("decision := deny\n", "decision := deny if input.x\n\n")
    assert problems(engine, source + "decision := set() if not input.x\n", schemas={"g": {}}) == []


def test_a_decision_without_a_schema_of_its_input_is_told(engine: PolicyWorkbench) -> None:
    found = problems(engine, GOOD, modules={"h/h.rego": GOOD.replace("package g", "package h")})
    assert ("policy.entrypoint", 11, 1, "h/h.rego") not in found  # no gate at all: conftest's
    given = {"h/h.rego": GOOD.replace("package g", "package h").replace("g.no", "h.no")}
    found = problems(engine, GOOD, modules=given, schemas={"g": {}})
    assert ("policy.entrypoint", 11, 1, "h/h.rego") in found


def test_a_gate_whose_package_is_gone_is_told(engine: PolicyWorkbench) -> None:
    found = check_bundle(engine, bundle(GOOD, schemas={"g": {}, "h": {}}))
    assert [(each.code, each.file) for each in found] == [
        ("policy.entrypoint", "schemas/h/input.json")
    ]
    assert "package h has no rule decision" in found[0].message


def test_rules_are_found_with_their_metadata_whatever_stands_between(
    engine: PolicyWorkbench,
) -> None:
    source = (
        'package g\n\nx := `raw {\ndeny contains "no" if {\n` # deny {\n\n'
        f'y := "a \\" }} # {{"\n\n{META}deny contains z if {{\n\tz := {{"a": 1}}.a\n}}\n\n'
        f"{META.replace('g.no', 'g.two')}warn_more contains 1 if {{ x }}\n"
    )
    found = rule_documents(engine, bundle(source))
    assert [(each.rule, each.metadata["custom"]["code"]) for each in found] == [
        ("deny", "g.no"),
        ("warn_more", "g.two"),
    ]
    lines = source.splitlines()
    assert [lines[each.row - 1].split()[0] for each in found] == ["deny", "warn_more"]


SMUGGLED = [
    "x := http.send({})",
    'x := http["send"]({})',
    "x := count([1 | 1 == 1 with count as http.send])",
    "x if {\n\tcount([1]) == 1 with count as rand.intn\n}",
    "x if {\n\t1 == 1 with input as opa.runtime()\n}",
    "x if {\n\t1 == 1 with data.a as opa.runtime()\n}",
    "x if not trace(input.a)",
    "x if { every a in [1] { rand.intn(a, 1) } }",
    "x := [y | y := uuid.rfc4122(input.a)]",
    "x := {y | some y in [time.now_ns()]}",
    "x := {y: 1 | y := net.lookup_ip_addr(input.a)}",
    "x := {opa.runtime(): 1}",
    'x := $"{time.now_ns()}"',
    "x := 1 if false else := time.now_ns()",
    "x := [1, 2][rand.intn(input.a, 2)]",
    "x := opa.runtime().env.HOME",
    "x[y] contains opa.runtime() if y := 1",
    "f(a) := json.verify_schema(a)\n\nx := f({})",
    "x := json.match_schema({}, input.schema)",
    "x := io.jwt.decode_verify(input.a, {})",
    "x := crypto.x509.parse_and_verify_certificates(input.a)",
    "import data.http\n\nx := http.send({})",
    "default x := 1\n\nx := y if { y := time.now_ns() }",
    "x if { f(time.now_ns()) }\n\nf(1)",
]


@pytest.mark.parametrize("body", SMUGGLED)
def test_what_asks_clock_network_or_chance_is_refused_before_it_runs(
    engine: PolicyWorkbench, body: str
) -> None:
    source = f"package g\n\n{body}\n"
    parsed = engine.parse({"g/g.rego": source})["g/g.rego"]
    assert parsed.error == ""  # refused for what it asks, not because it does not parse
    with pytest.raises(EngineError) as caught:
        engine.evaluate(bundle(source), "g.x", {})
    assert caught.value.code == "policy.forbidden"
    assert "g/g.rego:" in caught.value.what


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("x := input.http.send", 1),
        ('x := {"now_ns": 2}["now_ns"]', 2),
        ('x := count("http.send")', 9),
        ("# http.send({})\nx := 3", 3),
        ("x := f(1)\n\nf(a) := a + 3", 4),
        ("import data.h\n\nx := h.f(1)", 5),
        ("x := data.h.f(1)", 5),
        ("x := 1 if 2 == 2 with input.a as 3", 1),
        ("x := time.parse_rfc3339_ns(input.t)", 0),
        ('x if { print("seen", input) }', True),
        ("x if { count([1]) == 7 with count as 7 }", True),
    ],
)
def test_what_only_looks_like_it_is_not(engine: PolicyEngine, body: str, value: Any) -> None:
    more = {"h/h.rego": "package h\n\nf(a) := a + 4\n"}
    document = {"http": {"send": 1}, "t": "1970-01-01T00:00:00Z"}
    assert engine.evaluate(bundle(f"package g\n\n{body}\n", modules=more), "g.x", document) == value


def test_no_builtin_is_in_both_lists() -> None:
    assert not ALLOWED & FORBIDDEN.keys()
    assert all(reason for reason in FORBIDDEN.values())


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_failing_tests_say_where_and_what_they_printed(
    engine_factory: Callable[[], PolicyWorkbench], tmp_path: Path
) -> None:
    tests = """package g_test

import data.g

test_good if g.x == 3 with input.y as 2

test_bad if {
	print("y is", 3)
	g.x == 3 with input.y as 3
}

test_error if to_number("q") == 1

test_false := false

test_some if {
	some n in [1, 2]
	n > g.x with input.y as 3
}

todo_later if g.x == 9
"""
    source = "package g\n\nx := input.y + 1\n\nunreached if {\n\tinput.z\n}\n"
    root = write(tmp_path, {"g/g.rego": source, "g/g_test.rego": tests})
    report = run_tests(engine_factory, [root])
    assert not report.ok
    assert report.passed == 1
    assert report.skipped == ("g_test.todo_later",)
    failed = {each.rule: each for each in report.failed}
    assert set(failed) == {"g_test.test_bad", "g_test.test_false", "g_test.test_some"}
    assert failed["g_test.test_some"].failed_at.startswith("g/g_test.rego:18: ")
    assert failed["g_test.test_some"].printed == ()
    assert failed["g_test.test_bad"].failed_at.startswith("g/g_test.rego:9: data.g.x")
    assert failed["g_test.test_bad"].printed == ("g/g_test.rego:8: y is 3",)
    (error,) = report.errors
    assert "g/g_test.rego:12" in error.error
    coverage = report.coverage["g/g.rego"]
    assert coverage.covered == {3}
    assert coverage.missed == {5, 6}
    assert report.percent == pytest.approx(100 / 3)


def test_a_failing_expression_is_told_as_it_stands_in_the_file(engine_factory, tmp_path):
    lines = [
        "package g_test",
        "import data.g",
        "test_every if {",
        "\tevery word in g.words {",
        "\t\tstartswith(lower(word), g.letter)",
        "\t}",
        "}",
        'test_nested if startswith(lower(g.words[0]), "x")',
    ]
    source = 'package g\n\nletter := "a"\n\nwords := ["A", "b"]\n'
    root = write(tmp_path, {"g/g.rego": source, "g/g_test.rego": "\n".join(lines)})
    failed = {each.rule: each for each in run_tests(engine_factory, [root]).failed}
    assert failed["g_test.test_every"].failed_at.split(": ", 1)[1] in {
        "every word in g.words {",
        "startswith(lower(word), g.letter)",
    }
    assert failed["g_test.test_nested"].failed_at == f"g/g_test.rego:8: {lines[7]}"


def test_only_some_tests(engine_factory: Callable[[], PolicyWorkbench], tmp_path: Path) -> None:
    tests = "package g_test\n\ntest_one := true\n\ntest_two := true\n"
    root = write(tmp_path, {"g/g.rego": "package g\n\nx := 1\n", "g/g_test.rego": tests})
    report = run_tests(engine_factory, [root], only="two")
    assert [each.rule for each in report.results] == ["g_test.test_two"]


def test_no_tests_are_not_a_pass(
    engine_factory: Callable[[], PolicyWorkbench], tmp_path: Path
) -> None:
    root = write(tmp_path, {"g/g.rego": "package g\n\nx := 1\n"})
    assert not run_tests(engine_factory, [root]).ok


def test_a_test_that_does_not_parse_is_no_missing_test(
    engine_factory: Callable[[], PolicyWorkbench], tmp_path: Path
) -> None:
    root = write(
        tmp_path, {"g/g.rego": "package g\n", "g/g_test.rego": "package g_test\n\nx := [\n"}
    )
    with pytest.raises(EngineError) as caught:
        run_tests(engine_factory, [root])
    assert caught.value.code == "policy.syntax"


def test_without_an_engine_there_is_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        run_tests(lambda: None, [tmp_path])
    assert caught.value.code == "policy.engine-missing"
    assert "invoke policy.engine --install" in caught.value.remedy
