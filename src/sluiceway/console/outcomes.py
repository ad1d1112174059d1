"""How a run ended, for a person: releases, promotions, rollbacks, rehearsals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sluiceway.console import tables
from sluiceway.console.canary import Look, canary_page
from sluiceway.console.document import read
from sluiceway.console.page import Block, Cell, Line, Pairs, Tone, cell
from sluiceway.console.text import count, counted_from, duration, short

__all__ = [
    "canary_report",
    "decisions_of",
    "headline",
    "outcome_page",
    "rehearsal_page",
    "resumed_page",
]

_WATCH_IT = (
    "Promote it again, and let what watches it run until it has decided: its machine was off, asleep "
    "or too busy, or its process was killed."
)
_TONES = {"done": Tone.GOOD, "refused": Tone.BAD, "rolled-back": Tone.WARN}


def headline(outcome: Mapping[str, Any]) -> str:
    """Return in one line what became of a run."""
    what = short(_digest(outcome))
    target = outcome.get("target") or outcome.get("environment") or ""
    source = outcome.get("source") or ""
    way = f"{source} → {target}" if source else str(target)
    ended = outcome.get("outcome", "")
    if ended == "done":
        if not target:
            return f"Released {what}"
        if source:
            return f"Promoted {what}: {way}"
        return f"{target} serves {what} again"
    if ended == "refused":
        return f"Refused: {_joined(way or 'release', what)}; nothing changed"
    if ended == "rolled-back":
        serves = short(str(outcome.get("serves") or "")) or "what served before"
        served = "nothing serves, as before" if _nobody(outcome) else f"{serves} serves"
        return f"Rolled back: {way} {what}; {served}"
    changed = "something changed" if outcome.get("changed") else "nothing changed"
    return f"{str(ended or 'ended').capitalize()}: {_joined(way or 'release', what)}; {changed}"


def _nobody(outcome: Mapping[str, Any]) -> bool:
    """Say whether it was read back that nobody has any traffic: there was no release before."""
    traffic = (outcome.get("deployment") or {}).get("traffic")
    if outcome.get("serves") or traffic is None:
        return False
    return not any(slot.get("weight") for slot in traffic.get("slots") or ())


def _joined(way: str, what: str) -> str:
    """Name what was done to which digest; a run may end before it knows one."""
    return f"{way} {what}".rstrip()


def outcome_page(outcome: Any) -> list[Block]:
    """Return how one run ended: what, why, the decision, the canary, and where it serves."""
    document = read(outcome)
    page: list[Block] = [
        Line.of(headline(document), _TONES.get(str(document.get("outcome")), Tone.BAD)),
        Pairs.of(_items(document)),
    ]
    decisions = decisions_of(document)
    for decision in decisions:
        if not decision.get("allow") or decision.get("findings"):
            page += [Line.of(""), *tables.decision_table(decision)]
    watched = document.get("canary") or document.get("soak")
    page += canary_report(watched, nobody=_nobody(document))
    page += promise_kept(document.get("sla"))
    # A refusal is told by its decision, with the reasons; the error would only repeat it.
    if document.get("error") and all(decision.get("allow") for decision in decisions):
        page += [Line.of(""), *tables.error(document["error"])]
    return page


def decisions_of(outcome: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what the gates decided in a run: about itself, and about its migrations."""
    migrations = outcome.get("migrations") or {}
    return [each for each in (outcome.get("decision"), migrations.get("decision")) if each]


def _items(document: Mapping[str, Any]) -> list[tuple[str, Any]]:
    image, actor = document.get("image") or {}, document.get("actor") or {}
    unproven = "" if actor.get("proven", True) else ", unproven"
    items: list[tuple[str, Any]] = [
        ("image", f"{image['repository']}@{image['digest']}" if image else ""),
        ("previous", short(str(document.get("previous") or ""))),
        ("by", f"{actor['name']} ({actor.get('method', '')}{unproven})" if actor else ""),
        ("built", _built(document)),
        ("tag", document.get("image_tag", "")),
        ("packages", document.get("packages", "")),
        ("migrations", _migrations(document.get("migrations") or {})),
        ("SBOM", document.get("sbom_path", "")),
        *[(str(scan.get("scanner", "scan")), _scan(scan)) for scan in document.get("scans") or ()],
        ("slot", _slot(document.get("slot") or {})),
        *_served(document.get("deployment") or {}),
        ("summary", _summary(document.get("verification_summary") or {})),
        ("run", document.get("run", "")),
    ]
    return [
        (label, value)
        for label, value in items
        if (value.text if isinstance(value, Cell) else value not in {"", None})
    ]


