"""Look at one image by its name: signed by whom, scanned when, with what result. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from sluiceway import __version__, oci
from sluiceway.errors import ConfigurationError, UsageError
from sluiceway.gates.ticks import Tick, scan_tick, signature_tick
from sluiceway.model import Attestation, Evidence, Image, Maker, Registry
from sluiceway.record import Record
from sluiceway.signing.public_key import PublicKey, load_public_key
from sluiceway.signing.records import attested_with_keys, verified_with_keys
from sluiceway.workbench import Workbench

__all__ = ["Inspection", "inspect"]

_VARIABLE = "COSIGN_PUBLIC_KEY"
_FILE = "cosign.pub"
_MAKER = Maker(plugin="core", tool="sluiceway", version=__version__)


class Inspection(Record):
    """What was found out about one image."""

    image: Image
    trust: str
    """Whom its signatures were verified with, for a person."""
    ticks: tuple[Tick, ...]

    @property
    def good(self) -> bool:
        """Every question has its tick."""
        return all(tick.good for tick in self.ticks)


class _Asked(Record):
    """Where to look and whom to trust."""

    registry: Registry
    trust: str
    keys: tuple[PublicKey, ...]
    """Empty where the service's own verifier is asked."""


def inspect(
    bench: Workbench | None,
    reference: str,
    *,
    key: str,
    scanned: bool,
    folder: Path,
    environ: Mapping[str, str],
) -> Inspection:
    """Look up *reference* once, and answer what is asked about the digest that it names.

    Args:
        bench: The service whose folder we are in, if there is one.
        reference: ``host[:port]/path:tag`` or ``...@sha256:...``.
        key: Path of a public key to trust. Empty: ``COSIGN_PUBLIC_KEY``, else the service's
            configuration, else ``cosign.pub`` in *folder*.
        scanned: Ask for a scan as well.
        folder: Where we are.
        environ: The process environment.

    Raises:
        UsageError: The reference is malformed, or there is no such image.
        ConfigurationError: ``sign.no-public-key``.
        ActionFailed: The registry cannot be asked.
    """
    repository, tag, digest = oci.parse_reference(reference)
    service = "" if bench is None else str(bench.config.root)
    keys, trust = _keys(key, folder, environ, service)
    asked = _Asked(registry=_registry(bench, str(repository), environ), trust=trust, keys=keys)
    registry = asked.registry
    manifest = registry.manifest(digest) if digest else registry.resolve(tag)
    if manifest is None:
        raise UsageError(
            f"there is no {reference}",
            means="The registry answered, and holds no such image.",
            remedy="Look for a misspelt name, tag or digest.",
            code="image.unknown",
        )
    image = Image(
        repository=str(repository), digest=manifest.digest, media_type=manifest.media_type
    )
    ticks = [signature_tick(_signature(bench, image, asked))]
    if scanned:
        attestations = _attestations(bench, image, asked)
        ticks.append(scan_tick(attestations, image.digest, datetime.now(UTC)))
    return Inspection(image=image, trust=asked.trust, ticks=tuple(ticks))


def _registry(bench: Workbench | None, repository: str, environ: Mapping[str, str]) -> Registry:
    if bench is None:
        return oci.open_registry(repository, environ=environ)
    opened: Registry = bench.plugins.one("sluiceway_registry", repository=repository)
    return opened


def _keys(
    named: str, folder: Path, environ: Mapping[str, str], service: str
) -> tuple[tuple[PublicKey, ...], str]:
    """Return the keys to trust and where they are from; none where the service says it."""
    value = environ.get(_VARIABLE, "")
    if not named and "-----BEGIN" in value:
        key = load_public_key(value.encode(), f"the variable {_VARIABLE}")
        return (key,), f"{key.fingerprint} ({_VARIABLE})"
    text = named or value
    if not text and service:
        return (), f"whom the service in {service} trusts"
    path = folder / Path(text or _FILE).expanduser()
    try:
        body = path.read_bytes()
    except (OSError, ValueError) as error:
        shown = f"{path} cannot be read" if text else f"there is no {_FILE} here"
        raise ConfigurationError(
            f"whose signatures are trusted is not known: {shown}",
            means="Without a trusted key no signature means anything, so nothing was looked at.",
            remedy=f"Name the key: --key {_FILE}, or set {_VARIABLE}, or go to the service's "
            "folder.",
            code="sign.no-public-key",
        ) from error
    key = load_public_key(body, str(path))
    return (key,), f"{key.fingerprint} ({path})"


def _signature(bench: Workbench | None, image: Image, asked: _Asked) -> Evidence:
    if asked.keys or bench is None:
        return verified_with_keys(image, asked.registry, asked.keys, _MAKER)
    evidence: Evidence = bench.plugins.one("sluiceway_verify", image=image, registry=asked.registry)
    return evidence


def _attestations(bench: Workbench | None, image: Image, asked: _Asked) -> Sequence[Attestation]:
    if asked.keys or bench is None:
        return attested_with_keys(image, asked.registry, asked.keys)
    answer: Sequence[Attestation] = bench.plugins.one(
        "sluiceway_attestations", image=image, registry=asked.registry
    )
    return answer
