"""The policies that Sluiceway brings: their own tests, every line of them, and their form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from sluiceway.policy import (
    Bundle,
    PolicyWorkbench,
    bundled_policies,
    check_bundle,
    load_bundle,
    rule_documents,
    run_tests,
)

DOCS = Path(__file__).parents[2] / "docs" / "policies.md"


def test_every_rego_test_passes_and_every_line_is_reached(
    engine_factory: Callable[[], PolicyWorkbench],
) -> None:
    report = run_tests(engine_factory, [bundled_policies()])
    assert [result for result in report.results if not result.passed] == []
    assert report.ok
    assert report.passed >= 60
    missed = {name: sorted(each.missed) for name, each in report.coverage.items() if each.missed}
    assert missed == {}
    assert report.percent == 100.0
    unreached = [name for name, each in report.coverage.items() if not each.covered]
    assert unreached == []


def test_the_policies_have_no_problem(engine: PolicyWorkbench) -> None:
    assert check_bundle(engine, load_bundle([bundled_policies()], tests=True)) == []


def test_every_gate_has_a_schema_and_the_shared_parts_do_not_differ(policies: Bundle) -> None:
    assert set(policies.schemas) == {"canary", "image", "migration", "promotion", "rollback"}
    shared: dict[str, str] = {}
    for gate, schema in sorted(policies.schemas.items()):
        assert schema["properties"]["gate"] == {"const": gate}
        for name, part in schema["$defs"].items():
            if name == "every_evidence":  # lists the kinds that the gate knows
                continue
            assert shared.setdefault(name, json.dumps(part)) == json.dumps(part), name


def test_tests_are_no_part_of_decisions(policies: Bundle) -> None:
    assert [name for name in policies.modules if name.endswith("_test.rego")] == []


def test_the_page_documents_every_code_and_no_other(
    engine: PolicyWorkbench, policies: Bundle
) -> None:
    codes = {each.metadata["custom"]["code"] for each in rule_documents(engine, policies)}
    row = re.compile(r"^\| `([a-z.-]+)` \| (?:deny|warn) \|", flags=re.MULTILINE)
    assert sorted(row.findall(DOCS.read_text(encoding="utf-8"))) == sorted(codes)


def test_what_may_be_waived_exists(engine: PolicyWorkbench, policies: Bundle) -> None:
    codes = {each.metadata["custom"]["code"] for each in rule_documents(engine, policies)}
    assert set(policies.data["lib"]["waivable"]) <= codes
    assert set(policies.data["waiver"]["narrow"]) <= set(policies.data["lib"]["waivable"])


def test_no_rule_over_long_lists_has_a_variable_in_its_head(policies: Bundle) -> None:
    """OPA compares each value of such a rule with all before it: 20,000 take longer than any deadline.

    Of approvals, waivers and checks there are few; findings, packages and statements may be many.
    """
    head = re.compile(r"^\w+\[(?!\")[^\]]+\] (?:contains|:=).*$", re.MULTILINE)
    found = {
        name: head.findall(source)
        for name, source in policies.modules.items()
        if name.startswith(("image/", "migration/", "canary/"))
    }
    assert {name: rules for name, rules in found.items() if rules} == {}
