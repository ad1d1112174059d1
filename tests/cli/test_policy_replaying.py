"""`policy.replay` judges history again: nothing is dropped, and the same policies decide the same."""

from __future__ import annotations

import json
import shutil

import pytest
from tests.policy.waivers_kit import WAIVER

from sluiceway.gates.recorded import recorded
from sluiceway.model import canonical
from sluiceway.policy import bundled_policies, replay
from sluiceway.policy.facts import MISSING

ROLE = (("actor", "name"), "anna")
NO_SMOKE = (("evidence", "smoke"), MISSING)
PEOPLE_ROW = "promotion/role/role.rego"


@pytest.fixture
def changed(site):
    """Return a folder with a copy of the policies to change."""
    folder = site.root / "changed"
    shutil.copytree(bundled_policies(), folder)
    return folder


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_recorded_policies_give_the_recorded_decisions_byte_for_byte(site):
    over = {**WAIVER, "expires": "2026-11-24T12:00:00Z"}
    site.decide("r1")
    site.decide("r2", ROLE)
    assert site.decide("r3", NO_SMOKE, (("waivers",), [WAIVER]))["allow"]
    assert not site.decide("r4", NO_SMOKE, (("waivers",), [over]))["allow"]
    site.decide("r5", (("image", "media_type"), 5))
    records = recorded(site.bench)
    assert len(records) == 5
    for each in replay(site.bench.engine, site.bench.bundle(), records):
        assert canonical(each.decision) == canonical(each.recorded.decision)
        assert each.identical
        assert each.outcome == "same"
    code, told = site.run("policy.replay", "--fail-on-change")
    assert code == 0
    assert (told["identical"], told["changed"]) == (5, [])


def test_a_waiver_that_no_longer_counts_flips_what_rested_on_it(site, changed):
    site.decide("r1", NO_SMOKE, (("waivers",), [WAIVER]))
    edit(changed / "waiver" / "data.json", '"release-manager"', '"director"')
    code, told = site.run("policy.replay", f"--policies={changed}", "--fail-on-change")
    assert code == 3
    assert told["counts"]["allow-to-deny"] == 1
    (finding,) = told["changed"][0]["decision"]["findings"]
    assert "the person has none of the roles tech-lead, director" in finding["message"]


def test_what_flips_is_told_with_codes_and_the_first_explained(site, changed):
    site.decide("r1")
    site.decide("r2", ROLE)
    site.decide("r3", NO_SMOKE)
    edit(changed / "promotion" / "data.json", '"roles": ["tech-lead"]', '"roles": ["developer"]')
    code, told = site.run("policy.replay", f"--policies={changed}")
    assert code == 0
    assert told["counts"]["allow-to-deny"] == 1
    assert told["counts"]["deny-to-allow"] == 1
    assert told["counts"]["findings"] == 1
    by_run = {each["run"]: each for each in told["changed"]}
    assert by_run["r1"]["appeared"] == ["promotion.role"]
    assert by_run["r2"]["vanished"] == ["promotion.role"]
    assert by_run["r2"]["decision"]["allow"] is True
    code, out, _ = site.shown("policy.replay", f"--policies={changed}", "--fail-on-change")
    assert code == 3
    for text in (
        "allow → deny",
        "deny → allow",
        "+ promotion.role",
        "The first, r1, would be told",
    ):
        assert text in out


def test_other_words_are_no_change(site, changed):
    site.decide("r1", ROLE)
    edit(changed / PEOPLE_ROW, "may not promote", "must not promote")
    code, told = site.run("policy.replay", f"--policies={changed}", "--fail-on-change")
    assert code == 0
    assert told["counts"]["words"] == 1


def test_inputs_that_no_longer_fit_are_listed_as_such(site, changed):
    site.decide("r1")
    path = changed / "schemas" / "promotion" / "input.json"
    schema = json.loads(path.read_text())
    schema["required"].append("weather")
    path.write_text(json.dumps(schema))
    code, told = site.run("policy.replay", f"--policies={changed}", "--fail-on-change")
    assert code == 3
    assert told["counts"]["input-unfit"] == 1
    assert told["changed"][0]["appeared"] == ["input.schema"]
    assert "input does not fit" in site.shown("policy.replay", f"--policies={changed}")[1]


def test_what_the_engine_cannot_judge_is_told_apart(site, changed):
    site.decide("r1")
    edit(
        changed / "promotion" / "source" / "source.rego",
        "source_holds if input",
        "source_holds if 1 / 0 == 1\n\nsource_holds if input",
    )
    code, told = site.run("policy.replay", f"--policies={changed}", "--fail-on-change")
    assert code == 3
    assert told["counts"]["not-judged"] == 1


@pytest.mark.parametrize(
    ("file", "text", "code"),
    [
        ("promotion/path/path.rego", "package promotion\n\nx := (\n", "policy.syntax"),
        (
            "promotion/path/path.rego",
            "package promotion\n\nx := time.now_ns()\n",
            "policy.forbidden",
        ),
        ("promotion/data.json", "{", "policy.data"),
    ],
)
def test_broken_policies_judge_nothing(site, changed, file, text, code):
    site.decide("r1")
    (changed / file).write_text(text)
    status, told = site.run("policy.replay", f"--policies={changed}")
    assert (status, told["error"]["code"]) == (2, code)


def test_a_folder_that_is_not_there(site):
    status, told = site.run("policy.replay", "--policies=nowhere")
    assert (status, told["error"]["code"]) == (2, "policy.missing")


def test_only_some(site):
    site.decide("r1")
    site.decide("r2", (("now",), "2026-11-24T13:00:00Z"))
    assert sum(site.run("policy.replay")[1]["counts"].values()) == 2
    later = site.run("policy.replay", "--since=2026-11-24T12:30:00+00:00")[1]
    assert sum(later["counts"].values()) == 1
    assert sum(site.run("policy.replay", "--since=2026-11-25")[1]["counts"].values()) == 0
    assert sum(site.run("policy.replay", "--gate=rollback")[1]["counts"].values()) == 0
    assert "No decision is recorded" in site.shown("policy.replay", "--gate=rollback")[1]


@pytest.mark.parametrize(
    ("option", "remedy"),
    [("--since=yesterday", "--since=7d"), ("--gate=promotoin", "Did you mean promotion?")],
)
def test_options_that_cannot_be_right(site, option, remedy):
    site.decide("r1")
    status, told = site.run("policy.replay", option)
    assert status == 2
    assert remedy in told["error"]["remedy"]


def test_without_a_service_there_is_no_history(site):
    (site.root / "sluiceway.toml").unlink()
    code, told = site.run("policy.replay")
    assert (code, told["error"]["code"]) == (2, "configuration.missing")
