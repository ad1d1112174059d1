"""Asking an ssh-agent to sign (draft-ietf-sshm-ssh-agent), so that a key need not lie open."""

from __future__ import annotations

import socket

from sluiceway.errors import ActionFailed
from sluiceway_identity_ssh.keys import PublicKey
from sluiceway_identity_ssh.wire import Malformed, Reader, string, uint32

__all__ = ["listed", "sign"]

_REQUEST_IDENTITIES = 11
_IDENTITIES_ANSWER = 12
_SIGN_REQUEST = 13
_SIGN_RESPONSE = 14
_RSA_SHA2_512 = 4
_LONGEST_ANSWER = 1 << 20
_LIST_SECONDS = 2.0
# An agent may be set to ask its owner for each signature.
_SIGN_SECONDS = 20.0


def listed(address: str) -> tuple[PublicKey, ...]:
    """Return the keys that the agent at socket path *address* holds and that we understand.

    No agent, or one that answers nonsense, holds none.
    """
    try:
        reader = Reader(_ask(address, bytes([_REQUEST_IDENTITIES]), _LIST_SECONDS))
        if reader.take(1)[0] != _IDENTITIES_ANSWER:
            return ()
        keys = []
        for _ in range(reader.uint32()):
            blob = reader.string()
            reader.string()  # the comment
            try:
                keys.append(PublicKey.from_blob(blob))
            except Malformed:
                continue  # a type that is not used here, such as FIDO
    except (OSError, Malformed):
        return ()
    return tuple(keys)


def sign(address: str, key: PublicKey, data: bytes) -> bytes:
    """Return ``string algorithm, string value`` over *data*, made by the agent's *key*."""
    request = bytes([_SIGN_REQUEST]) + string(key.blob) + string(data) + uint32(_RSA_SHA2_512)
    try:
        reader = Reader(_ask(address, request, _SIGN_SECONDS))
        if reader.take(1)[0] != _SIGN_RESPONSE:
            raise _refused(key, "it refused")
        value = reader.string()
        reader.end()
    except (OSError, Malformed) as error:
        raise _refused(key, str(error) or type(error).__name__) from error
    return value


def _refused(key: PublicKey, why: str) -> ActionFailed:
    return ActionFailed(
        f"the ssh-agent did not sign with {key.fingerprint}: {why}",
        remedy="Look with `ssh-add -l` whether it still holds the key; it may be locked.",
        code="identity.agent",
    )


def _ask(address: str, request: bytes, seconds: float) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(seconds)
        connection.connect(address)
        connection.sendall(string(request))
        size = int.from_bytes(_exactly(connection, 4), "big")
        if not 1 <= size <= _LONGEST_ANSWER:
            msg = f"its answer would have {size} bytes"
            raise Malformed(msg)
        return _exactly(connection, size)


def _exactly(connection: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        part = connection.recv(size - len(content))
        if not part:
            msg = "it hung up"
            raise Malformed(msg)
        content += part
    return content
