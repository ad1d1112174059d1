"""Exceptions to findings: which one applies, and what is said about one that does not.

Who may make one, and for how long, is for the policies: their decision says of each waiver of the
input why it does not count. What one is about is compared here, after the rules, so that an excused
finding stays in the decision with its waiver beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sluiceway.model import Finding, Waiver, parse_time, rfc3339
from sluiceway.record import Record, field

__all__ = ["About", "Exceptions", "apply_waivers", "listed", "order"]

_NEVER = ("policy.", "input.")
"""A waiver excuses what a policy found; it never replaces the judgement itself."""


class About(Record):
    """What a finding is about, and whether the policies let it be excused."""

    names: tuple[str, ...] = ()
    """An advisory's id and its aliases. A waiver's code may narrow itself to any of them:
    ``image.vulnerability/GHSA-...``."""
    packages: tuple[str, ...] = ()
    """Package URLs. A waiver for a package excuses what is about that package and no other."""
    waivable: bool = True


class Exceptions(Record):
    """The waivers of one input with what the policies said about them."""

    waivers: tuple[Waiver, ...] = ()
    objections: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Id to why it does not count; one that counts has none. Without an entry it does not count."""
    warnings: Mapping[str, Finding] = field(default_factory=dict)
    """Id to what is said in a decision that rests on it."""

    def why_not(self, waiver: Waiver, now: datetime) -> str:
        """Say why *waiver* does not count at *now*, or ``""``. It ends *at* its ``expires``."""
        if waiver.id not in self.objections:
            return "does not count: the policies say nothing about it"
        if self.objections[waiver.id]:
            return f"does not count: {' and '.join(self.objections[waiver.id])}"
        if waiver.expires <= now:
            return f"expired on {rfc3339(waiver.expires)}"
        return ""


def listed(document: Mapping[str, Any]) -> tuple[Waiver, ...]:
    """Return the waivers of a gate's input.

    One whose statement is not valid need not have an end that can be read: it is left out, since it
    never counts.

    Raises:
        ValueError: When they have another form (the gate's schema should have said so).
    """
    found = []
    entries = document.get("waivers", [])
    if not isinstance(entries, list):
        msg = "input.waivers is not a list"
        raise ValueError(msg)  # noqa: TRY004 - the input's fault, like every other form of it
    for each in entries:
        try:
            found.append(
                Waiver(
                    **{name: _text(each, name) for name in _TEXTS},
                    expires=parse_time(each["expires"]),
                    signed=each["signed"] is True,
                )
            )
        except (ValueError, TypeError, KeyError) as error:
            if isinstance(each, Mapping) and each.get("valid") is False:
                continue
            msg = f"a waiver is not understood: {type(error).__name__}: {error}"
            raise ValueError(msg) from error
    return tuple(found)


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry[name]
    if not isinstance(value, str):
        msg = f"its {name} is no text"
        raise TypeError(msg)
    return value


_TEXTS = ("code", "reason", "owner", "environment", "digest", "package", "service", "id")


def apply_waivers(
    finding: Finding,
    about: About,
    exceptions: Exceptions,
    document: Mapping[str, Any],
    *,
    now: datetime,
) -> Finding:
    """Return *finding*, waived when a waiver that counts covers it: the one that lasts longest.

    Args:
        finding: What a policy found.
        about: What that is about.
        exceptions: The site's, with the policies' word on them.
        document: The gate's input: its service, environment (``target`` or ``environment``), image.
        now: The moment of the decision.

    A finding that a waiver would have covered, but for its date or the policies' word, says so.
    """
    if not exceptions.waivers:
        return finding
    codes = {finding.code, *(f"{finding.code}/{name}" for name in about.names)}
    covering = sorted(
        (
            each
            for each in exceptions.waivers
            if each.code in codes and _covers(each, document, about.packages)
        ),
        key=lambda each: (each.expires, each.id),
        reverse=True,
    )
    if not covering:
        return finding
    notes = []
    for waiver in covering:
        if not about.waivable or finding.code.startswith(_NEVER):
            why = "has no effect: this finding cannot be waived"
        else:
            why = exceptions.why_not(waiver, now)
        if not why:
            return replace(finding, waived=waiver)
        notes.append(f"The waiver {waiver.id} by {waiver.owner} {why}.")
    return replace(finding, message=" ".join([finding.message, *dict.fromkeys(notes)]))


def _covers(waiver: Waiver, document: Mapping[str, Any], packages: Sequence[str]) -> bool:
    environment = document.get("target", document.get("environment", ""))
    image = document.get("image")
    digest = image.get("digest", "") if isinstance(image, Mapping) else ""
    return (
        waiver.service == document.get("service")
        and waiver.environment in {"", environment}
        and waiver.digest in {"", digest}
        and (not waiver.package or _all_of(waiver.package, packages))
    )


def _all_of(package: str, packages: Sequence[str]) -> bool:
    """Say whether every one of *packages* is *package*, which may leave the version out.

    A package URL that ends with its name left out would be the beginning of many: behind
    ``pkg:npm/`` comes the ``@`` of every scope, where a scanner does not encode it.
    """
    if package.endswith("/"):
        return False
    ends = tuple(f"{package}{end}" for end in "@?#")
    return bool(packages) and all(each == package or each.startswith(ends) for each in packages)


def order(finding: Finding) -> tuple[str, str, str, int, str]:
    """Sort key: what denies first, then by code, then by place and message."""
    file, line = (finding.at.file, finding.at.line) if finding.at is not None else ("", 0)
    return (finding.level, finding.code, file, line, finding.message)
