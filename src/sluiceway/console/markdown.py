"""A run or a decision as Markdown, for the summary page of a continuous-integration job."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sluiceway.analysis import Tally, Watch
from sluiceway.console.document import read
from sluiceway.console.outcomes import decisions_of, headline
from sluiceway.console.rows import FindingRow
from sluiceway.console.text import clean, counted_from, milliseconds, percent
from sluiceway.model import CanaryLimits

__all__ = ["scan_markdown", "summary_markdown"]

_MOST_FINDINGS = 100
_LONGEST = 2000
"""Characters of one value: the page of a job has a limit, and one message must not use it up."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,300}")
_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()#+!|~$-])")


def summary_markdown(document: Any) -> str:
    """Return what became of a run, or of one decision, as GitHub-flavoured Markdown.

    Every value is escaped: what a policy or a tool says cannot draw a table row, a link, an image
    or HTML of its own.

    Args:
        document: An outcome as the commands print it with ``--json``, a
            :class:`sluiceway.model.Decision`, or the JSON of one.
    """
    outcome = read(document)
    if "gate" in outcome and "findings" in outcome:
        outcome = {"decision": outcome}
    decision = outcome.get("decision") or {}
    lines = [f"### {_title(outcome, decision)}", ""]
    lines += _table(("", ""), _facts(outcome))
    decisions = decisions_of(outcome)
    for each in decisions:
        lines += _decision(each)
    lines += _canary(outcome.get("canary") or {})
    if outcome.get("sla"):
        lines += [_kept(outcome["sla"]), ""]
    error = outcome.get("error") or {}
    if error and all(each.get("allow") for each in decisions):
        lines += [f"**{_escaped(error.get('what', ''))}**", ""]
        lines += [_escaped(error[key]) + "\n" for key in ("means", "remedy") if error.get(key)]
    return "\n".join(lines).rstrip() + "\n"


def scan_markdown(subject: Any, report: Any) -> str:
    """Return what scanners said together as GitHub-flavoured Markdown, every value escaped.

    Args:
        subject: What names the image or tree.
        report: A :class:`sluiceway.scans.Report` or its JSON.
    """
    document = read(report)
    found = document["vulnerabilities"]
    counts = ", ".join(
        f"{number} {level}" for level, number in document["counts"].items() if number
    )
    said = counts or ("nothing found" if document["status"] == "ok" else "not scanned")
    lines = [f"### Scan: {said}", "", _named(subject), ""]
    lines += _table(
        ("Severity", "Advisory", "Package", "Installed", "Fixed in", "Found by"),
        [
            (
                _escaped(item["severity"]),
                _named(item["id"]),
                _named(item["package"]),
                _escaped(item["installed"]),
                _escaped(", ".join(item["fixed"])),
                _escaped(", ".join(item["found_by"])),
            )
            for item in found[:_MOST_FINDINGS]
        ],
    )
    if len(found) > _MOST_FINDINGS:
        lines += [f"And {len(found) - _MOST_FINDINGS} more vulnerabilities.", ""]
    lines += _table(
        ("Ecosystem", "Packages", "Judged"),
        [
            (_escaped(name), str(row["packages"]), str(row["judged"]))
            for name, row in document["coverage"].items()
        ],
    )
    lines += _table(
        ("Scanner", "Status", "Newest advisory", "Said"),
        [
            (
                _escaped(f"{each['tool']} {each['version']}"),
                _escaped(each["status"]),
                _escaped(str(each["database"].get("newest") or "")[:10]),
                _escaped(each["summary"]),
            )
            for each in document["scanners"]
        ],
    )
    return "\n".join(lines).rstrip() + "\n"


def _title(outcome: Mapping[str, Any], decision: Mapping[str, Any]) -> str:
    if outcome.get("outcome"):
        return _escaped(headline(outcome))
    said = "allowed" if decision.get("allow") else "refused"
    return f"Gate {_escaped(decision.get('gate', ''))}: {said}"


