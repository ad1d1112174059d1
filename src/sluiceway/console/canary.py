"""A canary under watch, as a table of both sides and as one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluiceway.analysis import Counters, Outcome, Stream, Tally, Watch
from sluiceway.console.page import Block, Cell, Column, Grid, Line, Pairs, Tone, cell
from sluiceway.console.text import NONE, count, duration, milliseconds, percent
from sluiceway.model import CanaryLimits
from sluiceway.record import Record

__all__ = ["Look", "canary_line", "canary_page", "started_line"]

_OUTCOME = {
    Outcome.RUNNING: Tone.PLAIN,
    Outcome.PASS: Tone.GOOD,
    Outcome.FAIL: Tone.BAD,
    Outcome.NO_DATA: Tone.WARN,
    Outcome.ERROR: Tone.BAD,
    Outcome.INCONCLUSIVE: Tone.WARN,
}


_SOAK = ", soak of "
_SAID = ("extend", "hold")
"""Verdicts that a person wonders about: why is it not over?"""


class Look(Record):
    """One ``canary.tick``: the watch after it, and what it was judged by."""

    environment: str
    watch: Watch
    limits: CanaryLimits
    weight: float
    """Percent, as read back."""
    remaining: float
    """Seconds until the watch is over."""
    ended: bool
    outcome: Outcome
    verdict: str = ""
    """The gate's word: ``continue``, ``extend``, ``hold``, ``promote`` or ``rollback``."""
    reason: str = ""
    """The sentence of the decision, which names the rule."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Look:
        """Read the data of a ``canary.tick`` event (or of a canary's report).

        The watch may be a :class:`~sluiceway.analysis.Watch` or its JSON, the limits a
        :class:`~sluiceway.model.CanaryLimits` or its JSON.
        """
        watch, limits = data["watch"], data["limits"]
        limits = limits if isinstance(limits, CanaryLimits) else CanaryLimits(**limits)
        watch = watch if isinstance(watch, Watch) else Watch.from_json(watch)
        left = max(limits.duration_seconds - watch.seconds, 0.0)
        broken = watch.at_once.reason if watch.at_once else ""
        return cls(
            environment=str(data.get("environment", "canary")),
            watch=watch,
            limits=limits,
            weight=float(data.get("weight", limits.traffic_percent)),
            remaining=float(data.get("remaining", left)),
            ended=bool(data.get("ended", watch.ended)),
            outcome=Outcome(data.get("outcome", Outcome.FAIL if watch.ended else Outcome.RUNNING)),
            verdict=str(data.get("verdict", "")),
            reason=str(data.get("reason", broken)),
        )

    @property
    def title(self) -> str:
        """What is watched, as a sentence begins."""
        return _title(self.environment)

    @property
    def soaked(self) -> bool:
        """It is a slot that has all of the traffic, and no side is beside it."""
        return _SOAK in self.environment

    @property
    def side(self) -> str:
        """What the watched side is called: ``canary``, or the slot."""
        return self.environment.rpartition(_SOAK)[2] if self.soaked else "canary"

    @property
    def notable(self) -> tuple[object, ...]:
        """What a person wants to hear of at once; a look in which it is the same can wait."""
        watch = self.watch
        return (
            self.outcome,
            self.verdict,
            self.weight,
            *(stream.streak for stream in (watch.sight, watch.health, watch.errors, watch.latency)),
        )


def canary_page(look: Look) -> list[Block]:
    """Return both sides beside each other, every streak, and what is still missing."""
    watch, limits = look.watch, look.limits
    grid = Grid(
        columns=(
            Column(title="", minimum=6),
            Column(title="Requests", right=True),
            Column(title="Errors", right=True),
            Column(title="Error rate", right=True),
            Column(title="p99", right=True),
            Column(title="Last rate", right=True),
            Column(title="Last p99", right=True),
        ),
        rows=(
            (cell(look.side, Tone.STRONG), *_numbers(watch.canary), *_last(watch, limits)),
            *(() if look.soaked else (_beside(watch),)),
            (
                cell("limit", Tone.DIM),
                cell(""),
                cell(""),
                cell(""),
                cell(""),
                cell(percent(limits.error_rate_threshold), Tone.DIM),
                cell(milliseconds(limits.latency_p99_threshold_ms), Tone.DIM),
            ),
        ),
    )
    health = watch.health.detail if watch.health.streak else ""
    expected = 0 if look.ended else _expected(limits)
    progress = Pairs.of(
        [
            ("weight", f"{look.weight:g} %"),
            ("health", _stream(watch.health, expected, limits, health)),
            ("error rate", _stream(watch.errors, expected, limits)),
            ("p99", _stream(watch.latency, expected, limits)),
            ("good requests", _wanted(watch.good_requests, limits.minimum_requests)),
            *([("looks", _stream(watch.sight, expected, limits))] if watch.sight.over else []),
            ("time left", _left(look)),
        ]
    )
    title = f"{look.title[:1].upper()}{look.title[1:]}"
    page: list[Block] = [Line.of(title, Tone.STRONG), Line.of(""), grid, Line.of(""), progress]
    if look.ended:
        words = f"{look.outcome.value}: {look.reason}"
        page += [Line.of(""), Line.of(words, _OUTCOME[look.outcome])]
    elif look.verdict in _SAID:
        page += [Line.of(""), Line.of(look.reason, Tone.WARN)]
    return page


def canary_line(look: Look) -> str:
    """Return one look as one line of a log."""
    watch, limits = look.watch, look.limits
    if look.ended:
        return f"{look.title}: {look.reason}"
    canary, stable = _total(watch.canary), _total(watch.stable)

    def beside(words: str) -> str:
        return "" if look.soaked else f" ({words})"

    parts = [
        f"{watch.seconds:.0f}/{limits.duration_seconds:g} s",
        f"weight {look.weight:g} %",
        f"requests {canary.requests}{beside(f'stable {stable.requests}')}",
        f"error rate {percent(canary.error_rate)}{beside(percent(stable.error_rate))}",
        f"p99 {milliseconds(canary.p99)}{beside(milliseconds(stable.p99))}",
        f"checks passed {watch.errors.measured - watch.errors.over}/{_expected(limits)}",
    ]
    parts += [
        f"{name} bad {stream.streak} of {limits.consecutive}"
        for name, stream in (
            ("health", watch.health),
            ("error rate", watch.errors),
            ("p99", watch.latency),
            ("looks", watch.sight),
        )
        if stream.streak
    ]
    if look.verdict in _SAID:
        parts.append(look.reason)
    return f"{look.title}: " + ", ".join(parts)


def started_line(data: Mapping[str, Any]) -> str:
    """Return what a ``canary.started`` event says."""
    limits = data["limits"]
    limits = limits if isinstance(limits, CanaryLimits) else CanaryLimits(**limits)
    traffic = data.get("traffic") or {}
    url = f" at {traffic['url']}" if traffic.get("url") else ""
    weights = ", then ".join(f"{weight:g} %" for weight in limits.weights)
    share = f"{weights} of the traffic"
    names = {slot["name"] for slot in traffic.get("slots", ())}
    if traffic and names <= {"canary"}:
        share = "all of the traffic (nothing is released yet, so nothing serves after the watch)"
    return (
        f"{_title(str(data.get('environment', '')))}: {share}{url} for "
        f"{duration(limits.duration_seconds)}{' each' if limits.steps else ''}, a look every "
        f"{duration(limits.interval_seconds)}; judged by the rule {limits.rule} (limits "
        f"{limits.limits}: errors over {limits.error_rate_threshold:g} %, "
        f"p99 over {limits.latency_p99_threshold_ms:g} ms, or no healthy answer, "
        f"{limits.consecutive} times in a row)"
    )


def _title(environment: str) -> str:
    """Say what is watched: most canaries' environments are called so, and a soak is none."""
    if environment == "canary" or _SOAK in environment:
        return environment
    return f"canary {environment}"


def _beside(watch: Watch) -> tuple[Cell, ...]:
    return (
        cell("stable"),
        *_numbers(watch.stable),
        cell(percent(watch.errors.last.stable if watch.errors.last else None)),
        cell(milliseconds(watch.latency.last.stable if watch.latency.last else None)),
    )


def _total(tally: Tally | None) -> Counters:
    return tally.total if tally else Counters()


def _numbers(tally: Tally | None) -> tuple[Cell, Cell, Cell, Cell]:
    if tally is None:
        return cell(NONE), cell(NONE), cell(NONE), cell(NONE)
    total = tally.total
    return (
        cell(count(total.requests)),
        cell(count(total.errors)),
        cell(percent(total.error_rate)),
        cell(milliseconds(total.p99)),
    )


def _last(watch: Watch, limits: CanaryLimits) -> tuple[Cell, Cell]:
    rate = watch.errors.last.canary if watch.errors.last else None
    p99 = watch.latency.last.canary if watch.latency.last else None
    return (
        cell(percent(rate), _judged(rate, limits.error_rate_threshold)),
        cell(milliseconds(p99), _judged(p99, limits.latency_p99_threshold_ms)),
    )


def _judged(value: float | None, limit: float) -> Tone:
    if value is None:
        return Tone.DIM
    return Tone.BAD if value > limit else Tone.GOOD


def _expected(limits: CanaryLimits) -> int:
    return max(1, round(limits.duration_seconds / limits.interval_seconds))


def _stream(stream: Stream, expected: int, limits: CanaryLimits, detail: str = "") -> Cell:
    asked = max(expected, stream.measured)  # the first and the last look are both counted
    if not asked:
        return cell("never measured", Tone.WARN)
    passed = f"{stream.measured - stream.over} of {asked} passed"
    if not stream.streak:
        return cell(passed, Tone.GOOD if stream.measured else Tone.DIM)
    words = f"{passed}; {stream.streak} bad in a row, {limits.consecutive} roll back"
    tone = Tone.BAD if stream.streak >= limits.consecutive else Tone.WARN
    return cell(f"{words} ({detail})" if detail else words, tone)


def _wanted(number: int, needed: int) -> Cell:
    tone = Tone.GOOD if number >= needed else Tone.DIM
    return cell(f"{count(number)}, at least {count(needed)} needed", tone)


def _left(look: Look) -> str:
    return "over" if look.ended else duration(look.remaining)
