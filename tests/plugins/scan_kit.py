"""What tests of scanners share: SBOMs, projects, and databases written as the real ones are."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sluiceway.model import Image, Maker, Project, Sbom, Scan, canonical

DIGEST = "sha256:" + "a" * 64
IMAGE = Image(repository="127.0.0.1:5555/service", digest=DIGEST, media_type="m")
REAL = Path(__file__).parents[3] / "shared" / "data" / "osv"
PIP = "pip::GitHub Security Advisory Pip"
NPM = "npm::GitHub Security Advisory Npm"


def sbom(*purls: str, subject: str = DIGEST) -> Sbom:
    """Return an SPDX document about *subject* that lists *purls*."""
    packages: list[dict[str, Any]] = [
        {
            "SPDXID": "SPDXRef-Image",
            "name": "service",
            "downloadLocation": "NOASSERTION",
            "externalRefs": [_reference("pkg:oci/service@sha256%3Aaa")],
        }
    ]
    for number, purl in enumerate(purls):
        name, _, version = purl.partition("?")[0].rpartition("/")[2].partition("@")
        packages.append(
            {
                "SPDXID": f"SPDXRef-Package-{number}",
                "name": name,
                "versionInfo": unquote(version),
                "downloadLocation": "NOASSERTION",
                "externalRefs": [_reference(purl)],
            }
        )
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "service",
        "documentNamespace": "urn:uuid:6a3b6a52-7a2c-5f0e-9d84-0c8f5b1a7f12",
        "creationInfo": {"created": "2026-11-01T00:00:00Z", "creators": ["Tool: test-1"]},
        "packages": packages,
        "relationships": [
            {
                "spdxElementId": "SPDXRef-DOCUMENT",
                "relationshipType": "DESCRIBES",
                "relatedSpdxElement": "SPDXRef-Image",
            }
        ],
    }
    return Sbom(
        document=document,
        subject=subject,
        packages=len(purls),
        maker=Maker(plugin="sbom-test", tool="t", version="1"),
    )


def project(root: Path, **environ: str) -> Project:
    import os

    values = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **environ}
    return Project(service="s", root=root, state=root, environ=values)


def checked(found: Any, root: Path) -> Scan:
    """Return *found* after seeing that it can be attested and names no place on this machine."""
    assert isinstance(found, Scan)
    body = canonical(found).decode()
    if not found.subject.startswith("file:"):
        assert str(root) not in body
    assert "/tmp/sluiceway" not in body
    assert set(found.database) == {"uri", "digest", "advisories", "newest", "ecosystems"}
    return found


def program(path: Path, *lines: str) -> str:
    """Write a program that stands for a scanner gone wrong, as no real one can be made to."""
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)
    return str(path)


def advisory(id_: str, ecosystem: str, name: str, fixed: str, **more: Any) -> dict[str, Any]:
    """Return an OSV record: everything before *fixed* is affected."""
    kind = "SEMVER" if ecosystem == "npm" else "ECOSYSTEM"
    return {
        "id": id_,
        "modified": "2026-11-01T00:00:00Z",
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": name},
                "ranges": [{"type": kind, "events": [{"introduced": "0"}, {"fixed": fixed}]}],
            }
        ],
        **more,
    }


# --- trivy's database ---------------------------------------------------------------------------


def trivy_cache(folder: Path, *, updated: str = "2026-11-24T00:00:00Z") -> Path:
    """Make a trivy cache with two real advisories; return it."""

    def row(value: Any) -> bytes:
        return json.dumps(value).encode()

    details = {
        "CVE-2014-1402": ("python-jinja2: FileSystemBytecodeCache insecure cache file", "MEDIUM"),
        "CVE-2019-10744": ("nodejs-lodash: prototype pollution in defaultsDeep", "CRITICAL"),
    }
    tree = {
        PIP: {
            "jinja2": {
                "CVE-2014-1402": row(
                    {
                        "PatchedVersions": ["2.7.2"],
                        "VulnerableVersions": ["<2.7.2"],
                        "VendorIDs": ["GHSA-8r7q-cvjq-x353"],
                    }
                )
            }
        },
        NPM: {
            "lodash": {
                "CVE-2019-10744": row(
                    {
                        "PatchedVersions": ["4.17.12"],
                        "VulnerableVersions": ["<4.17.12"],
                        "VendorIDs": ["GHSA-jf85-cpcp-j695"],
                    }
                )
            }
        },
        "debian 12": {"glibc": {"CVE-2023-4911": row({"FixedVersion": "2.36-9+deb12u3"})}},
        "data-source": {
            PIP: row({"ID": "ghsa", "Name": "GitHub Security Advisory Pip", "URL": "https://x"}),
            NPM: row({"ID": "ghsa", "Name": "GitHub Security Advisory Npm", "URL": "https://x"}),
        },
        "vulnerability": {
            name: row({"Title": title, "Severity": level})
            for name, (title, level) in details.items()
        },
    }
    database = folder / "db"
    database.mkdir(parents=True)
    write_bolt(database / "trivy.db", tree)
    metadata = {
        "Version": 2,
        "UpdatedAt": updated,
        "NextUpdate": updated,
        "DownloadedAt": updated,
    }
    (database / "metadata.json").write_text(json.dumps(metadata))
    return folder


_PAGE = 4096


def write_bolt(path: Path, tree: Mapping[str, Any], *, split: int = 0) -> None:
    """Write *tree* (names to bytes or to trees) as a bbolt file.

    With *split*, buckets of more entries are spread over leaf pages below a branch page, as in
    large databases.
    """
    pages: dict[int, bytes] = {}
    free = 3  # after two meta pages and the list of free pages

    def add(flags: int, count: int, data: bytes) -> int:
        nonlocal free
        number = free
        needed = -(-(16 + len(data)) // _PAGE)
        free += needed
        head = struct.pack("<QHHI", number, flags, count, needed - 1)
        pages[number] = (head + data).ljust(needed * _PAGE, b"\0")
        return number

    def leaf(entries: list[tuple[int, bytes, bytes]]) -> int:
        heads, bodies = b"", b""
        for index, (flags, key, value) in enumerate(entries):
            position = 16 * (len(entries) - index) + len(bodies)
            heads += struct.pack("<IIII", flags, position, len(key), len(value))
            bodies += key + value
        return add(2, len(entries), heads + bodies)

    def bucket(part: Mapping[str, Any]) -> int:
        entries = []
        for name in sorted(part, key=str.encode):
            value = part[name]
            nested = isinstance(value, Mapping)
            body = struct.pack("<QQ", bucket(value), 0) if nested else value
            entries.append((int(nested), name.encode(), body))
        if not split or len(entries) <= split:
            return leaf(entries)
        parts = [entries[start : start + split] for start in range(0, len(entries), split)]
        below = [(some[0][1], leaf(some)) for some in parts]
        heads, bodies = b"", b""
        for index, (key, page) in enumerate(below):
            heads += struct.pack("<IIQ", 16 * (len(below) - index) + len(bodies), len(key), page)
            bodies += key
        return add(1, len(below), heads + bodies)

    root = bucket(tree)
    metas = []
    for number in (0, 1):
        values = (0xED0CDAED, 2, _PAGE, 0, root, 0, 2, free, number)
        body = struct.pack("<IIIIQQQQQ", *values)
        checksum = 0xCBF29CE484222325
        for byte in body:
            checksum = ((checksum ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
        head = struct.pack("<QHHI", number, 4, 0, 0)
        metas.append((head + body + struct.pack("<Q", checksum)).ljust(_PAGE, b"\0"))
    empty = struct.pack("<QHHI", 2, 16, 0, 0).ljust(_PAGE, b"\0")
    path.write_bytes(b"".join((*metas, empty, *(pages[number] for number in sorted(pages)))))


def _reference(purl: str) -> dict[str, str]:
    return {
        "referenceCategory": "PACKAGE-MANAGER",
        "referenceType": "purl",
        "referenceLocator": purl,
    }


# --- grype's database ---------------------------------------------------------------------------

_GRYPE_TABLES = """
CREATE TABLE blobs (id integer PRIMARY KEY, value text NOT NULL);
CREATE TABLE db_metadata (build_timestamp datetime, model integer, revision integer,
  addition integer);
