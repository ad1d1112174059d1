"""What commands show: the board, the history, the pipeline, its plugins, the doctor, decisions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sluiceway.console.document import read
from sluiceway.console.page import Block, Cell, Column, Grid, Line, Pairs, Tone, cell
from sluiceway.console.rows import (
    CheckRow,
    EnvironmentRow,
    FindingRow,
    HistoryRow,
    PluginRow,
    StageRow,
)
from sluiceway.console.text import NONE, ago, duration, moment, short
from sluiceway.console.waivers import resting, waivers_stack
from sluiceway.model import parse_time

__all__ = [
    "approvals",
    "board",
    "checks_table",
    "decision_table",
    "error",
    "history_table",
    "plugins_table",
    "stages_table",
    "summary",
]

_STATUS = {
    "ok": Tone.GOOD,
    "warn": Tone.WARN,
    "fail": Tone.BAD,
    "failed": Tone.BAD,
    "error": Tone.BAD,
    "no-data": Tone.WARN,
    "inconclusive": Tone.WARN,
}


def summary(title: str, items: Mapping[str, Any]) -> list[Block]:
    """Return a titled list of labels and values."""
    return [Line.of(title, Tone.STRONG), Pairs.of(items.items())]


def ticks(
    title: str, items: Mapping[str, Any], answers: Iterable[Any], *, symbols: bool
) -> list[Block]:
    """Return labels and values, and each answer under its question's name with its mark."""
    good, bad = ("\u2713", "\u2717") if symbols else ("ok", "FAILED")
    rows = [
        (tick.name, cell(f"{good if tick.good else bad} {tick.summary}", _tick_tone(tick)))
        for tick in answers
    ]
    return [Line.of(title, Tone.STRONG), Pairs.of([*items.items(), *rows])]


def _tick_tone(tick: Any) -> Tone:
    return Tone.GOOD if tick.good else Tone.BAD


def error(diagnostics: Mapping[str, Any]) -> list[Block]:
    """Return what happened, what it means and what to do."""
    rows = [
        ("What", cell(diagnostics.get("what", ""), Tone.BAD)),
        ("Means", cell(diagnostics.get("means", ""))),
        ("Do", cell(diagnostics.get("remedy", ""), Tone.STRONG)),
        ("Code", cell(diagnostics.get("code", ""), Tone.DIM)),
    ]
    return [_stack((label, value) for label, value in rows if value.text)]


def _stack(items: Iterable[tuple[str, Cell]]) -> Grid:
    """Return labels and prose side by side, wrapped."""
    return Grid(
        columns=(Column(title="", minimum=5), Column(title="", minimum=20)),
        rows=tuple((cell(label, Tone.DIM), value) for label, value in items),
    )


# --- decisions ------------------------------------------------------------------------------------


def decision_table(decision: Any) -> list[Block]:
    """Return a decision: what refuses with its solution first, then warnings and waivers.

    Args:
        decision: A :class:`sluiceway.model.Decision` or its JSON.
    """
    document = read(decision)
    findings = [FindingRow.of(item) for item in document.get("findings", ())]
    denials = [item for item in findings if item.denies]
    warnings = [item for item in findings if not item.denies and not item.waiver]
    waived = [item for item in findings if item.waiver]
    gate = document.get("gate", "")
    if document.get("allow"):
        page: list[Block] = [Line.of(f"Gate {gate}: allowed", Tone.GOOD)]
    else:
        reasons = "1 reason" if len(denials) == 1 else f"{len(denials)} reasons"
        page = [Line.of(f"Gate {gate}: refused, {reasons}", Tone.BAD)]
    if denials:
        page += [Line.of(""), _findings(denials, Tone.BAD)]
    if warnings:
        page += [Line.of(""), Line.of("Warnings", Tone.WARN), _findings(warnings, Tone.WARN)]
    if waived:
        page += [
            Line.of(""),
            Line.of("Waived", Tone.WARN),
            Grid(
                columns=(
                    Column(title="Code", minimum=12),
                    Column(title="Why", minimum=16),
                    Column(title="Waived by", minimum=16),
                ),
                rows=tuple(
                    (cell(item.code, Tone.WARN), cell(item.message), cell(item.waiver))
                    for item in waived
                ),
                spaced=True,
            ),
        ]
    made = " · ".join(
        f"{name} {short(str(value)) if name != 'engine' else value}"
        for name, value in (
            ("engine", document.get("engine")),
            ("policies", document.get("policy_digest")),
            ("input", document.get("input_digest")),
        )
        if value
    )
    return [*page, Line.of(""), Line.of(made, Tone.DIM)] if made else page


