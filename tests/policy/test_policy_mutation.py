"""Every rule and every comparison of the policies is held by a test: damage is noticed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from sluiceway.policy import Bundle, EngineError, PolicyWorkbench, bundled_policies, load_bundle
from sluiceway.policy.mutation import mutants, survivors
from sluiceway.policy.schemata import CHOICES, schemata

EQUIVALENT = {
    "lib/settings.rego: rule removed: texts([])": "a shortcut: without it an empty list is looked "
    "through for what is not a text, and has none",
    "migration/finding.rego: rule removed: all_said(code, group) if {": "a shortcut: without it every "
    "finding is named anew, as it is named already",
}
"""Damages that no test can notice, each with the reason."""


def bundle(source: str, tests: str) -> Bundle:
    modules = {"g/g.rego": source, "g/g_test.rego": tests}
    return Bundle(modules=modules, data={}, digest="", origin="test")


SOURCE = """package g

# METADATA
# title: not a comparison == in a comment
deny contains "a == b" if {
	not ok
}

ok if input.x >= 2

ok if input.y != `not z == 1`

default words := ""

words := "one" if input.x == 1
"""


def test_a_damage_is_at_one_place_and_comments_and_texts_are_left_alone(
    engine: PolicyWorkbench,
) -> None:
    found = list(mutants(engine, bundle(SOURCE, "package g_test\n\ntest_a := true\n")))
    assert sorted((each.row, each.damage) for each in found) == [
        (5, "rule removed"),
        (6, "not dropped"),
        (9, ">= became >"),
        (9, "rule removed"),
        (11, "!= became =="),
        (11, "rule removed"),
        (13, "rule removed"),
        (15, "== became !="),
        (15, "rule removed"),
    ]
    for each in found:
        was, now = SOURCE.splitlines(), each.source.splitlines()
        changed = [row for row, (a, b) in enumerate(zip(was, now, strict=True), 1) if a != b]
        assert changed[0] == each.row
        assert len(changed) <= (3 if each.damage == "rule removed" else 1)
        parsed = engine.parse({"g/g.rego": each.source})["g/g.rego"]
        assert parsed.error == "", each


def test_what_no_test_looks_at_survives(engine: PolicyWorkbench) -> None:
    tests = """package g_test

import data.g

test_denies if g.deny == {"a == b"} with input as {"x": 1, "y": "not z == 1"}

test_allows if g.deny == set() with input as {"x": 2, "y": "not z == 1"}

test_other if g.deny == set() with input as {"x": 1, "y": 1}
"""
    given = bundle(SOURCE, tests)
    left = survivors(engine, given, list(mutants(engine, given)))
    assert [(each.row, each.damage) for each in left] == [
        (13, "rule removed"),
        (15, "rule removed"),
        (15, "== became !="),
    ]


FORMS = """package g

# METADATA
# title: its own annotation is read
# custom: {code: a.code}
deny contains found if {
	input.x == 2
	found := rego.metadata.rule().custom.code
}

grade := "if all else" if {
	input.x >= 3
} else := "some" if {
	input.x >= 2
} else := `none # or`

words := {
	"one": 1, # the first
} # and no more

double(x) := x * 2 if x != 4 # not that one

default known := 7

known := y if { some y in [1, 2]; y == input.x }
"""

FORMS_TESTS = """package g_test

import data.g

judged(x) := found if {
	found := [g.deny, g.grade, g.words, g.double(x), g.known] with input as {"x": x}
}

test_one if judged(1) == [set(), "none # or", {"one": 1}, 2, 1]

test_two if judged(2) == [{"a.code"}, "some", {"one": 1}, 4, 2]

test_three if judged(3) == [set(), "if all else", {"one": 1}, 6, 7]

test_four if not judged(4)
"""


def test_a_rule_of_any_form_stands_beside_its_damages(engine: PolicyWorkbench) -> None:
    given = bundle(FORMS, FORMS_TESTS)
    parsed = engine.parse(given.modules)
    every = list(mutants(engine, given))
    copies = [replace(each, source=FORMS, damage="none") for each in every]
    assert survivors(engine, given, every) == ()
    assert survivors(engine, given, copies) == tuple(copies)
    together = schemata(given, parsed, every)
    assert [each.line for each in every if each not in together.choices] == ["default known := 7"]
    assert list(together.chosen(None).values()) == [0] * 5
    gone = next(each for each in every if each.line == "words := {")
    for mutant, words in ((None, {"one": 1}), (gone, None)):
        chosen = replace(together.bundle, data={CHOICES: together.chosen(mutant)})
        assert engine.evaluate(chosen, "g.words", {}) == words


def test_a_damage_that_does_not_compile_is_noticed_and_spoils_no_other(
    engine: PolicyWorkbench,
) -> None:
    given = bundle(SOURCE, "package g_test\n\ntest_a := true\n")
    every = list(mutants(engine, given))
    broken = [
        replace(each, damage="spelt wrong", source=SOURCE.replace("input.x >= 2", "nothing >= 2"))
        for each in every
        if each.damage == ">= became >"
    ]
    assert survivors(engine, given, [*broken, *every]) == tuple(every)


def test_tests_that_fail_already_are_told(engine: PolicyWorkbench) -> None:
    given = bundle(SOURCE, "package g_test\n\ntest_a := false\n")
    with pytest.raises(EngineError) as refused:
        survivors(engine, given, list(mutants(engine, given)))
    assert refused.value.code == "policy.tests-fail"


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a minute and a half of computing
def test_the_policies_tests_notice_every_damage(engine: PolicyWorkbench) -> None:
    policies = load_bundle([bundled_policies()], tests=True)
    every = list(mutants(engine, policies))
    assert len(every) > 900
    found = survivors(engine, policies, every)
    told = {f"{each.file}: {each.damage}: {each.line}" for each in found}
    # The list is what one wants to see of this test: -s shows it.
    kinds = Counter("rule removed" if "rule" in each.damage else "condition" for each in every)
    noticed = 100 * (1 - len(found) / len(every))
    print(  # noqa: T201 - see above
        f"\n{len(every)} damages ({kinds['rule removed']} rules removed, {kinds['condition']} "
        f"comparisons turned or `not` dropped): {noticed:.1f} % noticed, {len(found)} survive",
        *sorted(told),
        sep="\n  ",
    )
    assert min(kinds.values()) > 50
    assert told == set(EQUIVALENT)
    assert len(found) <= 0.05 * len(every)
