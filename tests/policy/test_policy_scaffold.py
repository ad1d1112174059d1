"""A rule that was begun is complete, passes its checks, and refuses until it is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sluiceway.errors import ActionFailed, UsageError
from sluiceway.policy import (
    Bundle,
    PolicyWorkbench,
    bundled_policies,
    check_bundle,
    load_bundle,
    run_tests,
)
from sluiceway.policy.scaffold import new_rule, write_rule

OWN = """package g

# METADATA
# title: T
# description: D.
# custom:
#   code: g.no
#   solution: Do.
deny contains found if {
	input.bad
	found := object.union({"msg": "Bad."}, rego.metadata.rule().custom)
}

decision := {"deny": deny, "warn": set()}
"""


def folder(tmp_path: Path) -> Path:
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / "decision.rego").write_text(OWN)
    test = 'package g_test\n\nimport data.g\n\ntest_bad if "g.no" in {f.code | some f in g.decision.deny} with input as {"bad": 1}\n'
    (tmp_path / "g" / "g_test.rego").write_text(test)
    return tmp_path


def test_in_a_folder_of_ones_own_it_passes_at_once_and_denies(
    tmp_path: Path, engine: PolicyWorkbench, engine_factory: Callable[[], PolicyWorkbench]
) -> None:
    root = folder(tmp_path)
    paths = write_rule(root, new_rule("g.code-freeze", load_bundle([root])))
    assert [str(path.relative_to(root)) for path in paths] == [
        "g/code_freeze/code_freeze.rego",
        "g/code_freeze/code_freeze_test.rego",
    ]
    bundle = load_bundle([root], tests=True)
    assert check_bundle(engine, bundle) == []
    report = run_tests(engine_factory, [root])
    assert report.ok
    assert report.percent == 100
    decision = engine.evaluate(bundle, "g.decision", {})
    assert [(each["code"], bool(each["solution"])) for each in decision["deny"]] == [
        ("g.code-freeze", True)
    ]


def test_beside_the_bundled_rules_it_uses_what_they_share(
    engine: PolicyWorkbench, staffed: Bundle, passing: dict[str, Any]
) -> None:
    files = new_rule("promotion.holiday", staffed)
    modules = {**staffed.modules, **files}
    bundle = Bundle(
        modules=modules, data=staffed.data, schemas=staffed.schemas, digest="", origin="test"
    )
    assert check_bundle(engine, bundle) == []
    decision = engine.evaluate(bundle, "promotion.decision", passing["promotion"])
    (found,) = decision["deny"]
    assert found["code"] == "promotion.holiday"
    assert found["waivable"] is False


@pytest.mark.parametrize("code", ["freeze", "Promotion.x", "promotion.", "promotion..x", "a/b.c"])
def test_codes_that_are_none(staffed: Bundle, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        new_rule(code, staffed)
    assert caught.value.code == "policy.code"


def test_a_package_that_is_not_there_or_judges_nothing(staffed: Bundle) -> None:
    with pytest.raises(UsageError) as caught:
        new_rule("promotoin.holiday", staffed)
    assert "Did you mean promotion.holiday?" in caught.value.remedy
    with pytest.raises(UsageError):
        new_rule("lib.freeze", staffed)


def test_nothing_is_written_over_and_nothing_is_left_half(tmp_path: Path) -> None:
    root = folder(tmp_path)
    files = new_rule("g.x", load_bundle([root]))
    (root / "g" / "x").mkdir()
    (root / "g" / "x" / "x_test.rego").write_text("mine")
    with pytest.raises(UsageError) as caught:
        write_rule(root, files)
    assert caught.value.code == "policy.exists"
    assert not (root / "g" / "x" / "x.rego").exists()
    assert (root / "g" / "x" / "x_test.rego").read_text() == "mine"
    with pytest.raises(ActionFailed):
        write_rule(root, {"g/y/y.rego": "", "nowhere/y/y.rego": ""})
    assert not (root / "g" / "y").exists()
    assert not (root / "nowhere").exists()


def test_the_bundled_folder_has_packages_that_can_be_joined() -> None:
    assert new_rule("image.x", load_bundle([bundled_policies()]))
