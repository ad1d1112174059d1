"""Blue and green: real processes that change places under load, and every way back."""

from __future__ import annotations

import socket
import time

import psutil
import pytest

import sluiceway_deploy_local as plugin
from sluiceway.errors import ActionFailed, UsageError

from .deploy_local_kit import Load, ask, opened, until


@pytest.fixture
def site(tmp_path):
    with opened(tmp_path) as site:
        yield site


def begun(site, version="one"):
    """Let *version* serve from blue; return its port."""
    site.deploy(version, "live")
    site.switch("blue", settled=True)
    return site.port()


def slots(traffic):
    return {slot.name: (slot.digest, slot.weight) for slot in traffic.slots}


def process_of(site, slot):
    port = int(site.traffic().slot(slot).url.rpartition(":")[2])
    (found,) = [
        process
        for process in site.serving()
        if any(
            connection.laddr.port == port and connection.status == psutil.CONN_LISTEN
            for connection in process.net_connections("tcp")
        )
    ]
    return found


def test_the_first_release_is_blue_and_nobody_reaches_it_before_the_switch(site):
    one = site.image("one").digest
    deployment = site.deploy("one", "live")
    assert slots(deployment.traffic) == {"blue": (one, 0)}
    assert deployment.traffic.live is None
    assert ask(site.port())[0] == 503
    traffic = site.switch("blue")
    assert slots(traffic) == {"blue": (one, 100)}
    assert traffic.live.name == "blue"
    assert ask(site.port()) == (200, "one 0")
    site.switch("blue", settled=True)
    assert site.deploy("one", "live").changed is False, "what is live already is left alone"
    assert slots(site.traffic()) == {"blue": (one, 100)}


def test_a_taken_port_is_found_before_a_first_deployment_in_the_words_of_the_deployment(site):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        said = []
        for attempt in (site.preflight, lambda *at, **more: site.deploy("one", *at, **more)):
            with pytest.raises(ActionFailed) as caught:
                attempt("live", port=taken)
            said.append(caught.value.diagnostics())
        assert said[0] == said[1]
        assert said[0]["code"] == "deploy.port-taken"
        assert f"'sport = :{taken}'" in said[0]["remedy"], "it names who has it"
    assert site.preflight("live", port=taken).slots == ()


def test_a_canary_joins_a_route_that_is_open_and_needs_the_port_of_one_that_is_not(site):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(ActionFailed) as caught:
            site.preflight("canary", port=taken)
        assert caught.value.code == "deploy.port-taken"
        with pytest.raises(ActionFailed, match=str(taken)) as deployed:
            site.deploy("one", "canary", port=taken)
        assert deployed.value.diagnostics() == caught.value.diagnostics()
        site.deploy("one")
        assert site.preflight("canary", port=taken).live.name == "stable"
        assert site.deploy("two", "canary", port=taken).changed, "as it is deployed"


def test_looking_ahead_starts_nothing_and_leaves_what_serves_alone(tmp_path):
    with opened(tmp_path) as site:
        assert site.preflight("live").slots == ()
        assert not (site.project.state / "local").exists(), "no supervisor, no folder"
        port = begun(site)
        with Load(port) as load:
            for _ in range(5):
                assert site.preflight("live", port=port).live.name == "blue", "it is its own"
            load.more(10)
        assert load.failed == []
        assert site.port() == port


def test_the_old_slot_stays_warm_until_the_next_deployment(site):
    port = begun(site)
    one, two, three = (site.image(name).digest for name in ("one", "two", "three"))
    assert site.deploy("two", "live").previous == one
    assert ask(port) == (200, "one 0"), "idle means no traffic"
    site.switch("green", settled=True)
    warm = process_of(site, "blue").pid
    assert slots(site.traffic()) == {"green": (two, 100), "blue": (one, 0)}
    site.switch("blue", settled=True)
    assert process_of(site, "blue").pid == warm
    assert ask(port) == (200, "one 0")
    assert site.deploy("two", "live").changed is False, "it is still there"
    site.deploy("three", "live")
    assert slots(site.traffic()) == {"blue": (one, 100), "green": (three, 0)}
    assert len(site.serving()) == 2


def test_no_request_is_dropped_over_switches_there_and_back(site):
    port = begun(site)
    with Load(port) as load:
        for number in range(2, 8):
            site.deploy(f"v{number}", "live")
            idle = "green" if site.traffic().live.name == "blue" else "blue"
            back = site.traffic().live.name
            site.switch(idle)
            load.more(20)
            site.switch(back)
            load.more(20)
            site.switch(idle, settled=True)
            load.more(20)
            if number % 3 == 0:
                site.drain("live")
    assert load.failed == []
    assert set(load.seen) == {"one", *(f"v{number}" for number in range(2, 8))}


def test_a_switch_that_is_not_renewed_goes_back_by_itself(site):
    """Its runner was killed: nobody calls again."""
    port = begun(site)
    site.deploy("two", "live")
    site.lease = 2.0
    with Load(port) as load:
        for _ in range(5):
            site.switch("green")
            time.sleep(0.5)
        assert site.traffic().live.name == "green", "it was renewed"
        assert until(lambda: site.traffic().live.name == "blue")
        load.more(20)
    assert load.failed == []
    seen = site.observe("live")
    assert (seen.stable, seen.weight, seen.canary_alive) == (None, 0, True)
    assert seen.canary.digest == site.image("two").digest
    assert "2 s not renewed by run run-1" in seen.health_detail