def _built(document: Mapping[str, Any]) -> str:
    """Return in words where a release's image comes from; empty for other outcomes."""
    if "reused" not in document:
        return ""
    revision = str(document.get("revision") or "") or "no commit"
    reproducible = f"reproducible: {document.get('reproducible') or 'unknown'}"
    when = "before, and not again" if document["reused"] else "now"
    return f"{when}, from {revision}; {reproducible}"


def _migrations(said: Mapping[str, Any]) -> str:
    """Say what a release carries, or what a promotion brings; nothing without a database."""
    if "new" in said:
        return f"{len(said['new'])} new: {', '.join(said['new'])}" if said["new"] else "none new"
    if "migrations" not in said:
        return ""
    uses = "its uses declared" if said.get("uses") else "its uses not declared"
    return f"{said['migrations']} attested ({said.get('layout', '')}), {uses}"


def _scan(scan: Mapping[str, Any]) -> Cell:
    clean = scan.get("status") == "ok" and not scan.get("vulnerabilities")
    return cell(
        f"{scan.get('status')}: {scan.get('summary', '')}", Tone.GOOD if clean else Tone.WARN
    )


def _summary(summary: Mapping[str, Any]) -> Any:
    """Say under which digest the gate's signed reasons are kept, or that there are none."""
    problem = summary.get("problem")
    if problem:
        return cell(f"not signed: {problem}", Tone.WARN)
    return f"signed, {short(str(summary['digest']))}" if summary else ""


def _served(deployment: Mapping[str, Any]) -> list[tuple[str, Any]]:
    traffic = deployment.get("traffic") or {}
    slots = [
        f"{slot['name']} {short(slot['digest'])} {slot['weight']:g} %"
        for slot in traffic.get("slots", ())
    ]
    serving = any(slot["weight"] for slot in traffic.get("slots", ()))
    return [
        ("serves at", traffic.get("url", "") if serving else ""),
        ("traffic", ", ".join(slots)),
    ]


def _slot(slot: Mapping[str, Any]) -> str:
    """Say which slot was tested for a blue/green switch, and how that went."""
    if not slot:
        return ""
    made = "; ".join(str(each["summary"]) for each in slot.get("evidence", {}).values())
    before = f" beside {slot['before']}" if slot.get("before") else ""
    return f"{slot['name']}{before}: {made or 'not tested'}"


def _digest(outcome: Mapping[str, Any]) -> str:
    image = outcome.get("image") or {}
    return str(image.get("digest") or outcome.get("image_digest") or "")


def canary_report(report: Mapping[str, Any] | None, *, nobody: bool = False) -> list[Block]:
    """Return a finished canary's report: the table where there is one, the reason, what to do.

    Args:
        report: ``canary`` or ``soak`` of an outcome.
        nobody: Nothing serves after it, because nothing did before.
    """
    if not report:
        return []
    page: list[Block] = [Line.of("")]
    if report.get("watch") and report.get("limits"):
        ended = {"remaining": 0.0, "ended": True, "outcome": report.get("verdict", "error")}
        page += canary_page(Look.of({**report, **ended}))
    verdict, reason = str(report.get("verdict", "")), str(report.get("reason", ""))
    if reason and not report.get("watch"):
        page.append(Line.of(f"Canary {verdict}: {reason}", _verdict(verdict)))
    page += [Line.of(f"What to do: {words}", Tone.WARN) for words in _solutions(report)]
    if report.get("rollback_seconds") is not None:
        taken = duration(float(report["rollback_seconds"]))
        page.append(Line.of(f"Its traffic was taken away within {taken}.", Tone.DIM))
        page += promise_kept(report.get("sla"), nobody=nobody, code=str(report.get("code", "")))
    return page


