"""What is given to the rules is all that they ask for, and what is kept back changes no decision."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.policy.conftest import make_engine

from sluiceway import policy
from sluiceway.migrations.asked import ASKED, HARMLESS, sent
from sluiceway.migrations.judging import Read, gate_input
from sluiceway.migrations.records import Dialect, Kind
from sluiceway.policy import bundled_policies, load_bundle

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FACT = {
    "kind": "truncate",
    "file": "db/1.sql",
    "line": 3,
    "migration": "1.sql",
    "statement": "TRUNCATE a",
    "statement_hash": "sha256:" + "ab" * 32,
    "table": "a",
}
FLAGS = (
    "cascade",
    "concurrently",
    "covered",
    "default_at_end",
    "generated",
    "lock_timeout",
    "not_valid",
    "nullable",
    "only",
    "temporary",
    "unique",
    "using_index",
    "volatile",
)
WORDS = {
    "constraint": ("check", "foreign key", "unique", "primary key", "exclude"),
    "label": ("add value", "rename value", "index"),
    "new_object": ("yes", "maybe"),
    "type": ("json", "text"),
    "in_transaction": ("yes", "no"),
}


def rules() -> dict[str, str]:
    """Each rule's name to its text."""
    modules = load_bundle([bundled_policies()]).modules
    found: dict[str, str] = {}
    for name, text in modules.items():
        if name.startswith("migration/"):
            for part in text.split("# METADATA\n"):
                code = re.search(r"code: migration\.([a-z-]+)", part)
                if code and "facts({" in part:
                    found[code[1]] = found.get(code[1], "") + part
    timeouts = modules["migration/timeouts/timeouts.rego"]
    return {**found, "lock-timeout": "facts({" + timeouts.partition("locking := {")[2]}


def test_what_each_rule_asks_for_is_what_its_text_says() -> None:
    asked = {
        rule: {
            Kind(word)
            for kinds in re.findall(r"facts\(\{(.*?)\}", text, re.DOTALL)
            for word in re.findall(r'"(\w+)"', kinds)
        }
        for rule, text in rules().items()
    }
    assert asked == ASKED
    assert set(ASKED) == set(load_bundle([bundled_policies()]).data["migration"]["levels"])
    assert not HARMLESS & {kind for kinds in ASKED.values() for kind in kinds}


def test_what_no_rule_asks_for_is_not_sent_unless_the_site_wants_it() -> None:
    bundle = load_bundle([bundled_policies()])
    facts = [FACT, {**FACT, "kind": "lock"}, {**FACT, "kind": "set_default"}]
    assert sent(facts, bundle) == [FACT]
    bundle.data["migration"]["also"].append("lock")
    assert sent(facts, bundle) == facts[:2]
    for unknown in (None, ["lock", 1], [["lock"]]):  # not understood: nothing is kept back
        bundle.data["migration"]["also"] = unknown
        assert sent(facts, bundle) == facts


def test_what_a_rule_that_is_off_asks_for_is_kept_back_from_our_own_rules_alone() -> None:
    bundle = load_bundle([bundled_policies()])
    renamed = {**FACT, "kind": "rename_table"}
    open_column = {**FACT, "kind": "add_column", "nullable": True}
    needed = {**FACT, "kind": "add_column"}
    facts = [FACT, renamed, open_column, needed]
    assert sent(facts, bundle, advice=False) == [FACT, needed]
    assert sent(facts, bundle, advice=True) == facts
    assert sent(facts, replace(bundle, origin="policies of the site"), advice=False) == facts
    levels = bundle.data["migration"]["levels"]
    levels["rename-table"] = "warn"
    assert sent(facts, bundle, advice=False) == [FACT, renamed, needed]
    levels["rename-table"], levels["volatile-default"] = "off", "misspelt"
    assert sent(facts, bundle, advice=False) == [FACT, open_column, needed]
    bundle.data["migration"]["also"].append("add_column")
    levels["volatile-default"] = "off"
    assert sent(facts, bundle, advice=False) == [FACT, open_column, needed]
    bundle.data["migration"]["levels"] = "none"  # then every rule denies
    assert sent(facts, bundle, advice=False) == facts


def some_facts(chance: random.Random) -> list[dict[str, Any]]:
    """Facts of every kind, with any of the fields that rules look at; a file and a table each."""
    found = []
    for number, kind in enumerate(sorted(Kind) * 12, start=1):
        flags = {flag: chance.random() < 0.9 for flag in FLAGS if chance.random() < 0.25}
        words = {key: chance.choice(given) for key, given in WORDS.items() if chance.random() < 0.3}
        place = {"file": f"{number % 40}.sql", "line": number, "table": f"t{number}"}
        found.append({**FACT, "kind": kind.value, **place, **flags, **words})
    return found


@pytest.mark.parametrize("advice", [True, False])
def test_what_is_kept_back_changes_no_decision(advice: bool) -> None:  # noqa: FBT001 - a parameter
    chance = random.Random(20261126)
    engine = make_engine()
    bundle = load_bundle([bundled_policies()])
    read = Read(facts=(), files=40, statements=99, dialect=Dialect.POSTGRES, layout="plain")
    words = ("deny", "warn", "advice", "off")
    given = [*bundle.data["migration"]["levels"].items()]
    turned = {rule: chance.choice(words) for rule, _ in given} | {"unparsable": "warn"}
    try:
        for levels in (dict(given), turned):
            bundle.data["migration"]["levels"] = levels
            own = replace(bundle)  # engines know a bundle again by itself
            facts = some_facts(chance)
            left = sent(facts, own, advice=advice)
            decisions = [
                policy.decide(
                    engine,
                    own,
                    "migration",
                    gate_input(each, read, service="shop", now=NOW, advice=advice),
                    now=NOW,
                )
                for each in (facts, left)
            ]
            assert decisions[0].findings == decisions[1].findings
            assert decisions[0].advice == decisions[1].advice
            assert len(left) < len(facts)
            assert len(decisions[0].findings) > 40
    finally:
        engine.close()
