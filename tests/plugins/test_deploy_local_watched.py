"""A canary with a real fault, watched by the bundled rule: taken out, and stable loses nothing.

Looks come fast here, so that the test does; `benchmarks/canary_live.py` is the long form, with the
real interval and more faults, and docs/canary-live.md its figures.
"""

from __future__ import annotations

import signal
import time
from dataclasses import asdict

import pytest

import sluiceway_deploy_local as plugin
from sluiceway.analysis import Watch, advance, evidence, rules
from sluiceway.model import CanaryLimits

from .deploy_local_kit import HEALTH, opened
from .deploy_local_load import LoadApart

WEIGHT = 20.0
LIMITS = CanaryLimits(traffic_percent=WEIGHT, interval_seconds=0.3)
MOST_LOOKS = 60


def killed(site):
    canary(site).kill()


def stopped(site):
    canary(site).send_signal(signal.SIGSTOP)


def canary(site):
    port = int(site.traffic().slot("canary").url.rpartition(":")[2])
    (found,) = (
        process
        for process in site.serving()
        if port in {item.laddr.port for item in process.net_connections("tcp")}
    )
    return found


@pytest.mark.parametrize(
    ("env", "break_it", "codes"),
    [
        ({}, killed, {"canary.crashed", "canary.shed"}),
        ({}, stopped, {"canary.health"}),
        ({"COLD": "1000"}, None, {"canary.error-rate", "canary.worse"}),
    ],
    ids=["killed", "hangs", "answers 503"],
)
def test_a_faulty_canary_is_rolled_back_and_stable_answers_everything(
    tmp_path, env, break_it, codes
):
    with opened(tmp_path, response_seconds=1.0) as site:
        site.deploy("one")
        with LoadApart(site.port(), clients=6) as load:
            site.deploy("two", "canary", env=env, drain_seconds=1)
            site.weigh(WEIGHT)
            watch, looks, verdict = Watch(), 0, "continue"
            while verdict != "rollback" and looks < MOST_LOOKS:
                seen = plugin.sluiceway_observe(
                    site.project, site.environment("canary"), HEALTH, 0.5, site.settings
                )
                watch = advance(watch, seen, LIMITS)
                call = rules.decide(
                    {
                        "parameters": asdict(LIMITS),
                        "step": {"index": 0, "count": 1, "weight": WEIGHT},
                        "watch": evidence(watch, LIMITS),
                    }
                )
                verdict, looks = call.verdict, looks + 1
                if looks == 2 and break_it is not None:
                    break_it(site)
                time.sleep(LIMITS.interval_seconds)
            assert verdict == "rollback", evidence(watch, LIMITS)
            assert call.codes & codes, call.codes
            site.roll_back("one", token=2)
            load.more(20)
            before = site.inspect()
            load.more(20)
        (slot,) = site.inspect()["slots"]
        assert (slot["name"], slot["errors"]) == ("stable", 0)
        assert slot["requests"] > before["slots"][0]["requests"], "all of it goes to stable again"
        assert load.seen["one"] > 0
