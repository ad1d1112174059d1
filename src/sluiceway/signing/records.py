"""What was found beside an image, as the records that the hooks return."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway.model import Attestation, Evidence, Image, Maker, Manifest, Registry, Status
from sluiceway.signing import bundle, simple_signing
from sluiceway.signing.dsse import MalformedError
from sluiceway.signing.found import SIGNATURE, Found, by_keys
from sluiceway.signing.public_key import PublicKey

__all__ = [
    "attestation_records",
    "attested_with_keys",
    "check_attested",
    "check_subject",
    "signature_evidence",
    "verified_with_keys",
]

Reader = Callable[[], Iterable[Found]]


def signature_evidence(image: Image, stores: Iterable[Reader], maker: Maker) -> Evidence:
    """Return evidence of kind ``signature`` from what each of *stores* holds.

    Each store is read on its own: what is wrong with one is no reason to overlook the other.
    Found items of another type than :data:`~sluiceway.signing.found.SIGNATURE` are no signatures.
    """
    problems: list[str] = []
    found: list[Found] = []
    for read in stores:
        try:
            found += [
                item
                for item in read()
                if item.predicate_type == SIGNATURE or (item.problem and not item.predicate_type)
            ]
        except MalformedError as error:
            problems.append(str(error))
    good = [item for item in found if not item.problem and item.predicate_type == SIGNATURE]
    problems += [f"{item.where}: {item.problem}" for item in found if item.problem]
    if not found and not problems:
        problems.append("there is no signature beside the image")
    signers = sorted({item.signer for item in good if item.signer})
    if good:
        summary = f"{len(good)} of {len(found)} signatures verify, by {', '.join(signers)}"
    elif found:
        summary = f"none of {len(found)} signatures verifies: {'; '.join(problems)}"
    else:
        summary = f"not signed: {'; '.join(problems)}"
    return Evidence(
        kind="signature",
        status=Status.OK if good else Status.FAILED,
        subject=image.digest,
        made_at=datetime.now(UTC),
        maker=maker,
        summary=summary,
        facts={
            "present": len(found),
            "verified": len(good),
            "keys": signers,
            "problems": problems,
        },
    )


def attestation_records(image: Image, stores: Iterable[Reader]) -> tuple[Attestation, ...]:
    """Return what *stores* hold as attestations, in that order. Signatures are none of them.

    Raises:
        ActionFailed: ``sign.unreadable`` when a store cannot be read at all.
    """
    found: list[Found] = []
    try:
        for read in stores:
            found += read()
    except MalformedError as error:
        raise ActionFailed(
            f"the attestations of {image} cannot be read: {error}",
            remedy="Find out who wrote them, and delete them.",
            code="sign.unreadable",
        ) from error
    return tuple(
        Attestation(
            predicate_type=item.predicate_type,
            predicate=item.predicate,
            subject=item.subject,
            digest=item.digest,
            verified=not item.problem,
            problem=f"{item.where}: {item.problem}" if item.problem else "",
        )
        for item in found
        if item.predicate_type != SIGNATURE
    )


def verified_with_keys(
    image: Image, registry: Registry, keys: Sequence[PublicKey], maker: Maker
) -> Evidence:
    """Return evidence of kind ``signature``: who of *keys* signed, in either store."""
    return signature_evidence(
        image,
        (
            lambda: simple_signing.read_signatures(registry, image.digest, keys),
            lambda: bundle.read_bundles(
                registry, image.digest, bundle.signed_by(keys), only=SIGNATURE
            ),
        ),
        maker,
    )


def attested_with_keys(
    image: Image, registry: Registry, keys: Sequence[PublicKey]
) -> tuple[Attestation, ...]:
    """Return the attestations of both stores, those under the ``.att`` tag first."""
    return attestation_records(
        image,
        (
            lambda: simple_signing.read_attestations(registry, image.digest, by_keys(keys)),
            lambda: bundle.read_bundles(registry, image.digest, bundle.signed_by(keys)),
        ),
    )


def check_subject(image: Image, manifest: Manifest) -> None:
    """Raise ``ActionFailed`` (``sign.subject``) unless *manifest* is the one of *image*."""
    if manifest.digest != image.digest:
        raise ActionFailed(
            f"{image} was to be signed by the manifest of {manifest.digest}",
            means="Nothing was signed.",
            code="sign.subject",
        )


def check_attested(predicate_type: str) -> None:
    """Raise ``ConfigurationError`` when an attestation of that type would pass for a signature."""
    if predicate_type == SIGNATURE:
        raise ConfigurationError(
            f"{SIGNATURE} is what makes a statement a signature",
            means="An attestation of that type would pass for one.",
            remedy="Use `invoke sign` to sign.",
            code="sign.predicate-type",
        )
