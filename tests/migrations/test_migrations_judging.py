"""Facts to the gate's input, a decision to documents: what is pure, and what the policies are held to."""

from __future__ import annotations

import re
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sluiceway.errors import UsageError
from sluiceway.migrations import judging, reports, seen
from sluiceway.migrations.dialects import hinted, named
from sluiceway.migrations.judging import Judged, Read, gate_input, in_order
from sluiceway.migrations.records import Dialect, Fact, Kind
from sluiceway.model import Decision, Finding, Level, Place, Waiver, to_json
from sluiceway.policy import bundled_policies, load_bundle
from sluiceway.policy.schema import schema_problems

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HASH = "sha256:" + "ab" * 32
READ = Read(facts=(), files=2, statements=5, dialect=Dialect.POSTGRES, layout="plain")
FACT = {
    "kind": "truncate",
    "file": "db/1.sql",
    "line": 3,
    "migration": "1.sql",
    "statement": "TRUNCATE a",
    "statement_hash": HASH,
    "table": "a",
}


def finding(code: str, level: Level, line: int = 3, **more: object) -> Finding:
    at = Place(file="db/1.sql", line=line, statement="TRUNCATE a", statement_hash=HASH, table="a")
    values = {"message": f"{code} hurts.", "solution": "Do not.\nDELETE FROM a;", "at": at}
    return Finding(code=code, level=level, **(values | more))  # type: ignore[arg-type]


def judged(*findings: Finding, advice: tuple[Finding, ...] = ()) -> Judged:
    decision = Decision(
        gate="migration",
        allow=False,
        findings=findings,
        policy_digest="",
        input_digest="",
        engine="embedded",
        at=NOW,
        advice=advice,
    )
    return Judged(decision=decision, document={}, read=READ)


def test_the_schema_knows_every_field_of_a_fact_and_every_kind_and_dialect() -> None:
    schema = load_bundle([bundled_policies()]).schemas["migration"]
    properties = schema["$defs"]["fact"]["properties"]
    assert set(properties) >= {item.name for item in fields(Fact)}
    assert properties["kind"]["enum"] == [kind.value for kind in Kind]
    assert schema["properties"]["dialect"]["enum"] == [dialect.value for dialect in Dialect]


def test_the_policies_know_every_kind() -> None:
    modules = load_bundle([bundled_policies()]).modules
    rego = {name: text for name, text in modules.items() if name.startswith("migration/")}
    known = rego["migration/complete/complete.rego"].partition("\nkinds := {")[2].partition("}")[0]
    assert set(re.findall(r'"(\w+)"', known)) == set(Kind)


def test_every_rule_has_a_level_and_may_be_approved_narrowly() -> None:
    bundle = load_bundle([bundled_policies()])
    levels = bundle.data["migration"]["levels"]
    blocking = {name for name, level in levels.items() if level == "deny"}
    assert blocking == {
        "drop-column",
        "drop-table",
        "not-null-without-default",
        "truncate",
        "unparsable",
    }
    assert {name for name, level in levels.items() if level == "warn"} == {
        "index-not-concurrent",
        "rename-column",
    }
    codes = {f"migration.{name}" for name in levels}
    assert codes <= set(bundle.data["lib"]["waivable"])
    assert codes <= set(bundle.data["waiver"]["narrow"])
    text = bundle.modules["migration/settings/settings.rego"].partition("\nrules := {")[2]
    assert set(re.findall(r'"([a-z-]+)"', text)) == set(levels)
    assert set(bundle.data["migration"]["index_online"]) == set(Dialect)


def test_the_input_says_where_the_facts_of_each_kind_are() -> None:
    facts = [FACT, {**FACT, "kind": "drop_table"}, FACT]
    document = gate_input(facts, READ, service="shop", now=NOW)
    assert document["kinds"] == {"truncate": [0, 2], "drop_table": [1]}
    assert (document["files"], document["statements"]) == (2, 5)
    schema = load_bundle([bundled_policies()]).schemas["migration"]
    assert not schema_problems(schema, document)
    assert schema_problems(schema, {**document, "facts": [{**FACT, "kind": "drop"}]})


def test_a_finding_is_one_row_and_only_one_with_a_place_has_it_in_the_decision() -> None:
    row = judging.finding_json(finding("migration.truncate", Level.DENY))
    assert list(row)[:6] == ["code", "level", "file", "line", "table", "column"]
    assert (row["file"], row["line"], row["statement_hash"]) == ("db/1.sql", 3, HASH)
    nowhere = finding("policy.crashed", Level.DENY, at=None)
    assert judging.finding_json(nowhere)["line"] == 0
    shown = to_json(judged(nowhere, finding("migration.truncate", Level.DENY)).decision)
    assert [set(each) for each in shown["findings"]] == [
        {"code", "level", "message", "solution", "waived"},
        {"code", "level", "message", "solution", "waived", "at"},
    ]
    assert "advice" not in shown


