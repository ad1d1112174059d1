"""Series as charts: pure functions from numbers to SVG text. No script, no file, no clock.

A chart is one ``<svg>`` that stands inside an HTML page with :data:`STYLE` in its ``<style>``, or
by itself (``svg(chart, alone=True)``). Colours follow the reader's light or dark scheme, every curve
has its own dashes and its name at its end (nothing is told by colour alone), and every text is
escaped: names and labels may be a stranger's.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from enum import StrEnum

from sluiceway.console.text import clean
from sluiceway.record import Record

__all__ = ["STYLE", "Band", "Chart", "Curve", "Dot", "Limit", "Mark", "Tone", "clock", "svg"]

STYLE = """
.chart{--ink:#1f2328;--faint:#59636e;--grid:#d9dee3;--paper:#fff;--ink0:#b8460e;--ink1:#0b5fb0;
--ink2:#1a7f4e;--ink3:#8250a8;--ink4:#7a5b00;--ink5:#a3175b;--bad:#c0141d;--good:#157a3c;
--warn:#8a5a00;font:11px system-ui,sans-serif;display:block;width:100%;height:auto}
@media (prefers-color-scheme:dark){.chart{--ink:#e6edf3;--faint:#9aa5b1;--grid:#30373f;
--paper:#14181d;--ink0:#ff9350;--ink1:#6cb2ff;--ink2:#56d08a;--ink3:#cfa3f2;--ink4:#e0bf5a;
--ink5:#ff8ab8;--bad:#ff7b78;--good:#56d08a;--warn:#e8b84a}}
@media print{.chart{--ink:#000;--faint:#333;--grid:#ccc;--paper:#fff;--ink0:#b8460e;--ink1:#0b5fb0;
--ink2:#1a7f4e;--ink3:#8250a8;--ink4:#7a5b00;--ink5:#a3175b;--bad:#c0141d;--good:#157a3c;
--warn:#8a5a00}}
.chart text{fill:var(--faint)}.chart .title{fill:var(--ink);font-weight:600;font-size:12px}
.chart .grid{stroke:var(--grid);stroke-width:1}.chart .axis{stroke:var(--faint);stroke-width:1}
.chart .curve{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.chart .k0{stroke:var(--ink0)}.chart .k1{stroke:var(--ink1);stroke-dasharray:7 4}
.chart .k2{stroke:var(--ink2);stroke-dasharray:2 4}.chart .k3{stroke:var(--ink3)}
.chart .k4{stroke:var(--ink4);stroke-dasharray:9 3 2 3}.chart .k5{stroke:var(--ink5);stroke-dasharray:4 3}
.chart .f0{fill:var(--ink0)}.chart .f1{fill:var(--ink1)}.chart .f2{fill:var(--ink2)}
.chart .f3{fill:var(--ink3)}.chart .f4{fill:var(--ink4)}.chart .f5{fill:var(--ink5)}
.chart .name{font-weight:600}.chart .halo{paint-order:stroke;stroke:var(--paper);stroke-width:3px}
.chart .limit{stroke-width:1.2;stroke-dasharray:3 3}.chart .limit-name.bad{fill:var(--bad)}
.chart .limit-name.good{fill:var(--good)}.chart .limit-name.warn{fill:var(--warn)}.chart .hit{fill:transparent;stroke:none}
.chart .mark{stroke-width:1.2}.chart :is(line,circle).plain{stroke:var(--faint)}
.chart :is(line,circle).good{stroke:var(--good)}.chart :is(line,circle).bad{stroke:var(--bad)}
.chart :is(line,circle).warn{stroke:var(--warn)}.chart .mark-name.good{fill:var(--good)}
.chart .mark-name.bad{fill:var(--bad)}.chart .mark-name.warn{fill:var(--warn)}
.chart .halo{stroke:var(--paper)}.chart .dot{fill:var(--paper);stroke-width:2}
.chart .band{stroke:none;fill:var(--faint);opacity:.1}.chart .band.bad{fill:var(--bad)}
.chart .band.warn{fill:var(--warn)}.chart .band.good{fill:var(--good)}
""".strip()
"""What the classes of a chart look like, light, dark and on paper."""

_WIDTH, _HEIGHT = 520, 210
_LEFT, _RIGHT, _BOTTOM, _TOP = 46, 104, 24, 28
_LANE = 13
"""Pixels between two lines of text."""
_LETTER = 5.8
"""Pixels of an average letter at 11 pixels: for keeping labels apart, never for layout."""
_INKS = 6
_FAR = 3.0
"""A limit this many times above everything measured is named, and not drawn to scale."""
_MOST, _LOG_MOST = 1e15, 1e9
"""Where an axis ends at the latest: evidence may be 1e300, and its limit should still be seen."""
_MOST_LANES = 4
_WHOLE = 100.0
_LONGEST_NAME = 12
_DOTS = 90
"""More points than that are drawn as a line alone."""
_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)


class Tone(StrEnum):
    """What a mark means."""

    PLAIN = "plain"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


class Curve(Record):
    """One series."""

    name: str
    points: tuple[tuple[float, float | None], ...]
    """(seconds, value) in order; ``None`` is a gap, infinity is above everything."""
    ink: int = 0
    """0 to 5: colour and dashes. Of two sides, the canary is 0 and stable 1."""
    stepped: bool = False
    """The value holds until the next one: a weight."""


class Limit(Record):
    """A horizontal line that a curve is compared with."""

    value: float
    name: str
    tone: Tone = Tone.BAD
    """What it means to be above it."""


class Mark(Record):
    """A moment: a vertical line with a name."""

    at: float
    name: str
    tone: Tone = Tone.PLAIN


class Dot(Record):
    """One point that deserves a look."""

    at: float
    value: float
    name: str
    """Read out, and shown under the pointer."""
    tone: Tone = Tone.BAD


class Band(Record):
    """A stretch of time: a warm-up, a hold."""

    start: float
    end: float
    name: str
    tone: Tone = Tone.PLAIN


class Chart(Record):
    """What :func:`svg` draws."""

    title: str
    unit: str = ""
    """``%``, ``ms``, or nothing."""
    curves: tuple[Curve, ...] = ()
    limits: tuple[Limit, ...] = ()
    marks: tuple[Mark, ...] = ()
    dots: tuple[Dot, ...] = ()
    bands: tuple[Band, ...] = ()
    until: float = 0.0
    """The horizontal axis goes from 0 at least this far."""
    log: bool = False
    """Powers of ten; what is below *floor* (zero as well) is drawn at it."""
    floor: float = 0.01
    whole: bool = False
    """Values are counts."""
    elapsed: bool = True
    """The horizontal axis is time (seconds); otherwise plain numbers."""


def clock(seconds: float) -> str:
    """Return a moment of a watch in the shortest words: ``40 s``, ``2:30``, ``1:05:00``."""
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def svg(chart: Chart, *, alone: bool = False) -> str:
    """Return *chart* as one ``<svg>`` element.

    Args:
        chart: What to draw.
        alone: The text is a file of its own: it carries :data:`STYLE` itself.
    """
    return _Drawing(chart).text(alone=alone)


class _Drawing:
    """The scales of one chart, and its parts as text."""

    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        self.lanes, lanes = _lanes(chart)
        self.top = _TOP + _LANE * lanes
        self.height = _HEIGHT + _LANE * lanes
        self.bottom = self.height - _BOTTOM
        self.right = _WIDTH - _RIGHT
        moments = [at for curve in chart.curves for at, _ in curve.points]
        moments += [mark.at for mark in chart.marks] + [band.end for band in chart.bands]
        self.until = max([chart.until, *moments]) or 1.0
        values = [
            value
            for curve in chart.curves
            for _, value in curve.points
            if value is not None and math.isfinite(value)
        ]
        self.measured = any(
            value is not None for curve in chart.curves for _, value in curve.points
        )
        self.drawn = tuple(
            limit
            for limit in chart.limits
            if chart.log or not any(values) or limit.value <= _FAR * max(values)
        )
        self.far = tuple(limit for limit in chart.limits if limit not in self.drawn)
        low, high, self.ticks = _scale(
            chart, max([*values, *(limit.value for limit in self.drawn), 0.0])
        )
        self.low, self.high = low, high
        if not self.measured:
            self.ticks = (low,)

    def text(self, *, alone: bool) -> str:
        parts = [*self._bands(), *self._grid(), *self._limits(), *self._marks()]
        parts += [*self._curves(), *self._dots(), *self._names()]
        if not self.measured:
            middle = (_LEFT + self.right) / 2
            parts.append(_text(middle, (self.top + self.bottom) / 2, "nothing measured", "middle"))
        title = f"{self.chart.title} ({self.chart.unit})" if self.chart.unit else self.chart.title
        parts.append(_text(0, 14, title, "start", "title"))
        style = f"<style>{STYLE}</style>" if alone else ""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" '
            f'viewBox="0 0 {_WIDTH} {self.height}" aria-label="{_escaped(self._words())}">'
            f"{style}{''.join(parts)}</svg>"
        )

    # --- scales ---

    def x(self, at: float) -> float:
        return _LEFT + (self.right - _LEFT) * min(max(at / self.until, 0.0), 1.0)

    def y(self, value: float) -> float:
        if math.isinf(value):
            share = 1.0 if value > 0 else 0.0
        elif self.chart.log:
            held = max(value, self.low)
            share = math.log(held / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.bottom - (self.bottom - self.top) * min(max(share, 0.0), 1.0)

    def _moment(self, at: float) -> str:
        return clock(at) if self.chart.elapsed else f"{at:g}"

    def _value(self, value: float) -> str:
        if math.isinf(value):
            return "beyond"
        words = f"{value:,.0f}" if self.chart.whole else _number(value)
        return f"{words} {self.chart.unit}".rstrip()

    # --- parts ---

    def _bands(self) -> Iterable[str]:
        for band in self.chart.bands:
            left, right = self.x(band.start), self.x(band.end)
            yield (
                f'<rect class="band {band.tone}" x="{left:.1f}" y="{self.top}" '
                f'width="{max(right - left, 0.5):.1f}" height="{self.bottom - self.top}">'
                f"<title>{_escaped(band.name)}</title></rect>"
            )
            yield _text(left + 4, self.bottom - 5, band.name, "start")

    def _grid(self) -> Iterable[str]:
        for value in self.ticks:
            height = self.y(value)
            kind = "axis" if value == self.low else "grid"
            yield _line(_LEFT, height, self.right, height, kind)
            yield _text(_LEFT - 6, height + 4, _tick(value, log=self.chart.log), "end")
        for at in _moments(self.until, clocked=self.chart.elapsed):
            yield _line(self.x(at), self.bottom, self.x(at), self.bottom + 4, "axis")
            yield _text(self.x(at), self.bottom + 16, self._moment(at), "middle")

    def _limits(self) -> Iterable[str]:
        for limit in self.drawn:
            height = self.y(limit.value)
            yield _line(_LEFT, height, self.right, height, f"limit {limit.tone}")
            kind = f"limit-name {limit.tone} halo"
            yield _text(_LEFT + 5, height - 4, limit.name, "start", kind)
        if self.far:
            words = ", ".join(limit.name for limit in self.far)
            yield _text(_WIDTH, 14, f"{words}: far above", "end", f"limit-name {self.far[0].tone}")

    def _marks(self) -> Iterable[str]:
        placed = list(zip(self.chart.marks, self.lanes, strict=True))
        for mark, lane in placed:
            across = self.x(mark.at)
            height = _TOP + _LANE * lane
            yield _line(across, height - 8, across, self.bottom, f"mark {mark.tone}")
        for mark, lane in placed:  # over every line
            across = self.x(mark.at)
            after = across < (_LEFT + self.right) / 2
            kind = f"mark-name {mark.tone} halo"
            place = across + (4 if after else -4)
            yield _text(place, _TOP + _LANE * lane, mark.name, "start" if after else "end", kind)

    def _curves(self) -> Iterable[str]:
        for curve in self.chart.curves:
            ink = curve.ink % _INKS
            path = self._path(curve)
            if path:
                yield f'<path class="curve k{ink}" d="{path}"/>'
            seen = [(at, value) for at, value in curve.points if value is not None]
            if len(seen) > _DOTS:
                continue
            for at, value in seen:
                words = f"{curve.name} at {self._moment(at)}: {self._value(value)}"
                place = f'cx="{self.x(at):.1f}" cy="{self.y(value):.1f}"'
                yield f'<circle class="f{ink}" {place} r="{1 if curve.stepped else 1.8}"/>'
                yield f'<circle class="hit" {place} r="7"><title>{_escaped(words)}</title></circle>'

    def _path(self, curve: Curve) -> str:
        words: list[str] = []
        down = False
        for at, value in curve.points:
            if value is None:
                down = False
                continue
            across, height = f"{self.x(at):.1f}", f"{self.y(value):.1f}"
            if down and curve.stepped:
                words.append(f"H{across}V{height}")
            else:
                words.append(f"{'L' if down else 'M'}{across} {height}")
            down = True
        return "".join(words)

    def _dots(self) -> Iterable[str]:
        for dot in self.chart.dots:
            words = f"{dot.name} ({self._moment(dot.at)}, {self._value(dot.value)})"
            yield (
                f'<circle class="dot {dot.tone}" cx="{self.x(dot.at):.1f}" '
                f'cy="{self.y(dot.value):.1f}" r="4"><title>{_escaped(words)}</title></circle>'
            )

    def _names(self) -> Iterable[str]:
        """Each curve's name and last value beside its end, pushed apart where they would overlap."""
        ends = []
        for curve in self.chart.curves:
            last = next((point for point in reversed(curve.points) if point[1] is not None), None)
            if last is not None and last[1] is not None:
                ends.append((self.y(last[1]), self.x(last[0]), curve, last[1]))
        ends.sort(key=lambda end: end[0])
        heights = _apart([end[0] for end in ends], _LANE, self.top, self.bottom)
        for height, (_, across, curve, value) in zip(heights, ends, strict=True):
            words = f"{_cut(curve.name)} {self._value(value)}"
            place = min(across + 8, self.right + 8)
            yield _text(place, height + 4, words, "start", f"name halo f{curve.ink % _INKS}")

    def _words(self) -> str:
        """What the picture shows, for whoever cannot see it."""
        parts = [self.chart.title]
        for curve in self.chart.curves:
            values = [value for _, value in curve.points if value is not None]
            if values:
                low, high = self._value(min(values)), self._value(max(values))
                last = self._value(values[-1])
                parts.append(f"{curve.name} between {low} and {high}, {last} at the end")
            else:
                parts.append(f"{curve.name} not measured")
        parts += [limit.name for limit in self.chart.limits]
        parts += [f"{mark.name} at {self._moment(mark.at)}" for mark in self.chart.marks]
        return "; ".join(parts)


def _scale(chart: Chart, most: float) -> tuple[float, float, tuple[float, ...]]:
    """Return the lowest and highest value of the vertical axis and the values to name."""
    if chart.log:
        first = math.floor(math.log10(chart.floor) + 1e-9)
        most = min(max(most, chart.floor), _LOG_MOST)
        last = max(math.floor(math.log10(most) + 1e-9) + 1, first + 2)
        step = max(1, math.ceil((last - first) / 6))
        ticks = tuple(10.0**power for power in range(first, last + 1, step))
        return 10.0**first, 10.0**last, ticks
    wanted = min(most, _MOST) * 1.12
    if wanted < 1 / _MOST:
        wanted = 1.0
    size = _step(wanted, 4)
    if chart.whole:
        size = max(1.0, math.ceil(size))
    steps = max(1, math.ceil(wanted / size - 1e-9))
    if chart.unit == "%" and most <= _WHOLE < size * steps:
        size, steps = _WHOLE / 4, 4  # no share is more than the whole
    return 0.0, size * steps, tuple(size * number for number in range(steps + 1))


def _step(whole: float, parts: int) -> float:
    """Return a round step that divides *whole* into about *parts*."""
    rough = whole / parts
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * each for each in _ROUND if power * each >= rough * 0.999)


def _moments(until: float, *, clocked: bool) -> Iterable[float]:
    if clocked:
        sizes = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400)
        size = float(next((each for each in sizes if until / each <= 6), until / 6))  # noqa: PLR2004
    else:
        size = _step(until, 5)
    for number in range(int(until / size + 1e-6) + 1):
        yield size * number


def _lanes(chart: Chart) -> tuple[tuple[int, ...], int]:
    """Return for each mark the line that its name stands on, and how many lines are needed."""
    until = max([chart.until, *(at for curve in chart.curves for at, _ in curve.points), 1e-9])
    until = max([until, *(mark.at for mark in chart.marks)])
    taken: list[list[tuple[float, float]]] = []
    found: list[int] = []
    for mark in chart.marks:
        across = (_WIDTH - _LEFT - _RIGHT) * mark.at / until
        size = _LETTER * len(mark.name) + 10
        after = across < (_WIDTH - _LEFT - _RIGHT) / 2
        span = (across, across + size) if after else (across - size, across)
        lane = 0
        while lane < len(taken) and lane < _MOST_LANES - 1:
            if all(span[1] <= start or end <= span[0] for start, end in taken[lane]):
                break
            lane += 1
        if lane == len(taken):
            taken.append([])
        taken[lane].append(span)
        found.append(lane)
    return tuple(found), len(taken)


def _apart(heights: Sequence[float], gap: float, top: float, bottom: float) -> list[float]:
    """Return *heights* (rising) moved so that no two are closer than *gap*."""
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + gap) if placed else max(height, top))
    over = (placed[-1] - bottom) if placed else 0.0
    if over > 0:  # too low: move the last up, and whoever is in its way
        edge = bottom
        for number in range(len(placed) - 1, -1, -1):
            placed[number] = min(placed[number], edge)
            edge = placed[number] - gap
    return placed


def _cut(name: str) -> str:
    """Return *name* as far as there is room beside a chart; the whole one is read out."""
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def _number(value: float) -> str:
    """Return *value* with three digits that count."""
    size = abs(value)
    if size >= 1e6:  # noqa: PLR2004 - beyond a million, only the power matters
        return f"{value:.1e}".replace("e+0", "e").replace("e+", "e")
    if size >= 100:  # noqa: PLR2004
        return f"{value:,.0f}"
    if 0 < size < 0.01:  # noqa: PLR2004
        return f"{value:.0e}".replace("e-0", "e-")
    return f"{value:.3g}"


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _tick(value: float, *, log: bool) -> str:
    if log and not 0.01 <= value <= 1000:  # noqa: PLR2004 - in between, plain numbers are shorter
        return "10" + str(round(math.log10(value))).translate(_RAISED)
    return f"{value:,.10g}"


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, words: str, anchor: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_escaped(words)}</text>'


def _escaped(words: str) -> str:
    return html.escape(clean(words).replace("\n", " "), quote=True)
