"""What a healthy service's day looks like: what both arms share, and what is the canary's alone.

The first three are those that the defaults were chosen on; ``retries`` and ``caches`` were written
afterwards and nothing was tuned on them.
"""

from __future__ import annotations

from sluiceway.record import Record

__all__ = ["TUNED_ON", "WEATHERS", "Cell", "Weather"]


class Cell(Record):
    """How much traffic a service has and how often it fails when it is well."""

    rps: float = 50.0
    """Requests a second to both arms together."""
    error_percent: float = 1.0
    """Errors of a healthy instance, percent of requests."""
    weight: float = 5.0
    """Percent of the traffic that the canary is given."""

    @property
    def name(self) -> str:
        """As it stands in a table."""
        return f"{self.rps:g} rps, {self.error_percent:g} %"


class Weather(Record):
    """Wobbles are standard deviations of a logarithm, moving as AR(1) from tick to tick."""

    name: str
    words: str
    median_ms: float = 80.0
    sigma: float = 0.7
    """Of the logarithm of a request's latency."""
    pareto: float = 0.0
    """Beyond p90 the tail falls with this power; 0: it stays lognormal."""
    # --- shared by both arms ---
    traffic_wobble: float = 0.0
    error_wobble: float = 0.0
    latency_wobble: float = 0.0
    drift: float = 0.0
    """Traffic, errors and latency each drift by up to this share in 15 minutes, either way."""
    ramp: float = 0.0
    """Traffic grows by this share in 15 minutes: a morning."""
    burst_every: float = 0.0
    """Seconds between bursts of about half a minute: traffic x1.5-3, errors x2-5, latency
    x1.1-1.6; 0: none."""
    # --- the canary's own, though it is healthy ---
    own_errors: float = 0.0
    own_latency: float = 0.0
    cold: float = 1.0
    """So many times slower, and so many times more errors, at the start; gone after a minute."""
    hiccup_every: float = 0.0
    """Seconds between single ticks with errors x4 and latency x1.5; 0: none."""
    false_polls: float = 0.0
    """Share of health polls that fail though nothing is wrong."""
    # --- what ties things together ---
    retry: float = 0.0
    """Chance that a failed request is at once sent again to the same arm, and fails again."""
    timeouts: float = 0.0
    """Share of the errors that are timeouts, and so arrive in the last bucket."""
    miss_share: float = 0.0
    """Share of requests that miss a cache and take :attr:`miss_ratio` times as long."""
    miss_ratio: float = 10.0
    miss_wobble: float = 0.0
    """Of the logarithm of the share of misses, shared by both arms."""
    cold_cache: float = 1.0
    """The canary's misses at the start, times stable's; its cache is warm after two minutes."""


_BASE = Weather(
    name="base",
    words="shared traffic, errors and latency wander, drift and burst; the canary wobbles a little",
    traffic_wobble=0.10,
    error_wobble=0.25,
    latency_wobble=0.08,
    drift=0.20,
    burst_every=600.0,
    own_errors=0.10,
    own_latency=0.02,
    false_polls=0.001,
)
TUNED_ON = ("clean", "base", "rough")
WEATHERS = {
    each.name: each
    for each in (
        Weather(name="clean", words="nothing but chance"),
        _BASE,
        Weather(
            name="rough",
            words="base with twice the bursts, a cold start, hiccups and a canary of its own mind",
            traffic_wobble=0.20,
            error_wobble=0.40,
            latency_wobble=0.12,
            drift=0.20,
            burst_every=300.0,
            own_errors=0.30,
            own_latency=0.06,
            cold=1.5,
            hiccup_every=900.0,
            false_polls=0.001,
        ),
        Weather(
            name="retries",
            words="a Pareto tail, a morning's ramp, and failed requests that are sent again and "
            "fail again on the same arm",
            median_ms=60.0,
            sigma=0.6,
            pareto=2.2,
            traffic_wobble=0.15,
            error_wobble=0.30,
            latency_wobble=0.10,
            ramp=0.6,
            burst_every=900.0,
            own_errors=0.10,
            own_latency=0.02,
            false_polls=0.001,
            retry=0.3,
        ),
        Weather(
            name="caches",
            words="two humps of latency with a drifting share of misses, a canary whose cache is "
            "cold for two minutes, and errors of which half are timeouts",
            median_ms=25.0,
            sigma=0.45,
            traffic_wobble=0.10,
            error_wobble=0.25,
            latency_wobble=0.05,
            drift=0.20,
            burst_every=600.0,
            own_errors=0.10,
            own_latency=0.02,
            false_polls=0.001,
            timeouts=0.5,
            miss_share=0.15,
            miss_ratio=8.0,
            miss_wobble=0.20,
            cold_cache=1.3,
        ),
    )
}
