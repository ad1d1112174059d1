"""Sign, inventory, scan, complete: what a release does with the image that was built."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluiceway import gates
from sluiceway.config import BUILD
from sluiceway.errors import ActionFailed, UsageError
from sluiceway.model import (
    Attestation,
    Evidence,
    Image,
    Maker,
    Manifest,
    Sbom,
    Scan,
    canonical,
    rfc3339,
    to_json,
)
from sluiceway.runs import authors, building, scanning
from sluiceway.runs.source import Source
from sluiceway.workbench import Workbench

__all__ = [
    "attest",
    "complete",
    "inventory",
    "open_image",
    "sbom_path",
    "scan",
    "sign",
]


def open_image(bench: Workbench, digest: str, *, repository: str = "") -> tuple[Image, Manifest]:
    """Return the image with *digest*, or of the newest build when *digest* is empty.

    It is looked for in *repository*; in the service's own when that is empty.
    """
    registry = bench.registry_at(repository or bench.config.repository)
    manifest = registry.manifest(digest) if digest else registry.resolve(BUILD)
    if manifest is None:
        raise UsageError(
            f"{registry.repository} holds no {digest or 'release yet'}",
            means="Only an image that was built and pushed can go on.",
            remedy="Run `invoke release`, or copy the digest whole from `invoke status`.",
            code="image.unknown",
        )
    image = Image(
        repository=registry.repository,
        digest=manifest.digest,
        media_type=manifest.media_type,
    )
    return image, manifest


def sign(bench: Workbench, image: Image, manifest: Manifest) -> Evidence:
    """Sign the digest with the chosen signer."""
    evidence: Evidence = bench.plugins.one(
        "sluiceway_sign", image=image, manifest=manifest, registry=bench.registry
    )
    return evidence


def inventory(bench: Workbench, image: Image, manifest: Manifest) -> Sbom:
    """List what is inside, attest the document and leave a copy at :func:`sbom_path`."""
    sbom: Sbom = bench.plugins.one("sluiceway_sbom", image=image, registry=bench.registry)
    attest(bench, image, manifest, gates.SPDX, dict(sbom.document))
    _keep_sbom(bench, image, sbom)
    return sbom


def _keep_sbom(bench: Workbench, image: Image, sbom: Sbom) -> None:
    path = sbom_path(bench, image.digest)
    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(".tmp")
    draft.write_bytes(canonical(sbom.document))
    draft.replace(path)


def sbom_path(bench: Workbench, digest: str) -> Path:
    """Return where the SBOM of *digest* is kept for a person or a CI step to pick up."""
    return bench.project.state / "sbom" / f"{digest.removeprefix('sha256:')}.spdx.json"


def scan(bench: Workbench, image: Image, manifest: Manifest) -> tuple[Scan, ...]:
    """Match the attested SBOM with known vulnerabilities and attest what each scanner said.

    One that cannot run is an ERROR beside what the others said. Raises what the first one raised
    when none could.
    """
    sbom = _attested_sbom(bench, image)
    scans = scanning.ask_all(
        bench, "sluiceway_scan", image.digest, image=image, sbom=sbom, registry=bench.registry
    )
    for result in scans:
        predicate = gates.vulnerability_predicate(result, sbom.document)
        attest(bench, image, manifest, gates.VULNERABILITIES, predicate)
    return scans


def attest(
    bench: Workbench, image: Image, manifest: Manifest, kind: str, predicate: dict[str, Any]
) -> Attestation:
    """Sign *predicate* as a statement about the image and store it beside it."""
    attestation: Attestation = bench.plugins.one(
        "sluiceway_attest",
        image=image,
        manifest=manifest,
        registry=bench.registry_at(image.repository),
        predicate_type=kind,
        predicate=predicate,
    )
    return attestation


def complete(
    bench: Workbench, image: Image, manifest: Manifest, built: Mapping[str, Any], run: str
) -> dict[str, Any]:
    """Let the tag ``build`` name this release, and write it down.

    Args:
        bench: What to work with.
        image: The release.
        manifest: Its manifest.
        built: What ``building.built_once_json`` returned.
        run: The run that completes it.
    """
    from sluiceway.gates import statements

    document = statements.statement(
        statements.REQUEST,
        service=bench.config.service,
        digest=image.digest,
        predicate={"source": "", "target": BUILD, "run": run, "at": rfc3339(datetime.now(UTC))},
    )
    actor, signature = statements.signed(bench, document)
    source = Source(**built["source"])
    bench.registry.put_manifest(BUILD, manifest)
    entry = bench.ledger.append(
        "release",
        key=f"{run}:release",
        run=run,
        service=bench.config.service,
        environment=BUILD,
        digest=image.digest,
        actor=actor.name,
        body={
            "image": to_json(image),
            "actor": to_json(actor),
            "request": document,
            "signature": signature,
            "version": built["parameters"]["version"],
            "revision": built["parameters"]["revision"],
            "change": authors.authors(bench, source, authors.released_before(bench, source.commit)),
            "reused": built["reused"],
            "tag": building.own_tag(image.digest),
            "sbom_path": str(sbom_path(bench, image.digest)),
        },
    )
    return {"at": rfc3339(entry.at), "actor": actor.name}


def _attested_sbom(bench: Workbench, image: Image) -> Sbom:
    sbom = _find_sbom(bench, image)
    if sbom is None:
        raise ActionFailed(
            f"{image} has no SBOM that is signed by a trusted key",
            means="A scan matches the packages of the SBOM; without one there is nothing to match.",
            remedy="Run `invoke sbom` first.",
            code="scan.no-sbom",
        )
    return sbom


def _find_sbom(bench: Workbench, image: Image) -> Sbom | None:
    attestations = bench.plugins.one("sluiceway_attestations", image=image, registry=bench.registry)
    found = gates.newest_sbom(attestations, image.digest)
    if found is None:
        return None
    document = dict(found.predicate)
    return Sbom(
        document=document,
        subject=found.subject,
        packages=max(len(document.get("packages", ())) - 1, 0),
        maker=Maker(plugin="attestation", tool="spdx", version=""),
    )


def signed_json(bench: Workbench, image: Image, manifest: Manifest) -> dict[str, Any]:
    """Sign; the evidence as JSON."""
    document: dict[str, Any] = to_json(sign(bench, image, manifest))
    return document


def inventory_json(
    bench: Workbench, image: Image, manifest: Manifest, *, reused: bool = False
) -> dict[str, Any]:
    """List what is inside; ``{"packages", "path"}``.

    What is inside a *reused* image was listed when it was built: the attested list still holds.
    """
    sbom = _find_sbom(bench, image) if reused else None
    if sbom is None:
        sbom = inventory(bench, image, manifest)
    else:
        _keep_sbom(bench, image, sbom)
    return {"packages": sbom.packages, "path": str(sbom_path(bench, image.digest))}


def scans_json(bench: Workbench, image: Image, manifest: Manifest) -> list[dict[str, Any]]:
    """Scan; each scanner's status and counts as JSON."""
    return [
        {
            "scanner": result.maker.tool,
            "status": result.status.value,
            "summary": result.summary,
            "vulnerabilities": len(result.vulnerabilities),
            "uncovered": len(result.uncovered),
        }
        for result in scan(bench, image, manifest)
    ]


def identified_json(bench: Workbench) -> dict[str, Any]:
    """Say who is acting; raises when that cannot be known."""
    actor: dict[str, Any] = to_json(bench.plugins.one("sluiceway_identify"))
    return actor
