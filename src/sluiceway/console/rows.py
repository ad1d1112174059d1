"""The rows that tables are made of. Each reads a record of the core or its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluiceway.console.document import read
from sluiceway.record import Record

__all__ = [
    "CheckRow",
    "EnvironmentRow",
    "FindingRow",
    "HistoryRow",
    "PluginRow",
    "StageRow",
]


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return "" if value is None else str(value)


class EnvironmentRow(Record):
    """One environment of the board."""

    environment: str
    digest: str
    """What its tag names; empty when nothing was promoted into it."""
    version: str
    since: str
    """RFC 3339, or empty."""
    by: str
    serving: str
    """What the deployer runs; empty when nothing, or when that is not known."""
    healthy: bool | None
    """``None`` when nobody could be asked."""
    weight: float | None
    """Percent of its route's traffic."""
    url: str
    problem: str
    waivers: tuple[Mapping[str, Any], ...]
    """What its digest's promotion rested on."""
    slots: tuple[Mapping[str, Any], ...] = ()
    """Blue and green, where that is its strategy, as far as something runs there."""
    strategy: str = ""

    @classmethod
    def of(cls, record: Any) -> EnvironmentRow:
        """Read a record or its JSON."""
        row = read(record)
        return cls(
            environment=_text(row, "environment"),
            digest=_text(row, "digest"),
            version=_text(row, "version"),
            since=_text(row, "since"),
            by=_text(row, "by"),
            serving=_text(row, "serving"),
            healthy=row.get("healthy"),
            weight=row.get("weight"),
            url=_text(row, "url"),
            problem=_text(row, "problem"),
            waivers=tuple(row.get("waivers", ())),
            slots=tuple(row.get("slots", ())),
            strategy=_text(row, "strategy"),
        )


class HistoryRow(Record):
    """One entry of the history."""

    at: str
    kind: str
    environment: str
    digest: str
    actor: str
    run: str
    detail: str
    """The outcome or the reason, where the entry has one."""

    @classmethod
    def of(cls, record: Any) -> HistoryRow:
        """Read a ledger entry or its JSON."""
        row = read(record)
        return cls(
            at=_text(row, "at"),
            kind=_text(row, "kind"),
            environment=_text(row, "environment"),
            digest=_text(row, "digest"),
            actor=_text(row, "actor"),
            run=_text(row, "run"),
            detail=_detail(row.get("body") or {}),
        )


def _detail(body: Mapping[str, Any]) -> str:
    decision = body.get("decision")
    if body.get("verdict") and body.get("reason"):  # how a canary ended, with its last decision
        return _text(body, "reason")
    if isinstance(decision, Mapping):
        return _decided(decision)
    error = body.get("error")
    if isinstance(error, Mapping):
        outcome, what = _text(body, "outcome"), _text(error, "what")
        return what if f" {outcome}" in what else f"{outcome}: {what}"
    statement = body.get("statement")
    if isinstance(statement, Mapping):
        return _said(statement.get("predicate") or {})
    took = _took(body.get("sla"))
    for key in ("reason", "outcome", "verdict", "summary"):
        if body.get(key):
            return f"{took}{_text(body, key)}"
    return took.removesuffix("; ") or _text(body, "version")


def _decided(decision: Mapping[str, Any]) -> str:
    if decision.get("gate") == "canary":
        return _watched(decision)
    about = "migrations " if decision.get("gate") == "migration" else ""
    if decision.get("allow"):
        return f"{about}allowed"
    findings = [FindingRow.of(item) for item in decision.get("findings", ())]
    codes = dict.fromkeys(item.code for item in findings if item.denies)
    return f"{about}refused: " + ", ".join(codes)


def _watched(decision: Mapping[str, Any]) -> str:
    """Return the verdict of a canary's look with its codes."""
    codes = dict.fromkeys(str(item["code"]) for item in decision.get("findings", ()))
    verdict = str(decision.get("verdict") or "not judged")
    return f"{verdict}: {', '.join(codes)}" if codes else verdict


