"""Whoever is killed, production is routed again without a task, and nobody is left when all is stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import sluiceway_deploy_local as plugin
from sluiceway_deploy_local import guard

from .deploy_local_kit import ask, gone, opened, until


@pytest.fixture
def site(tmp_path):
    with opened(tmp_path) as site:
        yield site


def guard_of(site):
    return site.supervisor().parent()


def answers(port):
    try:
        return ask(port) == (200, "one 0")
    except OSError:
        return False


def replaced(site, first):
    try:
        found = site.supervisor()
    except psutil.Error:
        return None  # the state file names the one that was killed until the next has taken over
    return found if found.pid != first else None


def killed(site):
    process = site.supervisor()
    process.kill()
    assert until(lambda: gone(process))
    return process.pid


def test_a_killed_supervisor_is_back_without_any_task(site):
    site.deploy("one", token=3)
    site.deploy("two", "canary", token=3)
    site.weigh(50, token=3)
    port, running = site.port(), {process.pid for process in site.serving()}
    for _ in range(2):
        first = killed(site)
        assert until(lambda: answers(port)), "nobody but a client has asked for anything"
        assert until(lambda: replaced(site, first))  # noqa: B023 - called here
        assert {process.pid for process in site.serving()} == running, "the same processes"
        weights = until(site.weights)  # once it can be asked
        assert weights["canary"] == 0, "nobody vouches for a canary after that"
        site.weigh(50, token=3)
    log = (site.project.state / "local" / "logs" / "supervisor.log").read_text()
    said = [json.loads(line) for line in log.splitlines()]
    assert [each["kind"] for each in said].count("supervisor-ended") == 2
    assert {each["status"] for each in said if each["kind"] == "supervisor-ended"} == {-9}


def test_the_guard_ends_with_a_supervisor_that_is_told_to(site):
    site.deploy("one")
    watching = guard_of(site)
    assert watching.is_running()
    plugin.sluiceway_shutdown(site.project, site.settings)
    assert until(lambda: gone(watching))


def test_who_tells_the_guard_to_end_ends_everything(site):
    site.deploy("one")
    watching, supervisor = guard_of(site), site.supervisor()
    watching.send_signal(signal.SIGTERM)
    assert until(lambda: gone(watching) and gone(supervisor))
    assert until(lambda: site.serving() == [])


def test_without_its_guard_a_supervisor_goes_on_and_the_next_task_starts_both(site):
    site.deploy("one")
    port = site.port()
    watching = guard_of(site)
    watching.kill()
    assert until(lambda: gone(watching))
    assert ask(port) == (200, "one 0")
    assert site.deploy("one").changed is False
    killed(site)
    time.sleep(0.5)
    assert not answers(port), "nobody is there to start it"
    site.deploy("one")
    assert ask(port) == (200, "one 0")
    killed(site)
    assert until(lambda: answers(port))


@pytest.mark.parametrize("wait", [0.0, 0.01, 0.05, 0.2, 0.5])
def test_who_shuts_down_while_the_next_one_starts_leaves_nobody(site, wait):
    site.deploy("one")
    first = killed(site)  # it is replaced at once,
    assert until(lambda: replaced(site, first))
    watching = guard_of(site)
    killed(site)  # and the second after a moment
    time.sleep(wait)
    assert plugin.sluiceway_shutdown(site.project, site.settings)
    assert site.serving() == []
    assert until(lambda: gone(watching)), "it finds that nothing is left, and leaves"
    assert site.serving() == []


def test_what_was_removed_with_its_folder_is_not_started_again(tmp_path):
    with opened(tmp_path) as site:
        site.deploy("one")
        watching, served = guard_of(site), site.serving()
        os.kill(watching.pid, signal.SIGSTOP)
        killed(site)
        for process in served:
            process.kill()
        shutil.rmtree(site.project.state / "local")
        os.kill(watching.pid, signal.SIGCONT)
        assert until(lambda: gone(watching))
        assert not (site.project.state / "local").exists()


SERVES = """
import os, sys, signal
from pathlib import Path
from sluiceway_deploy_local import guard

count = Path(sys.argv[1])
guard._SECOND_WAIT_SECONDS = 0.01
guard._MOST_WAIT_SECONDS = 0.02


def serve(started):
    number = int(count.read_text())
    count.write_text(str(number + 1))
    if number == int(sys.argv[2]):
        return int(sys.argv[3])
    started()
    if number % 2:
        raise RuntimeError("a defect of ours")
    os.kill(os.getpid(), signal.SIGKILL)


sys.exit(guard.watch(serve, lambda: print("started", flush=True), lambda: True))
"""


@pytest.mark.parametrize(
    ("last", "status", "tried"),
    [
        (0, 0, 1),  # another one holds the folder
        (0, 5, 1),  # it cannot start, and whoever asked is told
        (5, 0, 6),  # killed three times, and failed twice, before it was told to end
    ],
)
def test_it_is_tried_until_it_ends_by_itself(tmp_path: Path, last: int, status: int, tried: int):
    count = tmp_path / "count"
    count.write_text("0")
    done = subprocess.run(
        [sys.executable, "-c", SERVES, str(count), str(last), str(status)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == status, done.stderr
    assert int(count.read_text()) == tried
    lines = done.stdout.splitlines()
    assert lines.count("started") == (tried > 1)
    ended = [json.loads(line)["status"] for line in lines if line != "started"]
    assert ended == [-9, 1, -9, 1, -9][: tried - 1]
    assert done.stderr.count("RuntimeError: a defect of ours") == (tried - 1) // 2


def test_waits_grow_and_begin_anew_after_a_long_life(monkeypatch: pytest.MonkeyPatch):
    waited: list[float] = []
    lives = iter([40.0, 1.0, 1.0, 1.0, 40.0, 1.0, 0.0])
    now = [0.0]
    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    ended = iter([-9, -9, -9, -9, -9, -9, 0])

    def end(_child: int) -> int:
        now[0] += next(lives)
        return next(ended)

    monkeypatch.setattr(guard, "_start", lambda _serve: (1, True))
    monkeypatch.setattr(guard, "_ended", end)
    assert guard.watch(lambda _started: 0, lambda: None, lambda: True) == 0
    assert waited == [0.0, 0.25, 0.5, 1.0, 0.0, 0.25]


def test_it_takes_little(site):
    site.deploy("one")
    watching = guard_of(site)
    before = watching.cpu_times()
    time.sleep(1)
    after = watching.cpu_times()
    assert (after.user, after.system) == (before.user, before.system), "it only waits"
    assert os.getpgid(watching.pid) == os.getpgid(site.supervisor().pid)
    assert psutil.Process(watching.pid).num_fds() <= 5, (
        "what it held the supervisor would keep open"
    )
