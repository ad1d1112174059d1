"""Collect what is known about an image, kind by kind, before a gate judges it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sluiceway import events, scans
from sluiceway.config import BUILD
from sluiceway.errors import PluginError
from sluiceway.gates.provenance import provenance_evidence
from sluiceway.model import (
    Attestation,
    Evidence,
    GateRequest,
    Image,
    Maker,
    Scan,
    Slot,
    Status,
    Strategy,
    digest_of,
    parse_time,
    rfc3339,
    to_json,
)
from sluiceway.words import counted
from sluiceway.workbench import Workbench

__all__ = [
    "SPDX",
    "VULNERABILITIES",
    "collect",
    "inventoried",
    "newest_sbom",
    "sbom_evidence",
    "scan_evidence",
    "signature_evidence",
    "vulnerability_predicate",
]

SPDX = "https://spdx.dev/Document"
"""in-toto predicate type of an SPDX document (cosign's ``--type spdxjson``)."""
VULNERABILITIES = "https://cosign.sigstore.dev/attestation/vuln/v1"
"""in-toto predicate type of a scan (cosign's ``--type vuln``)."""

_JUDGED = "sbom="
_US = Maker(plugin="core", tool="sluiceway", version="1")


def collect(
    bench: Workbench,
    image: Image,
    source: str,
    target: str,
    *,
    slot: Slot | None = None,
    live_url: str = "",
) -> dict[str, Evidence]:
    """Return every kind of evidence about *image* for its way from *source* to *target*.

    A kind that nobody has anything to say about is absent; policies refuse on absence. With *slot*
    the instance that is tested is the target's own, in that slot, instead of the source's;
    *live_url* is then where the slot answers that still has the traffic.
    """
    gathered: list[Evidence] = []
    events.emit("evidence.started", image=str(image))
    gathered.append(signature_evidence(bench, image))
    attestations = _attestations(bench, image)
    gathered += provenance_evidence(attestations, image.digest)
    gathered += sbom_evidence(attestations, image.digest)
    gathered += scan_evidence(attestations, image.digest)
    gathered += _canary_evidence(bench, image, source)
    request = GateRequest(
        image=image,
        source=source,
        target=target,
        source_url=slot.url if slot is not None else _source_url(bench, image, source),
        slot=slot.name if slot is not None else "",
        live_url=live_url,
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
    newest = newest_sbom(found, digest)
    if newest is None:
        return [_unverified("sbom", found, digest)]
    document = newest.predicate
    creation = document.get("creationInfo", {})
    described = _described_digest(document)
    packages, gaps = len(scans.packages_of(document)), scans.gaps_of(document)
    status, summary = Status.OK, f"SBOM with {counted(packages, 'package')}, attested"
    if gaps:
        summary += f"; not inventoried: {'; '.join(gaps)}"
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
            summary=summary,
            facts={
                "attested": True,
                "format": str(document.get("spdxVersion", "")),
                "packages": packages,
                "gaps": list(gaps),
                "document_digest": digest_of(document),
                "attestations": [newest.digest],
            },
        )
    ]


def newest_sbom(attestations: Iterable[Attestation], digest: str) -> Attestation | None:
    """Return the newest verified SPDX document about *digest*, or ``None`` when there is none.

    The order of attestations is not signed, so the newest is the one that says so itself; of
    several made at one moment (an inventory is dated by its image), the one stored last.
    """
    newest, moment = None, datetime.fromtimestamp(0, UTC)
    for item in attestations:
        if item.predicate_type == SPDX and item.verified and item.subject == digest:
            created = _moment(item.predicate.get("creationInfo", {}).get("created"))
            if newest is None or created >= moment:
                newest, moment = item, created
    return newest


def inventoried(bench: Workbench, image: Image) -> tuple[str, ...]:
    """Return the packages of the image's attested SBOM, as package URLs or names."""
    sbom = newest_sbom(_attestations(bench, image), image.digest)
    return () if sbom is None else scans.packages_of(sbom.predicate)


def scan_evidence(attestations: Iterable[Attestation], digest: str) -> list[Evidence]:
    """Return evidence of kind ``scan``: the newest attested scan of each scanner, joined.

    Joined means: the worst status, the oldest time, every vulnerability once; a package counts as
    uncovered when it is in the attested SBOM and no completed scan judged it.
    """
    attestations = tuple(attestations)
    found = [item for item in attestations if item.predicate_type == VULNERABILITIES]
    if not found:
        return []
    good = [item for item in found if item.verified and item.subject == digest]
    if not good:
        return [_unverified("scan", found, digest)]
    sbom = newest_sbom(attestations, digest)
    read = [
        (item.digest, _scanner_name(item.predicate), _scan(item.predicate, digest, sbom))
        for item in good
    ]
    told = scans.latest((name, scan) for _, name, scan in read)
    report = scans.join(
        told, () if sbom is None else scans.packages_of(sbom.predicate), subject=digest
    )
    moment = min(scan.made_at for scan in told)
    return [
        Evidence(
            kind="scan",
            status=report.status,
            subject=digest,
            made_at=moment,
            maker=told[0].maker,
            summary="; ".join(scan.summary for scan in told),
            facts={
                "attested": True,
                "attestations": [
                    stored for stored, _, scan in read if any(scan is each for each in told)
                ],
                "scanned": report.status is Status.OK,
                "scanned_at": rfc3339(moment),
                "database": _stalest(report),
                **{
                    key: value
                    for key, value in to_json(report).items()
                    if key not in ("subject", "status", "scanned_at")
                },
            },
        )
    ]


def _scan(predicate: Mapping[str, Any], digest: str, sbom: Attestation | None) -> Scan:
    """Return an attested scan; an error when it judged another inventory than *sbom*.

    A scan names what it could not judge. It is silent about a package that it was never told of as
    well, and that silence would pass for a judgement.
    """
    scan = scans.scan_from(predicate, digest)
    invocation = predicate.get("invocation")
    said = invocation.get("parameters") if isinstance(invocation, Mapping) else None
    judged = [
        text.removeprefix(_JUDGED)
        for text in (said if isinstance(said, list | tuple) else ())
        if isinstance(text, str) and text.startswith(_JUDGED)
    ]
    if judged in ([], [digest_of(sbom.predicate) if sbom is not None else ""]):
        return scan
    return replace(
        scan,
        status=Status.worst((scan.status, Status.ERROR)),
        summary=f"{scan.summary}; it judged another SBOM than the newest, so scan again",
    )


def _scanner_name(predicate: Mapping[str, Any]) -> str:
    scanner = predicate.get("scanner")
    return str(scanner.get("uri", "")) if isinstance(scanner, Mapping) else ""


def _stalest(report: scans.Report) -> dict[str, Any]:
    """Return the oldest of the databases, so that a rule about one of them fails closed."""
    ages = [(each.age_days is None, each.age_days or 0.0) for each in report.scanners]
    return dict(report.scanners[ages.index(max(ages))].database)


def vulnerability_predicate(scan: Scan, sbom: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return *scan* as a cosign vulnerability predicate v1, our own record as its result.

    The digest of the SPDX document *sbom* whose packages were judged is among the parameters.
    """
    moment = rfc3339(scan.made_at)
    judged = [] if sbom is None else [_JUDGED + digest_of(sbom)]
    return {
        "invocation": {"parameters": judged, "uri": "", "event_id": "", "builder.id": ""},
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
    slot = traffic.serving(environment.strategy)
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
