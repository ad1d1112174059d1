"""Lists that a registry gives: tags, referrers, and where their next page is."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from sluiceway.errors import ActionFailed
from sluiceway.model import Descriptor
from sluiceway.oci import failures
from sluiceway.oci.documents import descriptor_from

__all__ = ["next_page", "parse_referrers", "parse_tags"]

_LINK = re.compile(r"<([^>]*)>([^,]*)")
_RELATION = re.compile(r""";\s*rel\s*=\s*"?next"?""", re.IGNORECASE)


def next_page(headers: Sequence[str]) -> str:
    """Return the target of ``Link: <...>; rel="next"`` (RFC 8288), or ``""``."""
    for header in headers:
        for target, parameters in _LINK.findall(header):
            if _RELATION.search(parameters):
                return str(target)
    return ""


def parse_tags(body: bytes, host: str) -> list[str]:
    """Return the tags of one page; ``null`` is an empty page."""
    tags = _parse(body, host).get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise failures.malformed(host, "its list of tags is not a list of texts")
    return tags


def parse_referrers(body: bytes, host: str) -> list[Descriptor]:
    """Return the descriptors of one page of referrers, each once.

    Left out is what has a digest that cannot be checked here (not SHA-256): it could not be
    fetched either.
    """
    manifests = _parse(body, host).get("manifests") or []
    if not isinstance(manifests, list):
        raise failures.malformed(host, "its list of referrers is not a list")
    found: list[Descriptor] = []
    for item in manifests:
        digest = item.get("digest") if isinstance(item, dict) else None
        if isinstance(digest, str) and not digest.startswith("sha256:"):
            continue
        try:
            found.append(descriptor_from(item))
        except ActionFailed as error:
            raise failures.malformed(
                host, f"its list of referrers is broken: {error.what}"
            ) from error
    return found


def _parse(body: bytes, host: str) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise failures.malformed(host, "its list is not JSON") from error
    if not isinstance(document, dict):
        raise failures.malformed(host, "its list is not a JSON object")
    return document
