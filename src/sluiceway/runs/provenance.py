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
from sluiceway.gates.provenance import BUILD_TYPE, PROVENANCE, origin, provenance_evidence
from sluiceway.model import Attestation, Image, Manifest, digest_of
from sluiceway.runs import source as sources
from sluiceway.runs.source import Source
from sluiceway.workbench import Workbench

__all__ = [
    "attested",
    "earlier",
    "matching",
    "parameters",
    "predicate",
    "source_tag",
]

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
            "internalParameters": {
                "reproducible": built["reproducible"],
                "branches": list(built["source"].get("branches", ())),
            },
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
) -> tuple[Manifest, dict[str, str], frozenset[str]] | None:
    """Return the image that was built from exactly this source before, and how that was.

    How: ``{"reproducible", "started", "finished", "invocation"}`` as its provenance says; and the
    branches on which any of its verified statements puts the commit.

    Whatever speaks against it is told in an event, ``build.anew``, and then there is none.
    """
    manifest, said, reason = None, None, source.problem
    attestations: tuple[Attestation, ...] = ()
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
                attestations = _attestations(bench, image)
                said, reason = matching(attestations, manifest.digest, wanted)
                reason = reason and f"what {source_tag(source.commit)} names is not used: {reason}"
        except SluicewayError as error:
            reason = f"an earlier build could not be looked for: {error.what}"
    if manifest is None or said is None or reason:
        events.emit("build.anew", reason=reason)
        return None
    stated = provenance_evidence(attestations, manifest.digest)
    how = {
        "reproducible": _said(said, "buildDefinition", "internalParameters", "reproducible"),
        "started": _said(said, "runDetails", "metadata", "startedOn"),
        "finished": _said(said, "runDetails", "metadata", "finishedOn"),
        "invocation": _said(said, "runDetails", "metadata", "invocationId"),
    }
    return manifest, how, frozenset(name for each in stated for name in each.facts["branches"])


def attested(bench: Workbench, image: Image, run: str, branches: Iterable[str] = ()) -> bool:
    """Say whether the provenance of *run*'s build is already there (a run was cut off afterwards).

    One that does not put the commit on each of *branches* says less, and is not it.
    """
    return any(
        item.predicate_type == PROVENANCE
        and item.verified
        and item.subject == image.digest
        and _said(item.predicate, "runDetails", "metadata", "invocationId") == run
        and set(branches) <= set(origin(item.predicate).branches)
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
