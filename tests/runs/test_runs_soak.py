"""What is said of a switch under watch."""

from __future__ import annotations

import pytest

from sluiceway.runs.soak import about_slot


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        (
            "error rate 19.5 % on the canary against none on stable after 128 requests",
            "error rate 19.5 % on green against none on stable after 128 requests",
        ),
        ("the canary's health was never polled", "green's health was never polled"),
        ("the canary has crashed", "green has crashed"),
        (
            "1 of 40 canary requests were good, 50 good ones are needed",
            "1 of 40 requests of green were good, 50 good ones are needed",
        ),
        (
            "9 of the last 40 canary answers took more than 200 ms",
            "9 of the last 40 answers of green took more than 200 ms",
        ),
        (
            "too little to say that it is the canary's doing",
            "too little to say that it is green's doing",
        ),
        ("nobody knows its numbers in data.canary", "nobody knows its numbers in data.canary"),
    ],
)
def test_a_soak_speaks_of_its_slot_and_of_no_canary(gate, said):
    assert about_slot(gate, "green") == said
