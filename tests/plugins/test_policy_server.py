"""A real OPA server as an engine: whose answers are believed, and when no longer."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import sluiceway_policy_server
from sluiceway.model import CheckStatus
from sluiceway.policy import Bundle, EngineError, bundled_policies, load_bundle
from sluiceway.policy.archive import archive, revision

from .policy_engines_kit import INPUT, bundle, code_of, make_server, opa_server, project, serving

pytestmark = pytest.mark.real_tool("opa")

OURS = Bundle(
    modules={
        "g/rule.rego": "package g\n\nimport data.lib\n\nx := lib.twice(input.a) + data.g.more\n",
        "lib/lib.rego": "package lib\n\ntwice(n) := n * 2\n",
    },
    data={"g": {"more": 1, "people": {}, "deep": {"list": [1, {"a": None}]}}, "top": [1]},
    digest="",
    origin="test",
)


def unpacked(folder: Path, policies: Bundle, *, manifest: bool = True) -> Path:
    """Write *policies* as a folder that OPA can watch."""
    root = folder / "watched"
    root.mkdir()
    (folder / "b.tar.gz").write_bytes(archive(policies))
    shutil.unpack_archive(folder / "b.tar.gz", root, "gztar", filter="data")
    if not manifest:
        (root / ".manifest").unlink()
    return root


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_it_decides_by_our_bundle(tmp_path: Path) -> None:
    with serving(tmp_path, OURS) as url:
        engine = make_server(tmp_path, url)
        assert engine.version.startswith("OPA 1.20")
        assert engine.name == "server"
        assert engine.evaluate(OURS, "g.x", {"a": 2}) == 5
        assert engine.evaluate(OURS, "g.x", {}) is None
        assert engine.evaluate(OURS, "nowhere.x", {}) is None
        engine.close()
        assert engine.evaluate(OURS, "g.x", {"a": 3}) == 7
        engine.close()


def test_the_bundled_policies_are_recognised(tmp_path: Path) -> None:
    policies = load_bundle([bundled_policies()])
    assert revision(policies) == policies.digest  # the server names what a decision names
    with serving(tmp_path, policies) as url:
        engine = make_server(tmp_path, url)
        assert engine.evaluate(policies, "promotion.decision", {})["deny"]
        engine.close()


def test_a_unix_socket(tmp_path: Path) -> None:
    with serving(tmp_path, OURS, address=f"unix://{tmp_path}/s") as url:
        engine = make_server(tmp_path, url)
        assert engine.evaluate(OURS, "g.x", {"a": 2}) == 5
        engine.close()


@pytest.mark.parametrize(
    "change",
    [
        {"modules": {"g/rule.rego": OURS.modules["g/rule.rego"] + "\n"}},
        {"modules": {"g/more.rego": "package g\n\ny := 1\n"}},
        {"modules": {"other/more.rego": "package other\n\ny := 1\n"}},
        {"data": {"g": {**OURS.data["g"], "more": 2}}},
        {"data": {"g": {**OURS.data["g"], "extra": 2}}},
        {"data": {"g": {**OURS.data["g"], "deep": {"list": [True, {"a": None}]}}}},
        {"data": {"g": {"more": 1, "deep": OURS.data["g"]["deep"]}}},
        {"data": {"extra": 1}},
        {"data": {"top": [1, 2]}},
    ],
)
def test_another_bundle_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    other = Bundle(
        modules={**OURS.modules, **change.get("modules", {})},
        data={**OURS.data, **change.get("data", {})},
        digest="",
        origin="test",
    )
    with serving(tmp_path, other) as url:
        engine = make_server(tmp_path, url)
        assert code_of(engine, OURS) == "policy.server-differs"
        assert engine.evaluate(other, "g.x", {"a": 1}) is not None
        engine.close()


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "g/rule.rego").write_text("package g\n\nx := 5\n"),
        lambda root: (root / "g/added.rego").write_text("package g\n\ny := 5\n"),
        lambda root: (root / "lib/lib.rego").unlink(),
        lambda root: (root / "data.json").write_text(json.dumps({**OURS.data, "top": [2]})),
        lambda root: (root / "data.json").write_text(json.dumps({**OURS.data, "lib": {"a": 1}})),
    ],
)
def test_what_changes_between_two_decisions_is_noticed(
    tmp_path: Path, change: Callable[[Path], Any]
) -> None:
    """The manifest, and so the revision, stays ours: only reading back can tell."""
    root = unpacked(tmp_path, OURS)
    with opa_server(tmp_path, "--watch", "--bundle", str(root)) as url:
        engine = make_server(tmp_path, url)
        assert engine.evaluate(OURS, "g.x", {"a": 2}) == 5
        change(root)

        def refused() -> bool:
            try:
                engine.evaluate(OURS, "g.x", {"a": 2})
            except EngineError as error:
                return error.code == "policy.server-differs"
            return False

        if (root / "lib/lib.rego").exists():
            assert eventually(refused)
        else:  # OPA itself keeps what it had when the rest no longer compiles
            assert refused() or engine.evaluate(OURS, "g.x", {"a": 2}) == 5
        engine.close()


def test_another_revision_is_noticed_in_the_decision_itself(tmp_path: Path) -> None:
    root = unpacked(tmp_path, OURS)
    with opa_server(tmp_path, "--watch", "--bundle", str(root)) as url:
        engine = make_server(tmp_path, url, reread_seconds=3600.0)
        assert engine.evaluate(OURS, "g.x", {"a": 2}) == 5
        manifest = json.loads((root / ".manifest").read_text())
        (root / ".manifest").write_text(json.dumps({**manifest, "revision": "of another"}))
        (root / "data.json").write_text(json.dumps({**OURS.data, "top": [2]}))

        def refused() -> bool:
            try:
                engine.evaluate(OURS, "g.x", {"a": 2})
            except EngineError as error:
                return "of another" in error.what
            return False

        assert eventually(refused)
        engine.close()


def test_opa_lets_nobody_change_our_bundle_through_its_api(tmp_path: Path) -> None:
    with serving(tmp_path, OURS) as url:
        engine = make_server(tmp_path, url)
        for place in ("policies/x", "policies/bundle.tar.gz/lib/lib.rego"):
            text = "package lib\n\ntwice(n) := 0\n"
            assert httpx.put(f"{url}/v1/{place}", content=text).status_code == 400
        for place in ("data/g/more", "data/top", "data/lib"):
            assert httpx.put(f"{url}/v1/{place}", json={"a": 1}).status_code == 400
        assert engine.evaluate(OURS, "g.x", {"a": 2}) == 5
        # Beside our packages and data it may write; that is another server than ours then.
        assert httpx.put(f"{url}/v1/data/beside", json={"a": 1}).status_code == 204
        assert code_of(engine, OURS) == "policy.server-differs"
        assert httpx.delete(f"{url}/v1/data/beside").status_code == 204
        assert engine.evaluate(OURS, "g.x", {"a": 2}) == 5
        text = "package beside\n\nx := 1\n"
        assert httpx.put(f"{url}/v1/policies/beside", content=text).status_code == 200
        assert code_of(engine, OURS) == "policy.server-differs"
        engine.close()


def test_the_same_policies_without_a_revision_are_refused(tmp_path: Path) -> None:
    root = unpacked(tmp_path, OURS, manifest=False)
    with opa_server(tmp_path, "--bundle", str(root)) as url:
        engine = make_server(tmp_path, url)
        assert code_of(engine, OURS) == "policy.server-differs"
        engine.close()
    with opa_server(tmp_path) as url:
        for name in ("lib/lib.rego", "g/rule.rego"):
            sent = httpx.put(f"{url}/v1/policies/{name}", content=OURS.modules[name])
            assert sent.status_code == 200
        for key, value in OURS.data.items():
            assert httpx.put(f"{url}/v1/data/{key}", json=value).status_code == 204
        engine = make_server(tmp_path, url)
        assert code_of(engine, OURS) == "policy.server-differs"
        engine.close()


def test_a_token_is_sent_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    rules = """package system.authz

