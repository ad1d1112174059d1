"""The JSON of a watch: stored after every look, read back after a kill, equal to what it was."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sluiceway.analysis import sequential
from sluiceway.analysis.counters import Counters
from sluiceway.analysis.peers import Point
from sluiceway.analysis.watch import AtOnce, Measure, Stream, Tally, Watch
from sluiceway.errors import ActionFailed

__all__ = ["from_json", "to_json"]

_VERSION = 2
_Record = TypeVar("_Record")


def to_json(watch: Watch) -> dict[str, Any]:
    """Return plain JSON data from which :func:`from_json` makes an equal watch."""
    return {
        "version": _VERSION,
        "looks": watch.looks,
        "seconds": watch.seconds,
        "clock": watch.clock,
        "restarts": watch.restarts,
        "canary": _maybe(watch.canary, _tally_to_json),
        "stable": _maybe(watch.stable, _tally_to_json),
        "error_marks": _maybe(watch.error_marks, _marks_to_json),
        "latency_marks": _maybe(watch.latency_marks, _marks_to_json),
        "sight": _stream_to_json(watch.sight),
        "health": _stream_to_json(watch.health),
        "errors": _stream_to_json(watch.errors),
        "latency": _stream_to_json(watch.latency),
        "sequential": sequential.to_json(watch.sequential),
        "compared": _maybe(watch.compared, _marks_to_json),
        "stable_observed": watch.stable_observed,
        "step_from": watch.step_from,
        "series": [_point_to_json(point) for point in watch.series],
        "at_once": _maybe(watch.at_once, _at_once_to_json),
    }


def from_json(document: Mapping[str, Any]) -> Watch:
    """Read what :func:`to_json` gave.

    Raises:
        ActionFailed: When it is not that (code ``canary.state``); a watch is never guessed.
    """
    try:
        if document["version"] != _VERSION:
            msg = f"it has version {document['version']!r}, not {_VERSION}"
            raise ValueError(msg)  # noqa: TRY301 - one place turns every defect into our error
        return Watch(
            looks=_count(document["looks"]),
            seconds=_number(document["seconds"]),
            clock=_maybe(document["clock"], _number),
            restarts=_maybe(document["restarts"], _count),
            canary=_maybe(document["canary"], _tally),
            stable=_maybe(document["stable"], _tally),
            error_marks=_maybe(document["error_marks"], _marks),
            latency_marks=_maybe(document["latency_marks"], _marks),
            sight=_stream(document["sight"]),
            health=_stream(document["health"]),
            errors=_stream(document["errors"]),
            latency=_stream(document["latency"]),
            sequential=sequential.from_json(document["sequential"]),
            compared=_maybe(document["compared"], _marks),
            stable_observed=_flag(document["stable_observed"]),
            step_from=_number(document["step_from"]),
            series=tuple(_point(point) for point in document["series"]),
            at_once=_maybe(document["at_once"], _at_once),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ActionFailed(
            f"the stored state of the canary watch cannot be read: {type(error).__name__}: {error}",
            means="Without it nothing is known of the canary, so it cannot be let through.",
            remedy="Roll the canary back and start it again: invoke rollback",
            code="canary.state",
        ) from error


# --- to JSON: JSON has no infinity, so a p99 without bound is the text "inf" ---------------------


def _maybe(value: Any, convert: Callable[[Any], _Record]) -> _Record | None:
    return None if value is None else convert(value)


def _bounded(number: float) -> float | str:
    return "inf" if math.isinf(number) else number


def _counters_to_json(counters: Counters) -> dict[str, Any]:
    return {
        "requests": counters.requests,
        "errors": counters.errors,
        "latency_ms": dict(counters.latency_ms),
    }


def _tally_to_json(tally: Tally) -> dict[str, Any]:
    return {
        "digest": tally.digest,
        "first": _counters_to_json(tally.first),
        "last": _counters_to_json(tally.last),
    }


def _marks_to_json(marks: tuple[Counters, Counters | None]) -> list[dict[str, Any] | None]:
    return [_maybe(counters, _counters_to_json) for counters in marks]


def _stream_to_json(stream: Stream) -> dict[str, Any]:
    last = stream.last
    return {
        "measured": stream.measured,
        "over": stream.over,
        "streak": stream.streak,
        "detail": stream.detail,
        "good_at": stream.good_at,
        "last": None
        if last is None
        else {
            "canary": _bounded(last.canary),
            "canary_requests": last.canary_requests,
            "stable": _maybe(last.stable, _bounded),
            "stable_requests": last.stable_requests,
        },
    }


# --- from JSON: strict, because what is read here decides -----------------------------------------


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        msg = f"{value!r} is not a count"
        raise ValueError(msg)
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        msg = f"{value!r} is not a number"
        raise ValueError(msg)
    return float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        msg = f"{value!r} is neither true nor false"
        raise TypeError(msg)
    return value


def _at_once(value: Mapping[str, Any]) -> AtOnce:
    return AtOnce(code=_text(value["code"]), reason=_text(value["reason"]))


def _at_once_to_json(found: AtOnce) -> dict[str, str]:
    return {"code": found.code, "reason": found.reason}


def _point_to_json(point: Point) -> dict[str, Any]:
    return {
        "at": point.at,
        "requests": point.requests,
        "errors": point.errors,
        "answered": point.answered,
        "slow": point.slow,
        "p99": _maybe(point.p99, _bounded),
        "stable_rate": point.stable_rate,
        "stable_p99": _maybe(point.stable_p99, _bounded),
    }


def _point(value: Mapping[str, Any]) -> Point:
    return Point(
        at=_number(value["at"]),
        requests=_count(value["requests"]),
        errors=_count(value["errors"]),
        answered=_count(value["answered"]),
        slow=_count(value["slow"]),
        p99=_maybe(value["p99"], _unbounded),
        stable_rate=_maybe(value["stable_rate"], _number),
        stable_p99=_maybe(value["stable_p99"], _unbounded),
    )


def _unbounded(value: Any) -> float:
    return math.inf if value == "inf" else _number(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        msg = f"{value!r} is not a text"
        raise TypeError(msg)
    return value


def _counters(value: Mapping[str, Any]) -> Counters:
    return Counters(
        requests=_count(value["requests"]),
        errors=_count(value["errors"]),
        latency_ms={_bound(bound): _count(count) for bound, count in value["latency_ms"].items()},
    )


def _bound(text: str) -> str:
    float(text)
    return text


def _tally(value: Mapping[str, Any]) -> Tally:
    tally = Tally(
        digest=_text(value["digest"]),
        first=_counters(value["first"]),
        last=_counters(value["last"]),
    )
    tally.last.since(tally.first)
    return tally


def _marks(value: Any) -> tuple[Counters, Counters | None]:
    canary, stable = value
    return _counters(canary), _maybe(stable, _counters)


def _stream(value: Mapping[str, Any]) -> Stream:
    return Stream(
        measured=_count(value["measured"]),
        over=_count(value["over"]),
        streak=_count(value["streak"]),
        detail=_text(value["detail"]),
        last=_maybe(value["last"], _measure),
        good_at=_number(value["good_at"]),
    )


def _measure(value: Mapping[str, Any]) -> Measure:
    return Measure(
        canary=_unbounded(value["canary"]),
        canary_requests=_count(value["canary_requests"]),
        stable=_maybe(value["stable"], _unbounded),
        stable_requests=_count(value["stable_requests"]),
    )
