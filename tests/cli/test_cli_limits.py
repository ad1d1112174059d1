"""Flags in the place of ``[canary]`` and ``[blue_green]``: one table for every command."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from invoke.program import Program

from sluiceway.cli import namespace
from sluiceway.cli.limits import CANARY_FLAGS, SOAK_FLAGS, canary_replaced, soak_replaced
from sluiceway.config import canary_limits, soak_limits
from sluiceway.config.blue_green import SOAK
from sluiceway.config.canary import CANARY
from sluiceway.errors import ConfigurationError, UsageError
from sluiceway.model import CanaryLimits

PATH = """
[service]
name = "settlement"

[environments.staging]

[environments.canary]
strategy = "canary"
route = "production"

[environments.production]
strategy = "blue-green"
"""


def test_every_flag_is_a_key_of_its_table():
    assert CANARY_FLAGS.keys() <= CANARY.keys()
    assert SOAK_FLAGS.keys() <= SOAK.keys() | CANARY_FLAGS.keys()


@pytest.fixture(scope="module")
def helped() -> dict[str, dict[str, str]]:
    """By command: its arguments and their help. Invoke takes a help text out as it shows it, so a
    process of its own is asked, which has shown none.
    """
    asked = (
        "import inspect, json; from sluiceway.cli import promoting, simulating\n"
        "tasks = promoting.canary, promoting.promote, promoting.blue_green, simulating.simulate\n"
        "print(json.dumps({task.name: {name: task.help.get(name, '') for name in "
        "inspect.signature(task.body).parameters} for task in tasks}))"
    )
    ran = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    found: dict[str, dict[str, str]] = json.loads(ran.stdout)
    return found


@pytest.mark.parametrize(
    ("task", "flags"),
    [
        ("canary", CANARY_FLAGS.keys()),
        ("promote", CANARY_FLAGS.keys()),
        ("blue_green", SOAK_FLAGS.keys()),
        ("simulate", CANARY_FLAGS.keys() - {"health_interval_seconds"}),
    ],
)
def test_a_command_has_every_flag_of_the_table_with_its_help(helped, task, flags):
    texts = {**SOAK_FLAGS, **CANARY_FLAGS}
    assert "flags" not in helped[task]
    assert {flag: helped[task][flag] for flag in flags} == {flag: texts[flag] for flag in flags}


def test_flags_stand_in_the_place_of_what_is_configured_and_the_rest_stays():
    configured = CanaryLimits(rule="mission", minimum_requests=7, deadline_seconds=1200.0)
    said = {"profile": "noisy", "deadline_minutes": "7.5", "consecutive": "2", "steps": ""}
    found = canary_replaced(configured, said)
    assert (found.profile, found.deadline_seconds, found.consecutive) == ("noisy", 450.0, 2)
    assert (found.rule, found.minimum_requests, found.steps) == ("mission", 7, ())
    assert canary_replaced(configured, dict.fromkeys(CANARY_FLAGS, "")) is configured


def test_a_weight_stands_in_the_place_of_configured_steps():
    found = canary_replaced(CanaryLimits(steps=(5.0, 50.0)), {"traffic_percent": "20"})
    assert found.weights == (20.0,)
    assert canary_replaced(CanaryLimits(), {"steps": "5,25,100"}).weights == (5.0, 25.0, 100.0)


@pytest.mark.parametrize(
    ("flags", "what", "remedy"),
    [
        ({"rule": "foo"}, "--rule is 'foo', which is not one of sequential", "Choose one of"),
        ({"rule": "sequental"}, "--rule is 'sequental'", "Did you mean 'sequential'?"),
        ({"profile": "noisey"}, "--profile is 'noisey'", "Did you mean 'noisy'?"),
        ({"steps": "5,3"}, "--steps go from 5 to 3 %", "--steps=5,25,50,100"),
        ({"steps": "5,"}, "--steps is '', which is not a number", "--steps=5,25,50,100"),
        ({"steps": "5,200"}, "--steps is 200", ""),
        ({"traffic_percent": "80"}, "--traffic-percent is 80", "--steps=5,25,50,100"),
        ({"traffic_percent": "nan"}, "--traffic-percent is nan", ""),
        ({"consecutive": "2.5"}, "'2.5', which is not a whole number", "--consecutive=3"),
        ({"deadline_minutes": "soon"}, "--deadline-minutes is 'soon'", "--deadline-minutes=15"),
        ({"deadline_minutes": "4"}, "--deadline-minutes is 4", "Raise --deadline-minutes or lower"),
        (
            {"health_timeout_minutes": "0.1"},
            "the canary watches for 6 s, which is shorter than 3 checks of 10 s",
            "Raise --health-timeout-minutes or lower health_interval_seconds.",
        ),
        ({"steps": "5,50", "traffic_percent": "5"}, "exclude each other", "one of them"),
    ],
)
def test_a_message_names_the_flag_that_was_given(flags, what, remedy):
    with pytest.raises(UsageError) as caught:
        canary_replaced(CanaryLimits(), flags)
    assert what in caught.value.what
    assert remedy in caught.value.remedy


def test_a_key_that_was_not_given_as_a_flag_is_named_as_in_the_file():
    configured = CanaryLimits(deadline_seconds=360.0)
    with pytest.raises(ConfigurationError) as caught:
        canary_replaced(configured, {"health_timeout_minutes": "10"})
    assert caught.value.what.startswith("[canary] deadline_minutes is 6,")
    assert caught.value.remedy == "Raise deadline_minutes or lower --health-timeout-minutes."


CANARY_NOW = canary_limits(CANARY)
SOAK_NOW = soak_limits(SOAK, CANARY_NOW)


def test_a_soak_takes_its_own_flags_and_those_of_promote():
    found = soak_replaced(SOAK_NOW, CANARY_NOW, {"soak_minutes": "2", "minimum_requests": "7"})
    assert (found.duration_seconds, found.minimum_requests) == (120.0, 7)
    found = soak_replaced(SOAK_NOW, CANARY_NOW, {"health_timeout_minutes": "2", "steps": ""})
    assert found.duration_seconds == 120.0
    found = soak_replaced(SOAK_NOW, CANARY_NOW, {"error_rate_threshold": "1"})
    assert (found.error_rate_threshold, found.rule) == (1.0, "mission")
    assert soak_replaced(SOAK_NOW, CANARY_NOW, {"soak_minutes": ""}) is SOAK_NOW


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        ({"profile": "noisy"}, "--profile is for a canary, and this environment is switched"),
        ({"deadline_minutes": "9"}, "--deadline-minutes is for a canary"),
        ({"soak_minutes": "0"}, "--soak-minutes is 0, which is not from"),
        ({"health_timeout_minutes": "0"}, "--health-timeout-minutes is 0, which is not from"),
        ({"health_timeout_minutes": "x"}, "--health-timeout-minutes is 'x'"),
        ({"soak_minutes": "0.1"}, "the switch soaks for 6 s, which is shorter than 3 looks"),
        ({"minimum_requests": "1.5"}, "--minimum-requests is '1.5', which is not a whole number"),
        ({"error_rate_threshold": "101"}, "--error-rate-threshold is 101"),
    ],
)
def test_what_a_soak_cannot_be_told_is_refused_by_the_flag_that_was_given(flags, what):
    with pytest.raises(UsageError) as caught:
        soak_replaced(SOAK_NOW, CANARY_NOW, flags)
    assert what in caught.value.what


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("canary", "--profile=loud"), "--profile is 'loud', which is not one of default, noisy"),
        (("promote", "--to=canary", "--deadline-minutes=1"), "--deadline-minutes is 1, which is"),
        (("blue-green", "--soak-minutes=0"), "--soak-minutes is 0"),
        (("promote", "--to=production", "--steps=5"), "this environment is switched"),
        (("promote", "--to=staging", "--steps=25,5"), "--steps go from 25 to 5 %"),
        (("canary", "--profle=noisy"), "Did you mean --profile?"),
    ],
)
def test_the_commands_read_their_flags_before_anything_begins(
    tmp_path, monkeypatch, capsys, arguments, said
):
    (tmp_path / "sluiceway.toml").write_text(PATH)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as stopped:
        Program(namespace=namespace()).run(["sluiceway", *arguments])
    assert stopped.value.code == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / ".sluiceway").exists()


def test_what_only_a_canary_can_be_told_is_no_reason_to_stay_where_one_is_not(site):
    _, _, err = site.shown("promote", "--to=dev", "--steps=5,25", "--consecutive=2")
    said = " ".join(err.split())
    assert "--steps, --consecutive: for a canary, and dev is none." in said
    assert "promote build → dev" in said, "it went on to look for what it should promote"
