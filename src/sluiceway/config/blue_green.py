"""``[blue_green]``: how long a switch is watched before it is settled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sluiceway.errors import ConfigurationError
from sluiceway.model import CanaryLimits

__all__ = ["SOAK", "soak_limits", "soak_table"]

SOAK: Mapping[str, Any] = {
    "soak_minutes": 5.0,
    "interval_seconds": 10.0,
    "minimum_requests": 50,
}
_BOUNDS: tuple[tuple[str, float, float], ...] = (
    ("soak_minutes", 0.01, 24 * 60),
    ("interval_seconds", 0.1, 600),
    ("minimum_requests", 1, 1_000_000_000),
)


def soak_limits(
    table: Mapping[str, Any], canary: CanaryLimits, flags: Mapping[str, str] | None = None
) -> CanaryLimits:
    """Return the numbers of a soak: *table*'s times, and what is bad as *canary* has it.

    Args:
        table: The keys of :data:`SOAK`, all of them.
        canary: ``[canary]``, for the error rate, the p99, the health path and how many in a row.
        flags: What keys are called on the command line, when that is where they are from.

    Raises:
        ConfigurationError: A number is out of its range, or no soak could ever end badly.
    """
    flags = flags or {}
    for key, low, high in _BOUNDS:
        if not low <= table[key] <= high:
            where = flags.get(key) or f"[blue_green] {key}"
            raise ConfigurationError(
                f"{where} is {table[key]:g}, which is not from {low:g} to {high:g}",
                code="configuration.range",
            )
    duration, interval = table["soak_minutes"] * 60, table["interval_seconds"]
    if duration < canary.consecutive * interval:
        longer, oftener = (flags.get(key, key) for key in ("soak_minutes", "interval_seconds"))
        raise ConfigurationError(
            f"{'the switch' if flags else '[blue_green]'} soaks for {duration:g} s, which is "
            f"shorter than {canary.consecutive} looks of {interval:g} s",
            means="Such a soak ends before it could ever switch back.",
            remedy=f"Raise {longer} or lower {oftener}.",
            code="configuration.range",
        )
    return replace(
        canary,
        rule="mission",  # there is no stable side to compare with: the limits count by themselves
        limits="literal",
        traffic_percent=100.0,
        steps=(),
        duration_seconds=duration,
        deadline_seconds=duration,
        interval_seconds=interval,
        minimum_requests=table["minimum_requests"],
    )


def soak_table(limits: CanaryLimits) -> dict[str, Any]:
    """Return the keys of ``[blue_green]`` that give *limits*."""
    return {
        "soak_minutes": limits.duration_seconds / 60,
        "interval_seconds": limits.interval_seconds,
        "minimum_requests": limits.minimum_requests,
    }