def _findings(findings: Iterable[FindingRow], tone: Tone) -> Grid:
    return Grid(
        columns=(
            Column(title="Code", minimum=12),
            Column(title="Why", minimum=16),
            Column(title="What to do", minimum=16),
        ),
        rows=tuple(
            (cell(item.code, tone), cell(item.message), cell(item.solution)) for item in findings
        ),
        spaced=True,
    )


# --- looking --------------------------------------------------------------------------------------


def board(
    service: str,
    rows: Iterable[Any],
    waivers: Iterable[Mapping[str, Any]] = (),
    runs: Iterable[Mapping[str, Any]] = (),
    *,
    now: datetime | None = None,
) -> list[Block]:
    """Return which digest is where, since when, by whom, whether it is healthy; what is under way.

    Args:
        service: The service's name.
        rows: Environments in the order of the path; see :class:`EnvironmentRow`.
        waivers: ``{"code", "owner", "reason", "expires", "state", "why"}`` of every waiver,
            whether it counts or not.
        runs: Those that have not ended; see :func:`sluiceway.runs.under_way.row`.
        now: What ages are counted from.
    """
    now = now or datetime.now(UTC)
    environments, runs = [EnvironmentRow.of(row) for row in rows], list(runs)
    grid = Grid(
        columns=(
            Column(title="Environment", minimum=11),
            Column(title="Digest", minimum=12),
            Column(title="Version", minimum=5),
            Column(title="Since", minimum=8),
            Column(title="By", minimum=6),
            Column(title="Health", minimum=9),
            Column(title="Weight", right=True),
        ),
        rows=tuple(
            (
                cell(row.environment, Tone.STRONG),
                cell(short(row.digest) or NONE),
                cell(row.version),
                cell(ago(parse_time(row.since), now) if row.since else ""),
                cell(row.by),
                _health(row),
                cell("" if row.weight is None else f"{row.weight:g} %"),
            )
            for row in environments
        ),
    )
    page: list[Block] = [Line.of(service, Tone.STRONG), Line.of(""), grid]
    urls = [(row.environment, row.url) for row in environments if row.url]
    problems = [(row.environment, row.problem) for row in environments if row.problem]
    if urls:
        page += [Line.of(""), Pairs.of(urls)]
    slots = [
        (row.environment, _slots(row.slots))
        for row in environments
        if row.slots or row.strategy == _SLOTTED
    ]
    if slots:
        page += [Line.of(""), Line.of("Slots", Tone.STRONG), Pairs.of(slots)]
    if problems:
        page += [
            Line.of(""),
            Line.of("Look at", Tone.WARN),
            _stack((name, cell(problem, Tone.WARN)) for name, problem in problems),
        ]
    for title, tone, chosen in (
        ("Under way", Tone.STRONG, [run for run in runs if run["carried_by"]]),
        ("Cut off", Tone.WARN, [run for run in runs if not run["carried_by"]]),
    ):
        if chosen:
            page += [
                Line.of(""),
                Line.of(title, tone),
                _stack((run["run"], cell(_unended(run, now))) for run in chosen),
            ]
    page += _whole(row.digest for row in environments)
    rests = resting(((row.environment, row.waivers) for row in environments), now)
    for title, lines in (
        ("Rests on waivers", rests),
        ("Waivers", waivers_stack(waivers)),
    ):
        if lines:
            page += [Line.of(""), Line.of(title, Tone.WARN), _stack(lines)]
    return page


