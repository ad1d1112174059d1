"""Evidence: what a plugin found out, and how sure one may be that it did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sluiceway.record import Record, field

__all__ = ["Attestation", "Evidence", "Maker", "Sbom", "Scan", "Status", "Vulnerability"]


class Status(StrEnum):
    """The five outcomes of looking. Only :attr:`OK` ever passes a gate."""

    OK = "ok"
    FAILED = "failed"
    """The check was made and said no."""
    ERROR = "error"
    """The check could not be made."""
    NO_DATA = "no-data"
    """The check was made and there was nothing to look at."""
    INCONCLUSIVE = "inconclusive"
    """There was something to look at, but it settles nothing."""

    @staticmethod
    def worst(statuses: Iterable[Status]) -> Status:
        """Return the worst of *statuses*; of none at all, :attr:`NO_DATA`."""
        order = (Status.FAILED, Status.ERROR, Status.NO_DATA, Status.INCONCLUSIVE, Status.OK)
        present = set(statuses)
        return next((status for status in order if status in present), Status.NO_DATA)


class Maker(Record):
    """Who made a record: a plugin, with the tool it used and that tool's version."""

    plugin: str
    tool: str
    version: str


class Evidence(Record):
    """One finding of fact about one subject."""

    kind: str
    """``signature``, ``sbom``, ``scan``, ``smoke``, ``contract``, ``canary``, ``source``, ..."""
    status: Status
    subject: str
    """The image digest that this is about."""
    made_at: datetime
    maker: Maker
    summary: str
    """One sentence for a person."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What policies read; JSON data; its shape belongs to the kind (see ``docs/evidence.md``)."""


class Attestation(Record):
    """A signed in-toto statement about a digest, found beside the image in the registry."""

    predicate_type: str
    predicate: Mapping[str, Any]
    subject: str
    """The digest in the statement's subject. The verifier has checked that it is the one asked for."""
    digest: str
    """Digest of the stored manifest or envelope, to name this attestation by."""
    verified: bool
    """The envelope's signature was verified with a trusted key."""
    problem: str = ""
    """Why it was not verified, for a person."""


class Sbom(Record):
    """A software bill of materials of one image."""

    document: Mapping[str, Any]
    """The SPDX 2.3 JSON document; its DESCRIBES package carries the image digest as checksum."""
    subject: str
    packages: int
    """Packages found inside the image (the image itself not counted)."""
    maker: Maker


class Vulnerability(Record):
    """One advisory that matches one package."""

    id: str
    aliases: tuple[str, ...]
    package: str
    """Package URL."""
    severity: str
    """``CRITICAL``, ``HIGH``, ``MEDIUM``, ``LOW`` or ``UNKNOWN``."""
    fixed: tuple[str, ...]
    """Versions that fix it; empty when none is known."""
    summary: str = ""
    installed: str = ""
    """The version that is there; empty when the package URL says it, or nobody knows."""
    source: str = ""
    """Who says so: the advisory's address, or the name of the database it is from."""


class Scan(Record):
    """What a vulnerability scanner said about one SBOM."""

    status: Status
    """OK when the scan was made (whatever it found); NO_DATA without a database; ERROR otherwise."""
    subject: str
    made_at: datetime
    maker: Maker
    vulnerabilities: tuple[Vulnerability, ...]
    database: Mapping[str, Any]
    """``{"uri", "digest", "advisories", "newest", "ecosystems": [...]}``.

    ``advisories`` is their number, or null where the scanner cannot say (a service that is asked).
    ``newest`` (RFC 3339) is the latest change of an advisory, or else when the database was made;
    null where nobody says. ``digest`` is empty where the database cannot be had as bytes.
    """
    uncovered: tuple[str, ...]
    """Package URLs (or names) that this scanner could not judge."""
    summary: str
