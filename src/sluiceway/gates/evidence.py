"""Collect what is known about an image, kind by kind, before a gate judges it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sluiceway import events
from sluiceway.config import BUILD
from sluiceway.errors import PluginError
from sluiceway.model import (
    Attestation,
    Evidence,
    GateRequest,
    Image,
    Maker,
    Scan,
    Status,
    Strategy,
    digest_of,
    parse_time,
    rfc3339,
    to_json,
)
from sluiceway.workbench import Workbench

__all__ = [
    "SPDX",
    "VULNERABILITIES",
    "collect",
    "sbom_evidence",
    "scan_evidence",
    "signature_evidence",
    "vulnerability_predicate",
]

SPDX = "https://spdx.dev/Document"
"""in-toto predicate type of an SPDX document (cosign's ``--type spdxjson``)."""
VULNERABILITIES = "https://cosign.sigstore.dev/attestation/vuln/v1"
"""in-toto predicate type of a scan (cosign's ``--type vuln``)."""

_US = Maker(plugin="core", tool="sluiceway", version="1")
_SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN")


def collect(bench: Workbench, image: Image, source: str, target: str) -> dict[str, Evidence]:
    """Return every kind of evidence about *image* for its way from *source* to *target*.

    A kind that nobody has anything to say about is absent; policies refuse on absence.
    """
    gathered: list[Evidence] = []
    events.emit("evidence.started", image=str(image))
    gathered.append(signature_evidence(bench, image))
    attestations = _attestations(bench, image)
    gathered += sbom_evidence(attestations, image.digest)
    gathered += scan_evidence(attestations, image.digest)
    gathered += _canary_evidence(bench, image, source)
    request = GateRequest(
        image=image, source=source, target=target, source_url=_source_url(bench, image, source)
    )
    for _, pieces in bench.plugins.each("sluiceway_evidence", request=request):
        gathered += pieces
    return _by_kind(gathered)


def signature_evidence(bench: Workbench, image: Image) -> Evidence:
    """Ask the chosen verifier; this is all that a rollback needs."""
    registry = bench.registry_at(image.repository)
    evidence: Evidence = bench.plugins.one("sluiceway_verify", image=image, registry=registry)
    return evidence


def sbom_evidence(attestations: Iterable[Attestation], digest: str) -> list[Evidence]:
    """Return evidence of kind ``sbom`` from the attested SPDX documents, the newest verified one."""
    found = [item for item in attestations if item.predicate_type == SPDX]
    if not found:
        return []
    good = [item for item in found if item.verified and item.subject == digest]
    if not good:
        return [_unverified("sbom", found, digest)]
    # The order of attestations is not signed, so the newest is the one that says so itself.
    newest = max(
        good, key=lambda item: _moment(item.predicate.get("creationInfo", {}).get("created"))
    )
    document = newest.predicate
    creation = document.get("creationInfo", {})
    described = _described_digest(document)
    status, summary = Status.OK, ""
    packages = max(len(document.get("packages", ())) - 1, 0)
    if described != digest:
        status = Status.FAILED
        summary = f"the SBOM describes {described or 'nothing'}, not {digest}"
    return [
        Evidence(
            kind="sbom",
            status=status,
            subject=described or newest.subject,
            made_at=_moment(creation.get("created")),
            maker=_maker_of(creation.get("creators", ())),
            summary=summary or f"SBOM with {packages} packages, attested",
            facts={
                "attested": True,
                "format": str(document.get("spdxVersion", "")),
                "packages": packages,
                "document_digest": digest_of(document),
                "attestations": [newest.digest],
            },
        )
    ]


def scan_evidence(attestations: Iterable[Attestation], digest: str) -> list[Evidence]:
    """Return evidence of kind ``scan``: the newest attested scan of each scanner, joined.

    Joined means: the worst status, the oldest time, every vulnerability.
    """
    found = [item for item in attestations if item.predicate_type == VULNERABILITIES]
    if not found:
        return []
    good = [item for item in found if item.verified and item.subject == digest]
    if not good:
        return [_unverified("scan", found, digest)]
    newest: dict[str, Attestation] = {}
    for item in good:
        uri = str(item.predicate.get("scanner", {}).get("uri", ""))
        other = newest.get(uri)
        if other is None or _finished(item.predicate) >= _finished(other.predicate):
            newest[uri] = item
    predicates = [newest[uri].predicate for uri in sorted(newest)]
    oldest = min(predicates, key=_finished)
    results = [predicate.get("scanner", {}).get("result") for predicate in predicates]
    known = [result for result in results if isinstance(result, dict) and "status" in result]
    statuses = [_status(result["status"]) for result in known]
    statuses += [Status.ERROR] * (len(results) - len(known))
    vulnerabilities = [item for result in known for item in result.get("vulnerabilities", ())]
    counts = dict.fromkeys(_SEVERITIES, 0)
    for item in vulnerabilities:
        severity = str(item.get("severity", ""))
        counts[severity if severity in counts else "UNKNOWN"] += 1
    status = Status.worst(statuses)
    first = known[0] if known else {}
    return [
        Evidence(
            kind="scan",
            status=status,
            subject=digest,
            made_at=_finished(oldest),
            maker=_maker_json(first.get("maker")),
            summary="; ".join(str(result.get("summary", "")) for result in known)
            or "the attested scan is in a form that is not understood",
            facts={
                "attested": True,
                "attestations": [newest[uri].digest for uri in sorted(newest)],
                "scanned": status is Status.OK,
                "scanned_at": rfc3339(_finished(oldest)),
                "database": first.get("database", {}),
                "counts": counts,
                "vulnerabilities": vulnerabilities,
                "uncovered": [item for result in known for item in result.get("uncovered", ())],
            },
        )
    ]


def vulnerability_predicate(scan: Scan) -> dict[str, Any]:
    """Return *scan* as a cosign vulnerability predicate v1, our own record as its result."""
    moment = rfc3339(scan.made_at)
    return {
        "invocation": {"parameters": [], "uri": "", "event_id": "", "builder.id": ""},
        "scanner": {
            "uri": f"pkg:generic/{scan.maker.tool}",
            "version": scan.maker.version,
            "db": {
                "uri": str(scan.database.get("uri", "")),
                "version": str(scan.database.get("digest", "")),
            },
            "result": to_json(scan),
        },
        "metadata": {"scanStartedOn": moment, "scanFinishedOn": moment},
    }


def _attestations(bench: Workbench, image: Image) -> tuple[Attestation, ...]:
    answer: Sequence[Attestation] = bench.plugins.one(
        "sluiceway_attestations", image=image, registry=bench.registry_at(image.repository)
    )
    return tuple(answer)


def _canary_evidence(bench: Workbench, image: Image, source: str) -> list[Evidence]:
    if source == BUILD or bench.config.environment(source).strategy is not Strategy.CANARY:
        return []
    entries = bench.ledger.entries(
        kinds=("canary",),
        environment=source,
        digest=image.digest,
        service=bench.config.service,
        newest_first=True,
        limit=1,
    )
    if not entries:
        return []
    body = entries[0].body
    return [
        Evidence(
            kind="canary",
            status=_status(body.get("status")),
            subject=entries[0].digest,
            made_at=entries[0].at,
            maker=_US,
            summary=str(body.get("reason", "")),
            facts={
                "verdict": str(body.get("verdict", "")),
                "requests": int(body.get("requests", 0)),
                "limits": dict(body.get("limits", {})),
                "run": entries[0].run,
                "environment": source,
            },
        )
    ]


def _source_url(bench: Workbench, image: Image, source: str) -> str:
    """Return where the source environment's instance of this digest answers, past any proxy."""
    if source == BUILD:
        return ""
    environment = bench.config.environment(source)
    traffic = bench.plugins.one("sluiceway_traffic", environment=environment)
    name = "canary" if environment.strategy is Strategy.CANARY else "stable"
    slot = traffic.slot(name)
    return slot.url if slot is not None and slot.alive and slot.digest == image.digest else ""


def _by_kind(gathered: Iterable[Evidence]) -> dict[str, Evidence]:
    kinds: dict[str, Evidence] = {}
    for evidence in gathered:
        other = kinds.setdefault(evidence.kind, evidence)
        if other is not evidence:
            raise PluginError(
                f"{other.maker.plugin} and {evidence.maker.plugin} both speak of {evidence.kind!r}",
                means="Which of the two a gate would hear is not for chance to decide.",
                remedy="Leave one of them out of [stages] gate.",
                code="evidence.doubled",
            )
        events.emit("evidence.found", evidence=evidence)
    return kinds


def _unverified(kind: str, found: Sequence[Attestation], digest: str) -> Evidence:
    problems = [
        item.problem
        or (f"it is about {item.subject}" if item.subject != digest else "it is not verified")
        for item in found
    ]
    return Evidence(
        kind=kind,
        status=Status.FAILED,
        subject=digest,
        made_at=datetime.fromtimestamp(0, UTC),
        maker=_US,
        summary=f"{len(found)} attestations of kind {kind}, none verified: {problems[0]}",
        facts={"attested": False, "problems": problems},
    )


def _described_digest(document: Mapping[str, Any]) -> str:
    described = {
        item.get("relatedSpdxElement")
        for item in document.get("relationships", ())
        if item.get("relationshipType") == "DESCRIBES"
    } | set(document.get("documentDescribes", ()))
    for package in document.get("packages", ()):
        if package.get("SPDXID") in described:
            for checksum in package.get("checksums", ()):
                if checksum.get("algorithm") == "SHA256":
                    return "sha256:" + str(checksum.get("checksumValue", ""))
    return ""


def _maker_of(creators: Iterable[str]) -> Maker:
    tool = next((text for text in creators if str(text).startswith("Tool:")), "Tool: unknown")
    name, _, version = tool.removeprefix("Tool:").strip().rpartition("-")
    return Maker(plugin="attestation", tool=name or version, version=version if name else "")


def _maker_json(value: Any) -> Maker:
    if not isinstance(value, dict):
        return Maker(plugin="attestation", tool="unknown", version="")
    return Maker(
        plugin=str(value.get("plugin", "")),
        tool=str(value.get("tool", "")),
        version=str(value.get("version", "")),
    )


def _finished(predicate: Mapping[str, Any]) -> datetime:
    return _moment(predicate.get("metadata", {}).get("scanFinishedOn"))


def _moment(text: Any) -> datetime:
    """Parse a moment from outside; one that cannot be read counts as very old, so it is stale."""
    try:
        return parse_time(str(text))
    except ValueError:
        return datetime.fromtimestamp(0, UTC)


def _status(text: Any) -> Status:
    try:
        return Status(text)
    except ValueError:
        return Status.ERROR