def _unended(run: Mapping[str, Any], now: datetime) -> str:
    """Say what a run that has not ended is about, how far it is, and what ends it."""
    way = f"{run['source']} → {run['target']}" if run["source"] else str(run["target"])
    begun = f", begun {ago(parse_time(run['started']), now)}" if run["started"] else ""
    look, far = run["look"], ""
    if look is not None:
        far = (
            f" At {look['weight']:g} % of the traffic, watched for {duration(look['seconds'])} of "
            f"{duration(look['of_seconds'])}; {look['verdict']}."
        )
    ends = "undoes what it has changed and ends it" if run["carried_by"] else "ends it properly"
    return f"{run['workflow']} {way}{begun}.{far} {run['end']} {ends}."


def _slots(slots: Iterable[Mapping[str, Any]]) -> str:
    """Say what is in blue and in green, and which of them serves."""
    there = {str(slot["name"]): slot for slot in slots}
    said = {
        name: f"{name} {short(slot['digest'])} "
        f"{'live' if slot['live'] else 'idle'}{'' if slot['healthy'] else ', unhealthy'}"
        for name, slot in there.items()
    }
    return ", ".join(said.get(name, f"{name} empty") for name in sorted({*said, *_COLOURS}))


def _health(row: EnvironmentRow) -> Cell:
    if row.healthy is None:
        return cell("unknown" if row.digest else "", Tone.DIM)
    return cell("healthy", Tone.GOOD) if row.healthy else cell("unhealthy", Tone.BAD)


def _whole(digests: Iterable[str]) -> list[Block]:
    """Return every digest once and whole, so that it can be copied."""
    known = [digest for digest in dict.fromkeys(digests) if digest]
    if not known:
        return []
    return [Line.of(""), *(Line.of(digest, Tone.DIM, indent=2) for digest in known)]


def history_table(entries: Iterable[Any], *, narrowed: bool = False) -> list[Block]:
    """Return what happened, in the order given; see :class:`HistoryRow`.

    Args:
        entries: What was found.
        narrowed: Not everything was asked for.
    """
    rows = [HistoryRow.of(entry) for entry in entries]
    if not rows:
        words = "Nothing of that is in the ledger." if narrowed else "Nothing has happened yet."
        return [Line.of(words, Tone.DIM)]
    grid = Grid(
        columns=(
            Column(title="At (UTC)", minimum=16),
            Column(title="What", minimum=8),
            Column(title="Where", minimum=6),
            Column(title="Digest", minimum=12),
            Column(title="By", minimum=5),
            Column(title="Detail", minimum=12),
        ),
        rows=tuple(
            (
                cell(moment(row.at), Tone.DIM),
                cell(row.kind, _KIND.get(row.kind, Tone.PLAIN)),
                cell(row.environment),
                cell(short(row.digest)),
                cell(row.actor),
                cell(_DIGEST.sub(r"\1", row.detail)),
            )
            for row in rows
        ),
    )
    return [grid, *_whole(row.digest for row in rows)]


_DIGEST = re.compile(r"\b(sha256:[0-9a-f]{12})[0-9a-f]{52}\b")
_SLOTTED, _COLOURS = "blue-green", ("blue", "green")
_KIND = {"deployed": Tone.GOOD, "release": Tone.GOOD, "rolled-back": Tone.WARN}


def stages_table(
    stages: Iterable[Any],
    path: Sequence[str] = (),
    environments: Iterable[Mapping[str, Any]] = (),
) -> list[Block]:
    """Return the pipeline in its order, with the plugins that serve each stage.

    Args:
        stages: See :class:`StageRow`.
        path: The environments' names.
        environments: ``{"environment", "strategy", "slots", "problem"}``; the blue/green ones are
            shown with what is in their slots.
    """
    rows = [StageRow.of(stage) for stage in stages]
    grid = Grid(
        columns=(
            Column(title="Stage", minimum=8),
            Column(title="Does", minimum=14),
            Column(title="Served by", minimum=14),
            Column(title="Chosen in", minimum=7),
        ),
        rows=tuple(
            (
                cell(row.name, Tone.STRONG),
                cell(row.title),
                _served(row),
                cell(row.chosen_in, Tone.DIM),
            )
            for row in rows
        ),
    )
    page: list[Block] = [grid]
    if path:
        page = [Line.of(" → ".join(path), Tone.STRONG), Line.of(""), grid]
    switched = [
        (
            each["environment"],
            cell(each["problem"], Tone.WARN) if each["problem"] else _slots(each["slots"]),
        )
        for each in environments
        if each["strategy"] == _SLOTTED
    ]
    if switched:
        page += [Line.of(""), Line.of("Slots", Tone.STRONG), Pairs.of(switched)]
    return page


