"""Production by blue and green, whole: real processes, real clients, a killed runner."""

import json
import os
import re
import subprocess
import sys
import time

import pytest

from sluiceway.errors import ExitCode

pytestmark = pytest.mark.slow

QUICK = ("--soak-minutes=0.04", "--interval-seconds=0.3", "--minimum-requests=20")
_PATH = {
    "staging": {
        "production": {
            "approvals": 0,
            "approvers": [],
            "canary": False,
            "evidence": ["smoke"],
            "roles": ["tech-lead"],
        }
    }
}
_PARITY = """
[[plugins.gate-smoke.parity]]
name = "bills"
path = "/api/settlements"
method = "POST"
body = '{"trades": [{"id": "t", "currency": "EUR", "amount": "12.50"}]}'
fields = ["schedule", "fees"]
"""


@pytest.fixture
def site(shop):
    """The shop, with staging straight before a production that is blue/green."""
    path = shop.root / "sluiceway.toml"
    text = re.sub(r"\[environments\.canary\]\n.*\n.*\n", "", path.read_text())
    text = text.replace(
        "[environments.production]\n", '[environments.production]\nstrategy = "blue-green"\n'
    )
    path.write_text(text + _PARITY)
    people = shop.root / "people.json"
    document = json.loads(people.read_text())
    document["promotion"]["paths"] = _PATH
    people.write_text(json.dumps(document))
    return shop


@pytest.fixture
def clients(site):
    """Return a function that begins traffic to production and returns how to end it."""
    running = []

    def begin():
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "sluiceway.rehearsal.load",
                site.workspace.url,
                str(site.root / "service" / "parity" / "trades.json"),
                "--rate=120",
                "--seconds=120",
                "--canary=settlement/1.1.0",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)

        def end():
            process.terminate()
            return json.loads(process.communicate(timeout=30)[0])

        return end

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def live(site, clients):
    """Ship the first release, under the first clients; return its digest."""
    digest = site.ship("dev", "staging")
    end = clients()
    code, document, err = site.run("lena", "blue-green", *QUICK)
    end()
    assert code == 0, (document, err)
    assert document["slot"]["name"] == "blue"
    assert slots(site) == {"blue": (digest, 100.0)}
    return digest


def slots(site):
    return {
        name: (digest, weight) for name, digest, weight in site.state()["serving"]["production"]
    }


def next_release(site, version="1.0.1"):
    (site.root / "service" / "RELEASE").write_text(version + "\n")
    return site.ship("dev", "staging")


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def kinds(site, run):
    return [entry.kind for entry in site.bench().ledger.entries(run=run)]


def test_a_good_release_is_switched_to_and_a_rollback_by_hand_switches_back(site, live, clients):
    end = clients()
    new = next_release(site)
    code, document, err = site.run("lena", "blue-green", *QUICK)
    assert code == 0, (document, err)
    assert slots(site) == {"blue": (live, 0.0), "green": (new, 100.0)}
    assert document["soak"]["verdict"] == "pass"
    assert (document["slot"]["name"], document["slot"]["before"]) == ("green", "blue")
    assert (
        "2 smoke" in document["slot"]["evidence"]["smoke"]["summary"]
        or "3 smoke" in (document["slot"]["evidence"]["smoke"]["summary"])
    )
    assert kinds(site, document["run"])[-3:] == ["soak", "deployed", "run"]
    assert site.state()["tags"]["production"] == new

    code, again, _ = site.run("lena", "blue-green", *QUICK)
    assert (code, again["changed"]) == (0, False), "it is live already"
    assert "soak" not in again

    _, board, _ = site.run("ci", "status")
    (row,) = [row for row in board["environments"] if row["environment"] == "production"]
    assert (row["serving"], row["weight"], row["problem"]) == (new, 100.0, "")
    assert [(slot["name"], slot["live"]) for slot in row["slots"]] == [
        ("blue", False),
        ("green", True),
    ]

    _, shown, _ = site.run("ci", "pipeline")
    (path,) = [each for each in shown["environments"] if each["strategy"] == "blue-green"]
    assert (path["environment"], path["slots"], path["problem"]) == ("production", row["slots"], "")

    code, document, err = site.run("lena", "rollback", "--env=production", "--reason=numbers")
    assert code == 0, (document, err)
    assert slots(site) == {"blue": (live, 100.0), "green": (new, 0.0)}
    assert document["deployment"]["seconds"] < 60
    assert site.state()["tags"]["production"] == live
    numbers = end()
    assert numbers["failed_outside_canary"] == numbers["failed_in_canary"] == 0, numbers
    assert numbers["total"] > 100


