"""Where an image comes from, as its verified provenance says: evidence of kind ``provenance``.

Format: SLSA 1.0, ``https://slsa.dev/spec/v1.0/provenance``, our own and that of other builders.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sluiceway.model import Attestation, Evidence, Maker, Status, parse_time
from sluiceway.record import Record

__all__ = ["BUILD_TYPE", "PROVENANCE", "Origin", "origin", "provenance_evidence"]

PROVENANCE = "https://slsa.dev/provenance/v1"
"""in-toto predicate type (cosign's ``--type slsaprovenance1``)."""
BUILD_TYPE = "urn:sluiceway:build:dockerfile:v1"
"""The build type of our own statements. What other types call a branch is not known here."""

_LONG_AGO = datetime.fromtimestamp(0, UTC)


class Origin(Record):
    """What one provenance statement says; ``""`` and ``()`` where it says nothing that is known."""

    builder: str
    """``runDetails.builder.id``."""
    repository: str
    """Where the source is, without git's ``git+`` before it."""
    revision: str
    """The commit, ``-dirty`` after it when the work tree had changes of its own."""
    branches: tuple[str, ...]
    """Full names of the references (``refs/heads/main``) on which the commit was, as the builder's
    git knew them. Only our own build type says so."""
    finished: datetime
    """When the build ended; 1970 when that cannot be read."""


def origin(predicate: Mapping[str, Any]) -> Origin:
    """Read a provenance predicate. Pure; a signed document may still have any shape."""
    definition = _object(predicate.get("buildDefinition"))
    details = _object(predicate.get("runDetails"))
    commit, address, dirty = _source(definition.get("resolvedDependencies"))
    ours = definition.get("buildType") == BUILD_TYPE
    branches = _object(definition.get("internalParameters")).get("branches")
    return Origin(
        builder=_text(_object(details.get("builder")).get("id")),
        repository=address.removeprefix("git+"),
        revision=f"{commit}-dirty" if commit and dirty else commit,
        branches=tuple(sorted({_text(each) for each in branches} - {""}))
        if ours and commit and not dirty and isinstance(branches, list | tuple)
        else (),
        finished=_moment(_object(details.get("metadata")).get("finishedOn")),
    )


def provenance_evidence(attestations: Iterable[Attestation], digest: str) -> list[Evidence]:
    """Return evidence of kind ``provenance`` from every verified statement about *digest*.

    Statements that name another builder, repository or revision than each other contradict: one
    image is built once. That is FAILED, and so is an image with statements of which none is
    verified. Branches are those that any of them names: each was true when it was made.
    """
    found = [item for item in attestations if item.predicate_type == PROVENANCE]
    good = [item for item in found if item.verified and item.subject == digest]
    if not found:
        return []
    if not good:
        return [_unverified(found, digest)]
    origins = [origin(item.predicate) for item in good]
    first = origins[0]
    problem = _contradiction(origins) or ("" if first.builder else "it names no builder")
    return [
        Evidence(
            kind="provenance",
            status=Status.FAILED if problem else Status.OK,
            subject=digest,
            made_at=max(each.finished for each in origins),
            maker=Maker(plugin="attestation", tool=first.builder, version=""),
            summary=problem
            or f"built by {first.builder} from {first.revision or 'a source without a commit'}",
            facts={
                "attested": True,
                "attestations": sorted(item.digest for item in good),
                "statements": len(good),
                "builder": first.builder,
                "repository": first.repository,
                "revision": first.revision,
                "branches": sorted({name for each in origins for name in each.branches}),
            },
        )
    ]


def _contradiction(origins: Sequence[Origin]) -> str:
    for name in ("builder", "repository", "revision"):
        said = sorted({getattr(each, name) for each in origins})
        if len(said) > 1:
            return f"its statements contradict each other: {name} {' or '.join(map(repr, said))}"
    return ""


def _unverified(found: Sequence[Attestation], digest: str) -> Evidence:
    problems = [
        item.problem
        or (f"it is about {item.subject}" if item.subject != digest else "it is not verified")
        for item in found
    ]
    return Evidence(
        kind="provenance",
        status=Status.FAILED,
        subject=digest,
        made_at=_LONG_AGO,
        maker=Maker(plugin="core", tool="sluiceway", version="1"),
        summary=f"{len(found)} attestations of kind provenance, none verified: {problems[0]}",
        facts={"attested": False, "problems": problems},
    )


def _source(dependencies: Any) -> tuple[str, str, bool]:
    """Return commit, address and whether the work tree differed, of the first git dependency."""
    for each in dependencies if isinstance(dependencies, list | tuple) else ():
        dependency = _object(each)
        commit = _text(_object(dependency.get("digest")).get("gitCommit"))
        if commit:
            dirty = "workTree" in _object(dependency.get("annotations"))
            return commit, _text(dependency.get("uri")), dirty
    return "", "", False


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _moment(value: Any) -> datetime:
    try:
        return parse_time(_text(value))
    except ValueError:
        return _LONG_AGO
