"""`policy.explain` finds a recorded decision or a file, and says what is wrong with either."""

from __future__ import annotations

import io
import json

import pytest

ROLE = (("actor", "name"), "anna")


def test_a_recorded_refusal_is_explained(site):
    was = site.decide("promote-1", ROLE)
    code, told = site.run("policy.explain", "promote-1")
    assert code == 0
    assert told["decision"] == was
    assert told["run"] == "promote-1"
    assert told["recorded"]["outcome"] == "same"
    assert told["recorded"]["same_policies"] is True
    (finding,) = told["findings"]
    assert finding["rule"]["file"] == "promotion/role/role.rego"
    assert finding["title"] == "The person may do this"
    assert [flip["changes"][0]["path"] for flip in finding["flips"]] == [
        "input.actor.name",
        "data.promotion.people.anna",
    ]


def test_a_person_sees_rule_facts_and_the_smallest_change(site):
    site.decide("promote-1", ROLE)
    code, out, _ = site.shown("policy.explain", "promote-1")
    assert code == 0
    for text in (
        "Gate promotion: refused",
        "As recorded, by the same policies.",
        "The person may do this (promotion/role/role.rego:15)",
        "*  input.actor.name",
        "One change that lifts it, any of these",
        'data.promotion.people.anna  ["developer"]  ["tech-lead"]',
        "allowed",
    ):
        assert text in out


def test_the_beginning_of_a_run_and_the_last_one_do(site):
    site.decide("promote-1a", ROLE)
    site.decide("promote-2b")
    assert site.run("policy.explain", "promote-1")[1]["run"] == "promote-1a"
    assert site.run("policy.explain", "last")[1]["run"] == "promote-2b"


def test_an_allowed_one_says_what_it_needs(site):
    site.decide("promote-1")
    code, out, _ = site.shown("policy.explain", "last")
    assert code == 0
    assert "Without any one of these it would refuse" in out
    assert "input.evidence.smoke" in out


def test_changed_policies_are_said(site):
    site.decide("promote-1", ROLE)
    people = {"promotion": {"people": {"anna": ["tech-lead"], "rita": ["release-manager"]}}}
    (site.root / "data.json").write_text(json.dumps(people))
    _, told = site.run("policy.explain", "promote-1")
    assert told["decision"]["allow"] is True
    assert told["recorded"]["outcome"] == "changed"
    assert told["recorded"]["same_policies"] is False
    _, out, _ = site.shown("policy.explain", "promote-1")
    assert "Recorded otherwise: refused (promotion.role); other policies then" in out


def test_a_file_and_stdin_are_explained_without_a_ledger(site, passing, monkeypatch):
    document = {**passing, "source_holds": None}
    (site.root / "input.json").write_text(json.dumps(document))
    _, told = site.run("policy.explain", "input.json")
    assert told["decision"]["findings"][0]["code"] == "promotion.source"
    assert told["recorded"] is None
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(document)))
    assert site.run("policy.explain", "-")[1]["findings"] == told["findings"]


def test_an_entry_of_the_ledger_is_a_file_too(site, passing):
    entry = {"decision": {}, "input": dict(passing)}
    (site.root / "entry.json").write_text(json.dumps(entry))
    assert site.run("policy.explain", "entry.json")[1]["decision"]["allow"] is True


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("{", "policy.input", "input.json:1 is not JSON"),
        ("[]", "policy.input", "not a JSON object"),
        ('{"a": {"b": 1, "b": 2}}', "policy.input", "the key 'b' stands there twice"),
        ("{}", "policy.unknown-gate", "does not say for which gate"),
        ('{"gate": "promotoin"}', "policy.unknown-gate", "no gate 'promotoin'"),
    ],
)
def test_a_file_that_is_none(site, text, code, says):
    (site.root / "input.json").write_text(text)
    status, told = site.run("policy.explain", "input.json")
    assert status == 2
    assert told["error"]["code"] == code
    assert says in told["error"]["what"]


def test_the_nearest_gate_is_named(site):
    (site.root / "input.json").write_text('{"gate": "promotoin"}')
    assert (
        "Did you mean promotion?" in site.run("policy.explain", "input.json")[1]["error"]["remedy"]
    )


@pytest.mark.parametrize("name", ["nowhere.json", "-"])
def test_what_cannot_be_read(site, name, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    status, told = site.run("policy.explain", name)
    assert status == 2
    assert told["error"]["code"] == "policy.input"


def test_runs_that_are_not_there(site):
    status, told = site.run("policy.explain", "promote-1")
    assert (status, told["error"]["code"]) == (2, "policy.no-record")
    site.decide("promote-10")
    site.decide("promote-11")
    status, told = site.run("policy.explain", "promote-1")
    assert (status, told["error"]["code"]) == (2, "policy.ambiguous-run")
    assert "promote-10, promote-11" in told["error"]["what"]
    _, told = site.run("policy.explain", "promte-10")
    assert "Did you mean promote-10?" in told["error"]["remedy"]


def test_a_ledger_that_was_changed_explains_nothing(site):
    import sqlite3

    site.decide("promote-1")
    with sqlite3.connect(site.bench.project.state / "ledger.db") as connection:
        connection.execute("UPDATE entries SET actor = 'mallory'")
    connection.close()
    status, told = site.run("policy.explain", "last")
    assert (status, told["error"]["code"]) == (5, "ledger.broken")


def test_without_an_engine_there_is_a_remedy(site):
    site.decide("promote-1")
    path = site.root / "sluiceway.toml"
    path.write_text(
        path.read_text()
        + '\n[stages]\npolicy = "embedded"\n[plugins.policy-embedded]\nlibrary = "nowhere.so"\n'
    )
    status, told = site.run("policy.explain", "last")
    assert (status, told["error"]["code"]) == (2, "policy.engine-missing")
    assert "policy.engine --install" in told["error"]["remedy"]