def test_a_release_that_is_bad_is_refused_by_its_test_or_switched_back(site, live, clients):
    """The example's broken variant passes every smoke test and then fails a part of the requests."""
    site.workspace.break_service("1.1.0")
    bad = site.ship("dev", "staging")
    path = site.root / "sluiceway.toml"
    good = path.read_text()
    path.write_text(good.replace('fields = ["schedule", "fees"]', 'fields = ["nothing"]'))
    before = slots(site)
    code, document, err = site.run("lena", "blue-green", *QUICK)
    assert code == ExitCode.REFUSED, (document, err)
    assert document["error"]["code"] == "blue-green.refused"
    assert "has no nothing" in document["error"]["what"]
    assert document["changed"] is False
    assert slots(site) == before
    assert site.state()["tags"]["production"] == live
    assert not {"soak", "deployed", "rolled-back"} & {*kinds(site, document["run"])}
    path.write_text(good)

    end = clients()
    code, document, err = site.run(
        "lena",
        "promote",
        "--to=production",
        "--health-timeout-minutes=0.5",
        "--health-interval-seconds=0.5",
    )
    assert code == ExitCode.ROLLED_BACK, (document, err)
    numbers = end()
    assert document["soak"]["code"] == "canary.error-rate"
    assert document["serves"] == live
    assert document["changed"] is False
    assert document["soak"]["sla"]["kept"] is True
    assert site.state()["tags"]["production"] == live
    assert slots(site) == {"blue": (live, 100.0)}, "what was tried is stopped"
    assert numbers["failed_outside_canary"] == 0, numbers
    assert numbers["failed_in_canary"] > 0
    assert kinds(site, document["run"])[-3:] == ["soak", "rolled-back", "run"]
    (entry,) = site.bench().ledger.entries(run=document["run"], kinds=("rolled-back",))
    assert (entry.body["previous"], entry.body["by"]) == (bad, "soak")
    assert entry.body["sla"]["limit_seconds"] == 120


def test_kill_nine_during_a_soak_goes_back_by_itself_and_resume_ends_the_run(site, live, clients):
    path = site.root / "sluiceway.toml"
    path.write_text(path.read_text() + "\n[state]\nlease_seconds = 8\n")
    next_release(site)
    end = clients()
    run = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "sluiceway.cli.program",
            "blue-green",
            "--soak-minutes=1",
            "--interval-seconds=0.3",
            "--json",
        ],
        cwd=site.root,
        env={**os.environ, **site.environ("lena")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert until(lambda: slots(site).get("green", ("", 0))[1] == 100, seconds=120)
        assert until(site.looked), "before the first look, resuming watches anew"
    finally:
        run.kill()
        run.communicate()
    assert until(lambda: slots(site)["blue"][1] == 100, seconds=60), "nobody watched, and it served"
    code, document, _ = site.run("lena", "blue-green", *QUICK)
    assert code == ExitCode.NEEDS_PERSON
    assert document["error"]["code"] == "run.unfinished"

    code, document, err = site.run("lena", "resume")
    assert code == ExitCode.ROLLED_BACK, (document, err)
    (outcome,) = document["resumed"]
    assert outcome["serves"] == live
    assert slots(site) == {"blue": (live, 100.0)}
    assert site.state()["tags"]["production"] == live
    numbers = end()
    assert numbers["failed_outside_canary"] == 0, numbers
    assert site.bench().ledger.verify()[1] == ()


def test_a_deployer_that_cannot_switch_is_named_before_anything_is_changed(site):
    import sluiceway_deploy_local

    site.ship("dev", "staging")
    before = site.state()
    site.monkeypatch.delattr(sluiceway_deploy_local, "sluiceway_switch")
    code, document, _ = site.run("lena", "blue-green", *QUICK)
    assert code == ExitCode.USAGE
    assert document["error"]["code"] == "blue-green.no-switch"
    assert "deploy-local" in document["error"]["what"]
    assert site.state() == before
