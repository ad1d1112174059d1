"""The parts of a report that every run has: decisions, what changed, steps, the ledger's entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway.console.live import title_of_step
from sluiceway.console.report.html import Html, code, joined, listing, table, tag
from sluiceway.console.rows import FindingRow
from sluiceway.console.text import duration, moment, short
from sluiceway.console.waivers import is_over, scope
from sluiceway.model import parse_time

__all__ = [
    "badge",
    "decisions_section",
    "effects_section",
    "ledger_section",
    "stamp",
    "steps_section",
]

_STATUS = {"ok": "good", "failed": "bad", "error": "bad"}


def badge(text: str, tone: str) -> Html:
    """Return a word with its meaning as a colour around it."""
    return tag("span", text, class_=f"badge {tone}")


def stamp(value: str | None) -> Html:
    """Return a moment to the second, UTC; nothing for the epoch, which a reproducible file has."""
    value = "" if str(value or "").startswith("1970-01-01") else value
    shown = f"{moment(value)}:{value[17:19]}" if value else ""
    return tag("span", shown, class_="moment")


def _findings(findings: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return findings as rows: what it is, its code, why, what to do; what refuses comes first."""
    rows = sorted(
        (FindingRow.of(item) for item in findings),
        key=lambda item: (not item.denies, bool(item.waiver)),
    )
    return [
        (
            badge(
                "waived" if item.waiver else "refuses" if item.denies else "warns",
                "quiet" if item.waiver else "bad" if item.denies else "warn",
            ),
            code(item.code),
            item.message,
            f"Waived by {item.waiver}" if item.waiver else item.solution,
        )
        for item in rows
    ]


def decisions_section(document: Mapping[str, Any]) -> Html:
    """Return what the gates decided, from what evidence. A canary's verdicts have their own part."""
    shown = [each for each in document["decisions"] if each["decision"].get("gate") != "canary"]
    if not shown:
        return Html("")
    parts = [_decision(each) for each in shown]
    return tag("section", tag("h2", "What the gates decided"), *parts, _approvals(document))


def _decision(each: Mapping[str, Any]) -> Html:
    decision = each["decision"]
    allow = bool(decision.get("allow"))
    said = badge("allowed", "good") if allow else badge("refused", "bad")
    findings = decision.get("findings") or ()
    heading = tag("h3", f"Gate {decision.get('gate', '')} ", said)
    return joined(
        [
            heading,
            tag("p", "A rehearsal: who acts was not proven.", class_="note")
            if each.get("rehearsal")
            else "",
            table("Findings", ("", "Code", "Why", "What to do"), _findings(findings), prose=True)
            or tag("p", "No finding.", class_="note"),
            table(
                "Evidence it was decided from",
                ("Kind", "Status", "Says", "Made by", "Made (UTC)"),
                [
                    (
                        item["kind"],
                        badge(item["status"], _STATUS.get(item["status"], "warn")),
                        item["summary"],
                        item.get("maker", ""),
                        stamp(item["made_at"]),
                    )
                    for item in each["evidence"]
                ],
                heads=True,
                prose=True,
            ),
            table(
                "Waivers that the gate was told of",
                ("Excuses", "Owner", "Until (UTC)", "Reason", "Here"),
                [
                    (
                        code(scope(item)),
                        item["owner"],
                        stamp(item["expires"]),
                        item["reason"],
                        _excused(item, decision),
                    )
                    for item in each["waivers"]
                ],
                prose=True,
            ),
            listing(
                [
                    ("Decided (UTC)", stamp(decision.get("at"))),
                    ("Engine", decision.get("engine", "")),
                    ("Policies", code(decision.get("policy_digest"))),
                    ("Input", code(decision.get("input_digest"))),
                ]
            ),
        ]
    )


def _excused(waiver: Mapping[str, Any], decision: Mapping[str, Any]) -> str:
    """Say what a waiver was for in one decision: the gate is told of those that are over as well."""
    waived = [each.get("waived") or {} for each in decision.get("findings") or ()]
    count = sum(each.get("id") == waiver["id"] for each in waived)
    if count:
        return f"excused {count} {'finding' if count == 1 else 'findings'}"
    if waiver["problem"]:
        return f"did not count: {waiver['problem']}"
    at = decision.get("at")
    return "was over" if at and is_over(waiver["expires"], parse_time(at)) else "excused nothing"


