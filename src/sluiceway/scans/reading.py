"""An attested scan back into a record; what cannot be read is an error, never a clean scan. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sluiceway.model import Maker, Scan, Status, Vulnerability, parse_time

__all__ = ["scan_from"]


def scan_from(predicate: Mapping[str, Any], subject: str) -> Scan:
    """Return the scan in a cosign vulnerability predicate (``attestation/vuln/v1``).

    Its time is the predicate's ``scanFinishedOn``; one that cannot be read is very old, so that it
    is stale. A result in another form than ours has the status ERROR. So has one in our form with
    a part that cannot be read, and what could be read is kept.
    """
    scanner = _object(predicate.get("scanner"))
    result = scanner.get("result")
    made_at = _moment(_object(predicate.get("metadata")).get("scanFinishedOn"))
    if not isinstance(result, Mapping) or "status" not in result:
        return Scan(
            status=Status.ERROR,
            subject=subject,
            made_at=made_at,
            maker=Maker(
                plugin="attestation",
                tool=str(scanner.get("uri") or "unknown").rpartition("/")[2],
                version=str(scanner.get("version") or ""),
            ),
            vulnerabilities=(),
            database={},
            uncovered=(),
            summary="the attested scan is in a form that is not understood",
        )
    maker = _object(result.get("maker"))
    problems: list[str] = []
    found = [_vulnerability(item, problems) for item in _list(result, "vulnerabilities", problems)]
    uncovered = tuple(str(item) for item in _list(result, "uncovered", problems))
    status = _status(result["status"])
    summary = str(result.get("summary", ""))
    if problems:
        status = Status.worst((status, Status.ERROR))
        summary = f"{summary}; the attested scan is not whole: {problems[0]}".removeprefix("; ")
    return Scan(
        status=status,
        subject=subject,
        made_at=made_at,
        maker=Maker(
            plugin=str(maker.get("plugin") or "attestation"),
            tool=str(maker.get("tool") or "unknown"),
            version=str(maker.get("version") or ""),
        ),
        vulnerabilities=tuple(each for each in found if each is not None),
        database=_object(result.get("database")),
        uncovered=uncovered,
        summary=summary,
    )


def _vulnerability(item: Any, problems: list[str]) -> Vulnerability | None:
    if not isinstance(item, Mapping):
        problems.append("a vulnerability is not an object")
        return None
    for key in ("id", "package"):
        if not isinstance(item.get(key), str) or not item[key].strip():
            problems.append(f"a vulnerability has no {key}")
            return None
    return Vulnerability(
        id=item["id"].strip(),
        aliases=tuple(
            str(alias).strip() for alias in _list(item, "aliases", problems) if str(alias).strip()
        ),
        package=item["package"],
        severity=str(item.get("severity") or "UNKNOWN"),
        fixed=tuple(str(version) for version in _list(item, "fixed", problems)),
        summary=str(item.get("summary") or ""),
        installed=str(item.get("installed") or ""),
        source=str(item.get("source") or ""),
    )


def _list(place: Mapping[str, Any], key: str, problems: list[str]) -> list[Any]:
    value = place.get(key, [])
    if isinstance(value, list):
        return value
    problems.append(f"its {key} are not a list")
    return []


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _status(text: Any) -> Status:
    try:
        return Status(text)
    except ValueError:
        return Status.ERROR


def _moment(text: Any) -> datetime:
    try:
        return parse_time(str(text))
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
