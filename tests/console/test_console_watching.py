"""A canary on a terminal: both sides as small charts, evidence, and what would happen now."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from tests.report_kit import LIMITS, START, compared, values

from sluiceway.console.canary import Look
from sluiceway.console.page import Grid, Page, Tone
from sluiceway.console.plain import render
from sluiceway.console.sparks import bar, powers, spark, tallest
from sluiceway.console.watching import Watched
from sluiceway.model import to_json


def ticked(value: dict[str, Any]) -> dict[str, Any]:
    """The event of a stored look."""
    seconds = 10.0 * value["number"]
    left = LIMITS.duration_seconds - seconds
    more = {"environment": "canary", "limits": to_json(LIMITS), "elapsed": seconds}
    return {**value, **more, "remaining": left}


def shown(looks: list[dict[str, Any]], width: int = 80, *, symbols: bool = True) -> Page:
    watched = Watched()
    for value in looks:
        watched.add(ticked(value), START + timedelta(seconds=10.0 * value["number"]))
    return watched.page(Look.of(ticked(looks[-1])), 3.0, width, symbols=symbols)


def words(page: Page, width: int = 80) -> str:
    return " ".join(render(page, width).split())


def chart(page: Page, row: int) -> str:
    grid = next(block for block in page if isinstance(block, Grid))
    return grid.rows[row][2].text


def test_both_sides_stand_beside_each_other_on_one_scale():
    page = shown(values([0, 1, 1, 5, 1, 0, 0]))
    assert chart(page, 0) == " ▂▂█▂▁▁"
    assert chart(page, 1) == " ▁▁▁▁▁▁"
    text = words(page)
    assert "Canary, 5 % of the traffic" in text
    assert "error rate canary" in text
    assert "limit 5 % stable" in text
    assert "limit 2000 ms stable ██████ 120 ms" in text
    assert "requests canary 150, stable 2,850" in text
    assert "next look in 7 s, 3 min 57 s left" in text


def test_a_limit_that_is_crossed_is_seen_in_the_last_number():
    page = shown(values([0, 1, 5]))
    grid = next(block for block in page if isinstance(block, Grid))
    assert [row[3].tone for row in grid.rows[:2]] == [Tone.BAD, Tone.DIM]
    assert "bad in a row error rate 1 of 3" in words(page)


def test_evidence_stands_against_what_it_needs():
    first, second = values([0, 1])
    text = words(shown([first, compared(second, 10.0, 30.0, "continue")]))
    assert "10 of 100" in text
    assert "2.5 of 20" in text
    assert "certificate errors ██████████████████████████████████████ 30 of 20" in text
    assert "now: goes on" in text
    assert "to be promoted it needs more time, 26 good requests more" in text


def test_evidence_stands_against_what_the_sites_policies_ask_for():
    first, second = values([0, 1])
    needed = {"worse": 1000.0, "beyond": 50.0, "safe": 40.0}
    text = words(shown([first, compared(second, 10.0, 30.0, "continue", needed)]))
    assert "10 of 1000" in text
    assert "2.5 of 50" in text
    assert "30 of 40" in text
    assert "the certificate of errors and p99" in text


def test_a_rule_that_compares_nothing_shows_no_evidence_that_it_would_need():
    first, second = values([0, 1])
    text = words(shown([first, compared(second, 10.0, 3.0, "continue", {})]))
    assert "worse" not in text
    assert "certificate" not in text


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("hold", "now: hold the weight, promote nothing"),
        ("extend", "now: watch longer: not certain yet"),
        ("rollback", "now: roll back"),
    ],
)
def test_what_would_happen_now_is_said_with_its_reason(verdict, said):
    first, second = values([0, 1])
    look = compared(second, 10.0, 3.0, verdict) | {"reason": "Both sides are sick.", "step": None}
    text = words(shown([first, look]))
    assert f"{said} Both sides are sick." in text
    assert ("to be promoted" in text) is (verdict != "rollback")


def test_a_soak_is_drawn_alone():
    watched = Watched()
    for value in values([0, 1, 1], stable=False):
        seen = {**ticked(value), "environment": "production, soak of green", "needed": {}}
        watched.add(seen, START + timedelta(seconds=10.0 * value["number"]))
    text = words(watched.page(Look.of(seen), 3.0, 80, symbols=True))
    assert text.startswith("Production, soak of green, 5 % of the traffic")
    assert "error rate green" in text
    assert "requests 50 " in text
    assert "stable" not in text


def test_a_step_says_which_one_it_is():
    first, second, third = values([0, 1, 1])
    text = words(shown([first, second, compared(third, 1.0, 1.0, "continue")]))
    assert "Canary, 5 % of the traffic, step 2 of 3" in text


@pytest.mark.parametrize("width", [60, 80, 200])
def test_it_fits_whatever_the_terminal_is_and_keeps_the_newest_looks(width):
    looks = values([0, *[0, 1] * 14])
    page = shown(looks, width)
    assert max(len(line) for line in render(page, width).splitlines()) <= width
    assert chart(page, 0).endswith("▁▇▁▇")


def test_a_terminal_without_unicode_gets_signs():
    text = render(shown(values([0, 1, 5]), symbols=False), 80)
    assert text.isascii()
    assert "##" in text or "--" in text


def test_a_side_that_nobody_saw_is_a_gap():
    page = shown(values([0, 1, 1], stable=False))
    assert chart(page, 1).strip() == ""
    assert "canary 50, stable -" in words(page)


def test_a_column_is_as_high_as_its_share():
    assert spark([0, 1, 4, 8, None, 9, math.inf], 9, 8.0, symbols=True) == "▁▁▄█ ██"
    assert spark([0, 8], 1, 8.0, symbols=False) == "@"
    assert spark([0.0, 0.0], 4, 0.0, symbols=True) == "▁▁"
    assert bar(0.5, 4, symbols=True) == "██░░"
    assert bar(7.0, 3, symbols=False) == "###"
    assert [powers(each, 100) for each in (None, 0.5, 10, 1e9)] == [0, 0, 0.5, 1]
    assert tallest([[1, None], [math.inf]], 2) == 2
    assert tallest([[1, 2]], 2000) == 2