CREATE TABLE providers (id text PRIMARY KEY, version text, processor text, date_captured datetime,
  input_digest text);
CREATE TABLE vulnerability_handles (id integer PRIMARY KEY, name text, status text,
  published_date datetime, modified_date datetime, withdrawn_date datetime, provider_id text,
  blob_id integer);
CREATE TABLE vulnerability_aliases (name text, alias text, PRIMARY KEY (name, alias));
CREATE TABLE affected_package_handles (id integer PRIMARY KEY, vulnerability_id integer,
  operating_system_id integer, package_id integer, blob_id integer);
CREATE TABLE unaffected_package_handles (id integer PRIMARY KEY, vulnerability_id integer,
  operating_system_id integer, package_id integer, blob_id integer);
CREATE TABLE operating_systems (id integer PRIMARY KEY, name text, release_id text,
  major_version text, minor_version text, label_version text, codename text, channel text,
  eol_date datetime, eoas_date datetime);
CREATE TABLE operating_system_specifier_overrides (alias text, version text, version_pattern text,
  codename text, channel text, replacement text, replacement_major_version text,
  replacement_minor_version text, replacement_label_version text, replacement_channel text,
  rolling numeric, applicable_client_db_schemas text);
CREATE TABLE packages (id integer PRIMARY KEY, ecosystem text, name text);
CREATE TABLE package_specifier_overrides (ecosystem text PRIMARY KEY, replacement_ecosystem text);
CREATE TABLE architecture_aliases (alias text PRIMARY KEY, canonical text);
CREATE TABLE affected_cpe_handles (id integer PRIMARY KEY, vulnerability_id integer,
  cpe_id integer, blob_id integer);
