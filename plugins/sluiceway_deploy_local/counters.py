"""What one instance answered: counts that only grow, and a latency histogram that can be merged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Counters", "bucket_of", "upper_bound_ms"]

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

    __slots__ = ("_buckets", "aborted", "failures", "requests", "server_errors")

    def __init__(self) -> None:
        self.requests = 0
        """Requests that were answered or failed; not those that the client broke off."""
        self.server_errors = 0
        """Answers with a 5xx status."""
        self.failures = {"connect": 0, "reset": 0, "timeout": 0, "protocol": 0}
        """Requests that got no whole answer, by reason."""
        self.aborted = 0
        """Requests that the client broke off: nobody's error."""
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

    def failed(self, reason: str) -> None:
        """Count a request without a whole answer: connect, reset, timeout or protocol."""
        self.requests += 1
        self.failures[reason] += 1

    def latency_ms(self) -> dict[str, int]:
        """Return the histogram without its empty buckets: upper bound in ms (text) to count."""
        return {
            upper_bound_ms(bucket): count for bucket, count in enumerate(self._buckets) if count
        }

    def to_json(self) -> dict[str, Any]:
        """Return everything, for the state file."""
        return {
            "requests": self.requests,
            "server_errors": self.server_errors,
            "failures": dict(self.failures),
            "aborted": self.aborted,
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
        for bucket, count in data["buckets"].items():
            counters._buckets[int(bucket)] = int(count)
        return counters