def test_findings_are_read_as_the_files_are() -> None:
    warning = finding("migration.rename-column", Level.WARN, line=2)
    blocked = finding("migration.truncate", Level.DENY, line=9)
    same_line = finding("migration.cascade", Level.WARN, line=9)
    assert in_order([same_line, blocked, warning]) == [warning, blocked, same_line]


WAIVER = Waiver(code="c", reason="It is a cache.", owner="tess", expires=NOW)


def test_sarif_has_places_suppressions_and_what_could_not_be_judged() -> None:
    told = judged(
        finding("migration.truncate", Level.DENY, waived=WAIVER),
        finding("policy.crashed", Level.DENY, at=None),
        advice=(finding("migration.cascade", Level.ADVICE),),
    )
    (run,) = reports.sarif_log(told)["runs"]
    assert [each["level"] for each in run["results"]] == ["error", "note"]
    truncated = run["results"][0]
    place = truncated["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "db/1.sql"
    assert place["region"]["startLine"] == 3
    assert truncated["suppressions"][0]["justification"] == "It is a cache."
    assert run["tool"]["driver"]["rules"][truncated["ruleIndex"]]["id"] == "migration.truncate"
    assert run["invocations"][0]["executionSuccessful"] is False
    assert "policy.crashed" in str(run["invocations"][0]["toolExecutionNotifications"])


def test_annotations_stand_at_their_lines() -> None:
    lines = reports.workflow_commands(
        judged(
            finding("migration.truncate", Level.DENY, message="50%\nof it"),
            finding("migration.truncate", Level.DENY, line=4, waived=WAIVER),
            *(finding("migration.rename-column", Level.WARN, line=number) for number in range(12)),
        )
    )
    assert lines[0].startswith("::error file=db/1.sql,line=3,title=migration.truncate::50%25 of it")
    assert len([line for line in lines if line.startswith("::warning")]) == 10
    assert "3 more warning" in [line for line in lines if line.startswith("::warning")][-1]
    assert "approved: It is a cache." in lines[-1]


@pytest.mark.parametrize(
    ("word", "dialect"),
    [("postgresql", "postgres"), ("MSSQL", "tsql"), ("mysql", "mysql"), ("sqlite3", "sqlite")],
)
def test_a_dialect_has_several_names(word: str, dialect: str) -> None:
    assert named(word) == dialect


def test_a_misspelt_dialect_names_the_nearest() -> None:
    with pytest.raises(UsageError) as error:
        named("postgre")
    assert error.value.remedy == "Did you mean --dialect=postgres?"


def test_the_tools_own_files_say_the_dialect(tmp_path: Path) -> None:
    assert hinted(tmp_path) is None
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "_journal.json").write_text('{"dialect": "mysql"}')
    found = hinted(tmp_path)
    assert found is not None
    assert found[0] is Dialect.MYSQL
    (tmp_path / "migration_lock.toml").write_text('# Prisma\nprovider = "postgresql"\n')
    (tmp_path / "1_init").mkdir()
    (tmp_path / "1_init" / "migration.sql").write_text("")
    for path in (tmp_path, tmp_path / "1_init"):
        found = hinted(path)
        assert found is not None
        assert found == (Dialect.POSTGRES, (tmp_path / "migration_lock.toml").as_posix())
    (tmp_path / "migration_lock.toml").write_text('provider = "mongodb"\n')
    (tmp_path / "meta" / "_journal.json").write_text("[")
    assert hinted(tmp_path) is None


def test_the_beginning_of_a_hash_is_enough_while_it_fits_one(tmp_path: Path) -> None:
    one = finding("migration.truncate", Level.DENY, about=HASH)
    other = finding("migration.drop-table", Level.DENY, about=f"{HASH}/a")
    seen.remember(tmp_path / "state", judged(one, other).decision)
    whole = f"migration.truncate/{HASH}"
    assert seen.whole_code(tmp_path / "state", f"migration.truncate/{HASH[7:19]}") == whole
    assert seen.whole_code(tmp_path / "state", whole) == whole
    assert seen.whole_code(tmp_path / "nowhere", whole) == whole
    for other_code in ("gate.smoke", "migration.baseline", "migration.changed/0007"):
        assert seen.whole_code(tmp_path, other_code) == other_code
    short = f"migration.drop-table/{HASH[7:19]}"
    assert seen.whole_code(tmp_path / "state", f"{short}/a") == f"migration.drop-table/{HASH}/a"
    again = finding("migration.drop-table", Level.DENY, about=f"{HASH}/b")
    seen.remember(tmp_path / "state", judged(again).decision)
    stub = f"migration.truncate/{HASH[7:18]}"
    for code in (short, f"{short}/c", "migration.truncate/abcdefabcdef", stub, f"{stub}/a"):
        with pytest.raises(UsageError) as error:
            seen.whole_code(tmp_path / "state", code)
        assert error.value.code == "migrations.statement"


def test_what_was_remembered_and_torn_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "migrations-seen.json").write_text("[1")
    with pytest.raises(UsageError):
        seen.whole_code(tmp_path, f"migration.truncate/{HASH[7:19]}")