def _facts(outcome: Mapping[str, Any]) -> list[tuple[str, ...]]:
    image, actor = outcome.get("image") or {}, outcome.get("actor") or {}
    source, target = outcome.get("source"), outcome.get("target") or outcome.get("environment")
    rows = [
        ("Service", outcome.get("service")),
        ("Image", f"{image['repository']}@{image['digest']}" if image else ""),
        ("Way", f"{source} → {target}" if source else target),
        ("By", actor.get("name")),
        ("Previous", outcome.get("previous")),
        ("Serves", outcome.get("serves")),
        ("Run", outcome.get("run")),
        ("Changed", {True: "yes", False: "no"}.get(outcome.get("changed", ""))),
    ]
    return [(label, _named(value)) for label, value in rows if value]


def _decision(decision: Mapping[str, Any]) -> list[str]:
    findings = [FindingRow.of(item) for item in decision.get("findings", ())]
    if not decision:
        return []
    lines: list[str] = []
    if findings:
        shown = sorted(findings, key=lambda item: (not item.denies, bool(item.waiver)))
        lines += _table(
            ("", "Code", "Why", "What to do"),
            [
                (
                    "waived" if item.waiver else "**refuses**" if item.denies else "warns",
                    _named(item.code),
                    _escaped(item.message),
                    _escaped(f"Waived by {item.waiver}" if item.waiver else item.solution),
                )
                for item in shown[:_MOST_FINDINGS]
            ],
        )
    if len(findings) > _MOST_FINDINGS:
        lines += [f"And {len(findings) - _MOST_FINDINGS} more findings.", ""]
    made = [
        f"{label} {_named(decision[key])}"
        for label, key in (
            ("engine", "engine"),
            ("policies", "policy_digest"),
            ("input", "input_digest"),
        )
        if decision.get(key)
    ]
    return [*lines, f"<sub>{', '.join(made)}</sub>", ""] if made else lines


def _canary(report: Mapping[str, Any]) -> list[str]:
    if not report:
        return []
    lines = [
        f"**Canary: {_escaped(report.get('verdict', ''))}.** {_escaped(report.get('reason', ''))}",
        "",
    ]
    if report.get("sla"):
        lines += [_kept(report["sla"], str(report.get("code", ""))), ""]
    if len(report.get("steps") or ()) > 1:
        reached = " → ".join(f"{step['weight']:g} %" for step in report["steps"])
        lines += [f"Steps reached: {_escaped(reached)}", ""]
    if not report.get("watch"):
        return lines
    watch, limits = Watch.from_json(report["watch"]), CanaryLimits(**report["limits"])
    return lines + _table(
        ("", "Requests", "Errors", "Error rate", "p99", "Bad checks in a row"),
        [
            _side("canary", watch.canary, f"{watch.errors.streak} / {watch.latency.streak}"),
            _side("stable", watch.stable, ""),
            (
                "limit",
                "",
                "",
                percent(limits.error_rate_threshold),
                milliseconds(limits.latency_p99_threshold_ms),
                str(limits.consecutive),
            ),
        ],
    )


def _kept(sla: Mapping[str, Any], code: str = "") -> str:
    """Say how quickly a rollback came, against what is promised."""
    since = counted_from(str(sla["kind"]), code)
    kept = "within" if sla["kept"] else "**not within**"
    return (
        f"The previous digest served {float(sla['seconds']):g} s after {since}, {kept} the "
        f"{float(sla['limit_seconds']):g} s that are promised."
    )


def _side(name: str, tally: Tally | None, streaks: str) -> tuple[str, ...]:
    if tally is None:
        return (name, "", "", "", "", streaks)
    total = tally.total
    return (
        name,
        str(total.requests),
        str(total.errors),
        percent(total.error_rate),
        milliseconds(total.p99),
        streaks,
    )


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    body = [f"| {' | '.join(row)} |" for row in rows]
    if not body:
        return []
    return [f"| {' | '.join(titles)} |", f"|{' --- |' * len(titles)}", *body, ""]


def _named(value: Any) -> str:
    """Return a name (digest, image, code, run) as code, so that it can be copied."""
    text = clean(value)
    return f"`{text}`" if _NAME.fullmatch(text) else _escaped(value)


def _escaped(value: Any) -> str:
    """Return *value* as one line of Markdown that means nothing but its own text."""
    text = clean(value)
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + "…"
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = _PUNCTUATION.sub(r"\\\1", text)
    # Zero-width joints keep addresses and names from becoming links and mentions.
    text = re.sub(r"(https?)://", "\\1\u200b://", text).replace("@", "@\u200b")
    return text.replace("\n", "<br>")
