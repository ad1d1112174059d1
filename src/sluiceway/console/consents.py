"""What an approval was, and what waits for whose consent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sluiceway.console.page import Block, Cell, Column, Grid, Line, Pairs, Tone, cell
from sluiceway.console.text import moment, short

__all__ = ["approved", "waiting"]


def approved(signed: Mapping[str, Any]) -> list[Block]:
    """Return what was just signed, and whether it will count as things stand."""
    approver = signed["approver"]
    proven = "" if approver["proven"] else ", unproven"
    facts = [
        ("digest", signed["digest"]),
        ("way", f"{signed['source']} → {signed['target']}"),
        ("by", f"{approver['name']} ({approver['method']}{proven})"),
        ("until", f"{moment(signed['expires'])} UTC"),
        ("policies", short(signed["policy_digest"])),
    ]
    said: list[tuple[str, Cell]] = []
    if signed["reason"]:
        said.append(("reason", cell(signed["reason"])))
    if signed["repeats"]:
        text = f"you approved this already ({signed['repeats']}); one person counts once"
        said.append(("again", cell(text, Tone.WARN)))
    why = "; ".join(signed["why_not"])
    if signed["counts"] is False:
        said.append(("counts", cell(f"no: {why}", Tone.BAD)))
    elif signed["counts"] is None:
        said.append(("counts", cell(f"not known: {why}", Tone.WARN)))
    # What was signed is not yet consent: the gate counts it, or does not.
    words = {False: "Signed, but it does not count", None: "Signed"}.get(
        signed["counts"], "Approved"
    )
    page: list[Block] = [Line.of(words, Tone.STRONG), Pairs.of(facts)]
    if said:
        columns = (Column(title="", minimum=8), Column(title="", minimum=20))
        rows = tuple((cell(label, Tone.DIM), value) for label, value in said)
        page += [Line.of(""), Grid(columns=columns, rows=rows)]
    return page


def waiting(open_ones: Iterable[Mapping[str, Any]]) -> list[Block]:
    """Return what each environment holds that the next one does not, and who is waited for."""
    rows = list(open_ones)
    if not rows:
        return [Line.of("Nothing waits: every environment holds what the one before it does.")]
    return [
        Grid(
            columns=(
                Column(title="Waits", minimum=10),
                Column(title="Digest", minimum=12),
                Column(title="Approvals", minimum=9),
                Column(title="For whom", minimum=16),
            ),
            rows=tuple(
                (
                    cell(f"{row['source']} → {row['target']}"),
                    cell(short(row["digest"])),
                    _count(row),
                    cell(_for_whom(row), Tone.BAD if row["problems"] else Tone.PLAIN),
                )
                for row in rows
            ),
            spaced=True,
        )
    ]


def _count(row: Mapping[str, Any]) -> Cell:
    if not row["path"]:
        return cell("no such path", Tone.BAD)
    if row["needed"] == 0 and not row["roles_lacking"] and not row["counted"]:
        return cell("none needed", Tone.GOOD)
    text = f"{len(row['counted'])} of {row['needed']}"
    if row["counted"]:
        text += f": {', '.join(row['counted'])}"
    return cell(text, Tone.GOOD if row["ready"] else Tone.WARN)


def _for_whom(row: Mapping[str, Any]) -> str:
    if not row["path"]:
        return "nobody: data.promotion.paths has no such row"
    if row["ready"]:
        return f"{_any_of(row['may_promote'])}, to promote it"
    parts = [text.rstrip(".") for text in row["problems"]]
    if row["roles_lacking"]:
        parts.append(f"the consent of a {' and a '.join(row['roles_lacking'])}")
    if len(row["counted"]) < _number(row["needed"]) or row["roles_lacking"]:
        parts.append(f"{_any_of(row['could'])}, to approve it")
    return "; ".join(parts)


def _any_of(names: Iterable[str]) -> str:
    return " or ".join(names) or "nobody who is in data.promotion.people"


def _number(needed: Any) -> float:
    return needed if isinstance(needed, int | float) else float("inf")
