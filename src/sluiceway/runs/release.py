"""Build once, sign, inventory, scan. Each part is a function of its own; ``release`` is all."""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluiceway import events, gates, oci, process
from sluiceway.config import BUILD
from sluiceway.errors import ActionFailed, UsageError
from sluiceway.model import (
    Attestation,
    BuildRequest,
    Built,
    Evidence,
    Image,
    Manifest,
    Sbom,
    Scan,
    rfc3339,
    to_json,
)
from sluiceway.runs import scanning
from sluiceway.workbench import Workbench

__all__ = [
    "attest",
    "build",
    "complete",
    "inventory",
    "open_image",
    "own_tag",
    "sbom_path",
    "scan",
    "sign",
]


def own_tag(digest: str) -> str:
    """Return the tag that names one build for ever: ``build-<first 12 hex digits>``."""
    return f"{BUILD}-{digest.removeprefix('sha256:')[:12]}"


def build(bench: Workbench) -> tuple[Image, Built]:
    """Build the image, store it in the registry and tag it with its own name.

    The tag ``build`` does not move yet: it names the newest *complete* release.
    """
    config = bench.config
    if not config.dockerfile.is_file():
        raise UsageError(
            f"there is no {config.dockerfile}",
            means="An image is built from a Dockerfile.",
            remedy='Create it, or say where it is: [service] dockerfile = "..."',
            code="build.no-dockerfile",
        )
    parent = bench.project.state / "builds"
    parent.mkdir(exist_ok=True)
    layout = Path(tempfile.mkdtemp(prefix="layout-", dir=parent))
    try:
        request = BuildRequest(
            context=config.context.resolve(),
            dockerfile=config.dockerfile.resolve(),
            repository=config.repository,
            version=_version(bench),
            revision=_git(bench, "rev-parse", "HEAD"),
            source=config.source,
            epoch=_epoch(bench),
            layout=layout,
        )
        built: Built = bench.plugins.one(
            "sluiceway_build", request=request, registry=bench.registry
        )
        manifest = oci.push_layout(bench.registry, built.layout)
    finally:
        shutil.rmtree(layout, ignore_errors=True)
    bench.registry.put_manifest(own_tag(manifest.digest), manifest)
    image = Image(
        repository=bench.registry.repository,
        digest=manifest.digest,
        media_type=manifest.media_type,
    )
    events.emit("built", image=str(image), reproducible=built.reproducible)
    return image, built


def open_image(bench: Workbench, digest: str) -> tuple[Image, Manifest]:
    """Return the image with *digest*, or of the newest build when *digest* is empty."""
    manifest = bench.registry.manifest(digest) if digest else bench.registry.resolve(BUILD)
    if manifest is None:
        raise UsageError(
            f"{bench.registry.repository} holds no {digest or 'release yet'}",
            means="Only an image that was built and pushed can go on.",
            remedy="Run `invoke release`, or copy the digest whole from `invoke status`.",
            code="image.unknown",
        )
    image = Image(
        repository=bench.registry.repository,
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
    path = sbom_path(bench, image.digest)
    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(".tmp")
    from sluiceway.model import canonical

    draft.write_bytes(canonical(sbom.document))
    draft.replace(path)
    return sbom


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
        attest(bench, image, manifest, gates.VULNERABILITIES, gates.vulnerability_predicate(result))
    return scans


def attest(
    bench: Workbench, image: Image, manifest: Manifest, kind: str, predicate: dict[str, Any]
) -> Attestation:
    """Sign *predicate* as a statement about the image and store it beside it."""
    attestation: Attestation = bench.plugins.one(
        "sluiceway_attest",
        image=image,
        manifest=manifest,
        registry=bench.registry,
        predicate_type=kind,
        predicate=predicate,
    )
    return attestation


def complete(bench: Workbench, image: Image, manifest: Manifest, run: str) -> dict[str, Any]:
    """Let the tag ``build`` name this release, and write it down."""
    from sluiceway.gates import statements

    document = statements.statement(
        statements.REQUEST,
        service=bench.config.service,
        digest=image.digest,
        predicate={"source": "", "target": BUILD, "run": run, "at": rfc3339(datetime.now(UTC))},
    )
    actor, signature = statements.signed(bench, document)
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
            "version": _version(bench),
            "revision": _git(bench, "rev-parse", "HEAD"),
            "tag": own_tag(image.digest),
            "sbom_path": str(sbom_path(bench, image.digest)),
        },
    )
    return {"at": rfc3339(entry.at), "actor": actor.name}


def _attested_sbom(bench: Workbench, image: Image) -> Sbom:
    attestations = bench.plugins.one("sluiceway_attestations", image=image, registry=bench.registry)
    for item in reversed(tuple(attestations)):
        if item.predicate_type == gates.SPDX and item.verified and item.subject == image.digest:
            document = dict(item.predicate)
            from sluiceway.model import Maker

            return Sbom(
                document=document,
                subject=item.subject,
                packages=max(len(document.get("packages", ())) - 1, 0),
                maker=Maker(plugin="attestation", tool="spdx", version=""),
            )
    raise ActionFailed(
        f"{image} has no SBOM that is signed by a trusted key",
        means="A scan matches the packages of the SBOM; without one there is nothing to match.",
        remedy="Run `invoke sbom` first.",
        code="scan.no-sbom",
    )


def _version(bench: Workbench) -> str:
    path = bench.config.version_file
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(
            f"cannot read the version file {path}: {error.strerror}",
            remedy="Correct [service] version_file.",
            code="build.no-version",
        ) from error


def _epoch(bench: Workbench) -> int:
    """Return SOURCE_DATE_EPOCH, else the commit's time, else 0, so that a rebuild is the same."""
    text = bench.environ.get("SOURCE_DATE_EPOCH", "") or _git(bench, "log", "-1", "--format=%ct")
    if not text:
        return 0
    if not text.isdigit():
        raise UsageError(
            f"SOURCE_DATE_EPOCH is {text!r}, which is not a number of seconds since 1970",
            code="build.epoch",
        )
    return int(text)


def _git(bench: Workbench, *arguments: str) -> str:
    """Ask git about the build context; an empty answer when it is not under version control."""
    if process.which("git") is None:
        return ""
    completed = process.run(
        ["git", *arguments],
        timeout=10,
        cwd=bench.config.context,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        check=False,
    )
    return completed.stdout.strip() if completed.code == 0 else ""


def built_json(bench: Workbench) -> dict[str, Any]:
    """Build and push; ``{"image", "reproducible", "tag"}`` as JSON."""
    image, built = build(bench)
    return {
        "image": to_json(image),
        "reproducible": built.reproducible,
        "tag": own_tag(image.digest),
    }


def signed_json(bench: Workbench, image: Image, manifest: Manifest) -> dict[str, Any]:
    """Sign; the evidence as JSON."""
    document: dict[str, Any] = to_json(sign(bench, image, manifest))
    return document


def inventory_json(bench: Workbench, image: Image, manifest: Manifest) -> dict[str, Any]:
    """List what is inside; ``{"packages", "path"}``."""
    sbom = inventory(bench, image, manifest)
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
