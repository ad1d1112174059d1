"""A canary whose runner, supervisor and policy worker are killed or stopped, alone and together.

Whatever is left of them: no canary has traffic that nobody watches, ``status`` can say where things are,
``resume`` ends what was cut off, the history is whole, and the next promotion goes through.
"""

import contextlib
import json
import signal
import subprocess
import time

import psutil
import pytest

from sluiceway.errors import ExitCode

from .conftest import QUICK
from .test_canary import (
    _watch,
    canary_weight,
    in_production,  # noqa: F401 - a fixture
    started,
    traffic,  # noqa: F401 - a fixture
    until,
)

pytestmark = pytest.mark.slow

LEASE_SECONDS = 2


def supervisor(shop):
    bench = shop.bench()
    state = json.loads((bench.project.state / "local" / "state.json").read_text())
    return psutil.Process(state["pid"])


def policy_workers(run):
    found = []
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(run.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if any("sluiceway_policy_embedded" in word for word in child.cmdline()):
                    found.append(child)
    return found


def stopped(*processes):
    """Stop them for longer than the lease, all at once, and let them go on."""
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    time.sleep(2 * LEASE_SECONDS)
    for process in processes:
        process.send_signal(signal.SIGCONT)


def runner_stopped(shop, run):
    run.send_signal(signal.SIGSTOP)
    try:
        assert until(lambda: canary_weight(shop) == 0, seconds=30), "nobody watched it"
        time.sleep(2 * LEASE_SECONDS)
    finally:
        run.send_signal(signal.SIGCONT)


def supervisor_killed(shop, run):
    supervisor(shop).kill()


def both_stopped(shop, run):
    stopped(run, supervisor(shop))


def both_killed(shop, run):
    supervisor(shop).kill()
    run.kill()


def all_killed(shop, run):
    watched = supervisor(shop)
    watched.parent().kill()  # its guard, which would start another
    watched.kill()
    run.kill()


def runner_killed_while_the_supervisor_is_stopped(shop, run):
    watching = supervisor(shop)
    watching.send_signal(signal.SIGSTOP)
    run.kill()
    time.sleep(2 * LEASE_SECONDS)
    watching.send_signal(signal.SIGCONT)


def policy_worker_and_supervisor_killed(shop, run):
    for worker in policy_workers(run):
        worker.kill()
    supervisor(shop).kill()


def policy_worker_and_runner_killed(shop, run):
    workers = policy_workers(run)
    assert workers
    for worker in workers:
        worker.kill()
    run.kill()
    assert until(lambda: not any(worker.is_running() for worker in workers), seconds=10)


HARM = (
    supervisor_killed,
    both_killed,
    all_killed,
    runner_stopped,
    both_stopped,
    runner_killed_while_the_supervisor_is_stopped,
    policy_worker_and_supervisor_killed,
    policy_worker_and_runner_killed,
)
RUNNER_KILLED = (
    both_killed,
    all_killed,
    runner_killed_while_the_supervisor_is_stopped,
    policy_worker_and_runner_killed,
)
ENDED = (ExitCode.ROLLED_BACK, ExitCode.INTERRUPTED)
"""By itself, because it had not watched, or by Ctrl-C while it watched; both take the canary back."""


def test_whoever_dies_no_canary_serves_unwatched(shop, in_production):  # noqa: F811 - the fixture
    good, end = in_production
    path = shop.root / "sluiceway.toml"
    path.write_text(path.read_text() + f"\n[state]\nlease_seconds = {LEASE_SECONDS}\n")
    (shop.root / "service" / "RELEASE").write_text("1.0.1\n")
    new = shop.ship("dev", "staging")
    for harm in HARM:
        name = harm.__name__
        run = started(shop, "lena", "promote", "--to=canary", *_watch(seconds=60))
        try:
            if not until(lambda: canary_weight(shop) > 0, seconds=30):
                run.kill()
                pytest.fail(f"before {name}: {run.communicate()}")
            assert until(shop.looked), name
            harm(shop, run)
            killed = harm in RUNNER_KILLED
            if killed:
                run.wait(timeout=30)
                assert until(lambda: canary_weight(shop) == 0, seconds=10 * LEASE_SECONDS), name
                time.sleep(2 * LEASE_SECONDS)  # whoever resumes sooner than its lease watches on
            code, document, err = shop.run("ci", "status")
            assert code == 0, (name, document, err)
            assert len(document["runs"]) == 1 or not killed, (name, document["runs"])
            if not killed:
                # It watches on beside the next supervisor, or has ended by itself; then it is told to.
                with contextlib.suppress(subprocess.TimeoutExpired):
                    run.wait(timeout=2 * LEASE_SECONDS)
                run.send_signal(signal.SIGINT)
                out, err = run.communicate(timeout=60)
                assert run.returncode in ENDED, (name, run.returncode, out, err)
        finally:
            if run.poll() is None:
                run.send_signal(signal.SIGCONT)
                run.kill()
            run.communicate()
        code, document, err = shop.run("lena", "resume")
        assert code == (ExitCode.ROLLED_BACK if killed else 0), (name, document, err)
        assert len(document["resumed"]) == killed, (name, document)
        state = shop.state()
        assert state["tags"]["canary"] == good, name
        assert state["serving"]["canary"] == [("stable", good, 100.0)], name
        assert shop.bench().ledger.verify()[1] == (), name
    code, document, err = shop.run("lena", "promote", "--to=canary", *QUICK)
    assert code == 0, (document, err)
    assert shop.state()["tags"]["canary"] == new
    end()


def test_a_canary_that_had_passed_is_not_said_to_be_served_again(shop, traffic):  # noqa: F811 - a fixture
    """After a machine was off its process is gone, and nobody starts it: it may have ended by itself."""
    shop.ship("dev", "staging")
    end = traffic()
    code, document, err = shop.run("lena", "promote", "--to=canary", *QUICK)
    assert code == 0, (document, err)
    watched = supervisor(shop)
    watched.parent().kill()
    watched.kill()
    assert until(lambda: not any(shop.state()["serving"].values()), seconds=10)
    saved = json.loads((shop.bench().project.state / "local" / "state.json").read_text())
    psutil.Process(saved["routes"]["production"]["canary"]["identity"][0]).kill()

    code, document, err = shop.run("lena", "resume")
    assert code == 0, (document, err)
    assert document["served_again"] == ["dev", "staging"]
    assert "a canary is not started again by itself" in " ".join(err.split())
    _, board, _ = shop.run("lena", "status")
    (canary,) = (each for each in board["environments"] if each["environment"] == "canary")
    assert (canary["healthy"], canary["weight"]) == (False, 0.0)
    assert "`invoke canary` starts it again" in canary["problem"]
    code, document, err = shop.run("lena", "promote", "--to=canary", *QUICK)
    assert code == 0, (document, err)
    end()
    _, board, _ = shop.run("lena", "status")
    (canary,) = (each for each in board["environments"] if each["environment"] == "canary")
    assert (canary["healthy"], canary["problem"]) == (True, "")


def test_resume_serves_again_what_nobody_routes_to_any_more(shop):
    """As after a machine was off: whoever routed is gone, and some of what was routed to as well."""
    shop.ship("dev", "staging")
    before = shop.state()["serving"]
    watched = supervisor(shop)
    watched.parent().kill()
    watched.kill()
    assert until(lambda: not any(shop.state()["serving"].values()), seconds=10)
    code, document, err = shop.run("lena", "status")
    assert code == 0, err
    saved = json.loads((shop.bench().project.state / "local" / "state.json").read_text())
    psutil.Process(saved["routes"]["dev"]["stable"]["identity"][0]).kill()

    code, document, err = shop.run("lena", "resume")
    assert code == 0, (document, err)
    assert document == {"resumed": [], "live": [], "served_again": ["dev", "staging"]}
    assert shop.state()["serving"] == before
    bench = shop.bench()
    for name in ("dev", "staging"):
        environment = bench.config.environment(name)
        assert until(
            lambda environment=environment: (
                bench.plugins.one("sluiceway_traffic", environment=environment)
                .slot("stable")
                .healthy
            ),
            seconds=30,
        )
    code, document, err = shop.run("lena", "resume")
    assert (code, document) == (0, {"resumed": [], "live": []}), err
