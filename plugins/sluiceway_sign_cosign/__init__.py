"""Sign, verify and attest with the ``cosign`` program. See ``README.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sluiceway.hookspecs import Settings, hookimpl
from sluiceway.model import Attestation, Check, Evidence, Image, Manifest, Project, Registry

__all__: list[str] = []


@hookimpl
def sluiceway_new_key(project: Project, folder: Path, settings: Settings) -> tuple[Path, Path]:
    """Let cosign make ``cosign.key`` and ``cosign.pub``, encrypted with ``COSIGN_PASSWORD``."""
    from sluiceway_sign_cosign import signing

    return signing.new_key(project, folder, settings)


@hookimpl
def sluiceway_sign(
    project: Project, image: Image, manifest: Manifest, registry: Registry, settings: Settings
) -> Evidence:
    """Let cosign sign the digest under the ``.sig`` tag and as a bundle."""
    from sluiceway_sign_cosign import signing

    return signing.sign(project, image, manifest, registry, settings)


@hookimpl
def sluiceway_verify(
    project: Project, image: Image, registry: Registry, settings: Settings
) -> Evidence:
    """Let cosign verify the signatures, and read what it says and what is stored."""
    from sluiceway_sign_cosign import signing

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
    """Let cosign sign an in-toto statement and store it as a bundle."""
    from sluiceway_sign_cosign import attesting

    return attesting.attest(project, image, manifest, registry, predicate_type, predicate, settings)


@hookimpl
def sluiceway_attestations(
    project: Project, image: Image, registry: Registry, settings: Settings
) -> Sequence[Attestation]:
    """Return bundles and the older ``.att`` envelopes, each verified by cosign or saying why not."""
    from sluiceway_sign_cosign import attesting

    return attesting.attestations(project, image, registry, settings)


@hookimpl
def sluiceway_doctor(project: Project, settings: Settings) -> Sequence[Check]:
    """Look whether there is a cosign that may be used, whom we trust, and a key to sign with."""
    from sluiceway_sign_cosign import doctor

    return doctor.checks(project, settings)
