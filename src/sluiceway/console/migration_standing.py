"""How the environments stand with their migrations, for a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sluiceway.console.page import Block, Column, Grid, Line, Tone, cell
from sluiceway.console.text import NONE

__all__ = ["standing_page"]


def standing_page(service: str, rows: Iterable[Mapping[str, Any]]) -> list[Block]:
    """Return a table of the environments, and below it what waits for whom."""
    rows = list(rows)
    page: list[Block] = [
        Line.of(f"Migrations of {service}", Tone.STRONG),
        Grid(
            columns=tuple(
                Column(title=title, minimum=6)
                for title in ("Environment", "Release", "Migrations", "Last", "Uses", "New")
            ),
            rows=tuple(
                (
                    cell(row["environment"]),
                    cell(row["release"] or NONE),
                    cell(NONE if row["migrations"] is None else row["migrations"]),
                    cell(row["last"] or NONE),
                    cell({True: "declared", False: "not declared", None: NONE}[row["uses"]]),
                    cell(len(row["new"]) or NONE, Tone.WARN if row["new"] else Tone.PLAIN),
                )
                for row in rows
            ),
        ),
    ]
    for row in rows:
        if row["problem"]:
            page.append(Line.of(f"{row['environment']}: {row['problem']}", Tone.WARN))
        for each in row["waiting"]:
            who = "; ".join(
                f"{reader['release']} in {reader['environment']} {reader['uses']}"
                for reader in each["readers"]
            )
            text = f"{each['migration']} drops, renames or requires {each['what']}"
            text = f"{text} in {row['environment']}"
            page.append(Line.of(f"{text}: {who or each['problem']}", Tone.BAD))
    return page
