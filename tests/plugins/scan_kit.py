"""What tests of scanners share: SBOMs, projects, and databases written as the real ones are."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
                "versionInfo": version,
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
