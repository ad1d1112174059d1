"""How exceptions are shown: all of them with their state, and those that an environment rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sluiceway.console.document import read
from sluiceway.console.page import Block, Cell, Column, Grid, Line, Tone, cell
from sluiceway.console.text import moment, short
from sluiceway.model import parse_time

__all__ = ["is_over", "resting", "scope", "waivers_stack", "waivers_table"]

_TONES = {
    "in-force": Tone.GOOD,
    "expiring": Tone.WARN,
    "expired": Tone.DIM,
    "not-counting": Tone.BAD,
    "unknown": Tone.BAD,
}


def waivers_table(found: Iterable[Mapping[str, Any]]) -> list[Block]:
    """Return every waiver with who answers for it, until when, and how it stands."""
    rows = [read(item) for item in found]
    if not rows:
        return [Line.of("Nothing is waived.", Tone.DIM)]
    return [
        Grid(
            columns=(
                Column(title="Waiver", minimum=14),
                Column(title="Excuses", minimum=16),
                Column(title="By", minimum=6),
                Column(title="Until (UTC)", minimum=11),
                Column(title="State", minimum=12),
            ),
            rows=tuple(
                (
                    cell(str(row["id"])),
                    cell(scope(row)),
                    cell(f"{row['owner']}: {row['reason']}"),
                    cell(_until(row["expires"]), Tone.DIM),
                    _state(row),
                )
                for row in rows
            ),
            spaced=True,
        )
    ]


def waivers_stack(found: Iterable[Mapping[str, Any]]) -> list[tuple[str, Cell]]:
    """Return one line for each waiver: what it excuses, and by whom, until when, why."""
    return [(scope(row), _line(row)) for row in map(read, found)]


def resting(
    rows: Iterable[tuple[str, Iterable[Mapping[str, Any]]]], now: datetime
) -> list[tuple[str, Cell]]:
    """Return one line for each waiver that an environment's image rests on."""
    return [
        (
            environment,
            cell(
                f"{row['code']}, waived by {row['owner']} until {_until(row['expires'])}"
                f"{', which is over' if is_over(row['expires'], now) else ''}",
                Tone.WARN,
            ),
        )
        for environment, found in rows
        for row in map(read, found)
    ]


def scope(row: Mapping[str, Any]) -> str:
    """Return what a waiver excuses: its code, and what it is narrowed to."""
    limits = [
        f"{word} {value}"
        for word, value in (
            ("in", row.get("environment")),
            ("of", row.get("package")),
            ("for", short(row.get("digest") or "")),
        )
        if value
    ]
    return " ".join([str(row["code"]), *limits])


def _state(row: Mapping[str, Any]) -> Cell:
    state = str(row["state"])
    used = "" if row.get("used") or state not in {"in-force", "expiring"} else ", never used"
    text = str(row["why"]) or f"{state.replace('-', ' ')}{used}"
    return cell(text, _TONES.get(state, Tone.PLAIN))


def _line(row: Mapping[str, Any]) -> Cell:
    state = str(row.get("state", "in-force"))
    until = str(row["why"]) if row.get("why") else f"until {_until(row['expires'])}"
    return cell(f"{row['owner']}, {until}: {row['reason']}", _TONES.get(state, Tone.WARN))


def _until(text: Any) -> str:
    try:
        return moment(text)
    except ValueError:  # somebody's statement, shown as it is
        return str(text)


def is_over(text: Any, now: datetime) -> bool:
    """Say whether a waiver that ends at *text* has ended; one whose end nobody can read has not."""
    try:
        return parse_time(str(text)) <= now
    except ValueError:
        return False
