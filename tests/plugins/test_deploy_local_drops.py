"""No request is dropped: the supervisor is one process, the clients are another, and none tries again.

Four clients: keep-alive and fresh connections, GET and POST with a body. The controls show that the
same clients do count failures when a switch is done wrong; `benchmarks/proxy.py drops` is the long form.
"""

from __future__ import annotations

import signal

import pytest

from .deploy_local_kit import opened
from .deploy_local_load import LoadApart


@pytest.fixture
def site(tmp_path):
    with opened(tmp_path) as site:
        yield site


def test_no_request_is_dropped_over_fifty_switches_weights_and_drains(site):
    site.deploy("v0")
    changes = 0
    with LoadApart(site.port()) as load:
        for number in range(1, 9):
            site.deploy(f"v{number}", "canary")
            for weight in (10, 60, 0, 100):
                site.weigh(weight)
                load.more(8)
            if number % 2:
                site.deploy(f"v{number}")  # the canary's own process becomes the stable one
            else:
                site.drain()
            load.more(8)
            changes += 6
        site.deploy("v9")
        load.more(8)
        site.roll_back("v0", token=2)
        load.more(8)
        changes += 2
    assert changes >= 50
    assert load.failed == []
    assert set(load.seen) == {f"v{number}" for number in range(10)}
    assert sum(load.seen.values()) > 300
    assert len(site.serving()) == 1, "all the others have ended"


def test_the_clients_notice_when_a_process_is_killed_before_the_switch(site):
    site.deploy("one")
    with LoadApart(site.port()) as load:
        (process,) = site.serving()
        process.send_signal(signal.SIGKILL)
        load.more(8)
        site.deploy("two")
    assert load.failed


def test_the_clients_notice_when_nothing_is_drained(site):
    site.deploy("one", drain_seconds=0.05)
    with LoadApart(site.port(), clients=8, path="/slow?0.4") as load:
        site.deploy("two")
        load.more(8)
    assert load.failed


def test_the_clients_notice_a_release_that_says_it_is_ready_before_it_is(site):
    site.deploy("one")
    with LoadApart(site.port()) as load:
        site.deploy("two", env={"COLD": "1000"})
        load.more(8)
    assert any("503 two" in problem for problem in load.failed)
