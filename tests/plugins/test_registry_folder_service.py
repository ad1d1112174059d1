"""The folder registry as a plugin: its own server process, found, shared, ended."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import psutil
import pytest

import sluiceway_registry_folder as plugin
from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway.model import CheckStatus, Project
from sluiceway.oci.client import RegistryClient
from sluiceway_registry_folder import service
from sluiceway_registry_folder.storage import Store


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.fixture
def project(tmp_path):
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    return Project(service="app", root=tmp_path, state=state, environ=dict(os.environ))


@pytest.fixture
def settings(port, project):
    settings = {"address": f"127.0.0.1:{port}", "folder": "registry"}
    yield settings
    plugin.sluiceway_shutdown(project, settings)


def opened(project, port, settings):
    registry = plugin.sluiceway_registry(project, f"127.0.0.1:{port}/team/app", settings)
    assert isinstance(registry, RegistryClient)
    return registry


def server_of(project):
    return json.loads((project.state / "registry-folder.json").read_text())["pid"]


def until(condition, seconds=15.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_it_starts_is_found_again_and_stops(project, settings, port):
    with opened(project, port, settings) as registry:
        described = registry.put_blob(b"content")
    first = server_of(project)
    with opened(project, port, settings) as registry:
        assert registry.has_blob(described.digest)
    assert server_of(project) == first
    (said,) = plugin.sluiceway_shutdown(project, settings)
    assert str(port) in said
    assert not psutil.pid_exists(first)
    assert not (project.state / "registry-folder.json").exists()
    assert plugin.sluiceway_shutdown(project, settings) == []
    with opened(project, port, settings) as registry:
        assert registry.has_blob(described.digest)


@pytest.mark.parametrize("repository", ["127.0.0.1:1/app", "registry.example/app", "localhost/app"])
def test_other_addresses_are_not_its_own(project, settings, repository):
    assert plugin.sluiceway_registry(project, repository, settings) is None
    assert not (project.root / "registry").exists()


def test_a_port_that_another_program_has_is_named(project, settings, port):
    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", port), Page) as other:
        thread = threading.Thread(target=other.serve_forever, args=(0.02,))
        thread.start()
        try:
            with pytest.raises(ActionFailed) as caught:
                opened(project, port, settings)
            checks = plugin.sluiceway_doctor(project, settings)
        finally:
            other.shutdown()
            thread.join()
    assert caught.value.code == "registry.port-taken"
    assert f"127.0.0.1:{port}" in caught.value.what
    assert "address" in caught.value.remedy
    assert [check.status for check in checks] == [CheckStatus.OK, CheckStatus.FAIL]
    assert checks[1].remedy


def test_a_port_that_is_bound_but_silent_is_named(project, settings, port, monkeypatch):
    monkeypatch.setattr(service, "_PROBE_SECONDS", 0.2)
    with socket.socket() as mute:
        mute.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        mute.bind(("127.0.0.1", port))
        mute.listen(0)
        with pytest.raises(ActionFailed) as caught:
            opened(project, port, settings)
    assert caught.value.code == "registry.port-taken"


def test_another_folder_s_registry_is_not_taken_for_ours(project, settings, port):
    with opened(project, port, settings):
        pass
    other = {**settings, "folder": "elsewhere"}
    with pytest.raises(ActionFailed) as caught:
        opened(project, port, other)
    assert caught.value.code == "registry.port-taken"
    assert "another folder" in caught.value.what


def test_it_ends_by_itself_and_is_found_again(project, settings, port):
    settings["idle_exit_seconds"] = 1
    with opened(project, port, settings) as registry:
        described = registry.put_blob(b"content")
        until(lambda: not (project.state / "registry-folder.json").exists())
        assert registry.has_blob(described.digest)  # the client starts it again
    # Its record may be gone again: on a busy machine a second is over before we look.
    assert (project.state / "registry-folder.log").read_text().count("serving") == 2


def test_of_two_terminals_one_starts_it(project, settings, port):
    script = textwrap.dedent(
        """
        import json, os, sys
        from pathlib import Path
        import sluiceway_registry_folder as plugin
        from sluiceway.model import Project
        root = Path(sys.argv[1])
        project = Project(service="a", root=root, state=root / "state", environ=dict(os.environ))
        settings = json.loads(sys.argv[2])
        with plugin.sluiceway_registry(project, settings["address"] + "/app", settings) as registry:
            registry.put_blob(sys.argv[3].encode())
        """
    )
    warned = ("-W", "always::ResourceWarning")  # nor does the one that started it call it a leak
    arguments = [sys.executable, *warned, "-c", script, str(project.root), json.dumps(settings)]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    said = project.root / "said"
    with said.open("wb") as sink:
        terminals = [
            subprocess.Popen([*arguments, str(number)], env=environ, stderr=sink)
            for number in range(3)
        ]
        assert [terminal.wait(60) for terminal in terminals] == [0, 0, 0]
    assert "still running" not in said.read_text()
    assert (project.state / "registry-folder.log").read_text().count("serving") == 1


def test_a_kill_during_an_upload_leaves_nothing_half(project, settings, port):
    registry = opened(project, port, settings)
    kept = registry.put_blob(b"kept")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(b"POST /v2/team/app/blobs/uploads/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        head = raw.recv(4096).decode()
        where = head.partition("Location: ")[2].partition("\r\n")[0]
        digest = "sha256:" + "0" * 64
        raw.sendall(
            f"PUT {where}?digest={digest} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Length: 9000000\r\n\r\n".encode()
            + b"x" * 3_000_000
        )
        uploads = project.root / "registry/repositories/team/app/_uploads"
        until(lambda: sum(path.stat().st_size for path in uploads.iterdir()) > 1_000_000)
        os.kill(server_of(project), signal.SIGKILL)
    assert registry.has_blob(kept.digest)  # started again on the way
    assert registry.blob(kept.digest, limit=10) == b"kept"
    assert not registry.has_blob(digest)
    blobs = [path for path in (project.root / "registry/blobs").rglob("*") if path.is_file()]
    assert [path.name for path in blobs] == [kept.digest.removeprefix("sha256:")]
    registry.close()


def test_its_process_knows_no_secret(project, settings, port):
    secret = "correct-horse-battery"
    environ = {**project.environ, "COSIGN_PASSWORD": secret, "REGISTRY_PASSWORD": secret}
    knowing = Project(service="app", root=project.root, state=project.state, environ=environ)
    opened(knowing, port, settings).close()
    server = psutil.Process(server_of(project))
    assert secret not in str(server.environ())
    assert secret not in str(server.cmdline())


def test_a_record_of_a_process_that_is_another_s_now_kills_nobody(project, settings):
    record = project.state / "registry-folder.json"
    namesake = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)", "sluiceway_registry_folder"]
    )
    try:
        # The number was used again by a program that even has the right word in its arguments.
        record.write_text(json.dumps({"pid": namesake.pid, "started": 1.0}))
        assert plugin.sluiceway_shutdown(project, settings) == []
        assert namesake.poll() is None
    finally:
        namesake.kill()
        namesake.wait()
    assert not record.exists()


def test_who_does_not_have_the_turn_waits_with_starting(project, settings, port):
    Store.open(project.root / "registry")
    with (project.root / "registry" / "start.lock").open("wb") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        starter = threading.Thread(target=lambda: opened(project, port, settings).close())
        starter.start()
        starter.join(0.3)
        assert starter.is_alive()
        assert not (project.state / "registry-folder.log").exists()
    starter.join(30)
    assert psutil.pid_exists(server_of(project))


def test_a_folder_that_holds_something_else_is_left_alone(project, settings, port):
    folder = project.root / "registry"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(ActionFailed) as caught:
        opened(project, port, settings)
    assert caught.value.code == "registry.folder"
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


def test_doctor_looks_and_changes_nothing(project, settings, port):
    before = sorted(project.root.rglob("*"))
    assert [check.status for check in plugin.sluiceway_doctor(project, settings)] == [
        CheckStatus.OK,
        CheckStatus.OK,
    ]
    assert sorted(project.root.rglob("*")) == before
    opened(project, port, settings).close()
    checks = plugin.sluiceway_doctor(project, settings)
    assert [check.status for check in checks] == [CheckStatus.OK, CheckStatus.OK]
    assert "is served" in checks[1].detail


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"adress": "127.0.0.1:1"}, "configuration.unknown-key"),
        ({"address": "0.0.0.0:5555"}, "configuration.address"),
        ({"address": "registry.example:5555"}, "configuration.address"),
        ({"address": "127.0.0.1"}, "configuration.address"),
        ({"address": "127.0.0.1:99999"}, "configuration.address"),
        ({"idle_exit_seconds": 0}, "configuration.range"),
        ({"folder": 5}, "configuration.type"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(project, change, code):
    with pytest.raises(ConfigurationError) as caught:
        plugin.sluiceway_registry(project, "127.0.0.1:5555/app", change)
    assert caught.value.code == code
    assert caught.value.remedy