def _took(sla: Any) -> str:
    """Say how long a rollback took, and whether that was promised."""
    if not isinstance(sla, Mapping):
        return ""
    kept = "within" if sla.get("kept") else "NOT within"
    return f"took {float(sla['seconds']):g} s, {kept} {float(sla['limit_seconds']):g} s; "


def _said(predicate: Mapping[str, Any]) -> str:
    """Return what a person signed: an exception, the end of one, or a way."""
    for key in ("code", "waiver"):
        if predicate.get(key):
            reason, package = _text(predicate, "reason"), _text(predicate, "package")
            of = f" of {package}" if package else ""
            return _text(predicate, key) + of + (f": {reason}" if reason else "")
    return f"{_text(predicate, 'source')} → {_text(predicate, 'target')}"


class FindingRow(Record):
    """One reason of a decision."""

    code: str
    level: str
    message: str
    """With the file and line in front that it is about, if it is about any."""
    solution: str
    waiver: str
    """Who waived it until when and why; empty when nobody did."""

    @property
    def denies(self) -> bool:
        """It refuses: it denies and nobody waived it."""
        return self.level == "deny" and not self.waiver

    @classmethod
    def of(cls, record: Any) -> FindingRow:
        """Read a finding or its JSON."""
        row = read(record)
        waived = row.get("waived")
        at = row.get("at")
        message = _text(row, "message")
        if at and _text(at, "file") not in message:
            message = f"{_text(at, 'file')}:{_text(at, 'line')}: {message}"
        return cls(
            code=_text(row, "code"),
            level=_text(row, "level"),
            message=message,
            solution=_text(row, "solution"),
            waiver=f"{_text(waived, 'owner')} until {_text(waived, 'expires')[:10]}: "
            f"{_text(waived, 'reason')}"
            if waived
            else "",
        )


class StageRow(Record):
    """One stage of the pipeline and who serves it."""

    name: str
    title: str
    plugins: tuple[tuple[str, bool], ...]
    """Name, and whether it can be used here."""
    chosen_in: str
    """Where the choice was made: a file, a variable, ``default``."""

    @classmethod
    def of(cls, record: Any) -> StageRow:
        """Read ``{"stage", "title", "plugins": [{"name", "usable"}], "chosen_in"}``."""
        row = read(record)
        return cls(
            name=_text(row, "stage") or _text(row, "name"),
            title=_text(row, "title"),
            plugins=tuple(
                (_text(plugin, "name"), bool(plugin.get("usable", True)))
                for plugin in row.get("plugins", ())
            ),
            chosen_in=_text(row, "chosen_in"),
        )


class PluginRow(Record):
    """One installed plugin."""

    name: str
    distribution: str
    version: str
    hooks: tuple[str, ...]
    chosen: bool
    problem: str
    """Why it cannot be used here; empty when it can."""

    @classmethod
    def of(cls, record: Any) -> PluginRow:
        """Read a :class:`sluiceway.plugins.Found` or its JSON."""
        row = read(record)
        return cls(
            name=_text(row, "name"),
            distribution=_text(row, "distribution"),
            version=_text(row, "version"),
            hooks=tuple(str(hook).removeprefix("sluiceway_") for hook in row.get("hooks", ())),
            chosen=bool(row.get("chosen")),
            problem=_text(row, "problem"),
        )


class CheckRow(Record):
    """One line of the doctor."""

    name: str
    status: str
    """``ok``, ``warn`` or ``fail``."""
    detail: str
    remedy: str

    @classmethod
    def of(cls, record: Any) -> CheckRow:
        """Read a :class:`sluiceway.model.Check` or its JSON."""
        row = read(record)
        return cls(
            name=_text(row, "name"),
            status=_text(row, "status"),
            detail=_text(row, "detail"),
            remedy=_text(row, "remedy"),
        )
