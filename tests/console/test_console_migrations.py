"""Migrations as a person sees them: the standing, a promotion's two gates, the history."""

import io

from sluiceway.console import Console
from sluiceway.console.markdown import summary_markdown

FINDING = {
    "code": "migration.contract",
    "level": "deny",
    "message": "a.b would be gone.",
    "solution": "Wait.",
    "waived": None,
}
DECISION = {
    "gate": "migration",
    "allow": False,
    "findings": [FINDING],
    "engine": "embedded",
}
OUTCOME = {
    "outcome": "refused",
    "source": "build",
    "target": "dev",
    "decision": {"gate": "promotion", "allow": True, "findings": []},
    "migrations": {"decision": DECISION, "new": ["2.sql"], "known": True, "facts": []},
    "error": {"what": "build → dev refused: migration.contract", "means": "", "remedy": ""},
}
ROW = {
    "environment": "dev",
    "digest": "sha256:a",
    "release": "2.0.0",
    "problem": "",
    "migrations": 7,
    "last": "0007.sql",
    "uses": True,
    "new": ["0008.sql"],
    "waiting": [],
}


def shown(show):
    out = io.StringIO()
    show(Console(stdout=out, stderr=io.StringIO(), environ={}, width=110))
    return out.getvalue()


def test_a_decision_names_the_file_and_line_that_it_is_about():
    at = {"file": "2.sql", "line": 7, "statement": "DROP TABLE a"}
    about = {**FINDING, "message": "The table a is dropped.", "at": at}
    text = shown(lambda console: console.decision({**DECISION, "findings": [about]}))
    assert "2.sql:7: The table a is dropped." in text
    said = {**about, "message": "a goes (2.sql, line 7)."}
    text = shown(lambda console: console.decision({**DECISION, "findings": [said]}))
    assert "2.sql:7" not in text


def test_a_comment_behind_long_sql_stands_before_it():
    sql = "ALTER TABLE users ADD CONSTRAINT users_plan_not_null CHECK (plan IS NOT NULL) NOT VALID;"
    finding = {
        **FINDING,
        "file": "",
        "line": 0,
        "statement": "",
        "solution": f"Wait.\n{sql} -- in a later release\nSELECT 1; -- now",
    }
    document = {
        "decision": DECISION,
        "findings": [finding],
        "advice": [],
        "skipped": [],
        "unused_approvals": [],
        "files": 1,
        "statements": 1,
        "dialect": "postgres",
        "dialect_from": "",
    }
    lines = shown(lambda console: console.migrations(document)).splitlines()
    assert "    -- in a later release" in lines
    assert f"    {sql}" in lines
    assert "    SELECT 1; -- now" in lines


def test_how_the_environments_stand():
    reader = {"release": "1.4", "environment": "production", "uses": "reads a.b"}
    waiting = {"what": "a.b", "migration": "0008.sql", "readers": [reader], "problem": ""}
    unknown = {"what": "c", "migration": "0009.sql", "readers": [], "problem": "nobody says"}
    rows = [
        {**ROW, "waiting": [waiting, unknown]},
        {
            **ROW,
            "environment": "staging",
            "migrations": None,
            "uses": None,
            "problem": "unreadable",
        },
    ]
    text = shown(lambda console: console.migrations_standing("shop", rows))
    assert "dev          2.0.0    7           0007.sql  declared  1" in text
    assert "0008.sql drops, renames or requires a.b in dev: 1.4 in production reads a.b" in text
    assert "0009.sql drops, renames or requires c in dev: nobody says" in text
    assert "staging: unreadable" in text


def test_a_refusal_by_the_migrations_shows_their_decision_and_no_error_beside_it():
    text = shown(lambda console: console.promotion(OUTCOME))
    assert "Gate migration: refused, 1 reason" in text
    assert "1 new: 2.sql" in text
    assert "build → dev refused: migration.contract" not in text
    page = summary_markdown(OUTCOME)
    assert "migration.contract" in page
    assert "a.b would be gone" in page


def test_a_release_says_what_it_attested():
    released = {
        "outcome": "done",
        "migrations": {"migrations": 7, "layout": "goose", "uses": False},
    }
    text = shown(lambda console: console.outcome(released))
    assert "7 attested (goose), its uses not declared" in text


def test_the_history_tells_the_two_decisions_apart():
    entries = [
        {"kind": "decision", "body": {"decision": DECISION}},
        {"kind": "decision", "body": {"decision": {**DECISION, "allow": True}}},
        {"kind": "migrations", "body": {"summary": "1 new: 2.sql"}},
    ]
    text = shown(lambda console: console.history(entries))
    assert "migrations refused: migration.contract" in text
    assert "migrations allowed" in text
    assert "1 new: 2.sql" in text
