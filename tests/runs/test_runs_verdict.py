"""How a canary ends: the traffic first, then what is written down, and people last."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from tests.watching_kit import LIMITS, OLD, World

import sluiceway_notify_webhook
from sluiceway.runs import canary, promised
from sluiceway_notify_webhook import delivery


@pytest.fixture
def restored(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    def restore_tag(_bench: Any, environment: str, digest: str) -> dict[str, str]:
        world.route.log.append(f"tag {environment}")
        return {"digest": digest}

    monkeypatch.setattr(canary, "restore_tag", restore_tag)
    return world


def worse(side: str, _look: int) -> float:
    return 0.5 if side == "canary" else 0.0


def test_the_traffic_is_back_before_anything_is_written_drained_or_told(restored):
    restored.route.errors = worse
    document = restored.ended(LIMITS)
    assert (document["outcome"], document["exit_code"]) == ("rolled-back", 4)
    assert document["serves"] == OLD
    assert restored.route.log == [
        "told canary.started",
        "weight 10",
        "wrote decision",
        "wrote decision",
        "weight 0",
        "wrote canary",
        "drain",
        "tag canary",
        "wrote rolled-back",
        "told rolled-back",
    ]
    written = restored.ledger.entries["promote-1:rolled-back"]
    assert written["sla"] == document["canary"]["sla"]
    assert written["sla"]["kind"] == "automatic"
    assert restored.ledger.entries["promote-1:canary"]["verdict"] == "fail"
    (start, end) = restored.plugins.told
    assert "judged by the rule sequential" in start.summary
    assert end.reason == document["canary"]["reason"]


def test_a_webhook_that_never_answers_is_told_last_and_not_waited_for(restored):
    """A real server that takes the connection and then says nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/hook"
        project: Any = SimpleNamespace(environ={"ROLLBACK_WEBHOOK": address})

        def deliver(notice: Any) -> None:
            sluiceway_notify_webhook.sluiceway_notify(project, notice, {"timeout_seconds": 0.2})

        restored.plugins.deliver = deliver
        restored.route.errors = worse
        document = restored.ended(LIMITS)
        waiting = not delivery.flush(0)
        delivery.flush(30)
    assert waiting, "the first message had not even been given up when all was done"
    assert document["outcome"] == "rolled-back"
    log = restored.route.log
    assert log.index("weight 0") < log.index("told rolled-back")


def test_traffic_that_cannot_be_taken_away_is_a_persons_and_no_older_verdict_counts(restored):
    restored.route.errors = worse
    restored.route.obeys = False
    document = restored.ended(LIMITS)
    assert document["outcome"] == "needs-person"
    assert document["error"]["code"] == "rollback.incomplete"
    assert "still has 10 %" in document["error"]["what"]
    assert restored.ledger.entries["promote-1:canary"]["verdict"] == "fail"


def test_a_canary_that_passed_has_no_traffic_and_is_told(restored):
    document = restored.ended(LIMITS)
    assert document["outcome"] == "done"
    assert restored.route.log[-4:] == [
        "wrote canary",
        "weight 0",
        "wrote deployed",
        "told canary.passed",
    ]


@pytest.mark.parametrize(
    ("kind", "seconds", "kept"),
    [
        (promised.AUTOMATIC, 119.9, True),
        (promised.AUTOMATIC, 120.0, False),
        (promised.BY_HAND, 599.9, True),
        (promised.BY_HAND, 600.0, False),
    ],
)
def test_a_promise_is_kept_before_its_time_is_over(kind, seconds, kept):
    since = datetime(2026, 11, 26, 9, tzinfo=UTC)
    found = promised.kept(kind, since, since + timedelta(seconds=seconds))
    assert (found["kept"], found["seconds"]) == (kept, seconds)
    assert promised.kept(kind, since, since - timedelta(seconds=1))["seconds"] == 0
