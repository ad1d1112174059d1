"""Deploying, weighing, draining and rolling back real processes, under real load."""

from __future__ import annotations

import json
import socket
import threading
import time

import psutil
import pytest

import sluiceway_deploy_local as plugin
from sluiceway.errors import ActionFailed, ConfigurationError, UsageError
from sluiceway.model import CheckStatus

from .deploy_local_kit import Load, ask, opened, until


@pytest.fixture
def site(tmp_path):
    with opened(tmp_path) as site:
        yield site


def test_a_deployment_serves_and_doing_it_again_changes_nothing(site):
    first = site.deploy("one")
    assert (first.changed, first.previous) == (True, "")
    port = site.port()
    assert ask(port) == (200, "one 0")
    (process,) = site.serving()
    again = site.deploy("one")
    assert again.changed is False
    assert again.previous == again.digest == first.digest
    assert site.serving() == [process]
    (slot,) = again.traffic.slots
    assert (slot.name, slot.weight, slot.alive, slot.healthy) == ("stable", 100, True, True)
    assert ask(int(slot.url.rpartition(":")[2])) == (200, "one 0")


def test_a_request_under_way_is_answered_by_whom_it_was_given_to(site):
    site.deploy("one")
    port, answers = site.port(), []
    slow = threading.Thread(target=lambda: answers.append(ask(port, "/slow?1.0")))
    slow.start()
    assert until(lambda: len(psutil.Process().net_connections("tcp")) > 0)
    time.sleep(0.2)
    site.deploy("two")
    assert ask(port) == (200, "two 0")
    slow.join()
    assert answers == [(200, "one 0")]
    assert len(site.serving()) == 1


def test_a_request_longer_than_the_drain_is_cut(site):
    site.deploy("one", drain_seconds=0.3)
    port, answers = site.port(), []
    slow = threading.Thread(target=lambda: answers.append(ask(port, "/slow?5")))
    slow.start()
    time.sleep(0.2)
    site.deploy("two")
    slow.join()
    assert answers[0][0] == 502


def test_traffic_leaves_a_canary_that_hangs_without_waiting_for_it(site):
    site.deploy("one")
    hanging = site.deploy("two", "canary").traffic.slot("canary")
    site.weigh(50)
    (process,) = (
        process
        for process in site.serving()
        if f":{process.net_connections('tcp')[0].laddr.port}" in hanging.url
    )
    process.suspend()
    try:
        left = site.weigh(0).slot("canary")
        assert left.weight == 0
        assert left.healthy, "as last seen: an answer was not waited for"
        assert not site.traffic().slot("canary").healthy, "whoever looks is told what is so"
        assert not site.weigh(0).slot("canary").healthy, "and that was last seen then"
    finally:
        process.resume()


def test_weights_are_exact_and_counted_on_both_sides(site):
    site.deploy("one")
    site.deploy("two", "canary")
    port = site.port()
    assert site.weights() == {"stable": 100, "canary": 0}
    assert {ask(port)[1] for _ in range(20)} == {"one 0"}
    before = site.observe()
    site.weigh(5)
    seen = [ask(port)[1] for _ in range(200)]
    assert seen.count("two 0") == 10
    site.weigh(5)  # a renewal does not begin the round anew
    site.weigh(25)
    assert [ask(port)[1] for _ in range(100)].count("two 0") == 25
    after = site.observe()
    assert after.weight == 25
    assert after.canary.requests - before.canary.requests == 35
    assert after.stable.requests - before.stable.requests == 265
    assert sum(after.canary.latency_ms.values()) == 35
    assert after.canary.errors == 0
    assert after.monotonic > before.monotonic
    assert (after.health_ok, after.canary_alive) == (True, True)


def test_errors_are_counted_by_what_the_instance_did(site):
    site.deploy("one")
    site.deploy("two", "canary")
    site.weigh(100)
    port = site.port()
    assert site.weights() == {"stable": 0, "canary": 100}
    assert ask(port, "/fail") == (500, "two 0")
    assert ask(port, "/hang-up")[0] == 502
    assert ask(port, "/missing")[0] == 200
    seen = site.observe()
    assert (seen.canary.requests, seen.canary.errors) == (3, 2)
    assert sum(seen.canary.latency_ms.values()) == 2, "only what was answered has a latency"
    (_, canary) = site.inspect()["slots"]
    assert canary["server_errors"] == 1
    assert canary["failures"] == {"connect": 0, "reset": 1, "timeout": 0, "protocol": 0}


