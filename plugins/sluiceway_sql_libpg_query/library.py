"""libpg_query, PostgreSQL's own grammar as a C library, through ctypes. Nothing else here calls it.

The shared library comes in the wheel of ``postgast`` (BSD-2-Clause). That package itself is not
imported: it would load protobuf, which costs more than all parsing does.
"""

from __future__ import annotations

import ctypes
import importlib.util
import platform
import re
import threading
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sluiceway.record import Record

__all__ = ["LARGEST", "Failure", "installed", "parse", "parse_plpgsql", "release"]

_FILES = {"Linux": "libpg_query.so", "Darwin": "libpg_query.dylib", "Windows": "pg_query.dll"}

LARGEST = 8 * 1024 * 1024
"""Bytes of the longest text that is given to the library; a longer one is a problem, never skipped."""
_SMALL = 16 * 1024
"""Bytes up to which no text can be nested deeply enough to exhaust a usual stack.

The library writes its answer by recursion without a limit of depth: ``1+1+1+...`` of 140,000 bytes
overflows 8 MB of stack and ends the process. Two bytes of text are one level of about 120 bytes of
stack, so that 16 kB of text are 1 MB.
"""
_STACK_PER_BYTE = 128
"""Bytes of stack for each byte of text, for longer texts: twice what was measured."""
_BRACKET = re.compile(rb"(?<=[,\[])\{\}\}")
_STACK_LEAST = 16 * 1024 * 1024
_NESTED = 500
"""Comments within comments. For each the library reads on from its place anew, so that 100 kB of them took
12 seconds."""
_MARK = re.compile(rb"/\*|\*/")


class Failure(Record, kw_only=False):
    """Why a text could not be parsed: the library's words, and where in the text (characters, from 1)."""

    message: str
    position: int = 0


class _Error(ctypes.Structure):
    _fields_ = (
        ("message", ctypes.c_char_p),
        ("funcname", ctypes.c_char_p),
        ("filename", ctypes.c_char_p),
        ("lineno", ctypes.c_int),
        ("cursorpos", ctypes.c_int),
        ("context", ctypes.c_char_p),
    )


class _ParseResult(ctypes.Structure):
    _fields_ = (
        ("tree", ctypes.c_char_p),
        ("stderr", ctypes.c_char_p),
        ("error", ctypes.POINTER(_Error)),
    )


class _PlpgsqlResult(ctypes.Structure):
    _fields_ = (("tree", ctypes.c_char_p), ("error", ctypes.POINTER(_Error)))


def _path() -> Path | None:
    found = importlib.util.find_spec("postgast")
    name = _FILES.get(platform.system())
    if found is None or name is None or not found.submodule_search_locations:
        return None
    path = Path(found.submodule_search_locations[0]) / name
    return path if path.is_file() else None


def installed() -> bool:
    """Say whether the library is there, without loading it."""
    return _path() is not None


@cache
def release() -> str:
    """Return the version of the package that brings the library."""
    try:
        return version("postgast")
    except PackageNotFoundError:  # pragma: no cover - a copy without its metadata
        return "unknown"


@cache
def _library() -> Any:
    path = _path()
    if path is None:
        raise OSError("libpg_query is not installed")
    library = ctypes.CDLL(str(path))
    for name, result in (
        ("pg_query_parse", _ParseResult),
        ("pg_query_parse_plpgsql", _PlpgsqlResult),
    ):
        function = getattr(library, name)
        function.argtypes = [ctypes.c_char_p]
        function.restype = result
    for name, result in (
        ("pg_query_free_parse_result", _ParseResult),
        ("pg_query_free_plpgsql_parse_result", _PlpgsqlResult),
    ):
        function = getattr(library, name)
        function.argtypes = [result]
        function.restype = None
    return library


def parse(text: bytes) -> bytes | Failure:
    """Return the parse tree of *text* (UTF-8) as JSON: ``{"version", "stmts": [...]}``."""
    library = _library()
    return _guarded(library.pg_query_parse, library.pg_query_free_parse_result, text)


def parse_plpgsql(text: bytes) -> bytes | Failure:
    """Return the tree of one ``DO`` or ``CREATE FUNCTION`` of PL/pgSQL as JSON."""
    library = _library()
    tree = _guarded(
        library.pg_query_parse_plpgsql, library.pg_query_free_plpgsql_parse_result, text
    )
    if isinstance(tree, bytes) and b'{"refname":"new"' in tree:
        # The variables of a trigger (TG_OP and so on) come with a bracket too many.
        head, action, rest = tree.partition(b'"action":')
        return _BRACKET.sub(b"{}", head) + action + rest
    return tree


def _guarded(function: Any, free: Any, text: bytes) -> bytes | Failure:
    if b"\0" in text:
        # The library would read to the first of them and say nothing of what comes behind.
        return Failure("it holds a NUL byte")
    if len(text) > LARGEST:
        return Failure(f"it is longer than {LARGEST:,} bytes")
    if text.count(b"/*") > _NESTED and _nests(text):
        return Failure(f"its comments are nested more than {_NESTED} deep")
    if len(text) <= _SMALL:
        return _call(function, free, text)
    answer: list[bytes | Failure] = [Failure("no thread could be started for it")]

    def work() -> None:
        answer[0] = _call(function, free, text)

    before = threading.stack_size(_STACK_LEAST + _STACK_PER_BYTE * len(text))
    try:
        # Address space, not memory: a page of it is taken when the recursion reaches it.
        thread = threading.Thread(target=work)
        thread.start()
    except (RuntimeError, MemoryError):
        return answer[0]
    finally:
        threading.stack_size(before)
    thread.join()
    return answer[0]


def _nests(text: bytes) -> bool:
    """Whether comments may be nested too deeply. Marks inside of quotes count too."""
    depth = 0
    for mark in _MARK.finditer(text):
        depth = depth + 1 if mark[0] == b"/*" else max(depth - 1, 0)
        if depth > _NESTED:
            return True
    return False


def _call(function: Any, free: Any, text: bytes) -> bytes | Failure:
    result = function(text)
    try:
        if result.error:
            error = result.error.contents
            message = (error.message or b"unknown error").decode("utf-8", "replace")
            return Failure(message, error.cursorpos)
        return bytes(result.tree or b"")
    finally:
        free(result)
