"""Who may sign: identities that a certificate names, each together with who vouched for it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sluiceway.errors import ConfigurationError
from sluiceway.record import Record
from sluiceway.signing import MalformedError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

__all__ = ["Identity", "Wanted", "identity_of", "wanted_identities"]

_ISSUER_V1 = "1.3.6.1.4.1.57264.1.1"
_ISSUER_V2 = "1.3.6.1.4.1.57264.1.8"
_OTHER_NAME = "1.3.6.1.4.1.57264.1.7"
_UTF8_STRING = 0x0C
_LONG_FORM = 0x80
_KEYS = ("identity", "identity_regexp", "issuer", "issuer_regexp")


class Identity(Record):
    """Who a certificate was issued to, and which OpenID provider said so."""

    name: str
    issuer: str

    def __str__(self) -> str:
        return f"{self.name} (by {self.issuer})"


class Wanted(Record):
    """One identity that may sign. Both halves are needed: a name means nothing by itself."""

    identity: re.Pattern[str]
    issuer: re.Pattern[str]

    def takes(self, found: Identity) -> bool:
        """Say whether *found* is wholly what is wanted."""
        return bool(self.identity.fullmatch(found.name) and self.issuer.fullmatch(found.issuer))


def wanted_identities(tables: Sequence[Any], where: str) -> tuple[Wanted, ...]:
    """Read the setting ``identities``.

    Each table has ``identity`` or ``identity_regexp``, and ``issuer`` or ``issuer_regexp``. An
    expression has to match the whole: ``.*`` in it is for its author to answer for.

    Raises:
        ConfigurationError: ``configuration.identity``.
    """
    return tuple(
        Wanted(identity=_half(table, "identity", where), issuer=_half(table, "issuer", where))
        for table in tables
    )


def identity_of(certificate: Certificate) -> Identity:
    """Return whom *certificate* names (Fulcio's ``oid-info.md``).

    Raises:
        MalformedError: It names nobody, or more than one.
    """
    from cryptography import x509

    names: set[str] = set()
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError) as error:
        raise MalformedError("its certificate names nobody") from error
    for name in extension.value:
        if isinstance(name, x509.RFC822Name | x509.UniformResourceIdentifier):
            names.add(name.value)
        elif isinstance(name, x509.OtherName) and name.type_id.dotted_string == _OTHER_NAME:
            names.add(_text(name.value))
        else:
            raise MalformedError("its certificate names somebody in a form that is not read")
    if len(names) != 1:
        raise MalformedError(f"its certificate names {len(names)} identities, not one")
    return Identity(name=names.pop(), issuer=_issuer(certificate))


def _issuer(certificate: Certificate) -> str:
    from cryptography import x509

    found: set[str] = set()
    for extension in certificate.extensions:
        if not isinstance(extension.value, x509.UnrecognizedExtension):
            continue
        if extension.oid.dotted_string == _ISSUER_V2:
            found.add(_text(extension.value.value))
        elif extension.oid.dotted_string == _ISSUER_V1:
            found.add(_decoded(extension.value.value))
    if len(found) != 1:
        raise MalformedError(f"its certificate names {len(found)} issuers, not one")
    return found.pop()


def _text(der: bytes) -> str:
    """Read a DER UTF8String, in either form of its length, that is the whole of *der*."""
    if len(der) < 2 or der[0] != _UTF8_STRING:  # noqa: PLR2004 - tag and length
        raise MalformedError("its certificate holds a text in a form that is not read")
    length, start = der[1], 2
    if length & _LONG_FORM:
        start += length & ~_LONG_FORM
        length = int.from_bytes(der[2:start], "big")
    if len(der) != start + length:
        raise MalformedError("its certificate holds a text in a form that is not read")
    return _decoded(der[start:])


def _decoded(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise MalformedError("its certificate holds a text that is not UTF-8") from error


def _half(table: Any, name: str, where: str) -> re.Pattern[str]:
    known = isinstance(table, Mapping) and set(table) <= set(_KEYS)
    given = [key for key in (name, f"{name}_regexp") if known and table.get(key)]
    if len(given) != 1 or not isinstance(table[given[0]], str):
        raise ConfigurationError(
            f"{where} identities has an entry that does not say one {name}: {table!r}",
            means="A certificate is trusted for who it names and for who vouched for that; either "
            "alone could be had by a stranger.",
            remedy=f'Write it as {{ identity = "...", issuer = "https://..." }}, or with '
            f"{name}_regexp for an expression that matches the whole.",
            code="configuration.identity",
        )
    text = table[given[0]]
    try:
        return re.compile(text if given[0].endswith("_regexp") else re.escape(text))
    except re.error as error:
        raise ConfigurationError(
            f"{where} {given[0]} is no regular expression: {error}",
            remedy="Correct it, or write the whole text without _regexp.",
            code="configuration.identity",
        ) from error
