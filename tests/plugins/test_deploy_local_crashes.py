"""Killed supervisors, killed tasks, two at once, broken files: what serves can be found again."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

import sluiceway_deploy_local as plugin
from sluiceway.errors import ActionFailed
from sluiceway.model import CheckStatus, Project
from sluiceway_deploy_local import processes
from sluiceway_deploy_local.logs import rotate
from sluiceway_deploy_local.paths import folder

from .deploy_local_kit import Load, ask, gone, opened, until


@pytest.fixture
def site(tmp_path):
    with opened(tmp_path) as site:
        yield site


def test_the_next_supervisor_takes_over_what_a_killed_one_ran(site):
    site.deploy("one", token=3)
    site.deploy("two", "canary", token=3)
    site.weigh(50, token=3)
    port = site.port()
    for _ in range(10):
        ask(port)
    seen = site.observe()
    running = {process.pid for process in site.serving()}
    first = site.kill_supervisor()
    assert site.traffic().slots == (), "nothing is routed, and reading starts nothing"
    (check,) = plugin.sluiceway_doctor(site.project, site.settings)
    assert check.status is CheckStatus.WARN

    again = site.observe()
    assert site.supervisor().pid != first
    assert {process.pid for process in site.serving()} == running, "the same processes"
    assert again.weight == 0, "nobody vouches for a canary after that"
    assert "supervisor-restarted" in again.health_detail
    assert again.canary_alive
    assert again.canary.requests >= seen.canary.requests == 5
    assert again.stable.requests >= seen.stable.requests == 5
    assert site.port() == port
    assert {ask(port)[1] for _ in range(20)} == {"one 0"}
    with pytest.raises(ActionFailed, match="token 2"):
        site.weigh(10, token=2)
    site.weigh(10, token=3)
    assert [ask(port)[1] for _ in range(20)].count("two 0") == 2
    site.deploy("three", token=3)
    assert ask(port)[1] in ("three 0", "two 0")


def bound(other, port):
    with contextlib.suppress(OSError):
        other.bind(("127.0.0.1", port))
        return True
    return False


def test_a_port_that_was_taken_meanwhile_is_taken_back_when_it_is_free(site):
    site.deploy("one")
    port = site.port()
    site.kill_supervisor()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        assert until(lambda: bound(other, port)), "the port goes with the last thread of the killed"
        other.listen()
        site.observe()
        traffic = site.traffic()
        assert traffic.url == "", "it does not claim to be where it is not"
        assert traffic.slot("stable").healthy
    assert until(lambda: site.traffic().url)
    assert ask(port) == (200, "one 0")


def test_what_nobody_can_reach_is_not_rolled_back_to(site):
    site.deploy("one")
    port = site.port()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for _ in range(2):  # the second one reads what the first, who listened nowhere, wrote down
            site.kill_supervisor()
            assert other.getsockname()[1] == port or until(lambda: bound(other, port))
            other.listen()
            with pytest.raises(ActionFailed, match=f"port {port} for production") as caught:
                site.roll_back("one", port=port)
            assert caught.value.code == "deploy.port-taken"
            assert site.traffic().url == ""
    assert until(lambda: site.traffic().url)
    assert site.port() == port
    assert site.roll_back("one", port=port).traffic.url.endswith(f":{port}")
    assert ask(port) == (200, "one 0")


def test_what_ended_meanwhile_is_started_again_or_reported(site):
    site.deploy("one")
    site.deploy("two", "canary")
    port = site.port()
    site.kill_supervisor()
    for process in site.serving():
        process.kill()
    seen = site.observe()
    assert seen.canary_alive is False
    assert until(lambda: (slot := site.traffic().slot("stable")) and slot.healthy)
    assert ask(port) == (200, "one 0")


def test_an_adopted_process_that_ends_is_noticed(site):
    site.deploy("one")
    site.deploy("two", "canary")
    site.kill_supervisor()
    assert site.observe().canary_alive
    url = site.traffic().slot("canary").url
    with pytest.raises(OSError, match=r".*"):
        ask(int(url.rpartition(":")[2]), "/crash")
    assert until(lambda: not site.observe().canary_alive)


def test_shutting_down_ends_what_a_killed_supervisor_left(site):
    site.deploy("one")
    (process,) = site.serving()
    site.kill_supervisor()
    (line,) = plugin.sluiceway_shutdown(site.project, site.settings)
    assert str(process.pid) in line
    assert site.serving() == []
    assert plugin.sluiceway_shutdown(site.project, site.settings) == ()


def test_a_process_whose_pid_nobody_wrote_down_is_found_by_its_mark(site):
    site.deploy("one")
    (process,) = site.serving()
    site.kill_supervisor()
    path = folder(site.project.state).state
    document = json.loads(path.read_text())
    left = document["routes"]["production"]["stable"]
    left["identity"] = None
    document["pending"], document["routes"] = [left], {}
    path.write_text(json.dumps(document))
    site.deploy("two")
    assert gone(process)
    assert len(site.serving()) == 1


def test_a_recycled_pid_is_never_signalled():
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        identity = processes.identify(stranger.pid)
        assert identity is not None
        recycled = (identity[0], identity[1] - 3600)
        assert not processes.lives(recycled)
        processes.end_now(recycled, 0.1)
        assert stranger.poll() is None
        processes.end_now(identity, 2.0)
        assert stranger.wait(5) == -signal.SIGTERM


def test_a_whole_family_is_ended_also_one_that_left_the_group(tmp_path):
    script = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], start_new_session=True, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        identity = processes.identify(parent.pid)
        assert identity is not None
        processes.end_now(identity, 2.0)
        assert until(lambda: gone(child))


def test_two_tasks_at_once_start_one_supervisor(tmp_path):
    with opened(tmp_path) as site:
        requests = [site.request("one", name) for name in ("dev", "staging", "production")]
        outcomes = []

        def deploy(request):
            outcomes.append(
                plugin.sluiceway_deploy(site.project, request, site.registry, site.settings)
            )

        threads = [threading.Thread(target=deploy, args=(request,)) for request in requests]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [outcome.changed for outcome in outcomes] == [True] * 3
        log = (site.project.state / "local" / "logs" / "supervisor.log").read_text()
        assert log.count('"kind": "started"') == 1
        assert len(site.serving()) == 3
        lines = plugin.sluiceway_shutdown(site.project, site.settings)
        assert len(lines) == 4


def test_a_task_that_is_killed_changes_nothing_for_clients(site, tmp_path):
    """Its deployment is abandoned, what served goes on, and the next attempt succeeds."""
    site.deploy("one")
    port = site.port()
    script = tmp_path / "task.py"
    script.write_text(
        "import sys\n"
        f"sys.path[:0] = {sys.path!r}\n"
        "from pathlib import Path\n"
        "from plugins_kit import opened\n"
    )
    kit = Path(__file__).with_name("deploy_local_kit.py")
    (tmp_path / "plugins_kit.py").write_text(kit.read_text())
    script.write_text(
        script.read_text()
        + "import plugins_kit as kit\n"
        + "from sluiceway.model import Project\n"
        + f"state = Path({str(site.project.state)!r})\n"
        + "project = Project(service='shop', root=state, state=state, environ={'PATH': '/bin'})\n"
        + f"kit.Site(project=project, settings={site.settings!r}).deploy('never', ready_seconds=60)\n"
    )
    task = subprocess.Popen([sys.executable, str(script)], cwd=tmp_path)
    try:
        assert until(lambda: len(site.serving()) == 2, 20)
    finally:
        task.kill()
        task.wait()
    with Load(port) as load:
        assert until(lambda: len(site.serving()) == 1)
        site.deploy("two")
        load.more(20)
    assert load.failed == []
    assert set(load.seen) >= {"two"}


def test_an_idle_supervisor_leaves_and_the_next_deployment_starts_another(tmp_path):
    with opened(tmp_path, idle_exit_seconds=0.2) as site:
        site.deploy("one", "canary")
        process = site.supervisor()
        guard = process.parent()
        assert guard is not None
        site.drain()
        assert until(lambda: gone(process) and gone(guard), 10)
        assert site.traffic().slots == ()
        site.deploy("two")
        assert ask(site.port()) == (200, "two 0")
        time.sleep(1.2)
        assert ask(site.port()) == (200, "two 0"), "one with something to do stays"


def test_the_socket_is_private_and_a_long_path_has_a_short_one(
    tmp_path, tmp_path_factory, monkeypatch
):
    runtime = tmp_path_factory.getbasetemp() / "r"  # short: tmp_path holds the test's whole name
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    deep = tmp_path / ("long-" * 10) / ("path-" * 10)
    for root, where in ((tmp_path_factory.getbasetemp() / "s",) * 2, (deep, runtime)):
        with opened(root) as site:
            site.deploy("one")
            path = folder(site.project.state).socket()
            assert path is not None
            assert path.is_relative_to(where)
            assert len(os.fsencode(path)) <= 104
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
            assert stat.S_IMODE(folder(site.project.state).state.stat().st_mode) == 0o600
            assert ask(site.port()) == (200, "one 0")
            process = site.supervisor()
            plugin.sluiceway_shutdown(site.project, site.settings)
            assert until(functools.partial(gone, process))
    assert list(runtime.iterdir()) == []


def test_a_folder_that_others_can_write_to_is_no_place_for_the_socket(
    tmp_path, tmp_path_factory, monkeypatch
):
    runtime = tmp_path_factory.getbasetemp() / "w"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    where = folder(tmp_path / ("x" * 100))
    short = where.choose_socket().parent
    short.chmod(0o777)
    with pytest.raises(ActionFailed, match="not a folder of this user alone") as caught:
        where.choose_socket()
    assert caught.value.code == "deploy.socket"
    short.rmdir()
    short.symlink_to(tmp_path)
    with pytest.raises(ActionFailed, match="not a folder"):
        where.choose_socket()


def test_a_broken_state_file_starts_nothing_and_says_what_to_do(site):
    where = folder(site.project.state)
    where.make()
    where.state.write_text("{")
    with pytest.raises(ActionFailed, match="cannot be read") as caught:
        site.deploy("one")
    assert caught.value.code == "deploy.state-broken"
    assert str(where.state) in caught.value.remedy
    assert site.serving() == []
    where.state.unlink()
    site.deploy("one")


def test_a_supervisor_that_does_not_answer_is_an_error_with_a_remedy(site):
    where = folder(site.project.state)
    where.make()
    with socket.socket(socket.AF_UNIX) as silent:
        path = where.choose_socket()
        silent.bind(str(path))
        silent.listen()
        where.address.write_text(str(path))
        (check,) = plugin.sluiceway_doctor(site.project, site.settings)
        assert check.status is CheckStatus.FAIL
        assert "did not answer within 1 s" in check.detail
        assert "supervisor.log" in check.remedy


def test_a_request_of_another_version_is_refused(site):
    site.deploy("one")
    path = folder(site.project.state).socket()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(b'{"protocol": 999, "op": "stop"}\n')
        answer = json.loads(connection.makefile().readline())
    assert answer["error"]["code"] == "deploy.supervisor-version"
    assert len(site.serving()) == 1


def test_garbage_on_the_socket_harms_nobody(site):
    site.deploy("one")
    path = folder(site.project.state).socket()
    for line in (b"\n", b"[]\n", b"{}\n", b'{"protocol": 2, "op": "none"}\n', b"\xff\n", b"x" * 99):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(line)
            connection.shutdown(socket.SHUT_WR)
            connection.makefile("rb").read()
    assert ask(site.port()) == (200, "one 0")


def test_logs_are_cut_at_their_limit_and_the_oldest_go(tmp_path):
    used, long = tmp_path / "used.log", tmp_path / "long.log"
    used.write_text("used")
    os.utime(used, (0, 0))
    with long.open("ab") as writer:
        writer.write(b"x" * 2000)
        writer.flush()
        rotate(tmp_path, 1000, {used})
        assert long.stat().st_size == 0
        assert (tmp_path / "long.log.1").stat().st_size == 2000
        writer.write(b"after")
        writer.flush()
        assert long.read_bytes() == b"after", "the writer goes on in the same file"
    for number in range(40):
        path = tmp_path / f"old-{number:02}.log"
        path.write_text("")
        os.utime(path, (number + 1, number + 1))
    rotate(tmp_path, 1000, {used})
    left = {path.name for path in tmp_path.glob("*.log")}
    assert "used.log" in left
    assert "old-39.log" in left
    assert "old-00.log" not in left


def test_down_says_why_where_its_folder_cannot_be_written(tmp_path):
    project = Project(service="settlement", root=tmp_path, state=tmp_path / "state", environ={})
    place = folder(project.state)
    place.make()
    place.state.write_text("{}")  # a supervisor ran once, and none answers
    place.starting.mkdir()
    with pytest.raises(ActionFailed) as caught:
        plugin.sluiceway_shutdown(project, {})
    assert caught.value.code == "deploy.state-unwritable"
    assert str(place.starting) in caught.value.what
