"""Reading the bbolt file that trivy keeps its database in: which buckets, and how many entries.

Source: bbolt's ``internal/common`` (``meta.go``, ``page.go``, ``bucket.go``). Only headers are
read. Integers are little-endian, as on every machine that trivy is built for.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

__all__ = ["bucket_sizes"]

_MAGIC, _VERSION = 0xED0CDAED, 2
_PAGE = struct.Struct("<QHHI")  # id, flags, count, overflow
_META = struct.Struct("<IIIIQQQQQQ")
_LEAF = struct.Struct("<IIII")  # flags, position, key size, value size
_BRANCH = struct.Struct("<IIQ")  # position, key size, page
_BUCKET = struct.Struct("<QQ")  # page (0: what follows is the page), sequence
_IS_BRANCH, _IS_LEAF, _IS_BUCKET = 1, 2, 1
_DEEPEST = 64
_PAGE_SIZES = (4096, 8192, 16384, 32768, 65536)


def bucket_sizes(path: Path, counted: str) -> tuple[tuple[str, ...], int]:
    """Return the names of the file's buckets, sorted, and how many keys the one *counted* has.

    Raises:
        ValueError: The file is no bbolt database, or cut off.
        OSError: It cannot be read.
    """
    with path.open("rb") as source:
        try:
            content = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:  # of an empty file
            raise _broken("it is empty") from error
        with content:
            try:
                size, root = _newest_meta(content)
                found = {}
                for flags, key, value in _leaves(content, size, root * size):
                    if flags & _IS_BUCKET:
                        found[content[key[0] : key[1]].decode(errors="replace")] = value
                number = 0
                if counted in found:
                    number = _count(content, size, _page_of(content, size, found[counted]))
            except (struct.error, IndexError) as error:
                raise _broken("it is cut off") from error
    return tuple(sorted(found)), number


def _newest_meta(content: mmap.mmap) -> tuple[int, int]:
    """Return page size and root page of the newer of the two meta pages that are whole."""
    best = (-1, 0, 0)
    for offset in (0, *_PAGE_SIZES):
        if offset + _PAGE.size + _META.size > len(content):
            continue
        magic, version, size, _, root, _, _, _, transaction, checksum = _META.unpack_from(
            content, offset + _PAGE.size
        )
        body = content[offset + _PAGE.size : offset + _PAGE.size + _META.size - 8]
        if (magic, version) == (_MAGIC, _VERSION) and checksum == _fnv(body):
            best = max(best, (transaction, size, root))
    if best[0] < 0:
        raise _broken("it is no bbolt database")
    return best[1], best[2]


def _page_of(content: mmap.mmap, size: int, value: int) -> int:
    page, _ = _BUCKET.unpack_from(content, value)
    return value + _BUCKET.size if page == 0 else page * size


def _leaves(
    content: mmap.mmap, size: int, offset: int, depth: int = 0
) -> Iterator[tuple[int, tuple[int, int], int]]:
    """Yield (flags, (begin, end) of the key, begin of the value) of every entry below a page."""
    flags, count = _header(content, offset, depth)
    if flags & _IS_BRANCH:
        for page in _below(content, offset, count):
            yield from _leaves(content, size, page * size, depth + 1)
        return
    for number in range(count):
        start = offset + _PAGE.size + number * _LEAF.size
        kind, position, key, _ = _LEAF.unpack_from(content, start)
        begin = start + position
        if begin + key > len(content):
            raise _broken("it is cut off")
        yield kind, (begin, begin + key), begin + key


def _count(content: mmap.mmap, size: int, offset: int, depth: int = 0) -> int:
    flags, count = _header(content, offset, depth)
    if flags & _IS_LEAF:
        return count
    return sum(
        _count(content, size, page * size, depth + 1) for page in _below(content, offset, count)
    )


def _header(content: mmap.mmap, offset: int, depth: int) -> tuple[int, int]:
    _, flags, count, _ = _PAGE.unpack_from(content, offset)
    if depth > _DEEPEST or not flags & (_IS_BRANCH | _IS_LEAF):
        raise _broken("a page of it is not what it should be")
    return flags, count


def _below(content: mmap.mmap, offset: int, count: int) -> Iterator[int]:
    for number in range(count):
        yield _BRANCH.unpack_from(content, offset + _PAGE.size + number * _BRANCH.size)[2]


def _fnv(body: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in body:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def _broken(reason: str) -> ValueError:
    return ValueError(reason)
