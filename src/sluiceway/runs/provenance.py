"""SLSA provenance: which source an image was built from, and finding that image again.

Format: SLSA 1.0, ``https://slsa.dev/spec/v1.0/provenance``. The statement is signed by whoever
signs images; nothing that is not verified is ever believed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from sluiceway import __version__, events
from sluiceway.errors import SluicewayError
from sluiceway.model import Attestation, Image, Manifest, digest_of
from sluiceway.runs import source as sources
from sluiceway.runs.source import Source
from sluiceway.workbench import Workbench

__all__ = [
    "BUILD_TYPE",
    "PROVENANCE",
    "attested",
    "earlier",
    "matching",
    "parameters",
    "predicate",
    "source_tag",
]

PROVENANCE = "https://slsa.dev/provenance/v1"
"""in-toto predicate type (cosign's ``--type slsaprovenance1``)."""
BUILD_TYPE = "urn:sluiceway:build:dockerfile:v1"
"""How ``externalParameters`` are to be read: they are :func:`parameters`."""
_BUILDER = "urn:sluiceway:builder:"


def source_tag(commit: str) -> str:
    """Return the tag under which the image of a commit is found again: ``source-<commit>``.

    It only helps to find: whoever may push to the registry may set it. What it names is believed
    when a signed statement says the same.
    """
    return f"source-{commit}"


def parameters(bench: Workbench, source: Source) -> dict[str, Any]:
    """Return everything that decides what is built, as JSON data.

    Two builds with the same parameters are meant to be the same image.
    """
    config = bench.config
    (builder,) = config.stages["build"]
    context = config.context.resolve()
    return {
        "service": config.service,
        "source": config.source,
        "revision": source.revision,
        "context": source.folder,
        "dockerfile": os.path.relpath(config.dockerfile.resolve(), context),
        "version": sources.version(bench),
        "epoch": sources.epoch(bench),
        "builder": builder,
        # The settings themselves may say more of a site than is anybody else's business.
        "settings": digest_of(dict(config.plugins.get(builder, {}))),
    }


def predicate(built: Mapping[str, Any], run: str) -> dict[str, Any]:
    """Return the provenance predicate of a build (the result of ``building.built_json``)."""
    external = built["parameters"]
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": external,
            "internalParameters": {"reproducible": built["reproducible"]},
            "resolvedDependencies": _dependencies(built),
        },
        "runDetails": {
            "builder": {
                "id": _BUILDER + external["builder"],
                "version": {"sluiceway": __version__},
            },
            "metadata": {
                "invocationId": run,
                "startedOn": built["started"],
                "finishedOn": built["finished"],
            },
        },
    }


def matching(
    attestations: Iterable[Attestation], digest: str, wanted: Mapping[str, Any]
) -> tuple[Mapping[str, Any] | None, str]:
    """Return the verified provenance that says *digest* was built from *wanted*, else why not.

    Pure. An attestation that is not verified, about another digest, of another kind, or with any
    other parameter, is none.
    """
    found = [item for item in attestations if item.predicate_type == PROVENANCE]
    if not found:
        return None, "no provenance is attested to it"
    good = [item for item in found if item.verified and item.subject == digest]
    if not good:
        problem = next((item.problem for item in found if item.problem), "it is about another")
        return None, f"its provenance is not verified: {problem}"
    reason = ""
    for item in good:
        definition = item.predicate.get("buildDefinition")
        definition = definition if isinstance(definition, Mapping) else {}
        external = definition.get("externalParameters")
        external = dict(external) if isinstance(external, Mapping) else {}
        if definition.get("buildType") == BUILD_TYPE and external == wanted:
            return item.predicate, ""
        different = sorted(
            key for key in {*external, *wanted} if external.get(key) != wanted.get(key)
        )
        reason = f"its provenance has another {', '.join(different) or 'build type'}"
    return None, reason


def earlier(
    bench: Workbench, source: Source, wanted: Mapping[str, Any]
) -> tuple[Manifest, dict[str, str]] | None:
    """Return the image that was built from exactly this source before, and how that was.

    How: ``{"reproducible", "started", "finished"}`` as its provenance says.

    Whatever speaks against it is told in an event, ``build.anew``, and then there is none.
    """
    manifest, said, reason = None, None, source.problem
    if not reason:
        try:
            manifest = bench.registry.resolve(source_tag(source.commit))
            if manifest is None:
                reason = "no finished release of this commit is here"
            else:
                image = Image(
                    repository=bench.registry.repository,
                    digest=manifest.digest,
                    media_type=manifest.media_type,
                )
                said, reason = matching(_attestations(bench, image), manifest.digest, wanted)
                reason = reason and f"what {source_tag(source.commit)} names is not used: {reason}"
        except SluicewayError as error:
            reason = f"an earlier build could not be looked for: {error.what}"
    if manifest is None or said is None or reason:
        events.emit("build.anew", reason=reason)
        return None
    return manifest, {
        "reproducible": _said(said, "buildDefinition", "internalParameters", "reproducible"),
        "started": _said(said, "runDetails", "metadata", "startedOn"),
        "finished": _said(said, "runDetails", "metadata", "finishedOn"),
    }


def attested(bench: Workbench, image: Image, run: str) -> bool:
    """Say whether the provenance that *run* made is already there (it was cut off afterwards)."""
    return any(
        item.predicate_type == PROVENANCE
        and item.verified
        and item.subject == image.digest
        and _said(item.predicate, "runDetails", "metadata", "invocationId") == run
        for item in _attestations(bench, image)
    )


def _attestations(bench: Workbench, image: Image) -> tuple[Attestation, ...]:
    return tuple(bench.plugins.one("sluiceway_attestations", image=image, registry=bench.registry))


def _said(document: Mapping[str, Any], *path: str) -> str:
    """Return the text at *path*, or ``""``: a signed document may still have another shape."""
    value: Any = document
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""


def _dependencies(built: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the source as an in-toto resource descriptor; nothing when no commit names it."""
    source, address = built["source"], built["parameters"]["source"]
    if not source["commit"]:
        return []
    described: dict[str, Any] = {"name": "source", "digest": {"gitCommit": source["commit"]}}
    if address:
        described["uri"] = address if address.startswith("git+") else f"git+{address}"
    if source["dirty"]:
        described["annotations"] = {"workTree": source["problem"]}
    return [described]