def test_an_unhealthy_release_changes_nothing_and_says_why(tmp_path):
    with opened(tmp_path, pass_environment=["LOUD"]) as site:
        site.project.environ["LOUD"] = "a-very-secret-word"
        good = site.deploy("one")
        port = site.port()
        with Load(port) as load, pytest.raises(ActionFailed) as caught:
            site.deploy("dies")
        assert load.failed == []
        assert caught.value.code == "deploy.unhealthy"
        assert "with code 1" in caught.value.what
        assert "no such table: trades" in caught.value.means
        assert "a-very-secret-word" not in str(caught.value.diagnostics())
        assert "with ***" in caught.value.means
        with pytest.raises(ActionFailed, match=r"not ready within 0\.5 s") as caught:
            site.deploy("never", ready_seconds=0.5)
        with pytest.raises(ActionFailed, match="503"):
            site.deploy("two", env={"SICK": "1"}, ready_seconds=4)
        (slot,) = site.traffic().slots
        assert slot.digest == good.digest
        assert len(site.serving()) == 1


def test_a_port_that_is_taken_is_refused_before_anything_starts(site):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(ActionFailed, match=f"port {taken} for production is taken") as caught:
            site.deploy("one", port=taken)
        assert caught.value.code == "deploy.port-taken"
        assert caught.value.remedy
        assert site.serving() == []
        assert site.traffic().slots == ()
        site.deploy("one")
        port = site.port()
        with pytest.raises(ActionFailed, match="is taken"):
            site.deploy("two", port=taken)
        assert ask(port) == (200, "one 0")
    site.deploy("two", port=taken)
    assert site.port() == taken
    assert ask(taken) == (200, "two 0")
    with pytest.raises(ConnectionRefusedError):
        ask(port)


def test_a_failed_deployment_does_not_move_the_port(site):
    site.deploy("one")
    port = site.port()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        other = free.getsockname()[1]
    with pytest.raises(ActionFailed, match="healthy"):
        site.deploy("dies", port=other)
    assert site.port() == port
    assert ask(port) == (200, "one 0")
    with pytest.raises(ConnectionRefusedError):
        ask(other)


def test_a_first_release_gives_its_canary_everything(site):
    site.deploy("one", "canary")
    port = site.port()
    status, text = ask(port)
    assert (status, text) == (503, "No instance of production takes traffic at the moment.\n")
    traffic = site.weigh(5)
    assert traffic.slot("canary").weight == 100
    assert site.observe().weight == 100
    assert ask(port) == (200, "one 0")
    traffic = site.drain()
    assert traffic.slots == ()
    with pytest.raises(ConnectionRefusedError):
        ask(port)
    assert site.serving() == []


def test_a_canary_that_is_promoted_keeps_its_process_and_its_counts(site):
    site.deploy("one")
    site.deploy("two", "canary")
    site.weigh(50)
    port = site.port()
    for _ in range(10):
        ask(port)
    canary = site.observe().canary
    url = site.traffic().slot("canary").url
    site.weigh(0)
    deployment = site.deploy("two")
    assert deployment.changed
    assert deployment.previous == site.image("one").digest
    (slot,) = deployment.traffic.slots
    assert (slot.name, slot.url) == ("stable", url)
    stable = site.observe().stable
    assert stable.digest == canary.digest
    assert stable.requests >= canary.requests == 5


def test_a_canary_with_other_variables_is_not_production(site):
    site.deploy("one")
    site.deploy("two", "canary", env={"LEVEL": "debug"})
    url = site.traffic().slot("canary").url
    deployment = site.deploy("two", env={"LEVEL": "info"})
    (slot,) = deployment.traffic.slots
    assert slot.url != url
    assert json.loads(ask(site.port(), "/environment")[1])["LEVEL"] == "info"
    assert len(site.serving()) == 1


