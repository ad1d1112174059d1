"""Exceptions to findings: which one applies, and what is said about one that no longer does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sluiceway.model import Finding, Level, Waiver, rfc3339

__all__ = ["apply_waivers", "order"]

_NEVER = ("policy.", "input.")
"""A waiver excuses what a policy found; it never replaces the judgement itself."""


def apply_waivers(
    finding: Finding,
    waivers: Sequence[Waiver],
    document: Mapping[str, Any],
    *,
    now: datetime,
    names: Sequence[str] = (),
    waivable: bool = True,
) -> Finding:
    """Return *finding*, waived when a waiver in force covers it.

    Args:
        finding: What a policy found.
        waivers: The site's; the one that lasts longest is taken.
        document: The gate's input: its environment (``target`` or ``environment``) and image.
        now: The moment of the decision; a waiver ends *at* its ``expires``.
        names: What the finding is about (an advisory's id and its aliases). A waiver's code may
            narrow itself to any of them: ``image.vulnerability/GHSA-...``.
        waivable: Whether the policy allows an exception at all.

    A finding that a waiver would have covered, but for its date or the policy's word, says so.
    """
    codes = {finding.code, *(f"{finding.code}/{name}" for name in names)}
    covering = [waiver for waiver in waivers if waiver.code in codes and _covers(waiver, document)]
    if not covering:
        return finding
    waiver = max(covering, key=lambda each: each.expires)
    if not waivable or finding.code.startswith(_NEVER):
        note = f"The waiver by {waiver.owner} has no effect: this finding cannot be waived."
    elif waiver.expires <= now:
        note = f"The waiver by {waiver.owner} expired on {rfc3339(waiver.expires)}."
    else:
        return replace(finding, waived=waiver)
    return replace(finding, message=f"{finding.message} {note}")


def _covers(waiver: Waiver, document: Mapping[str, Any]) -> bool:
    environment = document.get("target", document.get("environment", ""))
    image = document.get("image")
    digest = image.get("digest", "") if isinstance(image, Mapping) else ""
    return waiver.environment in {"", environment} and waiver.digest in {"", digest}


def order(finding: Finding) -> tuple[str, str, str]:
    """Sort key: what denies first, then by code, then by message."""
    return (Level(finding.level).value, finding.code, finding.message)
