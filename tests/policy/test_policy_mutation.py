"""Every rule and every comparison of the policies is held by a test: damage is noticed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from sluiceway.policy import Bundle, PolicyWorkbench, bundled_policies, load_bundle
from sluiceway.policy.mutation import Mutant, mutants, survivors

EQUIVALENT: dict[str, str] = {}
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


@pytest.mark.slow
@pytest.mark.timeout(1800)  # the policies are compiled for each damage
def test_the_policies_tests_notice_every_damage(
    engine: PolicyWorkbench, engine_factory: Callable[[], PolicyWorkbench]
) -> None:
    policies = load_bundle([bundled_policies()], tests=True)
    every = list(mutants(engine, policies))
    assert len(every) > 400

    def left(part: list[Mutant]) -> tuple[Mutant, ...]:
        with closing(engine_factory()) as own:
            return survivors(own, policies, part)

    with ThreadPoolExecutor(2) as pool:
        found = [each for part in pool.map(left, (every[::2], every[1::2])) for each in part]
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