def test_a_rollback_serves_what_still_runs_at_once(site):
    site.deploy("one")
    site.deploy("two", "canary")
    site.weigh(60)
    (stable,) = (slot.url for slot in site.traffic().slots if slot.name == "stable")
    with Load(site.port()) as load:
        back = site.roll_back("one", token=2)
    assert load.failed == []
    assert back.changed
    (slot,) = back.traffic.slots
    assert (slot.name, slot.url, slot.weight) == ("stable", stable, 100)
    assert site.roll_back("one", token=2).changed is False


def test_a_rollback_starts_what_no_longer_runs(site):
    for version in ("one", "two"):
        site.deploy(version)
    site.deploy("three", "canary")
    site.weigh(60)
    with Load(site.port()) as load:
        back = site.roll_back("one", token=2)
        load.more(20)
    assert load.failed == []
    assert back.previous == site.image("two").digest
    (slot,) = back.traffic.slots
    assert slot.digest == site.image("one").digest
    assert len(site.serving()) == 1


def test_a_rollback_takes_back_what_is_only_being_drained(site):
    site.deploy("one", drain_seconds=20)
    url = site.traffic().slot("stable").url
    port, answers = site.port(), []
    slow = threading.Thread(target=lambda: answers.append(ask(port, "/slow?1.5")))
    slow.start()
    time.sleep(0.2)
    deploying = threading.Thread(target=site.deploy, args=("two",))
    deploying.start()
    assert until(lambda: site.traffic().slot("stable").digest == site.image("two").digest)
    back = site.roll_back("one", token=2)
    assert not answers, "it did not wait for the drain"
    assert back.traffic.slot("stable").url == url
    deploying.join()
    slow.join()
    assert answers == [(200, "one 0")]


def test_a_rollback_interrupts_a_deployment_that_is_not_ready(site):
    site.deploy("one")
    failures = []

    def deploy():
        try:
            site.deploy("never", ready_seconds=60)
        except ActionFailed as error:
            failures.append(error.code)

    deploying = threading.Thread(target=deploy)
    deploying.start()
    assert until(lambda: len(site.serving()) == 2)
    site.roll_back("one", token=2)
    deploying.join()
    assert failures == ["fence.stale"]
    assert len(site.serving()) == 1


def test_a_stale_fence_is_refused_by_every_effect(site):
    site.deploy("one", token=7)
    site.deploy("two", "canary", token=7)
    site.token = 6
    for act in (
        lambda: site.deploy("three"),
        lambda: site.deploy("three", "canary"),
        lambda: site.weigh(50),
        site.drain,
        lambda: site.roll_back("three"),
    ):
        with pytest.raises(ActionFailed, match="run-6 holds token 6") as caught:
            act()
        assert caught.value.code == "fence.stale"
    assert site.weights() == {"stable": 100, "canary": 0}
    plugin.sluiceway_shutdown(site.project, site.settings)
    with pytest.raises(ActionFailed, match="token 6"):
        site.deploy("one")


def test_a_weight_that_is_not_renewed_returns_to_zero(site):
    site.deploy("one")
    site.deploy("two", "canary")
    site.lease = 0.5
    site.weigh(40)
    for _ in range(4):
        time.sleep(0.25)
        site.weigh(40)
    assert site.weights()["canary"] == 40
    assert until(lambda: site.weights()["canary"] == 0)
    assert site.weights() == {"stable": 100, "canary": 0}
    assert "0.5 s not renewed by run run-1" in site.inspect()["shed"]["reason"]
    assert "returned to 0" in site.observe().health_detail
    site.weigh(40)
    assert site.inspect()["shed"] is None


def test_a_canary_that_ends_is_seen_and_gets_nothing(site):
    site.deploy("one")
    site.deploy("two", "canary")
    url = site.traffic().slot("canary").url
    site.weigh(10)
    assert site.observe().canary_alive
    with pytest.raises(OSError, match=r".*"):
        ask(int(url.rpartition(":")[2]), "/crash")
    assert until(lambda: not site.observe().canary_alive)
    seen = site.observe()
    assert (seen.weight, seen.health_ok) == (0, False)
    assert "with code 3" in seen.health_detail
    assert {ask(site.port())[1] for _ in range(30)} == {"one 0"}
    assert site.weigh(10).slot("canary").weight == 0, "nothing brings it back but a deployment"
    site.drain()
    assert site.weights() == {"stable": 100}


