"""Runs that have not ended: who carries them, how far they are, and what ends them."""

from __future__ import annotations

import sqlite3
import sys
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.report_kit import RUN, START, recorded, values

from sluiceway.errors import ActionFailed
from sluiceway.ledger import Lease
from sluiceway.runs.context import holder
from sluiceway.runs.recorded import unfinished
from sluiceway.runs.under_way import row


def lease(**more):
    fields = {"name": "shop/production", "run": RUN, "holder": holder(), "token": 1}
    return Lease(**{**fields, "expires": START + timedelta(seconds=30), **more})


def under_way(looks):
    kept = recorded(looks)
    steps = tuple(step for step in kept.steps if step.name.startswith(("look", "canary.")))
    return replace(kept, ended=None, outcome=None, steps=steps)


def look_of(value):
    return {"verdict": "continue", **value}


def test_a_run_that_is_carried_says_how_far_it_is_and_how_it_is_ended():
    found = row(under_way([look_of(value) for value in values([0, 0, 1])]), lease())
    assert found["run"] == RUN
    assert (found["source"], found["target"]) == ("staging", "canary")
    assert found["carried_by"] == holder()
    assert "kill" in found["end"]
    assert found["look"] == {
        "at": found["look"]["at"],
        "seconds": 20.0,
        "of_seconds": 300.0,
        "weight": 5.0,
        "verdict": "continue",
        "reason": "",
    }


@pytest.mark.parametrize(
    "held",
    [
        None,
        lease(run="promote-another"),
        lease(holder=holder().rpartition(":")[0] + ":1"),
    ],
    ids=["nobody", "another run", "a process that is gone"],
)
def test_a_run_that_nobody_carries_is_taken_over(held):
    found = row(under_way([]), held)
    assert found["carried_by"] == ""
    assert found["end"] == f"`invoke resume --run={RUN}`"
    assert found["look"] is None


def test_nothing_is_opened_where_nothing_is_unfinished(tmp_path, monkeypatch):
    assert unfinished(tmp_path, "shop") == ()
    assert list(tmp_path.iterdir()) == [], "looking makes no file"
    file = sqlite3.connect(tmp_path / "runs.db")
    file.execute("CREATE TABLE workflow_status (status TEXT)")
    file.execute("INSERT INTO workflow_status VALUES ('SUCCESS')")
    file.commit()
    monkeypatch.setitem(sys.modules, "dbos", None)  # importing it takes a second
    assert unfinished(tmp_path, "shop") == ()
    file.execute("INSERT INTO workflow_status VALUES ('PENDING')")
    file.commit()
    file.close()
    with pytest.raises(ImportError):
        unfinished(tmp_path, "shop")


def test_runs_that_cannot_be_read_are_no_empty_list(tmp_path):
    (tmp_path / "runs.db").write_bytes(b"torn" * 1000)
    with pytest.raises(ActionFailed, match=r"runs\.db cannot be read"):
        unfinished(tmp_path, "shop")
