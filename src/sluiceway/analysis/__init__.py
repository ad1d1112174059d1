"""Canary analysis: pure. No input or output, no clock, no randomness.

A watch is folded from observations, one look at a time, and stored after each::

    watch = Watch()  # the first look sets what later counts are compared with
    watch = advance(watch, observation, limits)  # or miss(...) when looking failed
    store(watch.to_json())
    evidence(watch, limits)  # what the gate ``canary`` decides from

The same looks give the same evidence, on whichever machine and after however many restarts;
folding one look twice is the same as once. What the evidence comes to is for the policies to say
(``policies/canary``); :mod:`sluiceway.analysis.rules` says the same in Python, for simulations.
"""

from sluiceway.analysis.counters import Counters, difference, percentile, rate
from sluiceway.analysis.documents import evidence
from sluiceway.analysis.fold import advance, miss, stepped
from sluiceway.analysis.outcome import Outcome
from sluiceway.analysis.profiles import PROFILES, profile_of
from sluiceway.analysis.ticks import Tick, tick
from sluiceway.analysis.watch import AtOnce, Marks, Measure, Stream, Tally, Watch

__all__ = [
    "PROFILES",
    "AtOnce",
    "Counters",
    "Marks",
    "Measure",
    "Outcome",
    "Stream",
    "Tally",
    "Tick",
    "Watch",
    "advance",
    "difference",
    "evidence",
    "miss",
    "percentile",
    "profile_of",
    "rate",
    "stepped",
    "tick",
]
