"""Whether two histograms were counted in the same buckets: "slower" means nothing where they were not."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["differ"]

_ANSWERS = 200
"""Fewer, where both sides have some, prove nothing: an empty bucket may be left out."""
_BOUNDS = 4
"""A side that uses fewer there may be one that always takes as long."""
_SHARED = 0.05
"""Of one grid, with so many answers, nearly all buckets of one side are used by the other."""


def differ(canary: Mapping[str, int], stable: Mapping[str, int]) -> str:
    """Say how the buckets of both sides differ, in a clause; empty where nothing shows that they do.

    Where a side names empty buckets it names all, and so the bounds have to be the same as far as both
    reach. Where both leave them out, hardly a bucket in common over the same times, with many answers on
    both sides, is no chance. Coarse buckets all of whose bounds the fine ones have as well are not
    recognised then. A side without an answer, or with a few buckets only, says nothing of its grid.

    Args:
        canary: The canary's :attr:`sluiceway.model.Side.latency_ms`, since it was started.
        stable: Stable's.
    """
    if canary.keys() == stable.keys() or not (any(canary.values()) and any(stable.values())):
        return ""
    if all(0 in side.values() and len(side) >= _BOUNDS for side in (canary, stable)):
        sides = [{float(bound) for bound in side} for side in (canary, stable)]
        least, most = max(map(min, sides)), min(map(max, sides))
        own = [bound for bound in sides[0] ^ sides[1] if least <= bound <= most]
        return f"only one side has a latency bucket up to {_shown(min(own))} ms" if own else ""
    ours, theirs = _between(canary, stable), _between(stable, canary)
    if any(len(each) < _BOUNDS or sum(each.values()) < _ANSWERS for each in (ours, theirs)):
        return ""
    shared = sum(count for bound, count in ours.items() if bound in theirs)
    if shared >= _SHARED * sum(ours.values()):
        return ""
    first = min(ours.keys() - theirs.keys())
    return (
        f"the canary's latency is counted in buckets that stable does not have (up to {_shown(first)} "
        f"ms, and {len(ours.keys() - theirs.keys()) - 1} more)"
    )


def _between(side: Mapping[str, int], other: Mapping[str, int]) -> dict[float, int]:
    """Return the counted buckets of *side* that lie within the times of *other*, which has some."""
    bounds = [float(bound) for bound, count in other.items() if count]
    least, most = min(bounds), max(bounds)
    found = {float(bound): count for bound, count in side.items() if count}
    return {bound: count for bound, count in found.items() if least <= bound <= most}


def _shown(bound: float) -> str:
    return f"{bound:g}"
