"""`invoke report`: a file about a real run, about what the ledger alone has, and about nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def run_that_cannot_begin(site):
    """A real durable run: nothing was ever released here, so it ends at its first step."""
    code, told = site.run("promote", "--to=dev")
    assert code != 0
    return told


def test_a_real_run_is_reported_however_it_ended(site):
    told = run_that_cannot_begin(site)
    code, said = site.run("report", told["run"])
    assert (code, said["newest"]) == (0, False)
    report = said["report"]
    assert (report["workflow"], report["state"]) == ("promote", "ended")
    assert report["outcome"] == told["outcome"]
    assert report["reason"] == told["error"]["what"]
    assert report["steps"][0]["error"]["code"] == told["error"]["code"]
    page = Path(said["file"]).read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert told["run"] in page

    # One that was cut off has no end in either place: it is said, with what to do.
    left = site.bench.project.state / "runs.db"
    with closing(sqlite3.connect(left)) as database, database:
        database.execute("UPDATE workflow_status SET status = 'PENDING', output = NULL")
    kept = site.bench.project.state / "ledger.db"
    with closing(sqlite3.connect(kept)) as ledger, ledger:
        ledger.execute("DELETE FROM entries")
        ledger.execute("PRAGMA user_version = 0")  # as before the first was written
    kept.with_name("ledger.head").unlink()
    code, said = site.run("report")
    assert (code, said["newest"]) == (0, True)
    report = said["report"]
    assert (report["run"], report["state"], report["ended_at"]) == (
        told["run"],
        "left-behind",
        None,
    )
    assert f"invoke resume --run={told['run']}" in report["reason"]
    assert report["missing"]
    code, out, err = site.shown("report", "--out=here/report.html")
    assert code == 0
    assert f"this is the newest: {told['run']}" in err
    assert "left behind" in (site.root / "here" / "report.html").read_text(encoding="utf-8")
    assert (site.root / "here" / "report.html").as_uri() in out

    left.write_bytes(b"no database")
    code, told = site.run("report", report["run"])
    assert (code, told["error"]["code"]) == (5, "runs.unreadable")


def test_what_only_the_ledger_has_is_shown_and_the_rest_is_said_to_be_missing(site):
    decision = site.decide("promote-20261126T091326-2e1cf0", (("evidence", "smoke"), None))
    code, said = site.run("report", "promote-20261126T091326-2e1cf0")
    assert code == 0
    (decided,) = said["report"]["decisions"]
    assert decided["decision"] == decision
    assert "smoke" not in [item["kind"] for item in decided["evidence"] if item["status"] == "ok"]
    assert any("runs.db" in words for words in said["report"]["missing"])
    page = Path(said["file"]).read_text(encoding="utf-8")
    for finding in decision["findings"]:
        assert finding["code"] in page


def test_an_unknown_run_gets_the_nearest_names(site):
    code, told = site.run("report")
    assert (code, told["error"]["code"]) == (2, "run.unknown")
    site.decide("promote-20261126T091326-2e1cf0")
    code, told = site.run("report", "promote-20261126T091326-2e1cf1")
    assert (code, told["error"]["code"]) == (2, "run.unknown")
    assert told["error"]["remedy"] == "Did you mean promote-20261126T091326-2e1cf0?"
    code, told = site.run("report", "2e1c")
    assert told["error"]["remedy"] == "Did you mean promote-20261126T091326-2e1cf0?"
    code, told = site.run("report", "zz")
    assert "The newest one is promote-20261126T091326-2e1cf0" in told["error"]["remedy"]
    code, told = site.run("report", "a", "b")
    assert (code, told["error"]["code"]) == (2, "usage")


def test_a_file_that_cannot_be_written_is_said(site):
    site.decide("promote-1")
    (site.root / "file").write_text("")
    code, told = site.run("report", "promote-1", "--out=file/report.html")
    assert (code, told["error"]["code"]) == (5, "report.unwritable")
