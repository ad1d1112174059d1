"""The data types of the SSH protocol (RFC 4251, section 5), read strictly."""

from __future__ import annotations

__all__ = ["Malformed", "Reader", "mpint", "string", "uint32"]


class Malformed(ValueError):  # noqa: N818 - a state of the bytes; callers turn it into their error
    """Bytes that are not what they claim to be."""


def uint32(number: int) -> bytes:
    """Return *number* as four bytes, big-endian."""
    return number.to_bytes(4, "big")


def string(content: bytes) -> bytes:
    """Return *content* with its length before it."""
    return uint32(len(content)) + content


def mpint(number: int) -> bytes:
    """Return the non-negative *number* as a multiple precision integer."""
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big") if number else b"")


class Reader:
    """Takes values from the front of *content*; raises :class:`Malformed` when there are none."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def take(self, size: int) -> bytes:
        """Return the next *size* bytes."""
        end = self._at + size
        if end > len(self._content):
            msg = "it ends early"
            raise Malformed(msg)
        taken = self._content[self._at : end]
        self._at = end
        return taken

    def uint32(self) -> int:
        """Return the next four bytes as a number."""
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        """Return the next bytes that have their length before them."""
        return self.take(self.uint32())

    def text(self) -> str:
        """Return the next string as ASCII text."""
        try:
            return self.string().decode("ascii")
        except UnicodeDecodeError:
            msg = "a name in it is not ASCII"
            raise Malformed(msg) from None

    def mpint(self) -> int:
        """Return the next multiple precision integer, which must not be negative."""
        content = self.string()
        if content and content[0] & 0x80:
            msg = "a number in it is negative"
            raise Malformed(msg)
        if len(content) > 1 and content[0] == 0 and not content[1] & 0x80:
            msg = "a number in it has needless leading zeros"
            raise Malformed(msg)
        return int.from_bytes(content, "big")

    def end(self) -> None:
        """Raise unless everything has been taken."""
        if self._at != len(self._content):
            msg = "something follows its end"
            raise Malformed(msg)
