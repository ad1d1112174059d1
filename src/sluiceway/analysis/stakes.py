"""A bet that is held for many ticks: capped, partly started late, and averaged with others."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sluiceway.record import Record

__all__ = ["LARGEST", "Stakes"]

_CAP = math.log(20.0)
"""No single tick says more than this: one blip is not a verdict."""
_LATE, _TICKS = 0.2, 90
"""This share of each stake is held back and put in over so many ticks, for faults that come late."""
LARGEST = 1e300
"""Where a stake stops growing: beyond it a float would be infinite, and smaller is still fair."""


class Stakes(Record):
    """A mean over several bets, each a product over ticks that is partly started late."""

    ticks: int = 0
    stakes: tuple[float, ...]

    @classmethod
    def of(cls, bets: int) -> Stakes:
        """Return *bets* stakes of which nothing has been won or lost."""
        return cls(stakes=(1.0 - _LATE,) * bets)

    def after(self, logs: Sequence[float]) -> Stakes:
        """Return them after one tick in which bet *i* multiplied its stake by ``exp(logs[i])``."""
        late, exp = _LATE / _TICKS if self.ticks < _TICKS else 0.0, math.exp
        won = [
            (stake + late) * exp(log if log < _CAP else _CAP)  # noqa: FURB136 - min() is a call
            for stake, log in zip(self.stakes, logs, strict=True)
        ]
        if max(won) > LARGEST:
            won = [min(stake, LARGEST) for stake in won]
        return Stakes(ticks=self.ticks + 1, stakes=tuple(won))

    @property
    def value(self) -> float:
        """The evidence: the mean of the stakes, with what is not yet in play."""
        unstarted = _LATE * max(0, _TICKS - self.ticks) / _TICKS
        return sum(self.stakes) / len(self.stakes) + unstarted
