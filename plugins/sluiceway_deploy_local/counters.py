"""What one instance answered: counts that only grow, and a latency histogram that can be merged."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

__all__ = ["BOUNDS_MS", "FAILURES", "Counters", "bucket_of", "upper_bound_ms"]

FAILURES: Mapping[str, tuple[str, str]] = {
    "connect": ("502", "UF"),
    "reset": ("502", "UC"),
    "timeout": ("504", "UT"),
    "protocol": ("502", "UPE"),
}
"""Why a request got no whole answer: the status a client is told, and Envoy's flag for it."""
BOUNDS_MS: tuple[float | int, ...] = (0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2000, 2500)
BOUNDS_MS += (5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000)
"""Upper bounds, included, of the buckets that are shown to others."""
_BOUNDS = tuple(int(bound * 1000) for bound in BOUNDS_MS)

_SUB = 32
"""Buckets an octave: a bound is at most 1/32 above the value."""
_BUCKETS = 1024
_OCTAVE_BITS = 6
_SERVER_ERROR = 500


def bucket_of(microseconds: int) -> int:
    """Return the bucket (0 to 1023) of a latency; exact below 64 us, then 32 an octave."""
    if microseconds < _SUB:
        return max(0, microseconds)
    shift = microseconds.bit_length() - _OCTAVE_BITS
    return min((shift + 1) * _SUB + (microseconds >> shift) - _SUB, _BUCKETS - 1)


def upper_bound_ms(bucket: int) -> str:
    """Return the bucket's upper bound in milliseconds as text (``"2.048"``)."""
    if bucket < _SUB:
        bound = bucket + 1
    else:
        shift, rest = bucket // _SUB - 1, bucket % _SUB
        bound = (_SUB + rest + 1) << shift
    return f"{bound / 1000:.3f}".rstrip("0").rstrip(".")


class Counters:
    """Counts of one digest in one slot. A restarted process goes on counting in the same ones."""

    __slots__ = ("_buckets", "aborted", "answers", "failures", "requests", "server_errors")

    def __init__(self) -> None:
        self.requests = 0
        """Requests that were answered or failed; not those that the client broke off."""
        self.server_errors = 0
        """Answers with a 5xx status."""
        self.failures = dict.fromkeys(FAILURES, 0)
        """Requests that got no whole answer, by reason."""
        self.aborted = 0
        """Requests that the client broke off: nobody's error."""
        self.answers: dict[int, list[int]] = {}
        """By status: answers in each bucket of ``BOUNDS_MS``, those above, and microseconds in all."""
        self._buckets = [0] * _BUCKETS

    @property
    def errors(self) -> int:
        """5xx answers and failures together."""
        return self.server_errors + sum(self.failures.values())

    def answered(self, status: int, microseconds: int) -> None:
        """Count a whole answer, whatever its status."""
        self.requests += 1
        if status >= _SERVER_ERROR:
            self.server_errors += 1
        self._buckets[bucket_of(microseconds)] += 1
        answers = self.answers.get(status)
        if answers is None:
            answers = self.answers[status] = [0] * (len(_BOUNDS) + 2)
        answers[bisect_left(_BOUNDS, microseconds)] += 1
        answers[-1] += microseconds

    def failed(self, reason: str) -> None:
        """Count a request without a whole answer: connect, reset, timeout or protocol."""
        self.requests += 1
        self.failures[reason] += 1

    def latency_ms(self) -> dict[str, int]:
        """Return the histogram without its empty buckets: upper bound in ms (text) to count."""
        return {
            upper_bound_ms(bucket): count for bucket, count in enumerate(self._buckets) if count
        }

    def report(self) -> dict[str, Any]:
        """Return everything as a task reads it."""
        return {
            "requests": self.requests,
            "errors": self.errors,
            "server_errors": self.server_errors,
            "failures": dict(self.failures),
            "aborted": self.aborted,
            "latency_ms": self.latency_ms(),
        }

    def to_json(self) -> dict[str, Any]:
        """Return everything, for the state file."""
        return {
            "requests": self.requests,
            "server_errors": self.server_errors,
            "failures": dict(self.failures),
            "aborted": self.aborted,
            "answers": {str(status): list(counts) for status, counts in self.answers.items()},
            "buckets": {str(bucket): count for bucket, count in enumerate(self._buckets) if count},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Counters:
        """Return counters that go on from *data*."""
        counters = cls()
        counters.requests = int(data["requests"])
        counters.server_errors = int(data["server_errors"])
        counters.failures.update({key: int(value) for key, value in data["failures"].items()})
        counters.aborted = int(data["aborted"])
        for status, counts in data.get("answers", {}).items():
            counters.answers[int(status)] = [int(count) for count in counts]
        for bucket, count in data["buckets"].items():
            counters._buckets[int(bucket)] = int(count)
        return counters
