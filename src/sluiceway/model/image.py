"""An image: repository, digest and media type. Never a tag."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from sluiceway.model.json import rfc3339
from sluiceway.record import Record, field

__all__ = [
    "BuildRequest",
    "Built",
    "Descriptor",
    "Image",
    "Manifest",
    "Pushed",
    "Registry",
]


class Image(Record):
    """One image in one repository, named by content."""

    repository: str
    """Host and path without scheme, tag or digest: ``127.0.0.1:5555/settlement``."""
    digest: str
    """``sha256:<hex>`` of the manifest's (or index's) bytes."""
    media_type: str
    """The media type under which the registry stores those bytes."""

    def __str__(self) -> str:
        return f"{self.repository}@{self.digest}"


class Descriptor(Record):
    """An OCI content descriptor (image-spec, ``descriptor.md``)."""

    media_type: str
    digest: str
    size: int
    """Bytes."""
    annotations: dict[str, str] = field(default_factory=dict)
    artifact_type: str = ""


class Manifest(Record):
    """A manifest or index exactly as a registry stores it."""

    body: bytes
    media_type: str
    digest: str
    """``sha256:<hex>`` of :attr:`body`, checked by whoever made this record."""


class Registry(Protocol):
    """One repository in one OCI registry. All methods raise ``ActionFailed`` when it cannot act.

    The digest of every body read is checked against what was asked for. Instances may be used
    from several threads.
    """

    @property
    def repository(self) -> str:
        """Host and path: ``127.0.0.1:5555/settlement``."""

    def resolve(self, tag: str) -> Manifest | None:
        """Return the manifest that *tag* names now, or ``None`` when there is no such tag."""

    def manifest(self, digest: str) -> Manifest | None:
        """Return the manifest with *digest*, or ``None`` when the repository lacks it."""

    def put_manifest(self, reference: str, manifest: Manifest) -> None:
        """Store the same bytes under *reference* (tag or digest) with the stored media type,
        read them back and compare digests.
        """

    def delete_tag(self, tag: str) -> bool:
        """Remove *tag*; ``False`` when the registry does not offer that. A missing tag is fine."""

    def tags(self) -> tuple[str, ...]:
        """Return all tags, sorted."""

    def blob(self, digest: str, *, limit: int) -> bytes:
        """Return a blob's bytes; more than *limit* bytes is an ``ActionFailed``."""

    def save_blob(self, digest: str, path: Path, *, limit: int | None = None) -> None:
        """Stream a blob to *path*; more than *limit* bytes is an ``ActionFailed``."""

    def has_blob(self, digest: str) -> bool:
        """Say whether the repository holds the blob."""

    def put_blob(self, content: bytes | Path) -> Descriptor:
        """Upload bytes or a file (streamed) unless present; the descriptor's media type is
        ``application/octet-stream`` for the caller to replace.
        """

    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """Return what refers to *digest* (OCI distribution 1.1), by API or by fallback tag."""

    def put_referrer(self, subject: Manifest, manifest: Manifest) -> None:
        """Store *manifest*, whose ``subject`` is *subject*, and make it discoverable, with the
        fallback tag where the registry has no referrers API.
        """

    def ping(self) -> str:
        """Return a short sentence on what answers at the address; raises when nothing does."""


class BuildRequest(Record):
    """What to build an image from. Everything that may enter the image is in this record."""

    context: Path
    """The build context folder, absolute."""
    dockerfile: Path
    """Absolute path of the Dockerfile."""
    repository: str
    version: str
    """The service's version for ``org.opencontainers.image.version``; may be empty."""
    revision: str
    """The source revision (commit) or ``""`` when the context is not under version control."""
    source: str
    """Where the source lives (``org.opencontainers.image.source``); may be empty."""
    epoch: int
    """Seconds since 1970 for every time inside the image (``SOURCE_DATE_EPOCH``)."""
    layout: Path
    """An existing empty folder in which to leave an OCI image layout."""
    tag: str = "pushed"
    """The tag under which a tool that can only push by tag stores the image. Nothing relies on
    it: the digest counts."""

    def labels(self) -> dict[str, str]:
        """Return the labels that say what the image was built from; empty ones are left out.

        Source: OCI image-spec, ``annotations.md``, pre-defined keys.
        """
        known = {
            "created": rfc3339(datetime.fromtimestamp(self.epoch, UTC)),
            "revision": self.revision,
            "source": self.source,
            "version": self.version,
        }
        return {f"org.opencontainers.image.{name}": value for name, value in known.items() if value}


class Built(Record):
    """The result of a build: one image in an OCI layout folder (image-spec, ``image-layout.md``)."""

    layout: Path
    manifest: Manifest
    reproducible: str
    """``yes``, ``no`` or ``unknown``: would the same request give the same digest?"""
    labels: dict[str, str]


class Pushed(Record):
    """The result of a build whose own tool stored the image in the registry.

    The digest is the one that the tool reported for its push; whoever asked for the build reads
    the manifest back from the registry before believing it.
    """

    digest: str
    reproducible: str
    """As in :class:`Built`."""
    labels: dict[str, str]
