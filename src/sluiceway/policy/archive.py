"""A bundle as the one file that OPA itself reads, for engines that are other programs.

The archive is an OPA bundle (openpolicyagent.org/docs/management-bundles): Rego at its own paths,
``data.json`` at the root, the schemas where they were, and a manifest. Its revision is the digest of what is inside, and its
roots are the packages and data that it brings, which a server then lets nobody else write.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from sluiceway.model import canonical, digest_of
from sluiceway.policy.engine import Bundle, EngineError

__all__ = ["archive", "check_path", "document_bytes", "revision", "roots", "written"]

_PACKAGE = re.compile(r"^\s*package\s+([A-Za-z_][A-Za-z0-9_]*)", re.MULTILINE)
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_written = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_canonical = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
).encode
_SYSTEM = "system"
"""OPA's own package: authorization, log masks. Not a place for what decides gates."""


def revision(bundle: Bundle) -> str:
    """Return ``sha256:<hex>`` over what *bundle* holds, whatever its own digest claims.

    It is that digest for every bundle that was read by :func:`~sluiceway.policy.load_bundle`.
    """
    return digest_of({"modules": bundle.modules, "data": bundle.data, "schemas": bundle.schemas})


def roots(bundle: Bundle) -> list[str]:
    """Return the first words of every package and every key of the data, sorted.

    Raises:
        EngineError: When the bundle would write to OPA's own ``system``.
    """
    found = set(bundle.data)
    for source in bundle.modules.values():
        found.update(_PACKAGE.findall(source))
    if _SYSTEM in found:
        raise EngineError(
            "the policies have a package or data called system",
            means="There OPA keeps its own rules, so that engines would not agree on it.",
            remedy="Give it another name.",
            code="policy.layout",
        )
    return sorted(found)


def archive(bundle: Bundle) -> bytes:
    """Return *bundle* as a ``bundle.tar.gz``, byte for byte the same for the same content.

    Raises:
        EngineError: When a module's name is no path inside of a bundle.
    """
    import gzip
    import tarfile

    manifest = {"revision": revision(bundle), "roots": roots(bundle), "rego_version": 1}
    files = {".manifest": canonical(manifest), "data.json": canonical(bundle.data)}
    # OPA passes over what is not called data.json; whoever loads the bundle here needs them.
    files |= {
        f"schemas/{gate}/input.json": canonical(each) for gate, each in bundle.schemas.items()
    }
    for name, source in bundle.modules.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or path.suffix != ".rego" or "\0" in name:
            raise EngineError(
                f"{name!r} is not the path of a Rego file in a bundle",
                remedy="Name modules by their path below the folder of policies.",
                code="policy.layout",
            )
        files[str(path)] = source.encode()
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, body in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))
    return gzip.compress(written.getvalue(), mtime=0)


def check_path(path: str) -> None:
    """Raise :class:`EngineError` unless *path* is a dotted path and nothing else."""
    if not _PATH.fullmatch(path):
        raise EngineError(
            f"{path!r} is not the dotted path of a rule",
            remedy="Write the package and the rule, for example promotion.decision.",
            code="policy.evaluation",
        )


class _Written(dict[str, Any]):
    """A document that was written once, with what was written. Nobody changes it any more."""

    __slots__ = ("body",)

    def __init__(self, document: Mapping[str, Any], body: bytes) -> None:
        super().__init__(document)
        self.body = body


def written(document: Mapping[str, Any]) -> tuple[Mapping[str, Any], bytes]:
    """Return *document* for an engine, and its canonical JSON.

    The engine is given these very bytes by :func:`document_bytes`, if it is JSON data all through.

    Raises:
        TypeError, ValueError, RecursionError: It cannot be written.
    """
    try:
        body = _canonical(document).encode()
    except TypeError:  # a record, perhaps, which has a digest and is no JSON for an engine
        return document, canonical(document)
    return _Written(document, body), body


def document_bytes(document: Any) -> bytes:
    """Return *document* as JSON for an engine; what is not JSON data is an :class:`EngineError`.

    A lone surrogate is refused: some would replace it, and judge another text than was given.
    """
    if type(document) is _Written:
        return document.body
    try:
        return _written(dict(document) if isinstance(document, Mapping) else document).encode()
    except (UnicodeError, ValueError, TypeError, RecursionError) as error:
        raise EngineError(
            f"the input cannot be written as JSON: {error}",
            means="A policy only ever sees JSON data.",
            code="policy.evaluation",
        ) from error
