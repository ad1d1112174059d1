"""A canary while it is watched: small charts of both sides, evidence, and what would happen now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sluiceway.analysis.looks import looks_of
from sluiceway.console.canary import Look
from sluiceway.console.page import Block, Cell, Column, Grid, Line, Pairs, Tone, cell
from sluiceway.console.report.curves import number
from sluiceway.console.sparks import bar, powers, spark, tallest
from sluiceway.console.text import NONE, count, duration, milliseconds, percent
from sluiceway.model import rfc3339, to_json

__all__ = ["Watched"]

_MOST = 240
"""Looks that are kept: more than the widest terminal shows."""
_LEAST, _WIDEST = 8, 60
"""Cells of a chart."""
_BESIDE = 42
"""Cells of a line that are no chart: name, side, number and the gaps between them."""
_WORDS = {
    "": "goes on",
    "continue": "goes on",
    "extend": "watch longer: not certain yet",
    "hold": "hold the weight, promote nothing",
    "promote": "promote",
    "rollback": "roll back",
}
_TONES = {"hold": Tone.WARN, "extend": Tone.WARN, "promote": Tone.GOOD, "rollback": Tone.BAD}


class Watched:
    """The looks of one watch, as they come."""

    def __init__(self) -> None:
        self._looks: tuple[Mapping[str, Any], ...] = ()  # replaced whole: it is drawn meanwhile
        self._before: Mapping[str, Any] | None = None

    def add(self, data: Mapping[str, Any], at: datetime) -> None:
        """Take in the data of a ``canary.tick`` event of the moment *at*."""
        document: Any = to_json(dict(data))
        began = at - timedelta(seconds=float(data.get("elapsed") or 0.0))
        value = {**document, "at": rfc3339(at), "started_at": rfc3339(began)}
        limits = document.get("limits") or {}
        values = [value] if self._before is None else [self._before, value]
        looks, _ = looks_of(values, limits)
        self._before = value
        if looks:
            self._looks = (*self._looks, looks[-1])[-_MOST:]

    def page(self, look: Look, since: float, width: int, *, symbols: bool) -> list[Block]:
        """Return the watch as it stands *since* seconds after its last look.

        Args:
            look: The last look.
            since: Seconds since it.
            width: Cells of a line.
            symbols: Whether more than ASCII may be written.
        """
        room = min(max(width - _BESIDE, _LEAST), _WIDEST)
        rows = [*self._sides(look, room, symbols=symbols), *self._evidence(room, symbols=symbols)]
        grid = Grid(
            columns=(
                Column(title="", minimum=8),
                Column(title="", minimum=6),
                Column(title="", minimum=room),
                Column(title="", minimum=7, right=True),
            ),
            rows=tuple(rows),
        )
        return [
            Line.of(self._title(look), Tone.STRONG),
            grid,
            Pairs.of(self._pairs(look, since)),
            *self._now(look),
        ]

    def _title(self, look: Look) -> str:
        title = f"{look.title[:1].upper()}{look.title[1:]}"
        return f"{title}, {_weight(look, self._last)}"

    @property
    def _last(self) -> Mapping[str, Any]:
        return self._looks[-1] if self._looks else {}

    def _sides(self, look: Look, room: int, *, symbols: bool) -> list[tuple[Cell, ...]]:
        limits = look.limits
        rows: list[tuple[Cell, ...]] = []
        for name, key, limit, unit, shown in (
            ("error rate", "error_rate", limits.error_rate_threshold, "%", percent),
            ("p99", "p99_ms", limits.latency_p99_threshold_ms, "ms", milliseconds),
        ):
            both = {side: self._series(side, key) for side in ("canary", "stable")}
            top = tallest(both.values(), limit)
            names = {"canary": look.side, "stable": "" if look.soaked else "stable"}
            for side, label in (("canary", name), ("stable", f"limit {limit:g} {unit}")):
                values = both[side]
                last = values[-1] if values else None
                over = last is not None and last > limit
                tone = Tone.BAD if over else Tone.GOOD if side == "canary" else Tone.DIM
                rows.append(
                    (
                        cell(label, Tone.STRONG if side == "canary" else Tone.DIM),
                        cell(names[side], Tone.PLAIN if side == "canary" else Tone.DIM),
                        Cell(text=spark(values, room, top, symbols=symbols), tone=tone),
                        cell(shown(last) if names[side] else "", tone),
                    )
                )
        return rows

    def _series(self, side: str, key: str) -> list[float | None]:
        return [number((look.get(side) or {}).get(key)) for look in self._looks]

    def _evidence(self, room: int, *, symbols: bool) -> list[tuple[Cell, ...]]:
        found, needed = self._last.get("evidence") or {}, self._last.get("needed") or {}
        rows: list[tuple[Cell, ...]] = []
        for label, side, key, part in (
            ("worse", "", "worse", "together"),
            ("beyond", "", "beyond", "together"),
            ("certificate", "errors", "safe", "errors"),
            ("", "p99", "safe", "latency"),
        ):
            values, limit = found.get(key), needed.get(key)
            value = number(values.get(part)) if isinstance(values, Mapping) else None
            if value is None or limit is None:  # a rule that compares nothing asks for none
                continue
            good = key == "safe"
            reached = Tone.GOOD if good else Tone.BAD
            tone = reached if value >= limit else Tone.DIM if good else Tone.PLAIN
            filled = bar(powers(value, limit), room, symbols=symbols)
            said = f"{_short(value)} of {limit:g}"
            rows.append((cell(label), cell(side), Cell(text=filled, tone=tone), cell(said, tone)))
        return rows

    def _pairs(self, look: Look, since: float) -> list[tuple[str, Any]]:
        watch, limits = look.watch, look.limits
        canary = watch.canary.total.requests if watch.canary else 0
        stable = watch.stable.total.requests if watch.stable else None
        beside = NONE if stable is None else count(stable)
        bad = [
            f"{name} {stream.streak} of {limits.consecutive}"
            for name, stream in (
                ("error rate", watch.errors),
                ("p99", watch.latency),
                ("health", watch.health),
                ("looks", watch.sight),
            )
            if stream.streak
        ]
        left = max(look.remaining - since, 0.0)
        due = max(limits.interval_seconds - since, 0.0)
        return [
            (
                "requests",
                count(canary) if look.soaked else f"canary {count(canary)}, stable {beside}",
            ),
            ("bad in a row", cell(", ".join(bad), Tone.WARN) if bad else cell("none", Tone.GOOD)),
            ("next look", f"in {round(due)} s, {duration(round(left))} left"),
        ]

    def _now(self, look: Look) -> list[Block]:
        verdict = str(self._last.get("verdict") or "")
        reason = str(self._last.get("reason") or "")
        tone = _TONES.get(verdict, Tone.PLAIN)
        said = _WORDS.get(verdict, verdict)
        lines: list[Block] = [Line.of(f"now: {said}", tone)]
        if verdict in _TONES and reason:
            lines.append(Line.of(reason, Tone.DIM, 2))
        missing = self._missing(look)
        if missing and verdict != "rollback":
            lines.append(Line.of(f"to be promoted it needs {', '.join(missing)}", Tone.DIM, 2))
        return lines

    def _missing(self, look: Look) -> list[str]:
        """Return what is still wanting before it could be promoted, by its numbers."""
        watch, limits = look.watch, look.limits
        found: list[str] = []
        if look.remaining > 0:
            found.append("more time")
        if watch.good_requests < limits.minimum_requests:
            found.append(f"{limits.minimum_requests - watch.good_requests} good requests more")
        safe = (self._last.get("evidence") or {}).get("safe")
        wanted = (self._last.get("needed") or {}).get("safe")
        if isinstance(safe, Mapping) and wanted is not None:
            wanting = [
                name
                for name, part in (("errors", "errors"), ("p99", "latency"))
                if (number(safe.get(part)) or 0.0) < wanted
            ]
            found += [f"the certificate of {' and '.join(wanting)}"] if wanting else []
        return found


def _weight(look: Look, last: Mapping[str, Any]) -> str:
    step = last.get("step") or {}
    weight = f"{look.weight:g} % of the traffic"
    if int(step.get("count") or 1) > 1:
        weight += f", step {int(step['index']) + 1} of {step['count']}"
    return weight


def _short(value: float) -> str:
    if value >= 1e4:  # noqa: PLR2004 - beyond that only the power matters
        return f"{value:.0e}".replace("e+0", "e").replace("e+", "e")
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"  # noqa: PLR2004 - two digits
