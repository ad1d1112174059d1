"""Scans as scanners make them, short to write."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sluiceway.model import Maker, Scan, Status, Vulnerability

__all__ = ["DIGEST", "NOW", "scan", "vulnerability"]

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64


def vulnerability(id_: str, *aliases: str, **more: Any) -> Vulnerability:
    fields = {"package": "pkg:pypi/a@1", "severity": "HIGH", "fixed": ()} | more
    return Vulnerability(id=id_, aliases=aliases, **fields)


def scan(tool: str, *found: Vulnerability, **more: Any) -> Scan:
    database = {
        "uri": f"file:{tool}",
        "digest": DIGEST,
        "advisories": 12,
        "newest": "2026-11-20T12:00:00Z",
        "ecosystems": ["PyPI"],
    }
    fields: dict[str, Any] = {
        "status": Status.OK,
        "subject": DIGEST,
        "made_at": NOW,
        "maker": Maker(plugin=f"scan-{tool}", tool=tool, version="1"),
        "vulnerabilities": found,
        "database": database,
        "uncovered": (),
        "summary": f"{tool} looked",
    }
    return Scan(**fields | more)
