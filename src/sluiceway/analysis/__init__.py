"""Canary analysis: pure. No input or output, no clock, no randomness.

A watch is folded from observations, one look at a time, and stored after each::

    watch = Watch()  # the first look sets what later counts are compared with
    watch = advance(watch, observation, limits)  # or miss(...) when looking failed
    store(watch.to_json())
    watch.verdict.outcome  # RUNNING until it is over

The same looks give the same verdict, on whichever machine and after however many restarts;
folding one look twice is the same as once. Only :attr:`Outcome.PASS` lets a release go on.

The verdict here is made of limits and streaks. Everything that it is made from stays in the
watch as counts of both sides (:class:`Counters`, windows by :meth:`Watch.windows`), so that a
statistic comparing the sides is one more stream of this room and needs nothing from outside it.
"""

from sluiceway.analysis.counters import Counters, difference, percentile, rate
from sluiceway.analysis.fold import advance, miss
from sluiceway.analysis.judge import UNSETTLED_SHARE
from sluiceway.analysis.outcome import Outcome, Verdict
from sluiceway.analysis.watch import Marks, Measure, Stream, Tally, Watch
from sluiceway.analysis.words import explain, facts

__all__ = [
    "UNSETTLED_SHARE",
    "Counters",
    "Marks",
    "Measure",
    "Outcome",
    "Stream",
    "Tally",
    "Verdict",
    "Watch",
    "advance",
    "difference",
    "explain",
    "facts",
    "miss",
    "percentile",
    "rate",
]