def _solutions(report: Mapping[str, Any]) -> list[str]:
    """Return what the policies say is to be done, each thing once; nothing after a pass."""
    if report.get("verdict") == "pass":
        return []
    codes = report.get("codes") or ()
    if "canary.unwatched" in codes:  # nobody was there, so no policy was asked about it
        return [_WATCH_IT]
    findings = (report.get("decision") or {}).get("findings") or ()
    said = [
        str(each.get("solution") or "")
        for each in findings
        # The last decision may be of a look before the one that ended the watch.
        if each.get("level") == "deny" and (not codes or each.get("code") in codes)
    ]
    return [words for words in dict.fromkeys(said) if words]


def promise_kept(
    sla: Mapping[str, Any] | None, *, nobody: bool = False, code: str = ""
) -> list[Block]:
    """Say whether a rollback came in the time that is promised for it; nothing when not measured."""
    if not sla:
        return []
    since = counted_from(str(sla["kind"]), code)
    words = (
        f"{'Its traffic was gone' if nobody else 'The previous digest served'} {duration(float(sla['seconds']))} after {since}: "
        f"{'within' if sla['kept'] else 'NOT within'} the {duration(float(sla['limit_seconds']))} "
        "that are promised."
    )
    return [Line.of(words, Tone.DIM if sla["kept"] else Tone.BAD)]


def _verdict(verdict: str) -> Tone:
    return Tone.GOOD if verdict == "pass" else Tone.BAD


def resumed_page(
    outcomes: Iterable[Any], live: Iterable[Mapping[str, Any]], back: Sequence[str] = ()
) -> list[Block]:
    """Return the runs that were taken over, those that somebody else is carrying, and what serves again.

    Args:
        outcomes: How each resumed run ended.
        live: ``{"run", "carried_by"}`` of each run that was left alone.
        back: Environments that nobody routed to, until now.
    """
    page: list[Block] = []
    for outcome in outcomes:
        page += [Line.of(""), *outcome_page(outcome)] if page else outcome_page(outcome)
    page += [
        Line.of(f"Run {item['run']} is carried by {item['carried_by']}; left alone.", Tone.DIM)
        for item in live
    ]
    page = page or [Line.of("No run was left behind.", Tone.GOOD)]
    if back:
        text = f"Served again: {', '.join(back)}. Whoever routed to them had been killed."
        page.append(Line.of(text, Tone.GOOD))
    return page


def rehearsal_page(document: Mapping[str, Any]) -> list[Block]:
    """Return what a rehearsal showed, with its timings and where to look next."""
    document = read(document)
    requests = document.get("requests") or {}
    failed = requests.get("failed_outside_canary")
    refused = document.get("refused") or {}
    reasons = [
        item["code"]
        for item in (refused.get("decision") or {}).get("findings", ())
        if item["level"] == "deny" and not item.get("waived")
    ]
    rolled = document.get("rolled_back") or {}
    canary = rolled.get("canary") or {}
    page: list[Block] = [
        Line.of("What happened", Tone.STRONG),
        Pairs.of(
            [
                ("released", cell(headline(document.get("released") or {}), Tone.GOOD)),
                ("refused", cell(", ".join(dict.fromkeys(reasons)) or headline(refused))),
                ("rolled back", cell(canary.get("reason") or headline(rolled), Tone.WARN)),
                (
                    "requests",
                    cell(
                        f"{count(requests.get('total', 0))}, {count(failed or 0)} failed "
                        "outside the canary",
                        Tone.BAD if failed else Tone.GOOD,
                    ),
                ),
            ]
        ),
    ]
    if refused.get("decision"):
        page += [
            Line.of(""),
            Line.of("What the refused one was told", Tone.STRONG),
            *tables.decision_table(refused["decision"]),
        ]
    timings = document.get("timings") or {}
    if timings:
        page += [
            Line.of(""),
            Line.of("How long it took", Tone.STRONG),
            Pairs.of((title, duration(float(seconds))) for title, seconds in timings.items()),
        ]
    flags = document.get("flags") or {}
    if flags:
        words = " ".join(f"{name}={value}" for name, value in flags.items())
        page += [Line.of(""), Line.of(f"Shortened by flags: {words}", Tone.DIM)]
    if document.get("seconds") is not None:
        page.append(Line.of(f"In all {duration(float(document['seconds']))}.", Tone.DIM))
    if document.get("folder"):
        page += [
            Line.of(""),
            Line.of("Look next", Tone.STRONG),
            Pairs.of([("folder", document["folder"]), ("there", "invoke status, invoke history")]),
        ]
    return page
