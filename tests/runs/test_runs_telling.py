"""Telling people: every notifier hears it in order, and none of them is waited for."""

import threading
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from sluiceway import events
from sluiceway.errors import ActionFailed
from sluiceway.model import Notice
from sluiceway.runs import telling


def notice(kind):
    return Notice(
        kind=kind,
        service="shop",
        environment="canary",
        digest="",
        previous="",
        run="r",
        actor="lena",
        at=datetime.now(UTC),
        summary=kind,
    )


class Plugins:
    """Notifiers by name, as a workbench has them."""

    def __init__(self, **notifiers):
        self.notifiers = notifiers

    def serving(self, hook):
        assert hook == "sluiceway_notify"
        return tuple(self.notifiers)

    def ask(self, name, hook, *, notice):
        self.notifiers[name](notice)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    monkeypatch.setattr(telling, "_messengers", {})


def test_everybody_hears_it_and_a_failure_is_reported_and_stops_nothing():
    heard: list[Any] = []

    def broken(_notice):
        raise ActionFailed("the chat is closed")

    def faulty(_notice):
        raise ValueError("a defect")

    bench: Any = SimpleNamespace(plugins=Plugins(bad=broken, worse=faulty, good=heard.append))
    seen: list[events.Event] = []
    with events.subscribed(seen.append):
        failed = telling.tell(bench, notice("promoted"), 10.0)
    assert failed == [
        {"plugin": "bad", "what": "the chat is closed"},
        {"plugin": "worse", "what": "ValueError: a defect"},
    ]
    assert [each.kind for each in heard] == ["promoted"]
    assert [event.data["plugin"] for event in seen if event.kind == "notify.failed"] == [
        "bad",
        "worse",
    ]


def test_a_notifier_that_hangs_is_left_behind_and_hears_the_rest_in_order_later():
    release, last = threading.Event(), threading.Event()
    heard: list[str] = []
    prompt: list[str] = []

    def hangs(each):
        release.wait(30)
        heard.append(each.kind)
        if each.kind == "rolled-back":
            last.set()

    bench: Any = SimpleNamespace(
        plugins=Plugins(slow=hangs, quick=lambda each: prompt.append(each.kind))
    )
    for kind in ("canary.started", "canary.verdict", "rolled-back"):
        (failed,) = telling.tell(bench, notice(kind), 0.05)
        assert failed["plugin"] == "slow"
        assert "not waited for" in failed["what"]
    assert prompt == ["canary.started", "canary.verdict", "rolled-back"]
    assert heard == []
    release.set()
    assert last.wait(30)
    assert heard == prompt


def test_what_a_hanging_notifier_is_told_does_not_pile_up_for_ever(monkeypatch):
    monkeypatch.setattr(telling, "_MOST_WAITING", 2)
    release = threading.Event()
    bench: Any = SimpleNamespace(plugins=Plugins(slow=lambda _each: release.wait(30)))
    said = [telling.tell(bench, notice("x"), 0.02)[0]["what"] for _ in range(4)]
    release.set()
    assert "2 notices wait for it already" in said[-1]
