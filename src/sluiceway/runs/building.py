"""Build once: the image of a commit is built one time, and found again by signed provenance."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluiceway import events, oci
from sluiceway.config import BUILD
from sluiceway.errors import ActionFailed, UsageError
from sluiceway.gates.provenance import PROVENANCE
from sluiceway.model import BuildRequest, Built, Image, Manifest, Pushed, rfc3339, to_json
from sluiceway.runs import provenance
from sluiceway.runs import source as sources
from sluiceway.runs.source import Source
from sluiceway.workbench import Workbench

__all__ = ["built_json", "built_once_json", "own_tag", "provenance_json"]


def own_tag(digest: str) -> str:
    """Return the tag that names one build for ever: ``build-<first 12 hex digits>``."""
    return f"{BUILD}-{digest.removeprefix('sha256:')[:12]}"


def built_json(bench: Workbench) -> dict[str, Any]:
    """Build the image, store it in the registry and tag it with its own name.

    Returns:
        ``{"image", "reproducible", "tag", "reused": False, "parameters", "source", "started",
        "finished"}`` as JSON data. The tag ``build`` does not move: it names the newest *complete*
        release.
    """
    return _built(bench, sources.describe(bench))


def built_once_json(bench: Workbench, *, force: bool) -> dict[str, Any]:
    """Return the image that was built from this very source before, or build it.

    As :func:`built_json`; ``reused`` says which it was. Reused is only what a provenance
    attestation that verifies with a trusted key says was built from this commit, this Dockerfile
    and these settings; with *force* nothing is. ``restated`` says that its provenance is to be
    attested once more, because the commit is on further branches by now.
    """
    source = sources.describe(bench)
    if force:
        events.emit("build.anew", reason="--force was given")
        return _built(bench, source)
    wanted = provenance.parameters(bench, source)
    found = provenance.earlier(bench, source, wanted)
    if found is None:
        return _built(bench, source)
    manifest, how, branches = found
    bench.registry.put_manifest(own_tag(manifest.digest), manifest)
    result = _result(bench, manifest, source, wanted) | how | {"reused": True}
    # Since it was built its commit may have been merged: the same build is then stated again.
    result["restated"] = not set(source.branches) <= branches
    events.emit("build.reused", image=_reference(result["image"]), since=how["finished"])
    return result


def provenance_json(
    bench: Workbench, image: Image, manifest: Manifest, built: Mapping[str, Any], run: str
) -> dict[str, Any]:
    """Attest where the image comes from; then let its commit's tag name it.

    In this order: what the tag names without a statement is never used. A build that was reused
    is stated as the run that it was made in.
    """
    run = str(built.get("invocation") or run)
    if not provenance.attested(bench, image, run, built["source"].get("branches", ())):
        bench.plugins.one(
            "sluiceway_attest",
            image=image,
            manifest=manifest,
            registry=bench.registry,
            predicate_type=PROVENANCE,
            predicate=provenance.predicate(built, run),
        )
    source = Source(**{**built["source"], "branches": tuple(built["source"].get("branches", ()))})
    if not source.commit or source.problem:
        return {"tag": ""}
    tag = provenance.source_tag(source.commit)
    bench.registry.put_manifest(tag, manifest)
    return {"tag": tag}


def _build(bench: Workbench, source: Source) -> tuple[Manifest, Built | Pushed]:
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
            repository=bench.registry.repository,
            version=sources.version(bench),
            revision=source.revision,
            source=config.source,
            epoch=sources.epoch(bench),
            layout=layout,
        )
        built: Built | Pushed = bench.plugins.one(
            "sluiceway_build", request=request, registry=bench.registry
        )
        manifest = (
            oci.push_layout(bench.registry, built.layout)
            if isinstance(built, Built)
            else _read_back(bench, built)
        )
    finally:
        shutil.rmtree(layout, ignore_errors=True)
    bench.registry.put_manifest(own_tag(manifest.digest), manifest)
    return manifest, built


def _read_back(bench: Workbench, pushed: Pushed) -> Manifest:
    """Return what the registry holds under the digest that the builder reported."""
    manifest = bench.registry.manifest(pushed.digest)
    if manifest is None:
        raise ActionFailed(
            f"the builder says that it pushed {pushed.digest}, and {bench.registry.repository} "
            "does not hold that",
            means="It was pushed somewhere else. An engine on another machine means its own "
            "127.0.0.1, where another registry may answer, or none.",
            remedy="Let [service] repository (or REGISTRY_URL) name a registry by an address that "
            "means the same for the engine and for this machine.",
            code="build.not-in-registry",
        )
    return manifest


def _built(bench: Workbench, before: Source) -> dict[str, Any]:
    wanted = provenance.parameters(bench, before)
    started = datetime.now(UTC)
    manifest, built = _build(bench, before)
    finished = datetime.now(UTC)
    source = _unless_changed(before, sources.describe(bench))
    result = _result(bench, manifest, source, wanted | {"revision": source.revision})
    events.emit("built", image=_reference(result["image"]), reproducible=built.reproducible)
    return result | {
        "reproducible": built.reproducible,
        "started": rfc3339(started),
        "finished": rfc3339(finished),
        "reused": False,
    }


def _unless_changed(before: Source, after: Source) -> Source:
    """Return what may be said of the source: somebody may have edited it during the build."""
    if before == after:
        return before
    return replace(
        before,
        dirty=bool(before.commit),
        problem="it was changed during the build",
        branches=(),
    )


def _result(
    bench: Workbench, manifest: Manifest, source: Source, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    image = Image(
        repository=bench.registry.repository,
        digest=manifest.digest,
        media_type=manifest.media_type,
    )
    return {
        "image": to_json(image),
        "tag": own_tag(image.digest),
        "parameters": dict(parameters),
        "source": to_json(source),
    }


def _reference(image: Mapping[str, Any]) -> str:
    return f"{image['repository']}@{image['digest']}"