def test_what_is_settled_stays(site):
    begun(site)
    site.deploy("two", "live")
    site.lease = 1.0
    site.switch("green")
    site.switch("green", settled=True)
    site.switch("green")  # repeated by a run that was resumed: it does not unsettle
    time.sleep(1.2)
    assert site.traffic().live.name == "green"
    assert site.observe("live").weight == 100


def test_going_back_needs_no_renewal(site):
    begun(site)
    site.deploy("two", "live")
    site.lease = 1.0
    site.switch("green")
    site.switch("blue")
    time.sleep(1.2)
    assert site.traffic().live.name == "blue"


def test_the_first_release_goes_back_to_nobody(site):
    site.deploy("one", "live")
    site.lease = 1.0
    assert site.switch("blue").live.name == "blue"
    assert until(lambda: site.traffic().live is None)
    assert ask(site.port())[0] == 503
    assert site.drain("live").slots == ()


def test_a_slot_that_ends_while_it_is_tried_gives_the_traffic_back_at_once(site):
    port = begun(site)
    site.deploy("two", "live")
    site.switch("green")
    process_of(site, "green").kill()
    assert until(lambda: site.traffic().live.name == "blue")
    assert ask(port) == (200, "one 0")
    seen = site.observe("live")
    assert (seen.canary_alive, seen.weight) == (False, 0)
    with pytest.raises(ActionFailed) as caught:
        site.switch("green")
    assert caught.value.code == "deploy.no-slot"


def test_a_settled_slot_that_ends_is_started_again_in_its_place(site):
    port = begun(site)
    site.deploy("two", "live")
    site.switch("green", settled=True)
    process_of(site, "green").kill()
    assert until(lambda: (slot := site.traffic().slot("green")) and slot.healthy)
    assert ask(port) == (200, "two 0")
    assert slots(site.traffic())["blue"][1] == 0


def test_a_killed_supervisor_does_not_leave_a_switch_that_nobody_watches(site):
    port = begun(site)
    site.deploy("two", "live")
    site.switch("green")
    before = {process.pid for process in site.serving()}
    supervisor = site.supervisor()
    supervisor.kill()
    supervisor.wait(10)
    seen = site.observe("live")  # whoever comes next starts another supervisor
    assert {process.pid for process in site.serving()} == before, "the same processes"
    assert (seen.weight, seen.canary.digest) == (0, site.image("two").digest)
    assert "supervisor-restarted" in seen.health_detail
    assert site.traffic().live.name == "blue"
    assert ask(port) == (200, "one 0")
    site.switch("green", settled=True)
    supervisor = site.supervisor()
    supervisor.kill()
    supervisor.wait(10)
    site.observe("live")
    assert site.traffic().live.name == "green", "what was settled is as it was"
    assert ask(port) == (200, "two 0")


def test_a_deployment_does_not_take_the_way_back_away(site):
    begun(site)
    site.deploy("two", "live")
    site.switch("green")
    with pytest.raises(ActionFailed) as caught:
        site.deploy("three", "live")
    assert caught.value.code == "deploy.unsettled"
    assert slots(site.traffic())["blue"] == (site.image("one").digest, 0)
    assert site.deploy("two", "live").changed is False, "repeated by a run that was resumed"
    site.drain("live")
    assert slots(site.traffic()) == {"blue": (site.image("one").digest, 100)}


def test_one_that_is_not_healthy_leaves_both_slots_as_they_were(site):
    begun(site)
    site.deploy("two", "live")
    site.switch("green", settled=True)
    before = slots(site.traffic())
    with pytest.raises(ActionFailed) as caught:
        site.deploy("dies", "live")
    assert caught.value.code == "deploy.unhealthy"
    assert slots(site.traffic()) == before


def test_a_stale_fence_and_a_wrong_slot_are_refused(site):
    begun(site)
    site.deploy("two", "live", token=5)
    with pytest.raises(ActionFailed) as caught:
        site.switch("green", token=4)
    assert caught.value.code == "fence.stale"
    with pytest.raises(UsageError, match="purple"):
        site.switch("purple", token=5)
    assert site.traffic().live.name == "blue"


def test_without_a_deployment_there_is_nothing_to_switch(site):
    with pytest.raises(ActionFailed) as caught:
        site.switch("blue")
    assert caught.value.code == "deploy.no-slot"
    assert plugin.sluiceway_shutdown(site.project, site.settings) == ()


def test_a_canary_goes_beside_blue_and_green_and_ends_with_its_release(site):
    port = begun(site)
    site.deploy("two", "canary")
    site.weigh(50)
    assert {ask(port)[1] for _ in range(10)} == {"one 0", "two 0"}
    site.weigh(0)
    site.deploy("two", "live")
    two = site.image("two").digest
    assert slots(site.traffic())["green"] == (two, 0)
    site.switch("green")
    assert site.traffic().slot("canary").digest == two, "not before it is settled"
    site.switch("green", settled=True)
    assert site.traffic().slot("canary") is None


def test_the_strategy_of_a_route_may_change(site):
    site.deploy("one")
    port = site.port()
    with Load(port) as load:
        site.deploy("two", "live")
        assert slots(site.traffic())["blue"] == (site.image("one").digest, 100)
        site.switch("green", settled=True)
        site.deploy("three")
        load.more(20)
    assert load.failed == []
    assert slots(site.traffic()) == {"stable": (site.image("three").digest, 100)}
    assert len(site.serving()) == 1
