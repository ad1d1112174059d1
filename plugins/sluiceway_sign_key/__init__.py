"""Sign, verify and attest with a key pair, in cosign's formats. See ``README.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sluiceway.hookspecs import Settings, hookimpl
from sluiceway.model import Attestation, Check, Evidence, Image, Manifest, Project, Registry

__all__: list[str] = []


@hookimpl
def sluiceway_new_key(project: Project, folder: Path, settings: Settings) -> tuple[Path, Path]:
    """Make ``cosign.key`` and ``cosign.pub``, encrypted with ``COSIGN_PASSWORD``."""
    from sluiceway_sign_key import keys

    return keys.generate_key_pair(folder, project.environ.get("COSIGN_PASSWORD", ""))


@hookimpl
def sluiceway_sign(
    project: Project, image: Image, manifest: Manifest, registry: Registry, settings: Settings
) -> Evidence:
    """Sign the digest under the ``.sig`` tag and as a bundle."""
    from sluiceway_sign_key import signing

    return signing.sign(project, image, manifest, registry, settings)


@hookimpl
def sluiceway_verify(
    project: Project, image: Image, registry: Registry, settings: Settings
) -> Evidence:
    """Verify the signatures of both formats with the trusted keys."""
    from sluiceway_sign_key import signing

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
    """Sign an in-toto statement and store it as a bundle."""
    from sluiceway_sign_key import signing

    return signing.attest(project, image, manifest, registry, predicate_type, predicate, settings)


@hookimpl
def sluiceway_attestations(
    project: Project, image: Image, registry: Registry, settings: Settings
) -> Sequence[Attestation]:
    """Return bundles and the older ``.att`` envelopes, each verified or saying why not."""
    from sluiceway_sign_key import signing

    return signing.attestations(project, image, registry, settings)


@hookimpl
def sluiceway_doctor(project: Project, settings: Settings) -> Sequence[Check]:
    """Look whether there is a key to sign with, that its password opens it, and whom we trust."""
    from sluiceway_sign_key import doctor

    return doctor.checks(project, settings)
