"""Which slot gets the traffic, what a look comes to, and the numbers of a soak: the pure part."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sluiceway.analysis import Watch
from sluiceway.analysis.watch import AtOnce
from sluiceway.config import load
from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway.gates.canary import sentence
from sluiceway.model import Decision, Finding, Level, Slot, Strategy, Traffic, to_json
from sluiceway.runs import promote
from sluiceway.runs.blue_green import Plan, plan, preflight, read_traffic
from sluiceway.runs.looking import called
from sluiceway.workbench import Workbench

OLD, NEW = "sha256:" + "01" * 32, "sha256:" + "02" * 32


def slot(name: str, digest: str, weight: float = 0.0, *, alive: bool = True) -> Slot:
    return Slot(
        name=name,
        digest=digest,
        weight=weight,
        alive=alive,
        healthy=alive,
        url="http://127.0.0.1:1",
        since=datetime(2026, 1, 2, tzinfo=UTC),
    )


def traffic(*slots: Slot) -> Traffic:
    return Traffic(route="production", url="http://127.0.0.1:8080", slots=slots)


@pytest.mark.parametrize(
    ("slots", "changed", "planned"),
    [
        ([slot("blue", NEW)], True, Plan(slot="blue", back_to="", serves="")),
        (
            [slot("blue", OLD, 100), slot("green", NEW)],
            True,
            Plan(slot="green", back_to="blue", serves=OLD),
        ),
        (  # it was still warm there: nothing had to be started
            [slot("green", OLD, 100), slot("blue", NEW)],
            False,
            Plan(slot="blue", back_to="green", serves=OLD),
        ),
        ([slot("blue", NEW, 100), slot("green", OLD)], False, None),
        ([slot("blue", NEW, 100), slot("green", NEW)], False, None),
        (  # the same digest with other variables
            [slot("blue", NEW, 100), slot("green", NEW)],
            True,
            Plan(slot="green", back_to="blue", serves=NEW),
        ),
        (  # a canary of the same digest is no slot to switch to
            [slot("blue", OLD, 95), slot("canary", NEW, 5), slot("green", NEW)],
            True,
            Plan(slot="green", back_to="blue", serves=OLD),
        ),
    ],
)
def test_what_is_switched_follows_from_what_was_read_back(
    slots: list[Slot],
    changed: bool,  # noqa: FBT001 - a column of the table
    planned: Plan | None,
) -> None:
    assert plan(traffic(*slots), NEW, changed=changed) == planned
    assert plan(read_traffic(to_json(traffic(*slots))), NEW, changed=changed) == planned


@pytest.mark.parametrize(
    "slots",
    [
        [],
        [slot("blue", OLD, 100)],
        [slot("blue", OLD, 100), slot("green", NEW, alive=False)],
        [slot("blue", OLD, 100), slot("canary", NEW)],
    ],
)
def test_what_is_not_there_is_not_switched_to(slots: list[Slot]) -> None:
    with pytest.raises(ActionFailed) as caught:
        plan(traffic(*slots), NEW, changed=True)
    assert caught.value.code == "blue-green.not-deployed"


def test_the_live_slot_is_the_one_with_the_most_weight_whatever_its_name() -> None:
    assert traffic().live is None
    assert traffic(slot("blue", OLD)).live is None
    shared = traffic(slot("stable", OLD, 40), slot("canary", NEW, 60))
    assert shared.live == shared.slot("canary")
    assert shared.serving(Strategy.REPLACE) == shared.slot("stable")
    green = traffic(slot("blue", OLD), slot("green", OLD, 95), slot("canary", NEW, 5))
    assert green.live == green.slot("green")
    assert green.serving(Strategy.BLUE_GREEN) == green.serving(Strategy.REPLACE) == green.live
    assert green.serving(Strategy.CANARY) == green.slot("canary")
    assert traffic(slot("canary", NEW, 100)).serving(Strategy.BLUE_GREEN) is None


def decision(verdict: str, outcome: str, *codes: str) -> Decision:
    return Decision(
        gate="canary",
        allow=verdict == "promote",
        findings=tuple(
            Finding(code=code, level=Level.DENY, message=f"{code}.", solution="") for code in codes
        ),
        policy_digest="",
        input_digest="",
        engine="",
        at=datetime(2026, 1, 2, tzinfo=UTC),
        verdict=verdict,
        outcome=outcome,
    )


def test_the_gates_verdict_is_taken_as_it_is() -> None:
    good = called(decision("promote", "pass"), Watch(), 3, 0)
    assert (good["verdict"], good["code"], good["status"]) == ("promote", "canary.passed", "ok")
    bad = called(decision("rollback", "fail", "canary.error-rate", "canary.health"), Watch(), 3, 0)
    assert (bad["code"], bad["status"]) == ("canary.error-rate", "failed")
    assert sentence(bad["messages"]) == "canary.error-rate. canary.health."
    going = called(decision("continue", "running", "canary.watching"), Watch(), 3, 2)
    assert (going["verdict"], going["unjudged"]) == ("continue", 0)


def test_a_gate_that_cannot_judge_holds_and_then_goes_back() -> None:
    silent = decision("", "", "policy.engine")
    verdicts = [called(silent, Watch(), 3, times)["verdict"] for times in (0, 1, 2)]
    assert verdicts == ["hold", "hold", "rollback"]
    last = called(silent, Watch(), 3, 2)
    assert (last["code"], last["status"]) == ("canary.unjudged", "error")
    assert "3 looks in a row" in sentence(last["messages"])
    crashed = Watch(at_once=AtOnce(code="canary.crashed", reason="it ended"))
    assert called(silent, crashed, 3, 0)["verdict"] == "rollback", "broken anyway"


def test_before_anything_is_changed_the_deployer_is_asked_whether_it_could(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        written(tmp_path, f'[environments.production]\nstrategy = "blue-green"\nport = {port}\n')
        bench = Workbench.open(tmp_path, {})
        with pytest.raises(ActionFailed) as caught:
            preflight(bench, "production")
        assert caught.value.code == "deploy.port-taken"
    assert preflight(bench, "production") == {"live": "", "serves": ""}
    bench.close()


def test_a_canary_is_looked_ahead_for_at_the_port_of_the_route_that_it_shares(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        written(
            tmp_path,
            '[environments.canary]\nstrategy = "canary"\nroute = "production"\n'
            f"[environments.production]\nport = {port}\n",
        )
        bench = Workbench.open(tmp_path, {})
        with pytest.raises(ActionFailed) as caught:
            promote.preflight(bench, "canary")
        assert caught.value.code == "deploy.port-taken"
    assert promote.preflight(bench, "canary") == {"serves": ""}
    bench.close()


def written(folder: Path, text: str) -> Path:
    path = folder / "sluiceway.toml"
    path.write_text('[service]\nname = "shop"\n' + text)
    return path


def test_a_soak_takes_its_times_from_its_own_table_and_its_limits_from_the_canarys(
    tmp_path: Path,
) -> None:
    config = load(
        written(
            tmp_path,
            "[blue_green]\nsoak_minutes = 2\nminimum_requests = 7\n"
            "[canary]\nerror_rate_threshold = 1\nsteps = [5, 50]\n"
            '[environments.production]\nstrategy = "blue-green"\n[environments.dev]\n',
        ),
        {},
    )
    soak = config.limits_of("production")
    assert (soak.duration_seconds, soak.interval_seconds, soak.minimum_requests) == (120, 10, 7)
    assert (soak.error_rate_threshold, soak.traffic_percent, soak.steps) == (1, 100, ())
    assert (soak.rule, soak.limits) == ("mission", "literal")
    assert config.limits_of("dev") == config.limits_of("build") == config.canary


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("soak_minutes = 0", "soak_minutes"),
        ("interval_seconds = 1000", "interval_seconds"),
        ("minimum_requests = 0", "minimum_requests"),
        ("soak_minutes = 0.1", "shorter than 3 looks"),
        ("soak = 5", "soak_minutes"),
    ],
)
def test_a_soak_that_could_never_end_badly_is_refused(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(written(tmp_path, f"[blue_green]\n{text}\n"), {})
    assert word in caught.value.what + caught.value.remedy