default allow := false

allow if input.identity == "right"
"""
    own = tmp_path / "own"  # the server's own bundle, beside ours
    own.mkdir()
    (own / "authz.rego").write_text(rules)
    (own / ".manifest").write_text('{"revision": "own", "roots": ["system"]}')
    with serving(
        tmp_path, OURS, str(own), "--authentication=token", "--authorization=basic"
    ) as url:
        engine = make_server(tmp_path, url, token="right")
        assert engine.evaluate(OURS, "g.x", {"a": 2}) == 5
        engine.close()
        for token in ("wrong", ""):
            engine = make_server(tmp_path, url, token=token)
            assert code_of(engine, OURS) == "policy.server-refused"
            engine.close()


@pytest.mark.real_tool("openssl")
def test_tls_with_our_own_authority_and_certificate(tmp_path: Path) -> None:
    for name, subject in (("ca", "/CN=authority"), ("other", "/CN=other")):
        make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        make += ["-nodes", "-days", "2", "-subj", subject, "-keyout", f"{name}.key"]
        subprocess.run(
            [*make, "-out", f"{name}.pem"], cwd=tmp_path, check=True, capture_output=True
        )
    (tmp_path / "ext").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("server", "client"):
        ask = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        ask += ["-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr"]
        sign = [
            "openssl",
            "x509",
            "-req",
            "-in",
            f"{name}.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
        ]
        sign += ["-CAcreateserial", "-days", "2", "-extfile", "ext", "-out", f"{name}.pem"]
        for command in (ask, sign):
            subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    file = tmp_path / "bundle.tar.gz"
    file.write_bytes(archive(OURS))
    options = ["--tls-cert-file=server.pem", "--tls-private-key-file=server.key"]
    options += ["--tls-ca-cert-file=ca.pem", "--authentication=tls"]
    mine = {"client_certificate": "client.pem", "client_key": "client.key"}
    with opa_server(tmp_path, *options, "--bundle", str(file)) as plain:
        url = plain.replace("http:", "https:")
        engine = make_server(tmp_path, url, ca_file="ca.pem", **mine)
        assert engine.evaluate(OURS, "g.x", {"a": 2}) == 5
        engine.close()
        for settings in ({"ca_file": "other.pem", **mine}, mine, {"ca_file": "ca.pem"}):
            engine = make_server(tmp_path, url, **settings)
            assert code_of(engine, OURS) == "policy.server-unreachable"
            engine.close()


def test_a_server_that_comes_back_is_asked_again(tmp_path: Path) -> None:
    address = f"unix://{tmp_path}/s"
    with serving(tmp_path, OURS, address=address) as url:
        engine = make_server(tmp_path, url)
        assert engine.evaluate(OURS, "g.x", {"a": 2}) == 5
    assert code_of(engine, OURS) == "policy.server-unreachable"
    (tmp_path / "s").unlink()
    with serving(tmp_path, OURS, address=address):
        assert engine.evaluate(OURS, "g.x", {"a": 2}) == 5
    engine.close()


def test_an_endless_policy_is_given_up(tmp_path: Path) -> None:
    endless = bundle(
        """x := count([q |
	some a in numbers.range(1, 100000)
	some b in numbers.range(1, input.a)
	q := a * b
	q < 0
])"""
    )
    with serving(tmp_path, endless) as url:
        engine = make_server(tmp_path, url, timeout_seconds=3.0)
        with pytest.raises(EngineError) as caught:
            engine.evaluate(endless, "g.x", {"a": 100000})
        assert caught.value.code == "policy.timeout"
        engine.close()


def test_the_doctor_asks_it(tmp_path: Path) -> None:
    here = project(tmp_path)
    (check,) = sluiceway_policy_server.sluiceway_doctor(project=here, settings={})
    assert check.status is CheckStatus.OK
    assert "not configured" in check.detail
    with serving(tmp_path, OURS) as url:
        (check,) = sluiceway_policy_server.sluiceway_doctor(project=here, settings={"url": url})
        assert check.status is CheckStatus.OK
        assert check.detail.startswith("OPA 1.20")
    (check,) = sluiceway_policy_server.sluiceway_doctor(project=here, settings={"url": url})
    assert check.status is CheckStatus.FAIL
    assert "invoke policy.serve" in check.remedy


def test_input_is_not_kept_from_one_decision_to_the_next(tmp_path: Path) -> None:
    with serving(tmp_path, OURS) as url:
        engine = make_server(tmp_path, url, reread_seconds=3600.0)
        assert engine.evaluate(OURS, "g.x", INPUT) == 3
        assert engine.evaluate(OURS, "g.x", {}) is None
        engine.close()
