"""Whatever answers in place of an OPA server: each is a refusal with a code, never an allow."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sluiceway_policy_server
from sluiceway import process
from sluiceway.errors import ConfigurationError
from sluiceway.policy import Bundle, EngineError
from sluiceway.policy.archive import revision

from .policy_engines_kit import INPUT, bundle, code_of, make_embedded, make_server, project, stub

GOOD = bundle("x := input.a + 1", {"top": 1})
SERVER: dict[str, Any] = {
    "provenance": {"version": "1.20.2", "bundles": {"b": {"revision": revision(GOOD)}}}
}
Reply = tuple[int, dict[str, str], bytes] | None


def reply(document: Any, status: int = 200) -> Reply:
    return status, {}, json.dumps(document).encode()


@pytest.fixture(scope="module")
def honest() -> Callable[[str, bytes], Reply]:
    """What a server with the good bundle answers, as OPA does."""
    engine = make_embedded()
    (tree,) = (each.tree for each in engine.parse(GOOD.modules).values())
    engine.close()
    (source,) = GOOD.modules.values()
    modules = reply({"result": [{"id": "b/g/rule.rego", "raw": source, "ast": tree}]})
    data = reply({"result": {"top": 1, "g": {"x": 3}}})

    def answer(path: str, body: bytes) -> Reply:
        if path.startswith("/v1/policies"):
            return modules
        if path == "/v1/data":
            return data
        asked = json.loads(body)["input"]
        return reply({**SERVER, "result": asked["a"] + 1} if "a" in asked else SERVER)

    return answer


def test_the_stand_in_is_believed_when_it_does_everything_right(
    honest: Any, tmp_path: Path
) -> None:
    with stub(honest) as server:
        engine = make_server(tmp_path, server.url)
        assert engine.evaluate(GOOD, "g.x", INPUT) == 2
        assert engine.evaluate(GOOD, "g.x", {}) is None  # 200 without a result is undefined
        engine.close()
    places = [path.partition("?")[0] for _, path, _ in server.seen]
    assert places == ["/v1/policies", "/v1/data", "/v1/data/g/x"] * 2
    assert "strict-builtin-errors=true" in server.seen[2][1]


BUILTIN = {"code": "eval_builtin_error", "message": "no", "location": {"file": "a.rego", "row": 7}}
WRONG: dict[str, tuple[Any, str]] = {
    "html": ((200, {"Content-Type": "text/html"}, b"<html>Sign in</html>"), "policy.server-answer"),
    "nothing": ((200, {}, b""), "policy.server-answer"),
    "list": (reply([1]), "policy.server-answer"),
    "null": (reply(None), "policy.server-answer"),
    "bare result": (reply({"result": True}), "policy.engine-version"),
    "truncated json": ((200, {}, b'{"result": '), "policy.server-answer"),
    "deep json": ((200, {}, b"[" * 200_000), "policy.server-answer"),
    "not utf-8": ((200, {}, b'{"result": "\xff"}'), "policy.server-answer"),
    "lying gzip": ((200, {"Content-Encoding": "gzip"}, b"{}"), "policy.server-unreachable"),
    "401": (reply({"code": "unauthorized"}, 401), "policy.server-refused"),
    "403": ((403, {}, b"no"), "policy.server-refused"),
    "404": (reply({"code": "undefined_document", "message": "no"}, 404), "policy.server-answer"),
    "400": (reply({"code": "invalid_parameter", "message": "bad"}, 400), "policy.server-answer"),
    "500": (reply({"code": "internal_error"}, 500), "policy.server-answer"),
    "500 with errors": (reply({"errors": [BUILTIN]}, 500), "policy.builtin"),
    "500 with no errors": (reply({"errors": []}, 500), "policy.evaluation"),
    "503": ((503, {}, b"busy"), "policy.server-answer"),
    "204": ((204, {}, b""), "policy.server-answer"),
    "broken off": (None, "policy.server-unreachable"),
    "redirect": (
        (307, {"Location": "http://127.0.0.1:9/v1/data"}, b""),
        "policy.server-answer",
    ),
}


@pytest.mark.parametrize("path", ["/v1/policies", "/v1/data", "/v1/data/g/x"])
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_at_any_of_the_three_questions(
    honest: Any, tmp_path: Path, name: str, path: str
) -> None:
    wrong, code = WRONG[name]

    def answer(asked: str, body: bytes) -> Reply:
        return wrong if asked.partition("?")[0] == path else honest(asked, body)

    with stub(answer) as server:
        engine = make_server(tmp_path, server.url, retries=0)
        found = code_of(engine, GOOD)
        if name == "bare result" and path != "/v1/data/g/x":
            code = "policy.server-answer"  # a result, but no list of modules and no data
        assert found == code
        engine.close()


@pytest.mark.parametrize(
    ("provenance", "code"),
    [
        (None, "policy.engine-version"),
        ([], "policy.engine-version"),
        ({}, "policy.engine-version"),
        ({"version": "1.20.2"}, "policy.server-differs"),
        ({"version": "1.20.2", "bundles": {}}, "policy.server-differs"),
        ({"version": "1.20.2", "bundles": {"b": {"revision": "x"}}}, "policy.server-differs"),
        ({"version": "1.20.2", "bundles": {"b": None}}, "policy.server-differs"),
        ({"version": "1.20.2", "bundles": {"b": {"revision": [1]}}}, "policy.server-differs"),
        ({"version": "1.20.2", "revision": revision(GOOD)}, "policy.server-differs"),
        (
            {"version": "0.70.0", "bundles": SERVER["provenance"]["bundles"]},
            "policy.engine-version",
        ),
        ({"version": "1.2", "bundles": SERVER["provenance"]["bundles"]}, "policy.engine-version"),
    ],
)
def test_who_does_not_say_what_it_decided_by_is_not_believed(
    honest: Any, tmp_path: Path, provenance: Any, code: str
) -> None:
    def answer(asked: str, body: bytes) -> Reply:
        if asked.startswith("/v1/data/g"):
            return reply({"result": True, "provenance": provenance})
        return honest(asked, body)

    with stub(answer) as server:
        engine = make_server(tmp_path, server.url)
        assert code_of(engine, GOOD) == code
        engine.close()


@pytest.mark.parametrize(
    "modules",
    [[], [1], [{}], [{"id": "a", "raw": None, "ast": {}}], [{"id": "a", "raw": "x", "ast": {}}]],
)
def test_modules_in_another_form_are_not_ours(
    honest: Any, tmp_path: Path, modules: list[Any]
) -> None:
    def answer(asked: str, body: bytes) -> Reply:
        return reply({"result": modules}) if "policies" in asked else honest(asked, body)

    with stub(answer) as server:
        engine = make_server(tmp_path, server.url)
        code = "policy.server-answer" if modules == [1] else "policy.server-differs"
        assert code_of(engine, GOOD) == code
        engine.close()


def test_a_busy_server_is_asked_again(honest: Any, tmp_path: Path) -> None:
    refusals = [503, 502, 504]

    def answer(asked: str, body: bytes) -> Reply:
        return (
            reply({}, refusals.pop()) if asked != "/v1/data" and refusals else honest(asked, body)
        )

    with stub(answer) as server:
        engine = make_server(tmp_path, server.url, retries=3)
        assert engine.evaluate(GOOD, "g.x", INPUT) == 2
        engine.close()
    assert len(server.seen) == 6
    refusals.extend([503] * 10)
    with stub(answer) as server:
        engine = make_server(tmp_path, server.url, retries=1)
        assert code_of(engine, GOOD) == "policy.server-answer"
        engine.close()
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("scheme", "beginning"),
    [
        ("http", b""),
        ("http", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"),
        ("https", b"\x16\x03\x03\x40\x00"),  # a TLS record of 16 kB begins
    ],
)
def test_a_server_that_drips_is_cut_off(tmp_path: Path, scheme: str, beginning: bytes) -> None:
    """Each byte comes within every time-out of a read; only the whole takes for ever."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def drip() -> None:
        with listener, listener.accept()[0] as peer:
            peer.sendall(beginning)
            while not ended.wait(0.05):
                try:
                    peer.sendall(b"H" if beginning else b"X")
                except OSError:
                    return

    thread = threading.Thread(target=drip)
    thread.start()
    url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
    engine = make_server(tmp_path, url, timeout_seconds=0.7)
    started = time.monotonic()
    assert code_of(engine, GOOD) == "policy.timeout"
    assert time.monotonic() - started < 30
    ended.set()
    thread.join()
    engine.close()


