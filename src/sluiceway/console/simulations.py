"""A simulation as a page for a terminal, and as one page of HTML with its curves."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway.console.charts import STYLE, Chart, Curve, Limit, clock, svg
from sluiceway.console.page import Block, Cell, Column, Grid, Line, Pairs, Tone, cell
from sluiceway.console.text import NONE, clean, count

__all__ = ["simulation_html", "simulation_page"]

_BARS = "▁▂▃▄▅▆▇█"
_PLAIN_BARS = "_.-:=+*#"
_WIDTH = 30
_TOO_MANY = 0.01
_ENOUGH = 0.9
_INKS = 6


def simulation_page(found: Mapping[str, Any], *, symbols: bool) -> list[Block]:
    """Return the numbers of `simulate`, with the curve of rollbacks as a line of bars."""
    page: list[Block] = [
        Line.of(_title(found), Tone.STRONG),
        Line.of(""),
        Pairs.of(_conditions(found)),
        Line.of(""),
    ]
    if "replayed" in found:
        return [*page, *_replayed(found["replayed"], symbols=symbols)]
    scenarios = found["scenarios"]
    grid = Grid(
        columns=(
            Column(title="Canary"),
            Column(title="Rolled back", right=True),
            Column(title="Median", right=True),
            Column(title="p90", right=True),
            Column(title="Promoted", right=True),
            Column(title="Given up", right=True),
        ),
        rows=tuple(_row(each) for each in scenarios),
    )
    curves = Grid(
        columns=(
            Column(title=""),
            Column(title=f"Rolled back, from 0 to {clock(_until(found))}", minimum=_WIDTH),
            Column(title="", minimum=12),
        ),
        rows=tuple(
            (
                cell(each["name"]),
                cell(bars(each["curve"]["rolled_back"], symbols=symbols)),
                cell(each["words"], Tone.DIM),
            )
            for each in scenarios
        ),
    )
    page += [grid, Line.of(""), curves]
    page += [
        Line.of(""),
        Line.of(
            "Given up: taken back because the deadline passed without enough evidence that it is "
            "safe. In brackets: 95 % intervals.",
            Tone.DIM,
        ),
    ]
    page += [Line.of(text, Tone.WARN) for text in found["advice"]]
    return page


def _title(found: Mapping[str, Any]) -> str:
    if "replayed" in found:
        return f"Canary of run {found['replayed']['run']}, decided again"
    return (
        f"{found['scenarios'][0]['runs']} simulated canaries with nothing wrong, and what faults do"
    )


def _conditions(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    parameters, items = found["parameters"], []
    if "traffic" in found:
        traffic = found["traffic"]
        service = f"{traffic['rps']:g} rps with {traffic['error_percent']:g} % errors"
        requests, shortest = (
            count(round(traffic["canary_requests"])),
            clock(parameters["duration_seconds"]),
        )
        items = [
            ("traffic", f"{service}; weather {traffic['weather']}: {traffic['words']}"),
            ("canary", f"{_weights(parameters)} of it: {requests} requests in {shortest}"),
        ]
    rule = f"{parameters['rule']}, profile {parameters['profile']}, limits {parameters['limits']}"
    least, most = clock(parameters["duration_seconds"]), clock(parameters["deadline_seconds"])
    return [
        *items,
        ("rule", rule),
        ("time", f"{least}, at most {most} for each step"),
        ("decided by", found["decided_by"]["words"]),
    ]


def _weights(parameters: Mapping[str, Any]) -> str:
    steps = parameters["steps"] or [parameters["traffic_percent"]]
    return ", ".join(f"{each:g} %" for each in steps)


def _row(each: Mapping[str, Any]) -> tuple[Cell, ...]:
    healthy = each["name"] == "healthy"
    rolled, promoted = each["rolled_back"], each["promoted"]
    if healthy:
        tone = Tone.BAD if rolled["share"] > _TOO_MANY else Tone.GOOD
    else:
        tone = Tone.GOOD if rolled["share"] >= _ENOUGH else Tone.WARN
    missed = Tone.BAD if not healthy and promoted["share"] > _TOO_MANY else Tone.PLAIN
    return (
        cell(each["name"], Tone.STRONG if healthy else Tone.PLAIN),
        cell(_share(rolled), tone),
        cell(_seconds(each["median"])),
        cell(_seconds(each["p90"])),
        cell(f"{100 * promoted['share']:.1f} %", missed),
        cell(f"{100 * each['given_up']['share']:.1f} %"),
    )


def _share(counted: Mapping[str, Any]) -> str:
    return (
        f"{100 * counted['share']:.1f} % ({100 * counted['low']:.1f}-{100 * counted['high']:.1f})"
    )


def _seconds(value: float | None) -> str:
    return NONE if value is None else clock(value)


def bars(shares: Sequence[float], *, symbols: bool, width: int = _WIDTH) -> str:
    """Return a curve of shares from 0 to 1 as a line of bars; nothing is a space."""
    marks = _BARS if symbols else _PLAIN_BARS
    if not shares:
        return ""
    at = [shares[min(len(shares) - 1, place * len(shares) // width)] for place in range(width)]
    return "".join(
        marks[min(len(marks) - 1, int(share * len(marks)))] if share > 0 else " " for share in at
    )


def _until(found: Mapping[str, Any]) -> float:
    seconds: float = found["scenarios"][0]["curve"]["seconds"][-1]
    return seconds


def _replayed(replayed: Mapping[str, Any], *, symbols: bool) -> list[Block]:
    looks = replayed["looks"]
    rows = tuple(
        (
            cell(clock(look["seconds"])),
            cell(look["verdict"], _tone(look["verdict"])),
            cell(f"{look['worse']:.3g}"),
            cell(f"{look['beyond']:.3g}"),
            cell(f"{look['safe']:.3g}"),
            cell(", ".join(look["codes"])),
        )
        for look in _turns(looks)
    )
    grid = Grid(
        columns=(
            Column(title="After", right=True),
            Column(title="Verdict"),
            Column(title="Worse", right=True),
            Column(title="Beyond", right=True),
            Column(title="Safe", right=True),
            Column(title="Why"),
        ),
        rows=rows,
    )
    recorded = replayed["recorded"]
    curve = [min(1.0, max(0.0, math.log10(max(look["worse"], 1.0)) / 2.0)) for look in looks]
    return [
        grid,
        Line.of(""),
        Line.of(f"evidence that it is worse, 1 to 100: {bars(curve, symbols=symbols)}"),
        Line.of(
            f"Now {replayed['decided']['outcome']} after {clock(replayed['decided']['seconds'])}; "
            f"then {recorded['outcome']} after {clock(recorded['seconds'])}.",
            Tone.STRONG,
        ),
        *(Line.of(text, Tone.DIM) for text in replayed["notes"]),
    ]


def _turns(looks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the looks at which the verdict or its reasons changed, and the last."""
    found = [
        look
        for before, look in zip([None, *looks], looks, strict=False)
        if before is None
        or (before["verdict"], before["codes"]) != (look["verdict"], look["codes"])
    ]
    return found if found[-1] is looks[-1] else [*found, looks[-1]]


