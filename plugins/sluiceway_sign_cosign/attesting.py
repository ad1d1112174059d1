"""Attest with cosign, and read attestations back as both readers see them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sluiceway.errors import ActionFailed
from sluiceway.model import Attestation, Image, Manifest, Project, Registry, to_json
from sluiceway.signing import SIGNATURE, Found, MalformedError, bundle, simple_signing
from sluiceway.signing.dsse import IN_TOTO, read_envelope, strict_json
from sluiceway.signing.found import by_keys
from sluiceway.signing.records import attestation_records, check_attested, check_subject
from sluiceway_sign_cosign.program import Cosign, find
from sluiceway_sign_cosign.signing import own_key, reason
from sluiceway_sign_cosign.trust import Trusted, named_keys, signing_key, trusted

__all__ = ["attest", "attestations"]


def attest(
    project: Project,
    image: Image,
    manifest: Manifest,
    registry: Registry,
    predicate_type: str,
    predicate: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> Attestation:
    """Sign a statement about the image and store it as a bundle, unless it is there already.

    Raises:
        ConfigurationError: When the key cannot be used, or the type is that of a signature.
        ActionFailed: ``sign.attestation-changed`` when cosign stored something else.
    """
    check_subject(image, manifest)
    check_attested(predicate_type)
    plain = to_json(predicate)
    key = signing_key(project, settings)
    with find(project, settings, image.repository, key) as cosign:
        own = own_key(project, settings, cosign, key)
        stored = _same(registry, image, own, predicate_type, plain)
        if not stored:
            body = json.dumps(plain, ensure_ascii=False, allow_nan=False).encode()
            cosign.attest(key, str(image), predicate_type, body)
            stored = _same(registry, image, own, predicate_type, plain)
    if not stored:
        raise ActionFailed(
            f"cosign attested {image}, but the predicate that is stored is another one",
            means="cosign reads and writes the predicate anew and rounds whole numbers above "
            "2**53. The attestation that it wrote does not say what was meant.",
            remedy="Use sign-key, which signs the bytes as they are.",
            code="sign.attestation-changed",
        )
    return Attestation(
        predicate_type=predicate_type,
        predicate=plain,
        subject=image.digest,
        digest=stored,
        verified=True,
    )


def attestations(
    project: Project, image: Image, registry: Registry, settings: Mapping[str, Any]
) -> tuple[Attestation, ...]:
    """Return the attestations of both formats, those under the ``.att`` tag first."""
    names = named_keys(project, settings)
    with find(project, settings, image.repository) as cosign:
        keys = trusted(cosign, names)
        publics = [item.public for item in keys]
        check, judge = by_keys(publics), bundle.signed_by(publics)
        return attestation_records(
            image,
            (
                lambda: _agreed(
                    cosign,
                    image,
                    keys,
                    simple_signing.read_attestations(registry, image.digest, check),
                    tags=True,
                ),
                lambda: _agreed(
                    cosign,
                    image,
                    keys,
                    bundle.read_bundles(registry, image.digest, judge),
                    tags=False,
                ),
            ),
        )


def _same(registry: Registry, image: Image, own: Trusted, kind: str, predicate: Any) -> str:
    judge = bundle.signed_by([own.public])
    signer = own.public.fingerprint
    return bundle.find_statement(registry, image.digest, judge, kind, predicate, signer)


def _agreed(
    cosign: Cosign, image: Image, keys: Sequence[Trusted], found: Sequence[Found], *, tags: bool
) -> Iterable[Found]:
    """Return *found*; of what verified, only that still does which cosign accepts as well."""
    names = {item.public.fingerprint: item.key for item in keys}
    asked = {
        (item.signer, item.predicate_type)
        for item in found
        if not item.problem and item.predicate_type != SIGNATURE
    }
    answers = {
        (signer, kind): _ask(cosign, image, names[signer], kind, tags=tags)
        for signer, kind in sorted(asked)
    }
    for item in found:
        answer = answers.get((item.signer, item.predicate_type))
        if item.problem or answer is None:
            yield item
            continue
        statements, refusal = answer
        wanted = (item.predicate_type, item.predicate)
        agreed = wanted in statements
        yield item if agreed else replace(item, problem=f"cosign does not accept it: {refusal}")


def _ask(
    cosign: Cosign, image: Image, key: str, kind: str, *, tags: bool
) -> tuple[list[tuple[str, Any]], str]:
    """Return the types and predicates about *image* that cosign verified, and else why not."""
    command = ("verify-attestation", f"--type={kind}")
    done = cosign.verify(command, key, str(image), tags=tags)
    if done.code != 0:
        return [], reason(done)
    statements = []
    try:
        for line in done.stdout.splitlines():
            if line.strip():
                envelope = read_envelope(strict_json(line.encode(), "cosign's answer"))
                if envelope.payload_type != IN_TOTO:
                    continue
                statement = strict_json(envelope.payload, "the statement")
                subjects = {f"sha256:{item['digest']['sha256']}" for item in statement["subject"]}
                if image.digest in subjects:
                    kept = (statement["predicateType"], statement.get("predicate") or {})
                    statements.append(kept)
    except (MalformedError, KeyError, TypeError):
        return [], "its answer cannot be read"
    return statements, "it is not among those that it verified"
