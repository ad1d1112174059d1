"""Keeps a client on one side: a hash of its cookie or header decides, in proportion to the weights.

The hash is a place between 0 and 1 that never changes. The canary has the places below its weight,
so raising the weight moves exactly the clients between the old and the new one, and no others.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import NamedTuple, Self

from sluiceway_deploy_local.wire import Fields

__all__ = ["Sticky"]

_SAID = re.compile(r"(cookie|header):([!#$%&'*+\-.^_`|~0-9A-Za-z]+)")
_BYTES = 8


class Sticky(NamedTuple):
    """Which cookie or header names a client."""

    cookie: bytes = b""
    header: bytes = b""
    """Lower case."""

    @classmethod
    def of(cls, said: str) -> Self | None:
        """Return what ``cookie:NAME`` or ``header:NAME`` says, ``None`` when it is neither."""
        match = _SAID.fullmatch(said)
        if match is None:
            return None
        name = match[2].encode()
        return cls(cookie=name) if match[1] == "cookie" else cls(header=name.lower())

    def place(self, fields: Fields) -> float | None:
        """Return the client's place, from 0 to below 1, or ``None`` when it names itself not."""
        wanted = self.header or b"cookie"
        for name, _, value in fields:
            if name != wanted:
                continue
            key = value if self.header else _cookie(value, self.cookie)
            if key:
                number = int.from_bytes(blake2b(key, digest_size=_BYTES).digest(), "big")
                return (number >> 11) / (1 << 53)  # what a float holds exactly: never 1.0
        return None


def _cookie(value: bytes, name: bytes) -> bytes:
    for pair in value.split(b";"):
        found, _, content = pair.strip(b" \t").partition(b"=")
        if found == name:
            return content
    return b""
