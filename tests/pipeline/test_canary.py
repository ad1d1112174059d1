"""A canary that is bad, a runner that is killed, a rollback by hand: all with real traffic."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from sluiceway.errors import ExitCode

from .conftest import QUICK

pytestmark = pytest.mark.slow


@pytest.fixture
def traffic(shop):
    """Return a function that begins traffic to production and returns how to end it."""
    running = []

    def begin(rate=150):
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "sluiceway.rehearsal.load",
                shop.workspace.url,
                str(shop.root / "service" / "parity" / "trades.json"),
                f"--rate={rate}",
                "--seconds=120",
                "--canary=settlement/1.1.0",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)

        def end():
            process.terminate()
            out, _ = process.communicate(timeout=30)
            return json.loads(out)

        return end

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def in_production(shop, traffic):
    """Ship 1.0.0 to production under traffic; return its digest and how to end the traffic."""
    digest = shop.ship("dev", "staging")
    trial = traffic()
    code, document, err = shop.run("lena", "promote", "--to=canary", *QUICK)
    trial()
    assert code == 0, (document, err)
    assert shop.run("ravi", "approve", digest, "--to=production")[0] == 0
    code, document, err = shop.run("lena", "promote", "--to=production")
    assert code == 0, (document, err)
    return digest, traffic()


def started(shop, person, *arguments):
    """Start the command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "sluiceway.cli.program", *arguments, "--json"],
        cwd=shop.root,
        env={**os.environ, **shop.environ(person)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def canary_weight(shop):
    bench = shop.bench()
    traffic = bench.plugins.one("sluiceway_traffic", environment=bench.config.environment("canary"))
    slot = traffic.slot("canary")
    return slot.weight if slot else 0.0


def until(condition, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_a_broken_release_is_rolled_back_and_the_good_one_serves_every_request(shop, in_production):
    good, end = in_production
    shop.workspace.break_service("1.1.0")
    bad = shop.ship("dev", "staging")
    code, document, err = shop.run("lena", "promote", "--to=canary", *QUICK)
    numbers = end()
    assert code == ExitCode.ROLLED_BACK, (document, err)
    assert document["outcome"] == "rolled-back"
    assert document["canary"]["verdict"] == "fail"
    report = document["canary"]
    assert report["code"] in ("canary.worse", "canary.error-rate")
    assert "rule sequential, limits corroborated" in report["reason"]
    assert report["decision"]["verdict"] == "rollback"
    assert report["sla"]["kept"] is True
    assert document["serves"] == good
    assert document["changed"] is False
    state = shop.state()
    assert state["tags"]["canary"] == good
    assert state["tags"]["staging"] == bad
    assert [slot for slot in state["serving"]["production"] if slot[2]] == [("stable", good, 100.0)]
    assert numbers["failed_outside_canary"] == 0, numbers
    assert numbers["failed_in_canary"] > 0
    code, history, _ = shop.run("ci", "history", "--env=canary")
    assert [entry["kind"] for entry in history["entries"]][:4] == [
        "run",
        "rolled-back",
        "canary",
        "decision",
    ]
    assert history["entries"][1]["body"]["sla"] == report["sla"]
    # Every verdict can be judged again from what was written down with it.
    code, replayed, err = shop.run("ci", "policy.replay")
    assert code == 0, (replayed, err)


def test_a_canary_without_traffic_never_passes(shop):
    shop.ship("dev", "staging")
    code, document, _ = shop.run("lena", "promote", "--to=canary", *QUICK, "--rule=mission")
    assert code == ExitCode.ROLLED_BACK
    assert document["canary"]["status"] == "no-data"
    assert "rule mission" in document["canary"]["reason"]
    assert document["canary"]["weight"] == 100.0  # nothing else serves yet
    state = shop.state()
    assert state["tags"]["canary"] == ""
    assert state["serving"]["canary"] == []


def test_a_crashed_canary_is_rolled_back_at_once(shop, in_production):
    import psutil

    good, end = in_production
    (shop.root / "service" / "RELEASE").write_text("1.0.1\n")
    shop.ship("dev", "staging")
    outcome = {}

    run = started(shop, "lena", "promote", "--to=canary", *_watch(seconds=60))
    try:
        assert until(lambda: canary_weight(shop) > 0)
        bench = shop.bench()
        slot = bench.plugins.one(
            "sluiceway_traffic", environment=bench.config.environment("canary")
        ).slot("canary")
        port = int(slot.url.rpartition(":")[2])
        (victim,) = {
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.laddr
            and connection.laddr.port == port
            and connection.status == psutil.CONN_LISTEN
            and connection.pid is not None
        }
        os.kill(victim, signal.SIGKILL)
        out, _ = run.communicate(timeout=30)
    finally:
        run.kill()
        run.communicate()
    outcome = json.loads(out)
    assert run.returncode == ExitCode.ROLLED_BACK
    assert outcome["canary"]["code"] == "canary.crashed"
    assert outcome["serves"] == good
    end()


def _watch(seconds):
    return (
        "--traffic-percent=50",
        f"--health-timeout-minutes={seconds / 60:.3f}",
        "--health-interval-seconds=0.3",
    )


def test_kill_nine_during_a_canary_leaves_weight_zero_and_resume_ends_the_run(shop, in_production):
    good, end = in_production
    path = shop.root / "sluiceway.toml"
    path.write_text(path.read_text() + "\n[state]\nlease_seconds = 2\n")
    (shop.root / "service" / "RELEASE").write_text("1.0.1\n")
    shop.ship("dev", "staging")
    run = started(shop, "lena", "promote", "--to=canary", *_watch(seconds=60))
    assert until(lambda: canary_weight(shop) > 0)
    assert until(shop.looked), "before the first look, resuming watches anew"
    run.kill()
    run.communicate()
    assert until(lambda: canary_weight(shop) == 0, seconds=10), "the weight was never shed"
    assert shop.state()["tags"]["canary"] != good

    code, document, _ = shop.run("lena", "promote", "--to=canary", *QUICK)
    assert code == ExitCode.NEEDS_PERSON, "a half-finished run is not built upon"
    assert document["error"]["code"] == "run.unfinished"
    assert "invoke resume" in document["error"]["remedy"]

    code, document, err = shop.run("lena", "resume")
    assert code == ExitCode.ROLLED_BACK, (document, err)
    (outcome,) = document["resumed"]
    assert outcome["serves"] == good
    assert outcome["canary"]["verdict"] in ("inconclusive", "fail")
    state = shop.state()
    assert state["tags"]["canary"] == good
    assert state["serving"]["canary"] == [("stable", good, 100.0)]
    assert end()["failed_outside_canary"] == 0
    code, document, _ = shop.run("lena", "resume")
    assert (code, document["resumed"]) == (0, [])
    assert shop.bench().ledger.verify()[1] == ()


def test_a_run_that_is_alive_is_not_taken_over(shop, in_production):
    _, end = in_production
    (shop.root / "service" / "RELEASE").write_text("1.0.1\n")
    shop.ship("dev", "staging")
    run = started(shop, "lena", "promote", "--to=canary", *_watch(seconds=6))
    assert until(lambda: canary_weight(shop) > 0)
    code, document, _ = shop.run("lena", "resume")
    assert code == 0
    assert document["resumed"] == []
    assert len(document["live"]) == 1
    code, document, _ = shop.run("lena", "promote", "--to=production")
    assert code == ExitCode.UNABLE
    assert document["error"]["code"] == "busy"
    assert f"kill {run.pid}" in document["error"]["remedy"]
    (seen,) = shop.run("lena", "status")[1]["runs"]
    assert (seen["target"], bool(seen["carried_by"])) == ("canary", True)
    assert f"kill {run.pid}" in seen["end"]
    out, err = run.communicate(timeout=60)
    assert run.returncode == 0, (out, err)
    end()


def killed_at(shop, tmp_path, step, *, done):
    """Promote to staging in a process that kills itself in *step*, before or after its work."""
    program = tmp_path / "killed.py"
    program.write_text(
        "import os, signal\n"
        "from sluiceway.runs.context import RunContext\n"
        "genuine = RunContext.step\n"
        "def step(self, name, function, *, shielded=False):\n"
        "    def cut_off():\n"
        f"        if name == {step!r} and not {done!r}:\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        value = function()\n"
        f"        if name == {step!r}:\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return value\n"
        "    return genuine(self, name, cut_off, shielded=shielded)\n"
        "RunContext.step = step\n"
        "from sluiceway.cli.program import main\n"
        "main()\n"
    )
    run = subprocess.run(
        [sys.executable, str(program), "promote", "--to=staging", "--json"],
        cwd=shop.root,
        env={**os.environ, **shop.environ("dana")},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == -signal.SIGKILL


@pytest.mark.parametrize("step", ["judge", "re-tag", "deploy", "write-down"])
def test_kill_nine_during_a_promotion_loses_nothing(shop, step, tmp_path):
    """The runner kills itself with SIGKILL at the end of a step, before it is remembered."""
    digest = shop.ship("dev")
    killed_at(shop, tmp_path, step, done=True)
    code, document, err = shop.run("dana", "resume")
    assert code == 0, (document, err)
    (outcome,) = document["resumed"]
    assert outcome["outcome"] == "done"
    state = shop.state()
    assert state["tags"]["staging"] == digest
    assert state["serving"]["staging"] == [("stable", digest, 100.0)]
    ledger = shop.bench().ledger
    assert ledger.verify()[1] == ()
    kinds = [entry.kind for entry in ledger.entries(run=outcome["run"])]
    # Who takes over is written down, and what was not yet done is decided again; no entry twice.
    late = step == "write-down"
    assert kinds == (
        ["decision", "deployed", "resumed", "run"]
        if late
        else ["decision", "resumed", "decision", "deployed", "run"]
    )


@pytest.mark.parametrize("step", ["re-tag", "deploy"])
def test_a_run_that_is_taken_over_is_judged_by_what_holds_now(shop, tmp_path, step):
    shop.ship("dev")
    before = shop.state()
    killed_at(shop, tmp_path, step, done=False)
    (shop.root / "people.json").write_text('{"promotion": {"people": {"ci": ["ci"]}}}')
    code, document, err = shop.run("ravi", "resume")
    assert code == ExitCode.REFUSED, (document, err)
    (outcome,) = document["resumed"]
    assert outcome["actor"]["name"] == "dana"
    assert outcome["changed"] is False
    assert shop.state() == before
    entries = shop.bench().ledger.entries(run=outcome["run"])
    (taken,) = [entry for entry in entries if entry.kind == "resumed"]
    assert taken.actor == "ravi"
    last = [entry for entry in entries if entry.kind == "decision"][-1].body["decision"]
    assert "promotion.role" in [item["code"] for item in last["findings"]]


def test_a_recorded_request_that_was_changed_is_not_carried_out(shop, tmp_path):
    import sqlite3

    shop.ship("dev")
    killed_at(shop, tmp_path, "re-tag", done=False)
    with sqlite3.connect(shop.root / ".sluiceway" / "runs.db") as connection:
        (table,) = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
            if "operation_outputs" in name
        ]
        changed = connection.execute(
            f'UPDATE {table} SET output = replace(output, \'"source": "dev"\', '
            "'\"source\": \"build\"') WHERE function_name = 'ask'"
        ).rowcount
    connection.close()
    assert changed
    before = shop.state()
    code, document, _ = shop.run("dana", "resume")
    assert code not in (ExitCode.DONE, ExitCode.BUG)
    assert document["resumed"][0]["outcome"] != "done"
    assert shop.state() == before


def test_interrupted_between_deployment_and_watch_the_canary_is_taken_back(shop):
    from sluiceway.runs import promote
    from sluiceway.runs.context import Interrupted

    genuine = promote.notify

    def notify(bench, kind, *arguments, **more):
        if kind == "canary.started":
            raise Interrupted("stopped just now")
        return genuine(bench, kind, *arguments, **more)

    shop.ship("dev", "staging")
    shop.monkeypatch.setattr(promote, "notify", notify)
    code, document, err = shop.run("lena", "promote", "--to=canary", *QUICK)
    assert code == ExitCode.INTERRUPTED, (document, err)
    state = shop.state()
    assert state["tags"]["canary"] == ""
    assert state["serving"]["canary"] == []


def test_the_exit_code_survives_a_reader_that_has_gone(shop):
    shop.release()
    reader, writer = os.pipe()
    os.close(reader)
    run = subprocess.run(
        [sys.executable, "-m", "sluiceway.cli.program", "promote", "--to=dev"],
        cwd=shop.root,
        env={**os.environ, **shop.environ("dana")},
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    os.close(writer)
    assert run.returncode == ExitCode.REFUSED, run.stderr


def test_ctrl_c_during_a_canary_takes_it_back(shop, in_production):
    good, end = in_production
    (shop.root / "service" / "RELEASE").write_text("1.0.1\n")
    shop.ship("dev", "staging")
    run = started(shop, "lena", "promote", "--to=canary", *_watch(seconds=60))
    assert until(lambda: canary_weight(shop) > 0)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=30)
    assert run.returncode == ExitCode.INTERRUPTED, (out, err)
    assert json.loads(out)["outcome"] == "interrupted"
    state = shop.state()
    assert state["tags"]["canary"] == good
    assert state["serving"]["canary"] == [("stable", good, 100.0)]
    assert end()["failed_outside_canary"] == 0


def test_rollback_by_hand_goes_to_the_previous_digest_and_twice_goes_two_back(shop):
    digests = []
    for version in ("1.0.0", "1.0.1", "1.0.2"):
        (shop.root / "service" / "RELEASE").write_text(version + "\n")
        digests.append(shop.ship("dev"))
    assert len(set(digests)) == 3
    for expected in (digests[1], digests[0]):
        code, document, err = shop.run("dana", "rollback", "--env=dev", "--reason=numbers differ")
        assert code == 0, (document, err)
        assert document["image"]["digest"] == expected
        state = shop.state()
        assert state["tags"]["dev"] == expected
        assert state["serving"]["dev"] == [("stable", expected, 100.0)]
    code, document, _ = shop.run("dana", "rollback", "--env=dev", f"--to-digest={digests[2]}")
    assert code == 0
    assert shop.state()["tags"]["dev"] == digests[2]


def test_a_rollback_to_an_unsigned_digest_is_refused(shop):
    shop.ship("dev")
    (shop.root / "service" / "RELEASE").write_text("1.0.1\n")
    code, document, _ = shop.run("ci", "build")
    unsigned = document["image"]["digest"]
    before = shop.state()
    code, document, _ = shop.run("dana", "rollback", "--env=dev", f"--to-digest={unsigned}")
    assert code == ExitCode.REFUSED
    assert document["changed"] is False
    assert shop.state() == before


def test_stopping_a_run_wakes_it(shop):
    """A stop is seen while a tick waits for its moment, not after it."""
    from sluiceway.runs.context import Interrupted, RunContext

    bench = shop.bench()
    lease = bench.ledger.acquire("x", run="r", holder="h", seconds=30)
    context = RunContext("r", bench, lease, 30)
    threading.Timer(0.2, context.stop, args=("enough",)).start()
    with pytest.raises(Interrupted, match="enough"):
        context.wait(60)


def test_a_run_that_lost_its_lease_changes_nothing_any_more(shop):
    """A process that was asleep for longer than its lease wakes up beside its successor."""
    from sluiceway.runs.context import Interrupted, RunContext

    bench = shop.bench()
    lease = bench.ledger.acquire("settlement/dev", run="old", holder="h1", seconds=0.01)
    context = RunContext("old", bench, lease, 30)
    context.confirm()  # nobody took it over: it is renewed
    bench.ledger.release(lease)
    bench.ledger.acquire("settlement/dev", run="new", holder="h2", seconds=30)
    with pytest.raises(Interrupted) as caught:
        context.confirm()
    assert caught.value.code == "lease.lost"


def test_a_defect_of_ours_ends_a_run_and_says_what_to_look_at(shop):
    from sluiceway.runs import workflows

    shop.release()
    shop.monkeypatch.setattr(workflows, "Strategy", None)
    code, document, err = shop.run("ci", "promote", "--to=dev")
    assert code == ExitCode.NEEDS_PERSON
    assert document["error"]["code"] == "run.defect"
    assert "AttributeError" in document["error"]["what"]
    assert "invoke rollback --env=dev" in err
    code, document, _ = shop.run("ci", "resume")
    assert document == {"resumed": [], "live": []}


def test_a_canary_of_the_same_digest_that_fails_goes_back_to_the_one_before(shop, in_production):
    good, end = in_production
    (shop.root / "service" / "RELEASE").write_text("1.0.1\n")
    new = shop.ship("dev", "staging")
    code, document, _ = shop.run("lena", "promote", "--to=canary", *QUICK)
    assert code == 0
    assert shop.state()["tags"]["canary"] == new
    code, document, err = shop.run(
        "lena",
        "canary",
        *QUICK,
        "--rule=mission",
        "--error-rate-threshold=0",
        "--latency-p99-threshold-ms=1",
    )
    end()
    if code == 0:
        pytest.skip("this machine answers within a millisecond, so the second watch passed")
    assert code == ExitCode.ROLLED_BACK, (document, err)
    assert shop.state()["tags"]["canary"] == good
