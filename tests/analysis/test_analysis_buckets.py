"""Two sides that are counted in different buckets are not compared; two that are in the same, always."""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from dataclasses import replace

import pytest
from tests.report_kit import LIMITS, look

from sluiceway.analysis import Watch, advance
from sluiceway.analysis.buckets import differ

FINE = [1.05**step for step in range(260)]
DECIMAL = [size * unit for unit in (1.0, 10.0, 100.0, 1000.0) for size in (1, 1.5, 2, 3, 5, 7)]


def counted(bounds, answers, *, median=80.0, seed=1, empty=False):
    drawn = random.Random(seed)
    found = dict.fromkeys(bounds, 0)
    for _ in range(answers):
        milliseconds = median * math.exp(drawn.gauss(0, 0.7))
        found[bounds[min(bisect_left(bounds, milliseconds), len(bounds) - 1)]] += 1
    return {f"{bound:.6g}": count for bound, count in found.items() if count or empty}


@pytest.mark.parametrize("answers", [1, 30, 300, 1000])
@pytest.mark.parametrize("slower", [1.0, 2.0, 10.0, 60.0])
@pytest.mark.parametrize("bounds", [FINE, DECIMAL], ids=["fine", "decimal"])
def test_the_same_buckets_are_never_taken_for_others(bounds, slower, answers):
    for seed in range(4):
        canary = counted(bounds, answers, median=80 * slower, seed=seed)
        stable = counted(bounds, 5 * answers, seed=seed + 1000)
        assert differ(canary, stable) == ""
        assert differ(stable, canary) == ""


def test_other_buckets_are_recognised_by_many_answers_that_share_none():
    fine, decimal = counted(FINE, 3000), counted(DECIMAL, 3000, seed=2)
    assert "ms, and" in differ(decimal, fine)
    assert differ(fine, decimal)
    assert differ(counted(DECIMAL, 100), fine) == "", "too few to say"


def test_where_every_bucket_is_named_one_that_is_not_there_is_enough():
    fine = counted(FINE, 10, empty=True)
    assert differ(fine, counted(FINE, 900, seed=3, empty=True)) == ""
    coarse = counted(FINE[::4], 10, empty=True)
    assert differ(coarse, fine) == "only one side has a latency bucket up to 1.05 ms"
    same = ({"1.0": 0, "2": 5, "3": 1, "4": 0}, {"1": 0, "2.0": 7, "3": 0, "4": 0})
    assert differ(*same) == "", "the same number, written otherwise"
    shorter = {bound: count for bound, count in fine.items() if float(bound) < 1000}
    assert differ({**shorter, "999": 0}, fine) == "only one side has a latency bucket up to 999 ms"
    assert differ(shorter, fine) == "", "who never saw a second need not name what is longer"


def test_sides_without_an_answer_or_with_a_few_buckets_say_nothing_of_their_grid():
    assert differ({"120": 0}, {"130": 0}) == ""
    assert differ({"120": 0, "125": 1, "130": 7}, {"120": 0, "130": 9}) == ""
    assert differ(counted(FINE, 0, empty=True), counted(DECIMAL, 50, empty=True)) == ""


def test_a_release_that_always_takes_as_long_is_no_other_grid():
    assert differ({"100": 5000}, counted(FINE, 5000)) == ""
    assert differ({}, counted(FINE, 5000)) == differ({"1": 1}, {}) == ""


def test_a_watch_of_two_grids_ends_with_its_reason_and_not_as_slower():
    seen = look(1, 0)
    assert seen.canary is not None
    assert seen.stable is not None
    canary = replace(seen.canary, requests=2000, errors=0, latency_ms=counted(DECIMAL, 2000))
    stable = replace(seen.stable, requests=9000, errors=0, latency_ms=counted(FINE, 9000))
    watch = advance(Watch(), replace(seen, canary=canary, stable=stable), LIMITS)
    assert watch.at_once is not None
    assert watch.at_once.code == "canary.contradiction"
    assert "buckets that stable does not have" in watch.at_once.reason
