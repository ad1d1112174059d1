"""What is wrong with the canary, from its first tick on."""

from __future__ import annotations

from sluiceway.record import Record

__all__ = ["FAULTS", "HEALTHY", "Fault"]


class Fault(Record):
    """A canary's errors are ``errors x error_ratio + error_points``."""

    name: str
    words: str
    error_ratio: float = 1.0
    error_points: float = 0.0
    """Percentage points."""
    stretch: float = 1.0
    """p99 times this, the median and what is faster as they were."""
    slower: float = 1.0
    """Every request so many times slower."""
    leak: bool = False
    """:attr:`stretch` is approached by its power and :attr:`error_points` by their square, and
    both are reached after 15 minutes."""
    crash_loop: bool = False
    """Up for 10-25 s, then down for 10, 20, 40, ... s, as a Kubernetes container's back-off;
    requests fail while it is down."""
    flapping: bool = False
    """Down for 8-15 s, up for 10-25 s, and out of the balancer while it is down: only the health
    poll sees it."""


HEALTHY = Fault(name="healthy", words="nothing is wrong")
FAULTS = {
    each.name: each
    for each in (
        Fault(name="errors-x2", words="twice the errors", error_ratio=2.0),
        Fault(name="errors-x5", words="five times the errors", error_ratio=5.0),
        Fault(name="errors+2", words="2 points more errors", error_points=2.0),
        Fault(name="errors+10", words="10 points more errors", error_points=10.0),
        Fault(name="total", words="98 % of the requests fail", error_ratio=0.0, error_points=98.0),
        Fault(name="p99-x1.3", words="p99 x1.3, the median as it was", stretch=1.3),
        Fault(name="p99-x2", words="p99 x2, the median as it was", stretch=2.0),
        Fault(name="slower-x1.3", words="every request x1.3", slower=1.3),
        Fault(
            name="leak",
            words="p99 x3 and 5 points of errors, reached slowly in 15 minutes",
            stretch=3.0,
            error_points=5.0,
            leak=True,
        ),
        Fault(name="crash-loop", words="down for 10, 20, 40, ... s", crash_loop=True),
        Fault(name="flapping", words="health comes and goes, requests are fine", flapping=True),
    )
}
