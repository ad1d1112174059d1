"""Windows between readings and percentiles of histograms."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.analysis import Counters, difference, percentile, rate
from sluiceway.model import Side


def side(requests: int = 0, errors: int = 0, latency: dict[str, int] | None = None) -> Side:
    return Side(digest="sha256:a", requests=requests, errors=errors, latency_ms=latency or {})


@pytest.mark.parametrize(
    ("histogram", "percent", "expected"),
    [
        ({}, 99, None),
        ({"10": 0}, 99, None),
        ({"10": 1}, 99, 10.0),
        ({"10": 99, "2000": 1}, 99, 10.0),
        ({"10": 98, "2000": 2}, 99, 2000.0),
        ({"10": 9, "2000": 1}, 99, 2000.0),
        ({"2000": 1, "10": 99}, 99, 10.0),
        ({"9": 50, "10": 49, "100": 1}, 99, 10.0),  # by number: as text "9" comes after "100"
        ({"1": 7, "2": 93}, 7, 1.0),  # 0.07 * 100 is 7.000000000000001 in floating point
        ({"10": 1, "+Inf": 1}, 99, math.inf),
        ({"1": 1, "2": 1}, 0, 1.0),
        ({"1": 1, "2": 1}, 100, 2.0),
    ],
)
def test_the_percentile_is_the_nearest_rank(histogram, percent, expected):
    assert percentile(histogram, percent) == expected


@given(
    st.lists(st.integers(1, 60_000), min_size=1, max_size=300),
    st.sampled_from([50.0, 90.0, 99.0, 99.9]),
)
def test_the_percentile_agrees_with_sorting(values, percent):
    histogram: dict[str, int] = {}
    for value in values:
        histogram[str(value)] = histogram.get(str(value), 0) + 1
    rank = -(-len(values) * int(percent * 10) // 1000)
    assert percentile(histogram, percent) == sorted(values)[rank - 1]


_HISTOGRAMS = st.dictionaries(
    st.sampled_from(["1", "2.5", "10", "500", "2000"]), st.integers(0, 50)
)


@given(_HISTOGRAMS, _HISTOGRAMS)
def test_a_difference_is_what_was_added(before, added):
    after = {key: before.get(key, 0) + added.get(key, 0) for key in {**before, **added}}
    assert difference(after, before) == {key: count for key, count in added.items() if count}


@pytest.mark.parametrize("later", [{"10": 4}, {}, {"20": 9}])
def test_a_bucket_that_shrank_is_no_difference(later):
    with pytest.raises(ValueError, match="the latency bucket 10 ms shrank"):
        difference(later, {"10": 5})


@pytest.mark.parametrize(
    ("reading", "problem"),
    [
        (side(requests=-1), "-1 requests"),
        (side(requests=1, errors=-1), "-1 errors"),
        (side(requests=1, errors=2), "2 errors were counted in 1 requests"),
        (side(latency={"fast": 1}), "'fast'"),
        (side(latency={"nan": 1}), "'nan'"),
        (side(latency={"-1": 1}), "'-1'"),
        (side(latency={"10": -1}), "'10' holds -1"),
    ],
)
def test_counts_that_cannot_be_counts_are_refused(reading, problem):
    with pytest.raises(ValueError, match=problem):
        Counters.of(reading)


def test_a_window_has_its_own_numbers():
    before = Counters.of(side(100, 1, {"10": 99}))
    window = Counters.of(side(150, 6, {"10": 140, "5000": 4})).since(before)
    assert (window.requests, window.errors, window.answered) == (50, 5, 45)
    assert window.error_rate == 10.0
    assert window.p99 == 5000.0
    assert window.slower_than(2000) == 4


@pytest.mark.parametrize("later", [side(99, 1), side(100, 0)])
def test_a_counter_that_shrank_is_no_window(later):
    with pytest.raises(ValueError, match="back to"):
        Counters.of(later).since(Counters.of(side(100, 1)))


@pytest.mark.parametrize(
    ("errors", "requests", "expected"), [(0, 0, None), (3, 60, 5.0), (1, 1000, 0.1), (5, 3, 100.0)]
)
def test_the_rate_is_exact_where_it_meets_a_limit(errors, requests, expected):
    assert rate(errors, requests) == expected