def test_a_server_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        engine = make_server(tmp_path, url, timeout_seconds=0.5)
        assert code_of(engine, GOOD) == "policy.timeout"
        engine.close()


def test_nobody_there(tmp_path: Path) -> None:
    for url in ("http://127.0.0.1:9", "https://127.0.0.1:9", f"unix://{tmp_path}/none"):
        engine = make_server(tmp_path, url)
        assert code_of(engine, GOOD) == "policy.server-unreachable"
        engine.close()


def test_the_token_stays_with_the_server_and_out_of_messages(
    honest: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with stub(lambda *_: reply({}, 403)) as elsewhere:
        target = {"Location": f"{elsewhere.url}/v1/policies"}
        with stub(lambda *_: (302, target, b"")) as server:
            engine = make_server(tmp_path, server.url, token="s3cret-token")
            with pytest.raises(EngineError) as caught:
                engine.evaluate(GOOD, "g.x", INPUT)
            engine.close()
    assert server.seen[0][2]["Authorization"] == "Bearer s3cret-token"
    assert elsewhere.seen == []
    assert "s3cret" not in str(caught.value.diagnostics())
    assert "SLUICEWAY_OPA_TOKEN" in process.SECRET_NAMES
    with pytest.raises(ConfigurationError) as refused:
        make_server(tmp_path, server.url, token="s3cret\nX-More: 1")
    assert "s3cret" not in str(refused.value.diagnostics())


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"url": "http://opa.example.org:8181"}, "configuration.insecure"),
        ({"url": "http://10.0.0.1:8181"}, "configuration.insecure"),
        ({"url": "http://127.0.0.1.example.org"}, "configuration.insecure"),
        ({"url": "http://me:pw@127.0.0.1"}, "configuration.secret"),
        ({"url": "ftp://127.0.0.1"}, "configuration.type"),
        ({"url": "127.0.0.1:8181"}, "configuration.type"),
        ({"url": "https://"}, "configuration.type"),
        ({"url": "https://a:b:c"}, "configuration.type"),
        ({"url": "https://127.0.0.1:99999"}, "configuration.type"),
        ({"url": "https://127.0.0.1/opa"}, "configuration.type"),
        ({"url": "https://127.0.0.1?a=b"}, "configuration.type"),
        ({"url": "unix://relative"}, "configuration.type"),
        ({"url": "unix:///"}, "configuration.type"),
        ({"url": "https://127.0.0.1", "ca_file": "none.pem"}, "configuration.missing"),
        ({"url": "https://127.0.0.1", "client_key": "here"}, "configuration.missing-key"),
        ({"url": "https://127.0.0.1", "timeout_seconds": 0.0}, "configuration.range"),
        ({"retries": 11}, "configuration.range"),
        ({"reread_seconds": -1.0}, "configuration.range"),
        ({"uri": "https://127.0.0.1"}, "configuration.unknown-key"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, settings: dict[str, Any], code: str) -> None:
    (tmp_path / "here").write_text("")
    with pytest.raises(ConfigurationError) as caught:
        sluiceway_policy_server.sluiceway_policy_engine(
            project=project(tmp_path), settings=settings
        )
    assert caught.value.code == code
    assert "pw" not in str(caught.value.diagnostics())


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1", "http://127.9.9.9:1"],
)
def test_loopback_needs_no_tls(tmp_path: Path, url: str) -> None:
    engine = make_server(tmp_path, url)
    assert code_of(engine, GOOD) == "policy.server-unreachable"
    engine.close()


def test_without_a_url_there_is_no_engine(tmp_path: Path) -> None:
    hook = sluiceway_policy_server.sluiceway_policy_engine
    assert hook(project=project(tmp_path), settings={}) is None


def test_an_answer_of_unlimited_size_is_not_read(
    honest: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sluiceway_policy_server import client

    monkeypatch.setattr(client, "_LARGEST", 1000)
    with stub(lambda *_: (200, {}, b"{}" + b" " * 2000)) as server:
        engine = make_server(tmp_path, server.url)
        assert code_of(engine, GOOD) == "policy.server-answer"
        engine.close()


def test_a_bundle_that_claims_our_digest_is_not_ours(honest: Any, tmp_path: Path) -> None:
    """What counts is what a bundle holds, not what its digest says."""
    lying = Bundle(
        modules={"g/rule.rego": "package g\n\nx := 1\n"},
        data=GOOD.data,
        digest=revision(GOOD),
        origin="test",
    )
    with stub(honest) as server:
        engine = make_server(tmp_path, server.url)
        assert engine.evaluate(GOOD, "g.x", INPUT) == 2
        assert code_of(engine, lying) == "policy.server-differs"
        engine.close()
