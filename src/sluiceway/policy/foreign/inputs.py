"""Finding and reading the files to judge, as conftest does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sluiceway.errors import UsageError
from sluiceway.policy.foreign.parsers import parse_text, parser_of, supported
from sluiceway.policy.foreign.sources import read_text

__all__ = ["COMBINED", "combine", "documents", "list_files", "read_files"]

COMBINED = "Combined"
"""What conftest calls the one input of ``--combine``."""


def list_files(words: Sequence[str], ignore: str = "") -> list[str]:
    """Return the files that *words* (files, folders, patterns, ``-``) mean, each once.

    Args:
        words: A folder stands for the files below it that a parser is known for; a pattern with
            ``*``, ``?`` or ``[`` for what it matches, unless a file has that very name.
        ignore: A regular expression; a path in which it is found is left out.

    Raises:
        UsageError: ``policy.input`` when there is no such file, or none is left.
    """
    try:
        ignored = re.compile(ignore) if ignore else None
    except re.error as error:
        raise UsageError(f"--ignore is no regular expression: {error}") from error
    found = list(dict.fromkeys(file for word in words if word for file in _files(word, ignored)))
    if not found:
        raise UsageError(
            "no files found",
            means="Nothing was judged.",
            remedy="Name files, or a folder in which some have a format that is known.",
            code="policy.input",
        )
    return found


def _files(word: str, ignored: re.Pattern[str] | None) -> Iterator[str]:
    path = Path(word)
    if word == "-":
        yield word
    elif path.is_dir():
        yield from _below(path, ignored, set())
    elif path.exists():
        if ignored is None or not ignored.search(word):
            yield word
    else:
        matches = _matches(word)
        if not matches:
            raise UsageError(
                f"{word}: no such file or folder",
                means="Nothing was judged.",
                remedy="Correct the path.",
                code="policy.input",
            )
        for match in matches:
            yield from _files(match, ignored)


def _matches(pattern: str) -> list[str]:
    """Return the paths that *pattern* means, sorted: for shells that leave patterns alone."""
    if not any(mark in pattern for mark in "*?["):
        return []
    path = Path(pattern)
    root = Path(path.anchor)
    return sorted(str(each) for each in root.glob(str(path.relative_to(root))))


def _below(folder: Path, ignored: re.Pattern[str] | None, seen: set[Path]) -> Iterator[str]:
    """Yield files in the order of Go's ``filepath.Walk``: by name, folders where they stand."""
    real = folder.resolve()
    if real in seen:
        return
    seen.add(real)
    for path in sorted(folder.iterdir(), key=lambda each: each.name):
        if path.is_dir():
            yield from _below(path.resolve() if path.is_symlink() else path, ignored, seen)
        elif path.is_file() and not (ignored and ignored.search(str(path))):
            file = str(path.resolve() if path.is_symlink() else path)
            if supported(file):
                yield file


def read_files(
    files: Sequence[str], parser: str = "", stdin: Callable[[], str] = str
) -> dict[str, Any]:
    """Return each file's content as JSON data.

    Args:
        files: Paths, ``-`` for *stdin*.
        parser: The parser of all of them; by their names when left out.
        stdin: Returns what there is to read.

    Raises:
        UsageError: ``policy.input``, ``policy.parser``.
    """
    return {
        file: parse_text(
            parser or parser_of(file), stdin() if file == "-" else read_text(Path(file)), file
        )
        for file in files
    }


def documents(content: Any) -> list[Any]:
    """Return the documents that are judged one by one: the elements, when it is a list."""
    return content if isinstance(content, list) else [content]


def combine(contents: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the one input of ``--combine``: every document with its path, sorted by path."""
    return [
        {"path": path, "contents": each}
        for path in sorted(contents)
        for each in documents(contents[path])
    ]