def _approvals(document: Mapping[str, Any]) -> Html:
    return table(
        "Approvals signed for this digest into this environment, whether they count or not",
        ("By", "When (UTC)", "Way", "Until (UTC)", "Reason"),
        [
            (
                item["by"],
                stamp(item["at"]),
                f"{item['source']} → {item['target']}",
                stamp(item["expires"]),
                item["reason"],
            )
            for item in document["approvals"]
        ],
        heads=True,
    )


def effects_section(document: Mapping[str, Any]) -> Html:
    """Return what changed outside: what was released, deployed or brought back."""
    shown = {"deployed": "deployed", "rolled-back": "rolled back", "release": "released"}
    rows = [
        (
            stamp(item["at"]),
            shown.get(item["kind"], item["kind"]),
            item["environment"],
            code(short(item["digest"])),
            code(short(item["previous"])),
            joined(
                tag("div", f"{slot['name']} {short(str(slot['digest']))}, {slot['weight']:g} %")
                for slot in item["slots"]
            ),
        )
        for item in document["effects"]
    ]
    if not rows:
        return Html("")
    titles = ("When (UTC)", "What", "Environment", "Digest", "Before it", "Traffic, as read back")
    return tag("section", tag("h2", "What changed"), table("Effects", titles, rows))


def steps_section(document: Mapping[str, Any]) -> Html:
    """Return the steps on one axis of time; the looks of a watch are one line of it."""
    steps = _together(document["steps"])
    timed = [step for step in steps if step["started_at"] and step["seconds"] is not None]
    if not steps:
        return Html("")
    first = min((parse_time(step["started_at"]) for step in timed), default=None)
    spans = [
        (
            (parse_time(step["started_at"]) - first).total_seconds() if first else 0.0,
            step["seconds"],
        )
        for step in timed
    ]
    whole = max((start + length for start, length in spans), default=0.0) or 1.0
    rows = []
    for step in steps:
        bar: Any = ""
        after = ""
        if step in timed and first is not None:
            begun = (parse_time(step["started_at"]) - first).total_seconds()
            after = f"+{duration(begun)}"
            left, wide = 100 * begun / whole, 100 * step["seconds"] / whole
            mark = tag("i", style=f"left:{min(left, 99.5):.2f}%;width:{wide:.2f}%")
            bar = tag("span", mark, class_="track " + ("bad" if step["error"] else "good"))
        error = step["error"] or {}
        rows.append(
            (
                joined(
                    [step["title"], tag("div", error["what"], class_="detail") if error else ""]
                ),
                tag("span", after, class_="moment"),
                tag("span", _length(step), class_="moment"),
                badge("failed", "bad") if error else "",
                bar,
            )
        )
    titles = ("Step", "After", "Took", "", "On one axis of time")
    return tag(
        "section",
        tag("h2", "Step by step"),
        table("Steps that were finished, in order", titles, rows, numbers=(1, 2)),
    )


def _length(step: Mapping[str, Any]) -> str:
    return "" if step["seconds"] is None else duration(float(step["seconds"]))


def _together(steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the steps with their titles, a watch's looks as one."""
    found: list[dict[str, Any]] = []
    for step in steps:
        shown = {**step, "title": title_of_step(step["name"]), "looks": 0}
        kind, ticking, _ = step["name"].replace(".look.", ".tick.").partition(".tick.")
        last = found[-1] if found else None
        if ticking and last is not None and last.get("of") == kind and not step["error"]:
            last["looks"] += 1
            last["title"] = f"look at the {kind} ({last['looks']} times)"
            if last["seconds"] is not None and step["started_at"] and step["seconds"] is not None:
                begun = parse_time(step["started_at"]) - parse_time(last["started_at"])
                last["seconds"] = round(begun.total_seconds() + step["seconds"], 3)
            continue
        if ticking:
            shown |= {"of": kind, "looks": 1, "title": f"look at the {kind}"}
        found.append(shown)
    return found


def ledger_section(document: Mapping[str, Any]) -> Html:
    """Return the run's entries in the ledger."""
    rows = [
        (
            str(line["seq"]),
            stamp(line["at"]),
            line["kind"],
            line["environment"],
            line["actor"],
            code(short(line["digest"])),
            code(short(line["hash"])),
        )
        for line in document["ledger"]
    ]
    if not rows:
        return Html("")
    titles = ("Entry", "When (UTC)", "Kind", "Environment", "By", "Digest", "Hash")
    return tag(
        "section",
        tag("h2", "In the ledger"),
        table("Signed entries of this run", titles, rows, numbers=(0,)),
    )
