"""A canary's looks as charts: both sides' error rate and p99, requests, weight, evidence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sluiceway.console.charts import Chart, Curve, Dot, Limit, Mark, Tone

__all__ = ["EVIDENCE", "charts_of", "number"]

EVIDENCE = ("worse", "beyond", "safe")
"""Against "no worse", "not worse than tolerated" and "worse by what counts"."""

Look = Mapping[str, Any]
_VERDICT_TONES = {
    "promote": Tone.GOOD,
    "pass": Tone.GOOD,
    "rollback": Tone.BAD,
    "fail": Tone.BAD,
    "error": Tone.BAD,
}
_VERDICTS = {
    "pass": "passed",
    "fail": "roll back",
    "promote": "promote",
    "rollback": "roll back",
    "no-data": "no data",
}
_QUIET = ("", "running", "continue")


def number(value: Any) -> float | None:
    """Return a number of a document, ``"inf"`` as infinity; ``None`` for anything else."""
    if value == "inf":
        return math.inf
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return None
    return float(value)


def charts_of(watch: Mapping[str, Any]) -> list[Chart]:
    """Return the charts of a watch (see :func:`sluiceway.runs.report.document`); none without looks."""
    looks: Sequence[Look] = watch.get("looks") or ()
    if not looks:
        return []
    limits, slot = watch.get("limits") or {}, str(watch.get("slot") or "")
    marks = _marks(looks)
    until = max(float(look["at"]) for look in looks)
    found = [
        _sides("Error rate", "%", looks, "error_rate", marks, _limit(limits, "error_rate"), slot),
        _sides("p99", "ms", looks, "p99_ms", marks, _limit(limits, "p99_ms"), slot),
        Chart(
            title="Requests between two looks",
            curves=_both(looks, lambda side: number(side.get("requests")), slot),
            whole=True,
        ),
    ]
    if slot:  # it has all of the traffic, and there is nothing to be compared with
        return found
    found += [
        Chart(
            title="Weight of the canary",
            unit="%",
            curves=(
                Curve(
                    name="canary",
                    points=tuple((float(look["at"]), number(look["weight"])) for look in looks),
                    stepped=True,
                ),
            ),
            until=until,
        ),
    ]
    if any(look.get("evidence") for look in looks):
        found += _evidence(looks, watch.get("needed") or {}, marks)
    return found


def _limit(limits: Mapping[str, Any], which: str) -> tuple[Limit, ...]:
    key, unit = {
        "error_rate": ("error_rate_threshold", "%"),
        "p99_ms": ("latency_p99_threshold_ms", "ms"),
    }[which]
    value = number(limits.get(key))
    return () if value is None else (Limit(value=value, name=f"limit {value:g} {unit}"),)


def _sides(
    title: str,
    unit: str,
    looks: Sequence[Look],
    key: str,
    marks: tuple[Mark, ...],
    limits: tuple[Limit, ...],
    slot: str,
) -> Chart:
    stream = {"error_rate": "error_rate", "p99_ms": "latency_p99"}[key]
    dots = [
        Dot(
            at=float(look["at"]), value=value, name=f"over the limit, {_row(look, stream)} in a row"
        )
        for look in looks
        if _stream(look, stream).get("bad")
        and (value := number((look.get("canary") or {}).get(key))) is not None
    ]
    return Chart(
        title=title,
        unit=unit,
        curves=_both(looks, lambda side: number(side.get(key)), slot),
        limits=limits,
        marks=marks,
        dots=tuple(dots),
    )


def _stream(look: Look, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (look.get("streams") or {}).get(name) or {}
    return found


def _row(look: Look, name: str) -> int:
    return int(_stream(look, name).get("streak", 0))


def _both(
    looks: Sequence[Look], value: Callable[[Mapping[str, Any]], float | None], slot: str
) -> tuple[Curve, ...]:
    """Return a curve for the canary and for stable, or for the *slot* alone that was soaked."""
    sides = {"canary": slot} if slot else {"canary": "canary", "stable": "stable"}
    return tuple(
        Curve(
            name=name,
            ink=ink,
            points=tuple(
                (float(look["at"]), value(look[side]) if look.get(side) else None) for look in looks
            ),
        )
        for ink, (side, name) in enumerate(sides.items())
    )


def _evidence(
    looks: Sequence[Look], needed: Mapping[str, float], marks: tuple[Mark, ...]
) -> list[Chart]:
    """Return evidence and certificates; a line only where the run was judged by one."""
    return [
        Chart(
            title="Evidence that the canary is worse",
            curves=(
                _curve("worse", looks, "worse", "together", 0),
                _curve("beyond", looks, "beyond", "together", 4),
            ),
            limits=tuple(
                Limit(value=needed[name], name=f"{name}: {needed[name]:g}")
                for name in ("worse", "beyond")
                if name in needed
            ),
            marks=marks,
            log=True,
        ),
        Chart(
            title="Certificates that it is safe",
            curves=(
                _curve("errors", looks, "safe", "errors", 2),
                _curve("latency", looks, "safe", "latency", 3),
            ),
            limits=tuple(
                Limit(value=needed[name], name=f"both: {needed[name]:g}", tone=Tone.GOOD)
                for name in ("safe",)
                if name in needed
            ),
            marks=marks,
            log=True,
        ),
    ]


def _curve(name: str, looks: Sequence[Look], key: str, part: str, ink: int) -> Curve:
    def value(look: Look) -> float | None:
        found = (look.get("evidence") or {}).get(key)
        return number(found.get(part)) if isinstance(found, Mapping) else number(found)

    return Curve(
        name=name, ink=ink, points=tuple((float(look["at"]), value(look)) for look in looks)
    )


def _marks(looks: Sequence[Look]) -> tuple[Mark, ...]:
    """Every look at which the verdict or the step became another one."""
    found: list[Mark] = []
    before, step = "", None
    for look in looks:
        verdict = look.get("verdict") or look.get("outcome") or ""
        at = float(look["at"])
        place = (look.get("step") or {}).get("index")
        if step is not None and place is not None and place != step:
            found.append(Mark(at=at, name=f"step {int(place) + 1}: {look['weight']:g} %"))
        step = place if place is not None else step
        if verdict != before and (verdict not in _QUIET or before not in _QUIET):
            tone = _VERDICT_TONES.get(verdict, Tone.WARN)
            name = _VERDICTS.get(verdict, str(verdict))
            found.append(Mark(at=at, name=name, tone=Tone.PLAIN if verdict in _QUIET else tone))
        before = verdict
    return tuple(found)
