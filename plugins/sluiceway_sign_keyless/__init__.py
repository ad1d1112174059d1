"""Sign, verify and attest without keys, by a short-lived certificate of sigstore. See ``README.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway.hookspecs import Settings, hookimpl
from sluiceway.model import Attestation, Check, Evidence, Image, Manifest, Project, Registry

__all__: list[str] = []


@hookimpl
def sluiceway_sign(
    project: Project, image: Image, manifest: Manifest, registry: Registry, settings: Settings
) -> Evidence:
    """Sign the digest as whoever the token names, log it, and store the bundle."""
    from sluiceway_sign_keyless import signing

    return signing.sign(project, image, manifest, registry, settings)


@hookimpl
def sluiceway_verify(
    project: Project, image: Image, registry: Registry, settings: Settings
) -> Evidence:
    """Verify the bundles against the trusted root and the wanted identities, offline."""
    from sluiceway_sign_keyless import signing

    return signing.verify(project, image, registry, settings)


@hookimpl
def sluiceway_attest(
    project: Project,
    image: Image,
    manifest: Manifest,
    registry: Registry,
    predicate_type: str,
    predicate: Mapping[str, Any],
    settings: Settings,
) -> Attestation:
    """Sign an in-toto statement, log it, and store the bundle."""
    from sluiceway_sign_keyless import signing

    return signing.attest(project, image, manifest, registry, predicate_type, predicate, settings)


@hookimpl
def sluiceway_attestations(
    project: Project, image: Image, registry: Registry, settings: Settings
) -> Sequence[Attestation]:
    """Return the attested bundles, each verified or saying why not."""
    from sluiceway_sign_keyless import signing

    return signing.attestations(project, image, registry, settings)


@hookimpl
def sluiceway_doctor(project: Project, settings: Settings) -> Sequence[Check]:
    """Look whether the extra is there, whom we trust, and whether there is a token."""
    from sluiceway_sign_keyless import doctor

    return doctor.checks(project, settings)
