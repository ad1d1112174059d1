"""Package databases to packages: Python, npm, Debian, Alpine, and programs built by Go.

Sources: Python core metadata (PEP 566, 643), npm's package.json, deb-control(5), Alpine's
"APK spec", and the Package URL specification's type list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from email.parser import BytesHeaderParser

from packageurl import PackageURL
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from sluiceway.record import Record
from sluiceway_sbom_catalogue import golang

__all__ = ["Package", "find"]


class Package(Record, order=True):
    """One installed package."""

    purl: str
    name: str
    version: str
    licence: str
    """As declared, in whatever words; empty when nothing is declared."""
    source: str
    """The file in the image that says so."""
    declared: bool = False
    """Asked for with an exact version in a requirements file, but not found installed."""


def find(files: Mapping[str, bytes]) -> tuple[Package, ...]:
    """Return the packages that *files* (path to bytes) speak of, sorted by purl, each once."""
    system = _os_release(files)
    found: dict[str, Package] = {}
    for path in sorted(files):
        if files[path].startswith(golang.PREFIX):
            for package in _go(path, files[path]):
                found.setdefault(package.purl, package)
    for reader, pattern in _READERS:
        for path in sorted(files):
            if pattern.fullmatch(path):
                for package in reader(path, files[path], system):
                    found.setdefault(package.purl, package)
    return tuple(sorted(found.values()))


def _python(path: str, body: bytes, _system: Mapping[str, str]) -> Iterator[Package]:
    headers = BytesHeaderParser().parsebytes(body)
    name, version = str(headers.get("Name", "")).strip(), str(headers.get("Version", "")).strip()
    if not name:
        return
    yield Package(
        purl=PackageURL("pypi", None, canonicalize_name(name), version or None).to_string(),
        name=name,
        version=version,
        licence=str(headers.get("License-Expression") or headers.get("License") or "").strip(),
        source=path,
    )


def _npm(path: str, body: bytes, _system: Mapping[str, str]) -> Iterator[Package]:
    try:
        document = json.loads(body)
    except ValueError:
        return
    if not isinstance(document, dict) or not isinstance(document.get("name"), str):
        return
    scope, _, name = document["name"].rpartition("/")
    version = document.get("version") if isinstance(document.get("version"), str) else ""
    licence = document.get("license")
    yield Package(
        purl=PackageURL("npm", scope or None, name, version or None).to_string(),
        name=document["name"],
        version=version or "",
        licence=licence if isinstance(licence, str) else "",
        source=path,
    )


def _debian(path: str, body: bytes, system: Mapping[str, str]) -> Iterator[Package]:
    distribution = system.get("ID", "debian")
    for paragraph in body.decode(errors="replace").split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", paragraph, re.MULTILINE))
        status = fields.get("Status", "install ok installed").split()
        if not fields.get("Package") or status[-1:] in _WITHOUT_FILES:
            continue
        qualifiers = {
            "arch": fields.get("Architecture", ""),
            "distro": f"{distribution}-{system['VERSION_ID']}" if system.get("VERSION_ID") else "",
            "upstream": _source(fields.get("Source", "")),
        }
        yield Package(
            purl=PackageURL(
                "deb",
                distribution,
                fields["Package"],
                fields.get("Version") or None,
                {key: value for key, value in qualifiers.items() if value},
            ).to_string(),
            name=fields["Package"],
            version=fields.get("Version", ""),
            licence="",
            source=path,
        )


def _source(told: str) -> str:
    """Return the source package, which is what advisories are about: ``glibc`` or ``glibc@2.36``.

    dpkg names it where it differs from the package, with its version where that differs
    (deb-control(5), "Source"). It is written as syft writes it.
    """
    name, _, version = told.partition(" ")
    version = version.strip("() ")
    return f"{name}@{version}" if version else name


def _alpine(path: str, body: bytes, system: Mapping[str, str]) -> Iterator[Package]:
    for paragraph in body.decode(errors="replace").split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z]):(.*)$", paragraph, re.MULTILINE))
        if not fields.get("P"):
            continue
        qualifiers = {
            "arch": fields.get("A", ""),
            "distro": f"alpine-{system['VERSION_ID']}" if system.get("VERSION_ID") else "",
            "upstream": "" if fields.get("o") == fields["P"] else fields.get("o", ""),
        }
        yield Package(
            purl=PackageURL(
                "apk",
                system.get("ID", "alpine"),
                fields["P"],
                fields.get("V") or None,
                {key: value for key, value in qualifiers.items() if value},
            ).to_string(),
            name=fields["P"],
            version=fields.get("V", ""),
            licence=fields.get("L", ""),
            source=path,
        )


def _go(path: str, body: bytes) -> Iterator[Package]:
    for name, version in golang.modules(body):
        namespace, _, last = name.rpartition("/")
        yield Package(
            purl=PackageURL("golang", namespace or None, last, version or None).to_string(),
            name=name,
            version=version,
            licence="",
            source=path,
        )


def _requirements(path: str, body: bytes, _system: Mapping[str, str]) -> Iterator[Package]:
    """Read exact pins only: what any version may satisfy says nothing about what is there."""
    for line in body.decode(errors="replace").replace("\\\n", " ").splitlines():
        text = re.split(r"(?:^|\s)#|\s--hash", line)[0].strip()
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue  # an option, a path or an address
        pins = [item for item in requirement.specifier if item.operator in {"==", "==="}]
        if len(pins) != 1 or pins[0].version.endswith(".*"):
            continue
        yield Package(
            purl=PackageURL(
                "pypi", None, canonicalize_name(requirement.name), pins[0].version
            ).to_string(),
            name=requirement.name,
            version=pins[0].version,
            licence="",
            source=path,
            declared=True,
        )


_WITHOUT_FILES: tuple[list[str], ...] = ([], ["not-installed"], ["config-files"])
"""dpkg's states of a package that has no program files; half-installed ones have some (dpkg(1))."""

_Reader = Callable[[str, bytes, Mapping[str, str]], Iterator[Package]]
_READERS: tuple[tuple[_Reader, re.Pattern[str]], ...] = (
    (_python, re.compile(r"(.*/)?[^/]+\.(dist-info/METADATA|egg-info(/PKG-INFO)?)")),
    (_npm, re.compile(r"(.*/)?node_modules/(@[^/]+/)?[^/]+/package\.json")),
    (_debian, re.compile(r"var/lib/dpkg/status(\.d/[^/]+)?")),
    (_alpine, re.compile(r"(usr/)?lib/apk/db/installed")),
    # Last: a package that is installed is not merely declared.
    (_requirements, re.compile(r"(.*/)?requirements[^/]*\.txt")),
)


def _os_release(files: Mapping[str, bytes]) -> dict[str, str]:
    body = files.get("etc/os-release") or files.get("usr/lib/os-release") or b""
    return {
        key: value.strip("\"'")
        for key, value in re.findall(
            r"^([A-Z_]+)=(.*)$", body.decode(errors="replace"), re.MULTILINE
        )
    }
