"""Series and shares as one line of text each: small charts for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

__all__ = ["bar", "powers", "spark", "tallest"]

_BLOCKS, _SIGNS = "▁▂▃▄▅▆▇█", ".:-=+*%@"
_SOLID, _ASCII = ("█", "░"), ("#", "-")


def spark(values: Sequence[float | None], width: int, top: float, *, symbols: bool) -> str:
    """Return the last *width* of *values*, each as a column whose height is its share of *top*.

    A gap (``None``) is a space; what is above *top*, infinity as well, is as high as it goes.
    Without *symbols* the columns are ASCII signs, from light to heavy.
    """
    levels = _BLOCKS if symbols else _SIGNS
    return "".join(_column(value, top, levels) for value in values[-max(width, 1) :])


def _column(value: float | None, top: float, levels: str) -> str:
    if value is None or math.isnan(value):
        return " "
    share = 1.0 if math.isinf(value) or top <= 0 < value else value / top if top > 0 else 0.0
    return levels[min(max(math.ceil(share * len(levels)) - 1, 0), len(levels) - 1)]


def bar(share: float, width: int, *, symbols: bool) -> str:
    """Return a bar of *width* cells, filled as far as *share* (0 to 1) says."""
    full, empty = _SOLID if symbols else _ASCII
    filled = round(min(max(share, 0.0), 1.0) * width)
    return full * filled + empty * (width - filled)


def powers(value: float | None, limit: float) -> float:
    """Return how far evidence has come from 1 to *limit*, on a scale of powers: 0 to 1."""
    if value is None or math.isnan(value) or value <= 1:
        return 0.0
    return 1.0 if value >= limit else math.log(value) / math.log(limit)


def tallest(series: Iterable[Iterable[float | None]], limit: float, far: float = 3.0) -> float:
    """Return the top of a scale that shows *series*, and *limit* unless it is *far* times above."""
    finite = [each for one in series for each in one if each is not None and math.isfinite(each)]
    most = max(finite, default=0.0)
    return max(most, limit) if limit <= far * most or not most else most