CREATE TABLE unaffected_cpe_handles (id integer PRIMARY KEY, vulnerability_id integer,
  cpe_id integer, blob_id integer);
CREATE TABLE cpes (id integer PRIMARY KEY, part text, vendor text, product text, edition text,
  language text, software_edition text, target_hardware text, target_software text, other text);
CREATE TABLE package_cpes (package_id integer, cpe_id integer, PRIMARY KEY (package_id, cpe_id));
CREATE TABLE known_exploited_vulnerability_handles (id integer PRIMARY KEY, cve text,
  blob_id integer);
CREATE TABLE epss_handles (id integer PRIMARY KEY, cve text, epss real, percentile real);
CREATE TABLE epss_metadata (date datetime);
CREATE TABLE cwe_handles (id integer PRIMARY KEY, cve text, cwe text, source text, type text);
"""
_GRYPE_ROWS = (  # id, alias, severity, provider, ecosystem, package, system, constraint, fix
    ("GHSA-8r7q-cvjq-x353", "CVE-2014-1402", "high", "github", "python", "jinja2", None, "2.7.2"),
    (
        "GHSA-jf85-cpcp-j695",
        "CVE-2019-10744",
        "critical",
        "github",
        "npm",
        "lodash",
        None,
        "4.17.12",
    ),
    ("CVE-2023-4911", "", "high", "debian", "deb", "glibc", 1, "2.36-9+deb12u3"),
)
_GRYPE_FORMATS = {"python": "python", "npm": "semantic", "deb": "dpkg"}


def grype_cache(folder: Path, *, built: str = "2026-11-24 00:00:00+00:00", model: int = 6) -> Path:
    """Make the folder of a grype database with three real advisories; return it."""
    import sqlite3
    from contextlib import closing

    database = folder / "6"
    database.mkdir(parents=True)
    with closing(sqlite3.connect(database / "vulnerability.db")) as opened:
        opened.executescript(_GRYPE_TABLES)
        opened.execute("INSERT INTO db_metadata VALUES (?, ?, 1, 10)", (built, model))
        opened.execute(
            "INSERT INTO operating_systems VALUES (1, 'debian', 'debian', '12', '', '',"
            " 'bookworm', '', NULL, NULL)"
        )
        for provider in ("github", "debian"):
            opened.execute(
                "INSERT INTO providers VALUES (?, '1', 'vunnel', ?, 'xxh64:0')", (provider, built)
            )
        for number, row in enumerate(_GRYPE_ROWS, 1):
            id_, alias, level, provider, ecosystem, name, system, fixed = row
            told = {
                "id": id_,
                "description": f"About {name}.",
                "refs": [{"url": f"https://example.org/{id_}"}],
                "aliases": [alias] if alias else [],
                "severities": [{"scheme": "CHML", "value": level, "rank": 1}],
            }
            constraint = {"type": _GRYPE_FORMATS[ecosystem], "constraint": f"<{fixed}"}
            ranges = [{"version": constraint, "fix": {"version": fixed, "state": "fixed"}}]
            affected = {"cves": [alias] if alias else [], "ranges": ranges}
            for blob, value in ((2 * number - 1, told), (2 * number, affected)):
                opened.execute("INSERT INTO blobs VALUES (?, ?)", (blob, json.dumps(value)))
            opened.execute(
                "INSERT INTO vulnerability_handles VALUES (?, ?, 'active', ?, ?, NULL, ?, ?)",
                (number, id_, built, built, provider, 2 * number - 1),
            )
            if alias:
                opened.execute("INSERT INTO vulnerability_aliases VALUES (?, ?)", (id_, alias))
            opened.execute("INSERT INTO packages VALUES (?, ?, ?)", (number, ecosystem, name))
            opened.execute(
                "INSERT INTO affected_package_handles VALUES (?, ?, ?, ?, ?)",
                (number, number, system, number, 2 * number),
            )
        opened.commit()
    digest = xxh64((database / "vulnerability.db").read_bytes())
    imported = {"digest": f"xxh64:{digest:016x}", "client_version": "v6.1.10"}
    (database / "import.json").write_text(json.dumps(imported))
    return folder


def xxh64(body: bytes) -> int:
    """Return the 64-bit xxHash of *body*, by which grype knows that its database is whole.

    Source: "xxHash fast digest algorithm", sections on XXH64.
    """
    mask = (1 << 64) - 1
    one, two, three, four, five = (
        0x9E3779B185EBCA87,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0x85EBCA77C2B2AE63,
        0x27D4EB2F165667C5,
    )

    def rotated(value: int, bits: int) -> int:
        return ((value << bits) | (value >> (64 - bits))) & mask

    def turn(value: int, lane: int) -> int:
        return rotated((value + lane * two) & mask, 31) * one & mask

    at, length = 0, len(body)
    total = five
    if length >= 32:
        lanes = [(one + two) & mask, two, 0, -one & mask]
        while at + 32 <= length:
            read = struct.unpack_from("<4Q", body, at)
            lanes = [turn(value, lane) for value, lane in zip(lanes, read, strict=True)]
            at += 32
        total = sum(rotated(v, bits) for v, bits in zip(lanes, (1, 7, 12, 18), strict=True)) & mask
        for value in lanes:
            total = ((total ^ turn(0, value)) * one + four) & mask
    total = (total + length) & mask
    while at + 8 <= length:
        total ^= turn(0, struct.unpack_from("<Q", body, at)[0])
        total = (rotated(total, 27) * one + four) & mask
        at += 8
    if at + 4 <= length:
        total ^= struct.unpack_from("<I", body, at)[0] * one & mask
        total = (rotated(total, 23) * two + three) & mask
        at += 4
    for byte in body[at:]:
        total = rotated(total ^ (byte * five & mask), 11) * one & mask
    total = (total ^ (total >> 33)) * two & mask
    total = (total ^ (total >> 29)) * three & mask
    return total ^ (total >> 32)
