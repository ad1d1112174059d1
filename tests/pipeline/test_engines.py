"""Which engine decides: the first that is there, and nobody in place of one that fails."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from sluiceway.errors import ExitCode

GONE = '\n[plugins.policy-embedded]\nlibrary = "nowhere.so"\n'


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configure(shop, more: str, policy: str = "") -> None:
    path = shop.root / "sluiceway.toml"
    text = path.read_text()
    assert "[stages]" not in text
    path.write_text(text + more + (f"\n[stages]\npolicy = {policy}\n" if policy else ""))


def test_without_a_word_the_embedded_engine_decides(shop):
    code, document, _ = shop.run("ci", "policy.engine")
    assert code == 0
    assert document["engine"] == "embedded"
    server, embedded, cli = document["engines"]
    assert (server["plugin"], server["version"]) == ("policy-server", None)
    assert "not configured" in server["detail"]
    assert embedded["decides"]
    assert not cli["decides"]


@pytest.mark.real_tool("opa")
@pytest.mark.parametrize("policy", ["", '"cli"', '"auto"', '["embedded", "cli"]'])
def test_the_program_is_chosen_where_the_library_is_missing(shop, policy):
    configure(shop, GONE, policy)
    code, document, _ = shop.run("ci", "policy.engine")
    assert code == 0
    assert document["engine"] == "cli"


@pytest.mark.real_tool("opa")
def test_the_program_decides(shop):
    # It compiles the policies for each decision, which on a busy machine takes longer than it may.
    configure(shop, GONE + "\n[plugins.policy-cli]\ndeadline_seconds = 60\n")
    shop.release()
    code, document, err = shop.run("ci", "promote", "--to=dev")
    assert code == 0, err
    assert document["decision"]["engine"] == "cli"


@pytest.mark.real_tool("opa")
def test_one_chosen_engine_stays_the_only_one(shop):
    configure(shop, GONE, '"embedded"')
    shop.release()
    code, document, _ = shop.run("ci", "promote", "--to=dev")
    assert code == ExitCode.REFUSED
    assert document["decision"]["engine"] == "none"
    assert document["decision"]["findings"][0]["code"] == "policy.engine-missing"
    code, document, _ = shop.run("ci", "policy.engine")
    assert code == ExitCode.UNABLE
    assert document["engine"] is None
    code, document, _ = shop.run("ci", "doctor")
    (engine,) = [check for check in document["checks"] if check["name"] == "policy engine"]
    assert (engine["status"], engine["remedy"]) == ("fail", "invoke policy.engine --install")


def test_the_embedded_engine_is_no_remedy_where_another_is_chosen(shop, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    configure(shop, "", '"cli"')
    _, document, _ = shop.run("ci", "doctor")
    (engine,) = [check for check in document["checks"] if check["name"] == "policy engine"]
    assert engine["status"] == "fail"
    assert engine["remedy"].startswith("Give policy-cli what it needs")
    assert 'policy = "auto"' in engine["remedy"]


def test_nobody_decides_in_place_of_a_server_that_is_down(shop):
    configure(shop, '\n[plugins.policy-server]\nurl = "http://127.0.0.1:9"\nretries = 0\n')
    shop.release()
    before = shop.state()
    code, document, _ = shop.run("ci", "promote", "--to=dev")
    assert code == ExitCode.REFUSED
    assert document["decision"]["engine"] == "server"
    (finding,) = document["decision"]["findings"]
    assert finding["code"] == "policy.server-unreachable"
    assert "invoke policy.serve" in finding["solution"]
    assert shop.state() == before
    code, document, _ = shop.run("ci", "policy.engine")
    assert code == ExitCode.UNABLE
    assert (document["engine"], document["version"]) == ("server", None)
    code, document, _ = shop.run("ci", "doctor")
    assert code == ExitCode.UNABLE
    failed = {check["name"] for check in document["checks"] if check["status"] == "fail"}
    assert "policy-server" in failed
    (engine,) = [check for check in document["checks"] if check["name"] == "policy engine"]
    assert engine["detail"].startswith("server decides")


def test_authors_keep_their_engine_beside_a_server(shop):
    configure(shop, '\n[plugins.policy-server]\nurl = "http://127.0.0.1:9"\n')
    assert shop.run("ci", "policy.check")[0] == 0
    configure(shop, "", '"server"')
    code, document, _ = shop.run("ci", "policy.check")
    assert code == ExitCode.USAGE
    assert document["error"]["code"] == "policy.no-workbench"


@pytest.mark.real_tool("opa")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_a_local_server_decides_and_ends_with_its_command(shop, end):
    port = free_port()
    configure(shop, f'\n[plugins.policy-server]\nurl = "http://127.0.0.1:{port}"\n')
    shop.release()
    command = [sys.executable, "-m", "invoke", "policy.serve", f"--port={port}", "--json"]
    (shop.root / "tasks.py").write_text("from sluiceway.cli import namespace\n\nns = namespace()\n")
    serving = subprocess.Popen(
        command, cwd=shop.root, stdout=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    try:
        assert serving.stdout is not None
        said = ""
        while not said.endswith("}\n"):
            line = serving.stdout.readline().decode()
            assert line, "it ended"
            said += line
        document = json.loads(said)
        assert document["url"] == f"http://127.0.0.1:{port}"
        code, promoted, err = shop.run("ci", "promote", "--to=dev")
        assert code == 0, err
        assert promoted["decision"]["engine"] == "server"
        assert promoted["decision"]["policy_digest"] == document["revision"]
        code, taken, _ = shop.run("ci", "policy.serve", f"--port={port}")
        assert code == ExitCode.USAGE
        assert taken["error"]["code"] == "policy.port"
        # Another policy than the server's: it does not decide by that.
        data = shop.root / "more.json"
        data.write_text('{"promotion": {"people": {"mallory": ["ci"]}}}')
        path = shop.root / "sluiceway.toml"
        path.write_text(path.read_text().replace("data = [", 'data = ["more.json", '))
        code, refused, _ = shop.run("ci", "promote", "--to=dev")
        assert code == ExitCode.REFUSED
        codes = {finding["code"] for finding in refused["decision"]["findings"]}
        assert codes == {"policy.server-differs"}
    finally:
        serving.send_signal(end)
        out, _ = serving.communicate(timeout=60)
    assert serving.returncode == 0
    assert out == b""
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/health")


def test_the_bundle_can_be_written_for_another_server(shop, tmp_path):
    file = tmp_path / "bundle.tar.gz"
    code, document, _ = shop.run("ci", "policy.serve", f"--bundle-to={file}")
    assert code == 0
    assert document["bundle"] == str(file)
    assert document["revision"].startswith("sha256:")
    assert file.read_bytes()[:2] == b"\x1f\x8b"
    code, document, _ = shop.run("ci", "policy.serve", f"--bundle-to={tmp_path}/none/bundle")
    assert code == ExitCode.USAGE


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1"])
def test_what_is_no_port_is_said(shop, port):
    code, document, _ = shop.run("ci", "policy.serve", f"--port={port}")
    assert code == ExitCode.USAGE
    assert "--port" in document["error"]["what"]


def test_without_opa_there_is_no_local_server(shop, monkeypatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    code, document, _ = shop.run("ci", "policy.serve")
    assert code == ExitCode.USAGE
    assert document["error"]["code"] == "policy.engine-missing"
