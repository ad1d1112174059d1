"""The ``[canary]`` table, and the flags that replace parts of it for one run, to checked limits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sluiceway.config.settings import nearest
from sluiceway.errors import ConfigurationError
from sluiceway.model import CanaryLimits

__all__ = ["CANARY", "canary_limits", "canary_table"]

CANARY: Mapping[str, Any] = {
    "rule": "sequential",
    "limits": "corroborated",
    "profile": "default",
    "warm_up_seconds": None,
    "traffic_percent": 5.0,
    "steps": [],
    "error_rate_threshold": 5.0,
    "latency_p99_threshold_ms": 2000.0,
    "health_timeout_minutes": 5.0,
    "deadline_minutes": None,
    "health_interval_seconds": 10.0,
    "consecutive": 3,
    "minimum_check_requests": 1,
    "minimum_requests": 50,
    "health_path": "/api/health",
}
"""Every key with its default. ``None``: it follows from another key."""

_WORDS = {
    "rule": ("sequential", "mission", "flagger", "argo", "kayenta"),
    "limits": ("corroborated", "literal"),
    "profile": ("default", "noisy"),
}
_BOUNDS: tuple[tuple[str, float, float], ...] = (
    ("error_rate_threshold", 0, 100),
    ("latency_p99_threshold_ms", 1, 600_000),
    ("health_timeout_minutes", 0.01, 24 * 60),
    ("health_interval_seconds", 0.1, 600),
    ("consecutive", 1, 100),
    ("minimum_check_requests", 1, 1_000_000),
    ("minimum_requests", 1, 1_000_000_000),
)
_LEAST_PERCENT = 0.1
_MOST_PERCENT = 50.0
"""A single step is a trial beside the stable release: beyond half it is the other way round."""
_ALL_PERCENT = 100.0
_DEADLINES = 3
"""So many times its shortest duration a watch may take to be certain, when nothing is said."""


def canary_limits(table: Mapping[str, Any], flags: Mapping[str, str] | None = None) -> CanaryLimits:
    """Return checked limits from the keys of the ``[canary]`` table, all of which are there.

    Args:
        table: The keys of :data:`CANARY`.
        flags: What keys are called on the command line (``--steps``), when that is where they are
            from: a message names what the reader wrote.

    Raises:
        ConfigurationError: ``configuration.range``, ``configuration.type``.
    """
    flags = flags or {}
    for key, words in _WORDS.items():
        _check_word(key, table[key], words, flags)
    for key, low, high in _BOUNDS:
        _check_range(key, table[key], low, high, flags)
    steps = _steps(table["steps"], flags)
    if not steps:
        _check_range(
            "traffic_percent", table["traffic_percent"], _LEAST_PERCENT, _MOST_PERCENT, flags
        )
    if table["warm_up_seconds"] is not None:
        _check_range("warm_up_seconds", table["warm_up_seconds"], 0, 3600, flags)
    duration = table["health_timeout_minutes"] * 60
    if duration < table["consecutive"] * table["health_interval_seconds"]:
        longer, oftener = (
            flags.get(key, key) for key in ("health_timeout_minutes", "health_interval_seconds")
        )
        raise ConfigurationError(
            f"{'the canary' if flags else '[canary]'} watches for {duration:g} s, which is shorter "
            f"than {table['consecutive']} checks of {table['health_interval_seconds']:g} s",
            means="Such a watch ends before it could ever roll back.",
            remedy=f"Raise {longer} or lower {oftener}.",
            code="configuration.range",
        )
    if not table["health_path"].startswith("/"):
        raise ConfigurationError(
            f"[canary] health_path is {table['health_path']!r}, which does not begin with '/'",
            code="configuration.type",
        )
    return CanaryLimits(
        rule=table["rule"],
        limits=table["limits"],
        profile=table["profile"],
        warm_up_seconds=None
        if table["warm_up_seconds"] is None
        else float(table["warm_up_seconds"]),
        traffic_percent=table["traffic_percent"],
        steps=steps,
        error_rate_threshold=table["error_rate_threshold"],
        latency_p99_threshold_ms=table["latency_p99_threshold_ms"],
        duration_seconds=duration,
        deadline_seconds=_deadline(table["deadline_minutes"], duration, flags),
        interval_seconds=table["health_interval_seconds"],
        consecutive=table["consecutive"],
        minimum_check_requests=table["minimum_check_requests"],
        minimum_requests=table["minimum_requests"],
        health_path=table["health_path"],
    )


def canary_table(limits: CanaryLimits) -> dict[str, Any]:
    """Return the keys of the ``[canary]`` table from which :func:`canary_limits` makes *limits*.

    A deadline that is three times the duration is left to follow it, so that a flag which changes
    the one changes the other.
    """
    follows = math.isclose(limits.deadline_seconds, _DEADLINES * limits.duration_seconds)
    derived = {
        "steps": list(limits.steps),
        "health_timeout_minutes": limits.duration_seconds / 60,
        "health_interval_seconds": limits.interval_seconds,
        "deadline_minutes": None if follows else limits.deadline_seconds / 60,
    }
    return {key: derived[key] if key in derived else getattr(limits, key) for key in CANARY}


def _where(key: str, flags: Mapping[str, str]) -> str:
    return flags.get(key) or f"[canary] {key}"


def _example(key: str, flags: Mapping[str, str]) -> str:
    """Return how steps are written where *key* was."""
    return "--steps=5,25,50,100" if key in flags else "steps = [5, 25, 50, 100]"


def _check_word(key: str, value: str, words: tuple[str, ...], flags: Mapping[str, str]) -> None:
    if value in words:
        return
    guess = nearest(value, words)
    raise ConfigurationError(
        f"{_where(key, flags)} is {value!r}, which is not one of {', '.join(words)}",
        means="Which rule decides is never guessed." if key == "rule" else "",
        remedy=f"Did you mean {guess!r}?" if guess else f"Choose one of: {', '.join(words)}.",
        code="configuration.range",
    )


def _check_range(key: str, value: Any, low: float, high: float, flags: Mapping[str, str]) -> None:
    where = _where(key, flags)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigurationError(
            f"{where} is {value!r}, which is not a number", code="configuration.type"
        )
    if not low <= value <= high:
        raise ConfigurationError(
            f"{where} is {value:g}, which is not from {low:g} to {high:g}",
            remedy=f"A larger share is a step after smaller ones: {_example(key, flags)}."
            if key == "traffic_percent" and _MOST_PERCENT < value <= _ALL_PERCENT
            else "",
            code="configuration.range",
        )


def _steps(given: list[Any], flags: Mapping[str, str]) -> tuple[float, ...]:
    steps: list[float] = []
    for weight in given:
        _check_range("steps", weight, _LEAST_PERCENT, _ALL_PERCENT, flags)
        if steps and weight <= steps[-1]:
            raise ConfigurationError(
                f"{_where('steps', flags)} go from {steps[-1]:g} to {weight:g} %, and each has to "
                "be more than the one before",
                remedy=f"Write them in rising order: {_example('steps', flags)}.",
                code="configuration.range",
            )
        steps.append(float(weight))
    return tuple(steps)


def _deadline(minutes: Any, duration: float, flags: Mapping[str, str]) -> float:
    if minutes is None:
        return _DEADLINES * duration
    _check_range("deadline_minutes", minutes, 0.01, 7 * 24 * 60, flags)
    seconds = float(minutes) * 60
    if seconds < duration:
        later, shorter = (
            flags.get(key, key) for key in ("deadline_minutes", "health_timeout_minutes")
        )
        raise ConfigurationError(
            f"{_where('deadline_minutes', flags)} is {minutes:g}, which is before the watch's "
            f"{duration / 60:g} minutes are over",
            means="Until the deadline a canary without certificates is watched on; then it is "
            "rolled back.",
            remedy=f"Raise {later} or lower {shorter}.",
            code="configuration.range",
        )
    return seconds
