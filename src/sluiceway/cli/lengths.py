"""Lengths of time as people write them on a command line: 90m, 24h, 7d."""

from __future__ import annotations

import re
from datetime import timedelta

from sluiceway.errors import UsageError

__all__ = ["length"]

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def length(text: str, numbers: str, *, code: str = "") -> timedelta:
    """Return how long ``--expires`` says.

    Args:
        text: A number and a unit.
        numbers: Regular expression of the numbers that this command takes; never zero.
        code: The error's; the one of any wrong usage when left out.

    Raises:
        UsageError: When it is no such length.
    """
    match = re.fullmatch(f"({numbers})([{''.join(_UNITS)}])", text)
    if match is None:
        raise UsageError(
            f"--expires is {text!r}, which is not a length of time",
            means="It is a whole number and a unit: minutes, hours or days.",
            remedy="Write 90m, 24h or 7d.",
            code=code,
        )
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
