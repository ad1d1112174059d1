"""The part of a report that a watched release has: curves, both sides, evidence, every look."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sluiceway.console.charts import clock, svg
from sluiceway.console.report.curves import EVIDENCE, charts_of, number
from sluiceway.console.report.html import Html, code, joined, listing, table, tag
from sluiceway.console.report.sections import badge, stamp
from sluiceway.console.rows import FindingRow
from sluiceway.console.text import NONE, count, duration, milliseconds, percent, short
from sluiceway.model import parse_time

__all__ = ["watch_section"]

_STREAMS = {
    "error_rate": "error rate",
    "latency_p99": "p99",
    "health": "health",
    "sight": "looks that could not be made",
}
_EVIDENCE = (
    ("worse", "that it is worse than stable at all", ("errors", "latency", "health", "together")),
    ("beyond", "that it is worse than tolerated", ("errors", "latency", "health", "together")),
    ("safe", "that it is not worse by what counts", ("errors", "latency", "health", "together")),
)
_WORDS = {"pass": "passed", "fail": "roll back", "rollback": "roll back", "no-data": "no data"}
_ALL = 100.0
_GOING_ON = ("continue", "running")
_TONES = {"promote": "good", "pass": "good", "rollback": "bad", "fail": "bad", "error": "bad"}


def watch_section(document: Mapping[str, Any]) -> Html:
    """Return the watch of *document*, if it has one."""
    watch = document["watch"]
    if watch is None:
        return Html("")
    charts = [tag("figure", Html(svg(chart))) for chart in charts_of(watch)]
    return tag(
        "section",
        tag("h2", "The watch"),
        _said(watch),
        tag("div", *charts, class_="charts") if charts else "",
        tag("p", _legend(watch), class_="note") if charts else "",
        _sides(watch),
        _checks(watch),
        _evidence(watch),
        _verdicts(document, watch),
        _looks(watch),
    )


def _said(watch: Mapping[str, Any]) -> Html:
    limits, looks = watch["limits"], watch["looks"]
    lasted = max((float(look["at"]) for look in looks), default=0.0)
    steps = limits.get("steps") or ()
    weights = " → ".join(f"{each:g} %" for each in steps) if steps else ""
    if looks and not steps and all(look["weight"] == _ALL for look in looks):
        weights = f"{_ALL:g} %"  # a first release has nothing to share the traffic with
    return listing(
        [
            ("Verdict", _verdict(watch["outcome"] or "none", "warn")),
            ("Code", code(watch["code"])),
            ("Watched", f"{duration(lasted)} in {len(looks)} looks" if looks else ""),
            ("Rule", limits.get("rule", "")),
            ("Weights", weights or _percent(limits.get("traffic_percent"))),
            ("Traffic taken away within", _seconds(watch["rollback_seconds"])),
        ]
    )


def _verdict(verdict: str, otherwise: str) -> Html:
    return badge(_WORDS.get(verdict, verdict), _TONES.get(verdict, otherwise))


def _percent(value: Any) -> str:
    found = number(value)
    return "" if found is None else f"{found:g} %"


def _seconds(value: Any) -> str:
    found = number(value)
    if found is None:
        return ""
    return duration(found) if found >= 1 else f"{1000 * found:.0f} ms"


def _legend(watch: Mapping[str, Any]) -> str:
    said = "Circles are checks over their limit; a vertical line is a change of the verdict."
    if watch["slot"] or not any(look.get("evidence") for look in watch["looks"]):
        return said
    needed = watch["needed"]
    if needed is None:
        return f"{said} How much evidence decides was not kept, so no line is drawn for it."
    if not needed:
        rule = watch["limits"].get("rule", "")
        return f"{said} The rule {rule} does not compare the sides: the evidence decided nothing."
    said += (
        f" It rolls back when the evidence of “worse” reaches {needed['worse']:g} and that of "
        f"“beyond” (worse than is tolerated) {needed['beyond']:g}; it is promoted when both "
        f"certificates reach {needed['safe']:g}. Evidence of {needed['worse']:g} is seen once in "
        f"{needed['worse']:g} healthy canaries at the most, however long one looks."
    )
    if any(look.get("needed") not in (None, needed) for look in watch["looks"]):
        said += " The policies asked for other numbers at the beginning; these are the last look's."
    return said


def _sides(watch: Mapping[str, Any]) -> Html:
    def row(name: str) -> tuple[Any, ...]:
        side = watch["totals"].get(name)
        shown = watch["slot"] or name
        if side is None:
            return (shown, NONE, NONE, NONE, NONE, "")
        return (
            shown,
            count(side["requests"]),
            count(side["errors"]),
            percent(number(side["error_rate"])),
            milliseconds(number(side["p99_ms"])),
            code(short(side["digest"])),
        )

    limits = watch["limits"]
    limit = (
        "limit of a check",
        "",
        "",
        percent(number(limits.get("error_rate_threshold"))),
        milliseconds(number(limits.get("latency_p99_threshold_ms"))),
        "",
    )
    return table(
        "The slot over the whole soak" if watch["slot"] else "Both sides over the whole watch",
        ("Side", "Requests", "Errors", "Error rate", "p99", "Digest"),
        [row("canary"), *(() if watch["slot"] else (row("stable"),)), limit],
        numbers=(1, 2, 3, 4),
        heads=True,
    )


def _checks(watch: Mapping[str, Any]) -> Html:
    if not watch["looks"]:
        return Html("")
    streams = watch["looks"][-1]["streams"]
    needed = watch["limits"].get("consecutive", "")
    rows = []
    for key, name in _STREAMS.items():
        stream = streams.get(key) or {}
        if key == "sight" and not stream.get("over"):
            continue
        tone = "bad" if stream.get("streak") else "good" if stream.get("measured") else "quiet"
        state = f"{stream.get('streak', 0)} bad in a row" if stream.get("streak") else "in order"
        rows.append(
            (
                name,
                str(stream.get("measured", 0)),
                str(stream.get("over", 0)),
                badge(state if stream.get("measured") else "not measured", tone),
                stream.get("detail", ""),
            )
        )
    return table(
        f"Checks against the limits; {needed} bad ones in a row count",
        ("Stream", "Measured", "Bad", "At the end", "Last answer"),
        rows,
        numbers=(1, 2),
        heads=True,
    )


def _evidence(watch: Mapping[str, Any]) -> Html:
    last = next((look for look in reversed(watch["looks"]) if look.get("evidence")), None)
    if last is None or watch["slot"]:
        return Html("")
    rows = []
    needed = watch["needed"] or {}
    for key, meaning, parts in _EVIDENCE:
        found = last["evidence"].get(key)
        found = found if isinstance(found, Mapping) else {"together": found}
        values = [number(found.get(part)) for part in parts]
        together, limit = values[-1], needed.get(key)
        reached = together is not None and limit is not None and together >= limit
        tone = ("good" if key == "safe" else "bad") if reached else "quiet"
        rows.append(
            (
                key,
                meaning,
                *(_value(value) for value in values),
                NONE if limit is None else f"{limit:g}",
                "" if limit is None else _meter(together, limit, tone),
                "" if together is None or key == "safe" else f"p ≤ {_chance(together)}",
            )
        )
    leading = last["evidence"].get("leading")
    caption = "Evidence at the last look" + (f"; most of it from {leading}" if leading else "")
    titles = ("", "Evidence", "Errors", "Latency", "Health", "Together", "Needed", "", "")
    return table(caption, titles, rows, numbers=(2, 3, 4, 5, 6), heads=True)


def _value(value: float | None) -> str:
    if value is None:
        return NONE
    if math.isinf(value):
        return "∞"
    return f"{value:,.0f}" if 100 <= value < 1e6 else f"{value:.2g}"  # noqa: PLR2004 - readable


def _chance(evidence: float) -> str:
    if evidence <= 1:
        return "1"
    return f"{1 / evidence:.2g}" if math.isfinite(evidence) else "0"


def _meter(value: float | None, limit: float, tone: str) -> Html:
    """Return how far *value* has come to *limit*, both from 1, on a scale of powers."""
    share = 0.0
    if value is not None and value > 1:
        share = min(math.log(min(value, 1e300)) / math.log(limit), 1.0)
    mark = tag("i", style=f"width:{100 * share:.1f}%")
    return tag(
        "span", mark, class_=f"meter {tone}", role="img", aria_label=f"{share:.0%} of the way"
    )


def _verdicts(document: Mapping[str, Any], watch: Mapping[str, Any]) -> Html:
    """Return every change of the verdict, with the reasons that the policies gave."""
    decided = [each for each in document["decisions"] if each["decision"].get("gate") == "canary"]
    if decided:
        begun = parse_time(watch["looks"][0]["time"]) if watch["looks"] else None
        return table(
            "What the policies said, whenever it changed",
            ("At", "Verdict", "Code", "Why", "What to do"),
            [row for each in decided for row in _decided(each["decision"], begun)],
            prose=True,
        )
    rows = []
    before: tuple[Any, ...] = ()
    for look in watch["looks"]:
        now = (look["verdict"] or look["outcome"], tuple(look["codes"]))
        if now != before:
            rows.append(
                (
                    clock(float(look["at"])),
                    _verdict(now[0], "quiet"),
                    joined(tag("div", code(each)) for each in look["codes"]),
                    look["reason"],
                )
            )
        before = now
    titles = ("At", "Verdict", "Codes", "Why")
    return table("Verdicts, whenever they changed", titles, rows, prose=True)


def _decided(decision: Mapping[str, Any], begun: datetime | None) -> list[tuple[Any, ...]]:
    """Return one decision as rows, one for each finding."""
    at = str(decision.get("at") or "")
    when: Any = stamp(at)
    if begun is not None and at:
        when = clock(max((parse_time(at) - begun).total_seconds(), 0.0))
    said = str(decision.get("verdict") or decision.get("outcome") or "")
    findings = [FindingRow.of(item) for item in decision.get("findings") or ()]
    first = (when, _verdict(said, "quiet" if said in _GOING_ON else "warn"))
    rows = [
        (*(("", "") if index else first), code(item.code), item.message, item.solution)
        for index, item in enumerate(findings)
    ]
    return rows or [(*first, "", "", "")]


def _looks(watch: Mapping[str, Any]) -> Html:
    looks: Sequence[Mapping[str, Any]] = watch["looks"]
    if not looks:
        return Html("")
    compared = not watch["slot"] and any(look.get("evidence") for look in looks)
    titles = ["At", "Weight", "Requests", "stable", "Error rate", "stable", "p99", "stable"]
    titles += ["worse", "beyond", "safe"] if compared else []
    titles += ["Bad in a row", "Verdict"]
    rows = [_look(look, compared=compared) for look in looks]
    columns = range(len(titles) - 2)
    every = table("Every look", titles, rows, numbers=tuple(columns))
    return tag("details", tag("summary", f"Every look ({len(looks)})"), every)


def _look(look: Mapping[str, Any], *, compared: bool) -> tuple[Any, ...]:
    canary, stable = look["canary"] or {}, look["stable"] or {}
    row: list[Any] = [clock(float(look["at"])), f"{look['weight']:g} %"]
    for key, shown in (("requests", _count), ("error_rate", percent), ("p99_ms", milliseconds)):
        row += [shown(number(canary.get(key))), shown(number(stable.get(key)))]
    if compared:
        for name in EVIDENCE:
            found = (look.get("evidence") or {}).get(name)
            together = found.get("together") if isinstance(found, Mapping) else found
            row.append(_value(number(together)))
    verdict = look["verdict"] or look["outcome"]
    streaks = [
        f"{name} {look['streams'][key]['streak']}"
        for key, name in _STREAMS.items()
        if (look["streams"].get(key) or {}).get("streak")
    ]
    return (*row, ", ".join(streaks), _WORDS.get(verdict, verdict))


def _count(value: float | None) -> str:
    return NONE if value is None else count(value)