def _served(row: StageRow) -> Cell:
    if not row.plugins:
        return cell("nothing", Tone.WARN)
    names = [name if usable else f"{name} (unusable here)" for name, usable in row.plugins]
    usable = all(usable for _, usable in row.plugins)
    return cell(", ".join(names), Tone.PLAIN if usable else Tone.WARN)


def plugins_table(plugins: Iterable[Any]) -> list[Block]:
    """Return every installed plugin, and why one is not usable here."""
    rows = [PluginRow.of(plugin) for plugin in plugins]
    page: list[Block] = [
        Grid(
            columns=(
                Column(title="Plugin", minimum=16),
                Column(title="From", minimum=10),
                Column(title="State", minimum=8),
                Column(title="Hooks", minimum=16),
            ),
            rows=tuple(
                (
                    cell(row.name, Tone.STRONG if row.chosen else Tone.PLAIN),
                    cell(f"{row.distribution} {row.version}", Tone.DIM),
                    _state(row),
                    cell(", ".join(row.hooks)),
                )
                for row in rows
            ),
        )
    ]
    broken = [(row.name, cell(row.problem, Tone.WARN)) for row in rows if row.problem]
    if broken:
        page += [Line.of(""), Line.of("Not usable here", Tone.WARN), _stack(broken)]
    return page


def _state(row: PluginRow) -> Cell:
    if row.problem:
        return cell("unusable", Tone.BAD if row.chosen else Tone.DIM)
    return cell("serves", Tone.GOOD) if row.chosen else cell("installed", Tone.DIM)


def checks_table(checks: Iterable[Any]) -> list[Block]:
    """Return the doctor's lines, each with its remedy, and a count at the end."""
    rows = [CheckRow.of(check) for check in checks]
    grid = Grid(
        columns=(
            Column(title="", minimum=4),
            Column(title="Check", minimum=14),
            Column(title="Found", minimum=20),
        ),
        rows=tuple(
            (
                cell(row.status, _STATUS.get(row.status, Tone.PLAIN)),
                cell(row.name),
                cell(f"{row.detail}\nDo: {row.remedy}" if row.remedy else row.detail),
            )
            for row in rows
        ),
    )
    counts = [(status, sum(row.status == status for row in rows)) for status in ("fail", "warn")]
    found = ", ".join(f"{number} {status}" for status, number in counts if number)
    worst = next((status for status, number in counts if number), "ok")
    return [grid, Line.of(""), Line.of(found or "All is well.", _STATUS[worst])]


def approvals(found: Iterable[Any]) -> list[Block]:
    """Return recorded approvals, and why one does not count."""
    rows = [read(item) for item in found]
    if not rows:
        return [Line.of("Nothing has been approved.", Tone.DIM)]
    grid = Grid(
        columns=(
            Column(title="Digest", minimum=12),
            Column(title="Way", minimum=10),
            Column(title="By", minimum=6),
            Column(title="Until (UTC)", minimum=11),
            Column(title="State", minimum=10),
        ),
        rows=tuple(
            (
                cell(short(row["digest"])),
                cell(f"{row.get('source', '')} → {row.get('target', '')}"),
                cell(row.get("approver", {}).get("name", "")),
                cell(_until(row.get("expires", "")), Tone.DIM),
                _weight(row),
            )
            for row in rows
        ),
    )
    return [grid, *_whole(row["digest"] for row in rows)]


def _weight(row: Mapping[str, Any]) -> Cell:
    why = "; ".join(row.get("why_not") or ()) or row.get("problem", "")
    if row.get("counts") is False or not row.get("valid", True):
        return cell(why or "not valid", Tone.BAD)
    return cell("counts" if row.get("counts") else "valid", Tone.GOOD)


def _until(text: str) -> str:
    try:
        return moment(text)
    except ValueError:  # somebody's statement, shown as it is
        return text