def test_a_stable_that_ends_is_started_again_and_keeps_counting(site):
    site.deploy("one")
    port = site.port()
    assert ask(port) == (200, "one 0")
    (process,) = site.serving()
    process.kill()
    assert until(lambda: (slot := site.traffic().slot("stable")) and slot.healthy)
    assert ask(port) == (200, "one 0")
    (slot,) = site.inspect()["slots"]
    assert slot["restarts"] == 1
    assert slot["requests"] >= 2


def test_one_that_ignores_sigterm_is_killed(tmp_path):
    with opened(tmp_path, stop_seconds=0.3) as site:
        site.deploy("one", env={"STUBBORN": "1"})
        (stubborn,) = site.serving()
        site.deploy("two")
        assert not stubborn.is_running() or stubborn.status() == psutil.STATUS_ZOMBIE


def test_a_service_is_given_its_variables_and_no_others(tmp_path):
    with opened(tmp_path, pass_environment=["DATABASE_URL"]) as site:
        site.project.environ.update(
            DATABASE_URL="postgresql://shop:pass-phrase@127.0.0.1/shop",
            COSIGN_PASSWORD="hidden-password",
            AWS_TOKEN="hidden-token",
        )
        site.deploy("one", env={"LEVEL": "info", "DEBUG": True, "PORT": "1"})
        found = json.loads(ask(site.port(), "/environment")[1])
        assert found["DATABASE_URL"].startswith("postgresql://")
        assert (found["LEVEL"], found["DEBUG"], found["KIND"]) == ("info", "true", "test")
        assert found["FF_DARK"] == "on"
        assert "COSIGN_PASSWORD" not in found
        assert "AWS_TOKEN" not in found
        assert int(found["PORT"]) > 1
        for path in (site.project.state / "local").rglob("*"):
            if path.is_file() and path.name != "start.lock":
                assert b"pass-phrase" not in path.read_bytes(), path
                assert b"hidden" not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"stop_second": 1}, "stop_seconds"),
        ({"body_bytes": 0}, "not above 0"),
        ({"pass_environment": ["COSIGN_PRIVATE_KEY"]}, "COSIGN_PRIVATE_KEY"),
        ({"pass_environment": [3]}, "no variable's name"),
    ],
)
def test_wrong_settings_are_refused_by_name(site, settings, word):
    with pytest.raises(ConfigurationError) as caught:
        plugin.sluiceway_traffic(site.project, site.environment(), settings)
    assert word in caught.value.what + caught.value.remedy
    (check,) = plugin.sluiceway_doctor(site.project, settings)
    assert check.status is CheckStatus.FAIL


@pytest.mark.parametrize(
    ("settings", "word"),
    [({"prot": 1}, "port"), ({"port": 70000}, "65535"), ({"env": {"A": [1]}}, "env.A")],
)
def test_a_wrong_environment_is_refused_by_name(site, settings, word):
    with pytest.raises(ConfigurationError) as caught:
        site.deploy("one", **settings)
    assert word in caught.value.what + caught.value.remedy
    assert not (site.project.state / "local" / "state.json").exists()


@pytest.mark.parametrize("weight", [-1, 101, float("nan")])
def test_a_weight_is_a_percentage(site, weight):
    with pytest.raises(UsageError, match="percent"):
        site.weigh(weight)


def test_without_a_deployment_there_is_nothing_and_nothing_is_started(site):
    assert site.traffic().slots == ()
    assert site.observe().canary_alive is False
    assert site.weigh(0).slots == ()
    assert site.drain().slots == ()
    with pytest.raises(ActionFailed, match="no canary") as caught:
        site.weigh(5)
    assert caught.value.code == "deploy.no-canary"
    assert plugin.sluiceway_shutdown(site.project, site.settings) == ()
    (check,) = plugin.sluiceway_doctor(site.project, site.settings)
    assert check.status is CheckStatus.OK
    assert list(site.project.state.iterdir()) == []
