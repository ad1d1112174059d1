"""The flags that stand in the place of ``[canary]`` and ``[blue_green]`` for one run: one table each.

Every command that watches, or simulates a watch, takes its flags from here, so that one name means
one thing, has one help text and is read in one way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sluiceway.cli.parsing import flag_of
from sluiceway.errors import UsageError

if TYPE_CHECKING:  # every command imports this module, and only a few need the records
    from sluiceway.model import CanaryLimits

__all__ = ["CANARY_FLAGS", "SOAK_FLAGS", "canary_replaced", "soak_replaced"]

CANARY_FLAGS: Mapping[str, str] = {
    "rule": "Which rule decides: sequential, mission, flagger, argo or kayenta.",
    "limits": "Whether a breach of a limit counts by itself: corroborated or literal.",
    "profile": "What the comparison forgives: default or noisy.",
    "traffic_percent": "Percent of the traffic that the canary takes.",
    "steps": "Rising percents of the traffic, each watched in turn: 5,25,50,100.",
    "error_rate_threshold": "Percent of failed requests above which a check is bad.",
    "latency_p99_threshold_ms": "99th percentile of latency, in milliseconds, above which it is bad.",
    "health_timeout_minutes": "How long the canary is watched at the least.",
    "deadline_minutes": "How long it is watched at the most.",
    "health_interval_seconds": "Seconds between two checks.",
    "consecutive": "How many bad checks in a row break a limit.",
}
"""A key of ``[canary]`` and what its flag says of itself."""

SOAK_FLAGS: Mapping[str, str] = {
    "soak_minutes": "How long the switch is watched before it is settled.",
    "interval_seconds": "Seconds between two looks.",
    "minimum_requests": "Fewer requests than this in the whole soak never pass.",
    **{key: CANARY_FLAGS[key] for key in ("error_rate_threshold", "latency_p99_threshold_ms")},
}
"""A key of ``[blue_green]`` (or of ``[canary]``: what is bad) and what its flag says of itself."""

_SOAK_KEYS = {
    "health_timeout_minutes": "soak_minutes",
    "health_interval_seconds": "interval_seconds",
}
"""What `invoke promote` calls them, for every strategy."""
_WORDS = ("rule", "profile", "limits")
_WHOLE = ("consecutive", "minimum_requests")
_EXAMPLES = {"steps": "5,25,50,100", "deadline_minutes": "15"}


def canary_replaced(configured: CanaryLimits, flags: Mapping[str, str]) -> CanaryLimits:
    """Return *configured* with what *flags* say in its place; an empty flag says nothing.

    Raises:
        UsageError: A flag cannot be read, or two of them exclude each other.
        ConfigurationError: The numbers are out of range or contradict each other.
    """
    from sluiceway.config import canary_limits, canary_table

    given = {key: text for key, text in flags.items() if text}
    if not given:
        return configured
    table = canary_table(configured)
    if {"steps", "traffic_percent"} <= given.keys():
        raise UsageError(
            "--steps and --traffic-percent exclude each other",
            means="The second is the one weight of a canary without steps.",
            remedy="Give one of them.",
            code="canary.which",
        )
    if "traffic_percent" in given:
        table["steps"] = []
    for key, text in given.items():
        if key == "steps":
            table[key] = [_number(key, part, key) for part in text.split(",")]
        else:
            table[key] = text if key in _WORDS else _number(key, text, key, table[key])
    return canary_limits(table, {key: flag_of(key) for key in given})


def soak_replaced(
    soak: CanaryLimits, canary: CanaryLimits, flags: Mapping[str, str]
) -> CanaryLimits:
    """Return the numbers of a soak with what *flags* say in their place.

    Args:
        soak: What ``[blue_green]`` says.
        canary: What ``[canary]`` says is bad.
        flags: By key; an empty one says nothing. Those that only a canary has are refused.

    Raises:
        UsageError: A flag cannot be read, or has no meaning for a switch.
        ConfigurationError: The numbers are out of range or contradict each other.
    """
    from sluiceway.config import canary_limits, canary_table, soak_limits, soak_table

    given = {key: text for key, text in flags.items() if text}
    if not given:
        return soak
    table, limits = soak_table(soak), canary_table(canary)
    called = {}
    for key, text in given.items():
        name = _SOAK_KEYS.get(key, key)
        if name not in SOAK_FLAGS:
            raise UsageError(
                f"{flag_of(key)} is for a canary, and this environment is switched",
                means="A blue/green switch gives the new slot all of the traffic at once.",
                remedy="Leave it out.",
                code="blue-green.flag",
            )
        place = table if name in table else limits
        place[name] = _number(name, text, key, place[name])
        called[name] = flag_of(key)
    return soak_limits(table, canary_limits(limits, called), called)


def _number(key: str, text: str, said: str, example: Any = None) -> float:
    """Return the number that *text* is; *said* is the key that the flag was given by."""
    try:
        return int(text) if key in _WHOLE else float(text)
    except ValueError:
        kind = "whole number" if key in _WHOLE else "number"
        shown = _EXAMPLES.get(key) or f"{example:g}"
        raise UsageError(
            f"{flag_of(said)} is {text!r}, which is not a {kind}",
            remedy=f"For example {flag_of(said)}={shown}",
        ) from None
