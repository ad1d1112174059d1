"""Webhooks against a real receiver on this machine."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import sluiceway_notify_webhook
from sluiceway import events
from sluiceway.model import CheckStatus, Notice, Project, digest_of
from sluiceway_notify_webhook import delivery
from sluiceway_notify_webhook.options import host_of

NOTICE = Notice(
    kind="rolled-back",
    service="settlement",
    environment="canary",
    digest="sha256:" + "ab" * 32,
    previous="sha256:" + "cd" * 32,
    run="r-1",
    actor="alice",
    at=datetime(2026, 11, 23, 8, 0, tzinfo=UTC),
    summary="canary of settlement rolled back <!channel>",
    reason="error rate 20.1 % [is over](http://x) 5 %; password was s3cret-token",
    facts={"error_rate": 20.1},
)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        state: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        state.seen.append((self.path, dict(self.headers), body))
        if state.gate is not None:
            state.gate.wait(20)
        status, headers = state.answers.pop(0) if state.answers else (200, {})
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        state: Any = server
        state.seen, state.answers, state.gate = [], [], None
        state.url = f"http://127.0.0.1:{server.server_port}/hook/T0K3N"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield state
        if state.gate is not None:
            state.gate.set()
        assert delivery.flush(30)
        server.shutdown()


@pytest.fixture
def told() -> Iterator[list[events.Event]]:
    seen: list[events.Event] = []
    with events.subscribed(seen.append):
        yield seen


def project(url: str = "", **environ: str) -> Project:
    variables = {"ROLLBACK_WEBHOOK": url, "REGISTRY_PASSWORD": "s3cret-token", **environ}
    return Project(service="s", root=Path("/"), state=Path("/"), environ=variables)


def send(place: Project, notice: Notice = NOTICE, **settings: Any) -> None:
    sluiceway_notify_webhook.sluiceway_notify(place, notice, settings)
    assert delivery.flush(30)


def test_a_notice_arrives_whole_signed_and_numbered(
    receiver: Any, told: list[events.Event]
) -> None:
    send(project(receiver.url, SLUICEWAY_WEBHOOK_SECRET="hush"))
    ((path, headers, body),) = receiver.seen
    assert path == "/hook/T0K3N"
    document = json.loads(body)
    assert document["kind"] == "rolled-back"
    assert document["at"] == "2026-11-23T08:00:00Z"
    assert document["facts"] == {"error_rate": 20.1}
    assert document["reason"].endswith("password was ***")
    mark = hmac.new(b"hush", body, hashlib.sha256).hexdigest()
    assert headers["Sluiceway-Signature"] == f"sha256={mark}"
    assert headers["Idempotency-Key"] == digest_of(NOTICE)
    assert headers["Sluiceway-Event"] == "rolled-back"
    (event,) = told
    assert event.kind == "notify.sent"
    assert "T0K3N" not in repr(event)


def test_without_a_secret_nothing_pretends_to_be_signed(receiver: Any) -> None:
    send(project(receiver.url))
    assert "Sluiceway-Signature" not in receiver.seen[0][1]


def test_slack_is_not_made_to_call_everybody(receiver: Any) -> None:
    send(project(receiver.url), format="slack")
    document = json.loads(receiver.seen[0][2])
    assert document["text"] == "canary of settlement rolled back &lt;!channel&gt;"
    section, context = document["blocks"]
    assert "20.1 %" in section["text"]["text"]
    assert "`sha256:abababababab`" in context["elements"][0]["text"]


def test_teams_gets_a_card_whose_links_are_text(receiver: Any) -> None:
    send(project(receiver.url), format="teams")
    document = json.loads(receiver.seen[0][2])
    card = document["attachments"][0]["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    headline, reason, facts = card["body"]
    assert headline["color"] == "Attention"
    assert r"\[is over\]" in reason["text"]
    assert {"title": "by", "value": "alice"} in facts["facts"]


def test_what_may_pass_is_tried_again_with_the_same_key(
    receiver: Any, told: list[events.Event]
) -> None:
    receiver.answers = [(503, {}), (429, {"Retry-After": "0"}), (204, {})]
    send(project(receiver.url))
    assert len(receiver.seen) == 3
    assert len({headers["Idempotency-Key"] for _, headers, _ in receiver.seen}) == 1
    assert [(event.kind, event.data["attempts"]) for event in told] == [("notify.sent", 3)]


@pytest.mark.parametrize(
    ("answers", "attempts", "reason"),
    [
        ([(500, {})] * 5, 3, "it answered 500"),
        ([(404, {})], 1, "it answered 404"),
        ([(307, {"Location": "/elsewhere"})], 1, "it answered 307"),
    ],
)
def test_what_will_not_pass_is_given_up_and_told(
    receiver: Any,
    told: list[events.Event],
    answers: list[Any],
    attempts: int,
    reason: str,
) -> None:
    receiver.answers = list(answers)
    send(project(receiver.url))
    assert len(receiver.seen) == attempts
    (event,) = told
    assert event.kind == "notify.failed"
    assert (event.data["reason"], event.data["attempts"]) == (reason, attempts)
    assert event.data["url"] == host_of(receiver.url)
    assert "T0K3N" not in repr(event)


def test_nobody_there_is_told_without_the_address(told: list[events.Event], receiver: Any) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as closed:
        port = closed.server_port
    send(project(f"http://127.0.0.1:{port}/T0K3N"))
    (event,) = told
    assert event.data["reason"] == "no answer: ConnectError"
    assert "T0K3N" not in repr(event)


def test_a_listener_that_fails_does_not_end_the_deliveries(receiver: Any) -> None:
    def broken(event: events.Event) -> None:
        raise RuntimeError(event.kind)

    with events.subscribed(broken):
        send(project(receiver.url))
    send(project(receiver.url))
    assert len(receiver.seen) == 2


def test_a_slow_receiver_delays_nothing(receiver: Any) -> None:
    receiver.gate = threading.Event()
    place = project(receiver.url)
    for _ in range(3):
        sluiceway_notify_webhook.sluiceway_notify(place, NOTICE, {"timeout_seconds": 20.0})
    # The hook has returned three times although the receiver has not answered once.
    assert not delivery.flush(0.05)
    receiver.gate.set()
    assert delivery.flush(30)
    assert len(receiver.seen) == 3


def test_only_a_hundred_wait(receiver: Any, told: list[events.Event]) -> None:
    receiver.gate = threading.Event()
    place = project(receiver.url)
    for _ in range(105):
        sluiceway_notify_webhook.sluiceway_notify(place, NOTICE, {"timeout_seconds": 20.0})
    refused = [event for event in told if event.kind == "notify.failed"]
    assert 4 <= len(refused) <= 5  # one may have left the queue for the wire
    assert refused[0].data["reason"] == "100 messages wait already"
    receiver.gate.set()


def test_kinds_that_nobody_asked_for_are_not_sent(receiver: Any) -> None:
    send(project(receiver.url), kinds=["promoted"])
    send(project(), kinds=["rolled-back"])
    assert receiver.seen == []


@pytest.mark.parametrize(
    ("url", "settings", "reason"),
    [
        ("http://hooks.example/T0K3N", {}, "without encryption (http://hooks.example)"),
        ("hooks.example/T0K3N", {}, "ROLLBACK_WEBHOOK is not the address of a webhook"),
        ("https://hooks.example:x/T0K3N", {}, "not the address"),
        ("https://hooks.example/T0K 3N", {}, "not the address"),
        ("", {"formt": "slack"}, "has no key 'formt'"),
        ("", {"format": "irc"}, "format is 'irc'"),
        ("", {"timeout_seconds": 0}, "more than 0"),
        ("", {"kinds": [1]}, "not text"),
    ],
)
def test_settings_that_cannot_be_right_are_told_and_stop_nothing(
    told: list[events.Event], url: str, settings: dict[str, Any], reason: str
) -> None:
    sluiceway_notify_webhook.sluiceway_notify(project(url), NOTICE, settings)
    (event,) = told
    assert event.kind == "notify.failed"
    assert reason in event.data["reason"]
    (line,) = sluiceway_notify_webhook.sluiceway_doctor(project(url), settings) or ()
    assert line.status is CheckStatus.FAIL
    assert "T0K" not in repr((event, line))


def test_doctor_shows_the_host_only() -> None:
    def line(place: Project, **settings: Any) -> Any:
        (found,) = sluiceway_notify_webhook.sluiceway_doctor(place, settings) or ()
        assert "T0K3N" not in repr(found)
        return found

    url = "https://hooks.example:8443/T0K3N"
    assert line(project()).status is CheckStatus.OK
    assert "nothing is sent" in line(project()).detail
    assert "https://hooks.example:8443, not signed" in line(project(url)).detail
    assert line(project(url, SLUICEWAY_WEBHOOK_SECRET="x")).detail.endswith(", signed")
    assert line(project(), url=url).status is CheckStatus.WARN


def test_a_process_that_ends_at_once_takes_no_message_with_it(receiver: Any) -> None:
    script = f"""