def _tone(verdict: str) -> Tone:
    return {"promote": Tone.GOOD, "rollback": Tone.BAD, "hold": Tone.WARN}.get(verdict, Tone.PLAIN)


# --- HTML -----------------------------------------------------------------------------------------

_STYLE = """
:root{color-scheme:light dark}body{font:14px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem
auto;padding:0 1rem;color:#1f2328;background:#fff}
@media (prefers-color-scheme:dark){body{color:#e6edf3;background:#14181d}}
h1{font-size:1.3rem}dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem}
dt{opacity:.7}dd{margin:0}table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:
tabular-nums}th,td{padding:.25rem .7rem;text-align:right;border-bottom:1px solid #8884}
th:first-child,td:first-child{text-align:left}.charts{display:grid;gap:1rem;
grid-template-columns:repeat(auto-fit,minmax(26rem,1fr))}.advice{border-left:4px solid #b8860b;
padding-left:.8rem}p.words{opacity:.75}
""".strip()


def simulation_html(found: Mapping[str, Any]) -> str:
    """Return `simulate`'s numbers and curves as one HTML page: no script, nothing from elsewhere."""
    parts = [f"<h1>{_escaped(_title(found))}</h1>", "<dl>"]
    parts += [
        f"<dt>{_escaped(label)}</dt><dd>{_escaped(value)}</dd>"
        for label, value in _conditions(found)
    ]
    parts.append("</dl>")
    if "replayed" in found:
        parts += [_table(_replayed_cells(found["replayed"])), _charts(_replayed_charts(found))]
    else:
        parts += [f'<p class="advice">{_escaped(text)}</p>' for text in found["advice"]]
        parts += [_table(_cells(found)), _charts(_scenario_charts(found))]
        parts += [
            f'<p class="words"><b>{_escaped(each["name"])}</b>: {_escaped(each["words"])}</p>'
            for each in found["scenarios"]
        ]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{_escaped(_title(found))}</title><style>{_STYLE}\n{STYLE}</style></head>"
        f"<body>\n{body}\n</body></html>\n"
    )


