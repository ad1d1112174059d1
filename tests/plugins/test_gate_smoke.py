"""Smoke and contract evidence, from real HTTP answers and real programs."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import sluiceway_gate_contract
import sluiceway_gate_smoke
from sluiceway.errors import ConfigurationError
from sluiceway.model import CheckStatus, Evidence, GateRequest, Image, Project, Status
from sluiceway_gate_smoke.http_check import Fetched
from sluiceway_gate_smoke.matching import mismatch
from sluiceway_gate_smoke.parity import compared

DIGEST = "sha256:" + "ab" * 32


class Instance(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str, dict[str, str], bytes]]

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length)
        self.server.seen.append((self.command, self.path, dict(self.headers), body))  # type: ignore[attr-defined]
        if self.path == "/trickle":
            self.trickle()
            return
        status, answer = {
            "/api/health": (200, b'{"status": "ok", "version": "1.4.0", "peers": [1, 2]}'),
            "/down": (503, b'{"status": "down for s3cret-token"}'),
            "/text": (200, b"hello"),
            "/moved": (302, b""),
            "/long": (200, b'"' + b"x" * (1 << 20) + b'"'),
        }.get(self.path, (404, b"no"))
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/api/health")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_POST(self) -> None:
        self.do_GET()

    def trickle(self) -> None:
        self.close_connection = True
        try:
            for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"y" * 200:
                self.wfile.write(bytes([byte]))
                time.sleep(0.05)
        except OSError:
            pass

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Instance) as instance:
        instance.seen = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=instance.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield instance
        instance.shutdown()


@pytest.fixture
def url(server: ThreadingHTTPServer) -> str:
    server.seen.clear()  # type: ignore[attr-defined]
    return f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    environ = {
        "PATH": os.environ["PATH"],
        "REGISTRY_PASSWORD": "s3cret-token",
        "EXTRA": "given",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }
    return Project(service="s", root=tmp_path, state=tmp_path / "state", environ=environ)


def asked(source: str = "staging", url: str = "") -> GateRequest:
    image = Image(repository="127.0.0.1:5555/s", digest=DIGEST, media_type="application/x")
    return GateRequest(image=image, source=source, target="canary", source_url=url)


def smoke(project: Project, url: str, **settings: Any) -> Evidence:
    answers = sluiceway_gate_smoke.sluiceway_evidence(project, asked(url=url), settings)
    assert answers is not None
    (evidence,) = answers
    assert evidence.subject == DIGEST
    assert evidence.kind == "smoke"
    assert evidence.maker.plugin == "gate-smoke"
    json.dumps(evidence.facts)
    return evidence


def check(path: str, **more: Any) -> dict[str, Any]:
    return {"name": path.strip("/") or "root", "path": path, **more}


def test_right_answers_are_ok(project: Project, url: str, server: Any) -> None:
    post = check(
        "/api/health", name="posts", method="POST", body='{"a": 1}', headers={"X-Tenant": "t"}
    )
    evidence = smoke(project, url, checks=[check("/api/health", json={"status": "ok"}), post])
    assert evidence.status is Status.OK
    assert [entry["status"] for entry in evidence.facts["checks"]] == ["ok", "ok"]
    assert evidence.summary == "2 smoke checks passed in staging"
    method, path, headers, body = server.seen[1]
    assert (method, path, body) == ("POST", "/api/health", b'{"a": 1}')
    assert headers["X-Tenant"] == "t"
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("table", "detail"),
    [
        (check("/down"), "answered 503, not 200"),
        (check("/moved"), "answered 302, not 200"),
        (check("/text", json={}), "the body is not JSON"),
        (check("/long", json="x"), "longer than 1048576 bytes"),
        (check("/api/health", json={"status": "no"}), '$.status is "ok", not "no"'),
        (check("/api/health", json={"ready": True}), "$.ready is missing"),
        (check("/api/health", json={"peers": [1]}), "$.peers has 2 items, not 1"),
        (check("/api/health", json=None), "not null"),
    ],
)
def test_a_wrong_answer_is_failed_and_says_where(
    project: Project, url: str, table: dict[str, Any], detail: str
) -> None:
    evidence = smoke(project, url, checks=[table])
    assert evidence.status is Status.FAILED
    assert detail in evidence.facts["checks"][0]["detail"]
    assert detail in evidence.summary


def test_no_answer_is_an_error_not_a_failure(project: Project) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{taken.getsockname()[1]}"
    evidence = smoke(project, gone, checks=[check("/api/health")])
    assert evidence.status is Status.ERROR
    assert "ConnectError" in evidence.summary


def test_no_instance_is_an_error_for_every_check(project: Project) -> None:
    evidence = smoke(project, "", checks=[check("/a"), check("/b")], command=["true"])
    assert evidence.status is Status.ERROR
    assert [entry["status"] for entry in evidence.facts["checks"]] == ["error"] * 3


def test_an_instance_that_trickles_its_answer_is_given_up(project: Project, url: str) -> None:
    # A time-out per read would see a byte every 50 ms and wait for ever.
    evidence = smoke(project, url, checks=[check("/trickle", timeout_seconds=0.4)])
    assert evidence.status is Status.ERROR
    assert "no whole answer within 0.4 s" in evidence.summary


def test_the_time_for_all_checks_bounds_them_all(project: Project, url: str) -> None:
    slow = [check("/trickle", name=f"slow {number}") for number in range(3)]
    evidence = smoke(project, url, checks=slow, command=["true"], timeout_seconds=0.3)
    details = [entry["detail"] for entry in evidence.facts["checks"]]
    assert evidence.status is Status.ERROR
    assert [detail.startswith("not run") for detail in details] == [False, True, True, True]


def test_failed_outranks_error(project: Project, url: str) -> None:
    both = [check("/trickle", timeout_seconds=0.2), check("/down")]
    assert smoke(project, url, checks=both).status is Status.FAILED


def test_a_command_is_told_the_address_and_no_secret(project: Project, url: str) -> None:
    script = (
        "import json, os, sys; json.dump([sys.argv[1:], os.getcwd(), dict(os.environ)],"
        " open('seen.json', 'w'))"
    )
    evidence = smoke(
        project,
        url,
        command=[sys.executable, "-c", script, "--at={url}/x", "{digest}", "{other}"],
        pass_environment=["EXTRA", "ABSENT"],
    )
    assert evidence.status is Status.OK
    arguments, folder, environ = json.loads((project.root / "seen.json").read_text())
    assert arguments == [f"--at={url}/x", DIGEST, "{other}"]
    assert folder == str(project.root)
    assert "s3cret-token" not in environ.values()
    assert environ["SLUICEWAY_URL"] == url
    assert environ["SLUICEWAY_DIGEST"] == DIGEST
    assert (environ["SLUICEWAY_SOURCE"], environ["SLUICEWAY_TARGET"]) == ("staging", "canary")
    assert environ["EXTRA"] == "given"
    assert "HTTP_PROXY" not in environ


@pytest.mark.parametrize(
    ("script", "status", "detail"),
    [
        ("raise SystemExit('three numbers differ')", Status.FAILED, "three numbers differ"),
        ("raise SystemExit(7)", Status.FAILED, "ended with code 7: it printed nothing"),
        ("import os; os.kill(os.getpid(), 9)", Status.ERROR, "ended by signal 9"),
        ("import time; time.sleep(60)", Status.ERROR, "did not end within"),
        ("raise SystemExit('pw s3cret-token')", Status.FAILED, "pw ***"),
    ],
)
def test_how_a_command_ends_is_its_verdict(
    project: Project, url: str, script: str, status: Status, detail: str
) -> None:
    command = [sys.executable, "-c", script]
    seconds = 1.0 if "sleep" in script else 60.0
    evidence = smoke(project, url, command=command, timeout_seconds=seconds)
    assert evidence.status is status
    assert detail in evidence.summary
    assert "s3cret-token" not in repr(evidence)


def test_a_missing_program_is_an_error(project: Project, url: str) -> None:
    evidence = smoke(project, url, command=["no-such-program"])
    assert evidence.status is Status.ERROR
    assert "cannot start 'no-such-program'" in evidence.summary


def test_a_program_of_the_project_is_found_from_its_root(project: Project, url: str) -> None:
    script = project.root / "smoke.sh"
    script.write_text("#!/bin/sh\nexit 3\n")
    script.chmod(0o755)
    assert "code 3" in smoke(project, url, command=["./smoke.sh"]).summary


def test_secrets_in_an_answer_are_not_told(project: Project, url: str) -> None:
    evidence = smoke(project, url, checks=[check("/down")])
    assert "s3cret-token" not in repr(evidence)
    assert "***" in evidence.summary


def test_nothing_configured_is_no_data_for_smoke_and_silence_for_contract(
    project: Project, url: str
) -> None:
    assert smoke(project, url).status is Status.NO_DATA
    assert sluiceway_gate_contract.sluiceway_evidence(project, asked(url=url), {}) is None


def test_contract_evidence_has_its_own_kind(project: Project, url: str) -> None:
    settings = {"checks": [check("/down")]}
    answers = sluiceway_gate_contract.sluiceway_evidence(project, asked(url=url), settings)
    assert answers is not None
    (evidence,) = answers
    assert (evidence.kind, evidence.status) == ("contract", Status.FAILED)
    assert evidence.maker.plugin == "gate-contract"


def test_sources_that_are_not_required_are_not_asked_about(project: Project, url: str) -> None:
    for plugin in (sluiceway_gate_smoke, sluiceway_gate_contract):
        settings = {"checks": [check("/down")]}
        assert plugin.sluiceway_evidence(project, asked("build", url), settings) is None
        assert plugin.sluiceway_evidence(project, asked("dev", url), settings) is not None
        narrowed = {**settings, "requires": ["staging"]}
        assert plugin.sluiceway_evidence(project, asked("dev", url), narrowed) is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"check": []}, "Did you mean 'checks'"),
        ({"checks": [{"name": "a", "path": "/", "metod": "GET"}]}, "Did you mean 'method'"),
        ({"checks": ["/api/health"]}, "not a table"),
        ({"checks": [{"name": "a"}]}, "has no path"),
        ({"checks": [{"path": "/"}]}, "has no name"),
        ({"checks": [{"name": "a", "path": "http://elsewhere/"}]}, "Begin the path with one"),
        ({"checks": [{"name": "a", "path": "//elsewhere/"}]}, "Begin the path with one"),
        ({"checks": [{"name": "a", "path": "/", "status": 99}]}, "not an HTTP status"),
        ({"checks": [{"name": "a", "path": "/", "status": True}]}, "not a whole number"),
        ({"checks": [{"name": "a", "path": "/", "method": "get"}]}, "Choose one of"),
        ({"checks": [{"name": "a", "path": "/", "headers": {"X": 1}}]}, "not text"),
        ({"checks": [check("/a"), check("/a")]}, "two checks called 'a'"),
        ({"checks": [{"name": "a", "path": "/", "timeout_seconds": 0}]}, "more than 0"),
        ({"timeout_seconds": -1}, "more than 0"),
        ({"command": "smoke.sh"}, "not a list"),
        ({"command": ["a", 1]}, "not a text"),
    ],
)
def test_settings_that_cannot_be_right_are_refused(
    project: Project, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        smoke(project, "http://127.0.0.1:9", **settings)
    assert words in " ".join(caught.value.diagnostics().values())
    (line,) = sluiceway_gate_smoke.sluiceway_doctor(project, settings) or ()
    assert line.status is CheckStatus.FAIL


def test_doctor(project: Project) -> None:
    def examined(plugin: Any, **settings: Any) -> Any:
        (line,) = plugin.sluiceway_doctor(project, settings)
        return line

    assert examined(sluiceway_gate_smoke).status is CheckStatus.WARN
    assert "checks = [" in examined(sluiceway_gate_smoke).remedy
    assert examined(sluiceway_gate_contract).status is CheckStatus.OK
    missing = examined(sluiceway_gate_smoke, command=["no-such-program"])
    assert missing.status is CheckStatus.FAIL
    assert missing.remedy
    present = examined(sluiceway_gate_smoke, command=["sh", "x"], checks=[check("/")])
    assert present.status is CheckStatus.OK
    assert present.detail == "1 HTTP check and the command 'sh'"


@pytest.mark.parametrize(
    ("expected", "actual", "path"),
    [
        ({}, {"a": 1}, ""),
        ({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"c": 1, "d": 2}]}}, ""),
        (1, 1.0, ""),
        (1, True, "$"),
        (True, 1, "$"),
        (None, False, "$"),
        ({}, [], "$"),
        ([], {}, "$"),
        ([{"a": "x"}], [{"a": "y"}], "$[0].a"),
        ({"a": {"b": None}}, {"a": {}}, "$.a.b"),
    ],
)
def test_what_it_means_to_contain(expected: Any, actual: Any, path: str) -> None:
    found = mismatch(expected, actual)
    assert found.split(" ")[0] == path


def test_a_result_is_a_frozen_record(project: Project, url: str) -> None:
    evidence = smoke(project, url, checks=[check("/api/health")])
    with pytest.raises(AttributeError):
        evidence.status = Status.FAILED  # type: ignore[misc]


def switched(project: Project, url: str, live_url: str, **settings: Any) -> Evidence:
    """Gather the evidence before a blue/green switch: the idle slot beside the live one."""
    request = dataclasses.replace(
        asked(source="build", url=url), slot="green", live_url=live_url, target="production"
    )
    answers = sluiceway_gate_smoke.sluiceway_evidence(project, request, settings)
    assert answers is not None
    (evidence,) = answers
    return evidence


def test_the_idle_slot_is_tested_wherever_the_digest_comes_from(project: Project, url: str) -> None:
    evidence = switched(project, url, "", checks=[check("/api/health")])
    assert evidence.status is Status.OK
    assert evidence.summary == "1 smoke check passed in the slot green of production"
    assert switched(project, url, "").status is Status.NO_DATA


def test_both_slots_are_sent_the_same_request(project: Project, url: str, server: Any) -> None:
    pair = check("/api/health", name="same", method="POST", body="{}", fields=["version", "peers"])
    health = check("/api/health")
    evidence = switched(project, url, url, checks=[health], parity=[pair])
    assert evidence.status is Status.OK
    assert evidence.facts["checks"][1]["name"] == "same"
    assert [entry[0] for entry in server.seen] == ["GET", "POST", "POST"]
    nobody = switched(project, url, "", checks=[health], parity=[pair])
    assert len(nobody.facts["checks"]) == 1, "there is nothing to compare with yet"
    smoke(project, url, checks=[health], parity=[pair])
    assert [entry[0] for entry in server.seen][3:] == ["GET", "GET"], "only before a switch"


def test_a_live_slot_that_does_not_answer_is_an_error(project: Project, url: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{closed.getsockname()[1]}"
        evidence = switched(
            project, url, gone, checks=[check("/api/health")], parity=[check("/text", name="p")]
        )
    assert evidence.status is Status.ERROR
    assert "the live slot: no answer" in evidence.summary


@pytest.mark.parametrize(
    ("here", "there", "fields", "status", "words"),
    [
        ((200, b'{"a": {"b": 1}}'), (200, b'{"a": {"b": 1.0}, "c": 2}'), ["a.b"], "ok", "agree"),
        ((404, b"x"), (404, b"y"), [], "ok", "as the live slot did"),
        ((500, b"{}"), (200, b"{}"), [], "failed", "answered 500, and the live slot 200"),
        ((200, b'{"a": 1}'), (200, b'{"a": 2}'), ["a"], "failed", "a is 1, not 2"),
        ((200, b'{"a": {"b": 1}}'), (200, b'{"a": {}}'), ["a"], "failed", "a.b is missing"),
        ((200, b'{"a": {}}'), (200, b'{"a": {"b": 1}}'), ["a"], "failed", "a.b is missing"),
        ((200, b"{}"), (200, b"{}"), ["a"], "failed", "the answer has no a"),
        ((200, b'{"a": 1}'), (200, b"[]"), ["a"], "failed", "the live slot has no a"),
        ((200, b"hello"), (200, b"{}"), ["a"], "failed", "the answer is not JSON"),
        ((200, b"{}"), (200, b"hello"), ["a"], "failed", "the live slot's answer is not JSON"),
    ],
)
def test_answers_are_compared_in_status_and_in_what_is_named(
    here: tuple[int, bytes],
    there: tuple[int, bytes],
    fields: list[str],
    status: str,
    words: str,
) -> None:
    found, detail = compared(tuple(fields), Fetched(*here, whole=True), Fetched(*there, whole=True))
    assert (found.value, words in detail) == (status, True), detail


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ({"name": "p", "path": "/", "json": {}}, "json"),
        ({"name": "p", "path": "//other"}, "path"),
        ({"name": "p", "path": "/", "fields": [3]}, "fields"),
        ({"name": "health", "path": "/"}, "two checks called 'health'"),
    ],
)
def test_a_wrong_comparison_is_refused_by_name(
    project: Project, table: dict[str, Any], word: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        smoke(project, "", checks=[check("/x", name="health")], parity=[table])
    assert word in caught.value.what + caught.value.remedy
