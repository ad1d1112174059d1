"""One run as one page of HTML: no script, nothing fetched, everything escaped.

:func:`report_page` is pure: the document that :func:`sluiceway.runs.report.report` makes goes in, a
whole page comes out. The page forbids scripts and every load by its own policy, so that even a
mistake of ours could not let a stranger's text act.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluiceway.console.charts import STYLE as CHART_STYLE
from sluiceway.console.outcomes import headline
from sluiceway.console.report.html import Html, code, joined, listing, tag, words
from sluiceway.console.report.sections import (
    decisions_section,
    effects_section,
    ledger_section,
    steps_section,
)
from sluiceway.console.report.style import STYLE
from sluiceway.console.report.watch import watch_section
from sluiceway.console.text import counted_from, duration, moment, short

__all__ = ["report_page", "title_of"]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_SHOWN = {
    "done": ("good", "done"),
    "rolled-back": ("bad", "rolled back"),
    "refused": ("bad", "refused"),
    "needs-person": ("bad", "needs a person"),
    "unable": ("warn", "could not be done"),
    "interrupted": ("warn", "interrupted"),
}
_WAITING = {"under-way": ("quiet", "under way"), "left-behind": ("warn", "left behind")}


def title_of(document: Mapping[str, Any]) -> str:
    """Return one line: what became of the run."""
    if document["state"] != "ended":
        way = f"{document['source']} → {document['target']}".removeprefix(" → ")
        return f"{document['workflow']}: {way}".strip(": ")
    if not document["outcome"]:
        kinds = ", ".join(dict.fromkeys(line["kind"] for line in document["ledger"]))
        return f"Recorded: {kinds or document['workflow'] or document['run']}"
    # What came of a release is no environment's.
    target = "" if document["workflow"] == "release" else document["target"]
    changed = any(each["kind"] == "deployed" for each in document["effects"])
    return headline({**document, "target": target, "changed": changed})


def report_page(document: Mapping[str, Any]) -> str:
    """Return *document* as a whole page of HTML."""
    title = title_of(document)
    head = (
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{title} · {document['run']}"),
        tag("style", Html(STYLE + "\n" + CHART_STYLE)),
    )
    body = tag(
        "main",
        _header(document, title),
        listing(_facts(document)),
        _missing(document),
        watch_section(document),
        decisions_section(document),
        effects_section(document),
        steps_section(document),
        ledger_section(document),
        _footer(document),
    )
    page = tag("html", tag("head", *head), tag("body", body), lang="en")
    return f"<!doctype html>\n{page}\n"


def _header(document: Mapping[str, Any], title: str) -> Html:
    tone, shown = _WAITING.get(document["state"]) or _SHOWN.get(
        document["outcome"], ("warn" if document["outcome"] else "quiet", document["outcome"])
    )
    lead, _, more = str(document["reason"]).partition("; ")
    error = document["error"] or {}
    remedy = error.get("remedy") if error and document["outcome"] != "refused" else ""
    return tag(
        "header",
        tag("p", shown or "recorded", class_="verdict"),
        tag("h1", title),
        tag("p", lead + ("." if more and lead else ""), class_="reason") if lead else "",
        tag("p", f"{more[:1].upper()}{more[1:]}", class_="detail") if more else "",
        tag("p", tag("strong", "What to do: "), remedy) if remedy else "",
        class_=tone,
    )


def _facts(document: Mapping[str, Any]) -> list[tuple[str, Any]]:
    image, actor = document["image"] or {}, document["actor"] or {}
    source, target = document["source"], document["target"]
    reference = (
        f"{image.get('repository') or ''}@{image['digest']}".removeprefix("@") if image else ""
    )
    policies = dict.fromkeys(
        str(each["decision"].get("policy_digest") or "") for each in document["decisions"]
    )
    took = document["seconds"]
    return [
        ("Service", document["service"]),
        ("Way", f"{source} → {target}" if source else target),
        ("Run", code(document["run"])),
        ("By", _actor(actor)),
        ("Began (UTC)", _stamp(document["started_at"])),
        ("Took", duration(took) if took is not None else ""),
        ("Image", code(reference)),
        ("Before it", code(document["previous"])),
        ("Serves now", code(document["serves"])),
        ("Served again", _sla(document.get("sla"), (document.get("watch") or {}).get("code", ""))),
        ("Policies", joined(tag("div", code(each)) for each in policies if each)),
        ("Carried by", document["carried_by"]),
    ]


def _sla(sla: Any, why: str) -> str:
    """Say how quickly the previous digest served again, and whether that was promised."""
    if not isinstance(sla, Mapping) or "seconds" not in sla:
        return ""
    since = counted_from(str(sla.get("kind")), why)
    kept = "within" if sla.get("kept") else "NOT within"
    took, limit = (duration(float(sla.get(key) or 0.0)) for key in ("seconds", "limit_seconds"))
    return f"{took} after {since}, {kept} the {limit} that are promised"


def _actor(actor: Mapping[str, Any]) -> str:
    if not actor:
        return ""
    proof = "proven" if actor.get("proven") else "not proven"
    return f"{actor.get('name', '')} ({actor.get('method', '')}, {proof})"


def _stamp(value: str | None) -> str:
    return f"{moment(value)}:{value[17:19]}" if value else ""


def _missing(document: Mapping[str, Any]) -> Html:
    if not document["missing"]:
        return Html("")
    lines = tag("ul", *(tag("li", each) for each in document["missing"]))
    return tag("section", tag("strong", "What is not here"), lines, class_="box quiet")


def _footer(document: Mapping[str, Any]) -> Html:
    digest = (document["image"] or {}).get("digest", "")
    again = [f"invoke report {document['run']}", "invoke audit.verify"]
    return tag(
        "footer",
        "Made from the run's recorded steps and the signed ledger by ",
        words(document["made_by"]),
        f", {_stamp(document['made_at'])} UTC. ",
        "Made again by ",
        code(again[0]),
        "; the ledger is verified by ",
        code(again[1]),
        f". Image {short(digest)}." if digest else ".",
    )