def _escaped(value: Any) -> str:
    return html.escape(clean(value))


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    lines = ["<table><thead><tr>", *(f"<th>{_escaped(each)}</th>" for each in head)]
    lines.append("</tr></thead><tbody>")
    lines += [
        "<tr>" + "".join(f"<td>{_escaped(each)}</td>" for each in row) + "</tr>" for row in body
    ]
    return "".join([*lines, "</tbody></table>"])


def _charts(charts: Sequence[Chart]) -> str:
    return '<div class="charts">' + "".join(svg(chart) for chart in charts) + "</div>"


def _cells(found: Mapping[str, Any]) -> list[list[str]]:
    head = ["Canary", "Runs", "Rolled back", "Median", "p90", "Promoted", "Given up"]
    return [
        head,
        *(
            [
                each["name"],
                str(each["runs"]),
                _share(each["rolled_back"]),
                _seconds(each["median"]),
                _seconds(each["p90"]),
                _share(each["promoted"]),
                _share(each["given_up"]),
            ]
            for each in found["scenarios"]
        ),
    ]


def _scenario_charts(found: Mapping[str, Any]) -> list[Chart]:
    healthy, *faults = found["scenarios"]
    charts = [
        Chart(
            title="Healthy canaries, %",
            curves=tuple(
                _curve(healthy, kind, name, ink, scale=100.0)
                for ink, (kind, name) in enumerate(
                    (
                        ("rolled_back", "rolled back"),
                        ("promoted", "promoted"),
                        ("given_up", "given up"),
                    )
                )
            ),
        )
    ]
    for start in range(0, len(faults), _INKS // 2):
        group = faults[start : start + _INKS // 2]
        names = ", ".join(each["name"] for each in group)
        charts.append(
            Chart(
                title=f"Rolled back, %: {names}",
                curves=tuple(
                    _curve(each, "rolled_back", each["name"], ink, scale=100.0)
                    for ink, each in enumerate(group)
                ),
            )
        )
    for kind, words, key in (("worse", "worse", 100.0), ("safe", "safe", 20.0)):
        charts.append(
            Chart(
                title=f"Median evidence that it is {words}",
                curves=tuple(
                    _curve(each, kind, each["name"], ink)
                    for ink, each in enumerate(found["scenarios"][:_INKS])
                ),
                limits=(Limit(value=key, name=f"needed: {key:g}"),),
                log=True,
            )
        )
    return charts


def _curve(each: Mapping[str, Any], kind: str, name: str, ink: int, *, scale: float = 1.0) -> Curve:
    points = zip(each["curve"]["seconds"], each["curve"][kind], strict=True)
    return Curve(name=name, points=tuple((at, scale * value) for at, value in points), ink=ink)


def _replayed_cells(replayed: Mapping[str, Any]) -> list[list[str]]:
    return [
        ["After", "Verdict", "Worse", "Beyond", "Safe", "Why"],
        *(
            [
                clock(look["seconds"]),
                look["verdict"],
                f"{look['worse']:.3g}",
                f"{look['beyond']:.3g}",
                f"{look['safe']:.3g}",
                ", ".join(look["codes"]),
            ]
            for look in _turns(replayed["looks"])
        ),
    ]


def _replayed_charts(found: Mapping[str, Any]) -> list[Chart]:
    looks = found["replayed"]["looks"]
    return [
        Chart(
            title="Evidence",
            curves=tuple(
                Curve(
                    name=name,
                    points=tuple((look["seconds"], look[name]) for look in looks),
                    ink=ink,
                )
                for ink, name in enumerate(("worse", "beyond", "safe"))
            ),
            limits=(
                Limit(value=100.0, name="worse: 100"),
                Limit(value=20.0, name="beyond, safe: 20"),
            ),
            log=True,
        )
    ]
