"""Finding and reading the files to judge, as conftest does."""

from __future__ import annotations

import os.path
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
        yield from _below(_evaluated(path) if path.is_symlink() else path, ignored, set())
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
    """Yield files in the order of Go's ``filepath.Walk``: by name, folders where they stand.

    A link is called by what it leads to, so that a file that is there as well is judged once.
    """
    if folder in seen:
        return
    seen.add(folder)
    try:
        for name in sorted(each.name for each in folder.iterdir()):
            path = Path(os.path.normpath(folder / name))  # `x/..` goes, as Go's Join has it
            link = path.is_symlink()
            if path.is_dir() and not link:
                yield from _below(path, ignored, seen)
            elif ignored is None or not ignored.search(str(path)):
                real = _evaluated(path) if link else path
                if link and real.is_dir():
                    yield from _below(real, ignored, seen)
                elif real.is_file() and supported(str(real)):
                    yield str(real)
    except OSError as error:
        raise UsageError(
            f"{error.filename or folder} cannot be read: {error.strerror or error}",
            means="Nothing was judged.",
            remedy="Correct it, or leave it out with --ignore.",
            code="policy.input",
        ) from error


def _evaluated(path: Path) -> Path:
    """Return *path* without links, as Go's ``filepath.EvalSymlinks``: relative where it can be.

    Raises:
        OSError: When a link leads nowhere, or in a circle.
    """
    path.stat()
    made = Path(path.anchor)
    waiting = [*reversed(path.relative_to(made).parts)]
    while waiting:
        part = waiting.pop()
        if part == "..":
            made = made.parent if made.name not in {"", ".."} else made / part
            continue
        made /= part
        if made.is_symlink():
            target = made.readlink()
            root = Path(target.anchor)
            waiting += reversed(target.relative_to(root).parts)
            made = root if target.is_absolute() else made.parent
    return made


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