from datetime import UTC, datetime
from pathlib import Path
import sluiceway_notify_webhook
from sluiceway.model import Notice, Project
project = Project(service="s", root=Path("/"), state=Path("/"),
                  environ={{"ROLLBACK_WEBHOOK": {receiver.url!r}}})
notice = Notice(kind="promoted", service="s", environment="dev", digest="", previous="", run="r",
                actor="a", at=datetime.now(UTC), summary="x")
sluiceway_notify_webhook.sluiceway_notify(project, notice, {{}})
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    assert len(receiver.seen) == 1


def test_a_process_does_not_wait_for_a_receiver_that_never_answers(receiver: Any) -> None:
    receiver.gate = threading.Event()
    self_test = (
        "import sluiceway_notify_webhook as w, datetime as d, pathlib as p;"
        "from sluiceway.model import Notice, Project;"
        f"pr = Project(service='s', root=p.Path('/'), state=p.Path('/'),"
        f" environ={{'ROLLBACK_WEBHOOK': {receiver.url!r}}});"
        "n = Notice(kind='promoted', service='s', environment='d', digest='', previous='', run='r',"
        " actor='a', at=d.datetime.now(d.UTC), summary='x');"
        "w.sluiceway_notify(pr, n, {'timeout_seconds': 2.0})"
    )
    subprocess.run([sys.executable, "-c", self_test], check=True, timeout=60)
    # It has waited for one time-out, and not for the three attempts that it would have made.
    assert 1 <= len(receiver.seen) < delivery.ATTEMPTS
