"""Sign, verify, attest and read back, by identity instead of by key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sluiceway import __version__
from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway.model import (
    Attestation,
    Evidence,
    Image,
    Maker,
    Manifest,
    Project,
    Registry,
    to_json,
)
from sluiceway.signing import SIGNATURE, MalformedError, bundle
from sluiceway.signing.records import (
    attestation_records,
    check_attested,
    check_subject,
    signature_evidence,
)
from sluiceway_sign_keyless import sigstore_client
from sluiceway_sign_keyless.identities import Identity
from sluiceway_sign_keyless.sigstore_client import PLUGIN

if TYPE_CHECKING:
    from sigstore.oidc import IdentityToken

__all__ = ["attest", "attestations", "sign", "verify"]

_MAKER = Maker(plugin=PLUGIN, tool="sluiceway-sign-keyless", version=__version__)


def sign(
    project: Project,
    image: Image,
    manifest: Manifest,
    registry: Registry,
    settings: Mapping[str, Any],
) -> Evidence:
    """Sign the digest unless this identity has done so, then verify what is stored."""
    check_subject(image, manifest)
    token, own = _own(project, settings)
    if not _stored(project, image, registry, settings, own, SIGNATURE, {}):
        statement = bundle.statement(image.digest, SIGNATURE, {}, name=image.repository)
        body = sigstore_client.signed_bundle(project, settings, token, statement)
        bundle.put_bundle(registry, manifest, SIGNATURE, body)
    return verify(project, image, registry, settings)


def verify(
    project: Project, image: Image, registry: Registry, settings: Mapping[str, Any]
) -> Evidence:
    """Say whether somebody who may sign signed exactly this digest. Needs no network."""
    judge = _judge(project, settings)
    return signature_evidence(
        image,
        (lambda: bundle.read_bundles(registry, image.digest, judge, only=SIGNATURE),),
        _MAKER,
    )


def attest(
    project: Project,
    image: Image,
    manifest: Manifest,
    registry: Registry,
    predicate_type: str,
    predicate: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> Attestation:
    """Sign a statement about the image and store it, unless this identity has done so."""
    check_subject(image, manifest)
    check_attested(predicate_type)
    plain = to_json(predicate)
    token, own = _own(project, settings)
    digest = _stored(project, image, registry, settings, own, predicate_type, plain)
    if not digest:
        statement = bundle.statement(image.digest, predicate_type, plain, name=image.repository)
        body = sigstore_client.signed_bundle(project, settings, token, statement)
        digest = bundle.put_bundle(registry, manifest, predicate_type, body)
    return Attestation(
        predicate_type=predicate_type,
        predicate=plain,
        subject=image.digest,
        digest=digest,
        verified=True,
    )


def attestations(
    project: Project, image: Image, registry: Registry, settings: Mapping[str, Any]
) -> tuple[Attestation, ...]:
    """Return the attested bundles, oldest first."""
    judge = _judge(project, settings)
    return attestation_records(image, (lambda: bundle.read_bundles(registry, image.digest, judge),))


def _judge(project: Project, settings: Mapping[str, Any]) -> bundle.Judge:
    who = sigstore_client.wanted(settings)
    root = sigstore_client.trusted_root(project, settings)
    judge: bundle.Judge = sigstore_client.judge_with(root, who)
    return judge


def _own(project: Project, settings: Mapping[str, Any]) -> tuple[IdentityToken, Identity]:
    """Return the token and whom it names, who must be one of those who may sign."""
    token = sigstore_client.read_token(project, settings)
    own = Identity(name=token.identity, issuer=token.federated_issuer)
    if not any(item.takes(own) for item in sigstore_client.wanted(settings)):
        raise ConfigurationError(
            f"the token is of {own}, who is not among those who may sign",
            means="What it signs would be refused everywhere, so nothing was signed.",
            remedy=f"Add {{ identity = ..., issuer = ... }} to [plugins.{PLUGIN}] identities, "
            "or sign in the job that is named there.",
            code="sign.untrusted-identity",
        )
    return token, own


def _stored(
    project: Project,
    image: Image,
    registry: Registry,
    settings: Mapping[str, Any],
    own: Identity,
    kind: str,
    predicate: Any,
) -> str:
    """Return the digest of the newest bundle by which *own* says exactly this, or ``""``."""
    judge = _judge(project, settings)
    try:
        return bundle.find_statement(registry, image.digest, judge, kind, predicate, str(own))
    except MalformedError as error:
        raise ActionFailed(
            f"what lies beside {image} cannot be read: {error}",
            means="Nothing was added to it.",
            remedy="Find out who wrote it, and delete it.",
            code="sign.unreadable",
        ) from error
