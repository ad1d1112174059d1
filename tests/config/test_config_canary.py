"""The ``[canary]`` table: what it says, what it may not say, and flags in the place of its keys."""

from dataclasses import replace

import pytest

from sluiceway.config import canary_limits, canary_table, load
from sluiceway.errors import ConfigurationError
from sluiceway.model import CanaryLimits, to_json

SERVICE = '[service]\nname = "shop"\n'


def loaded(tmp_path, canary):
    path = tmp_path / "sluiceway.toml"
    path.write_text(f"{SERVICE}[canary]\n{canary}\n")
    return load(path, {}).canary


def test_nothing_said_is_the_missions_numbers_and_the_sequential_rule(tmp_path):
    assert loaded(tmp_path, "") == CanaryLimits()


def test_the_rule_is_one_line(tmp_path):
    assert loaded(tmp_path, 'rule = "mission"').rule == "mission"
    assert loaded(tmp_path, 'limits = "literal"').limits == "literal"
    assert loaded(tmp_path, 'profile = "noisy"').profile == "noisy"
    assert loaded(tmp_path, "warm_up_seconds = 0").warm_up_seconds == 0


def test_steps_rise_to_the_whole_traffic(tmp_path):
    limits = loaded(tmp_path, "steps = [5, 25, 50, 100]")
    assert limits.weights == (5, 25, 50, 100)
    assert loaded(tmp_path, "").weights == (5,)


def test_a_watch_may_take_three_times_as_long_to_be_certain_unless_it_is_said(tmp_path):
    assert loaded(tmp_path, "health_timeout_minutes = 10").deadline_seconds == 1800
    assert loaded(tmp_path, "deadline_minutes = 7").deadline_seconds == 420


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        ('rule = "sequentail"', "'sequentail'", "Did you mean 'sequential'?"),
        ('rule = "x"', "'x'", "Choose one of: sequential, mission, flagger, argo, kayenta."),
        ('limits = "literally"', "'literally'", "Did you mean 'literal'?"),
        ('profile = "loud"', "'loud'", "Choose one of: default, noisy."),
        ("steps = [5, 25, 25]", "go from 25 to 25 %", "rising order"),
        ("steps = [50, 5]", "go from 50 to 5 %", "rising order"),
        ("steps = [5, 101]", "steps is 101", ""),
        ("steps = [0, 5]", "steps is 0", ""),
        ('steps = [5, "25"]', "'25', which is not a number", ""),
        ("steps = [true]", "True, which is not a number", ""),
        ("steps = 5", "5, which is not a list", ""),
        ("traffic_percent = 80", "80", "steps = [5, 25, 50, 100]"),
        ("traffic_percent = 5\nsteps = [5, 25]", "both traffic_percent and steps", "Take one"),
        ("warm_up_seconds = -1", "warm_up_seconds is -1", ""),
        ('warm_up_seconds = "long"', "'long', which is not a number", ""),
        ("deadline_minutes = 4", "before the watch's 5 minutes are over", "Raise deadline_minutes"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(tmp_path, text, what, remedy):
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, text)
    assert what in caught.value.what
    assert remedy in caught.value.remedy


def test_a_step_may_take_more_than_half_where_a_single_weight_may_not(tmp_path):
    assert loaded(tmp_path, "steps = [80]").weights == (80,)


@pytest.mark.parametrize(
    "limits",
    [
        CanaryLimits(),
        CanaryLimits(steps=(5, 100), rule="argo", warm_up_seconds=3.0, deadline_seconds=301.0),
    ],
)
def test_limits_and_their_table_are_the_same(limits):
    assert canary_limits(canary_table(limits)) == limits
    assert CanaryLimits(**to_json(limits)) == limits


def test_a_shorter_watch_has_a_nearer_deadline():
    table = canary_table(CanaryLimits()) | {"health_timeout_minutes": 1.0}
    assert canary_limits(table) == replace(
        CanaryLimits(), duration_seconds=60.0, deadline_seconds=180.0
    )
