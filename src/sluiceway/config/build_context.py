"""The build context: what ``.dockerignore`` leaves out of it, and what may never be in it.

Source: Docker's "Build context", ".dockerignore files", and moby's ``patternmatcher``: the last
pattern that matches a path or one of its parents decides.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import IO

from sluiceway.errors import ConfigurationError
from sluiceway.record import Record

__all__ = [
    "Ignore",
    "ignore_lines",
    "read_ignore",
    "refuse_signing_key",
    "refuse_signing_keys",
    "translate",
]

_SIGNING_KEY = re.compile(rb"-----BEGIN ENCRYPTED (?:SIGSTORE|COSIGN) PRIVATE KEY-----")
_HEAD = 64 * 1024
"""Bytes that are looked at: a key may follow comments, or a certificate."""


class _Rule(Record, kw_only=False):
    pattern: re.Pattern[str]
    keeps: bool


class Ignore:
    """The rules of one file.

    Args:
        lines: The file's lines.
        name: For messages.
    """

    def __init__(self, lines: list[str], name: str = ".dockerignore") -> None:
        self._rules: list[_Rule] = []
        for number, line in enumerate(lines, 1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            keeps = text.startswith("!")
            text = text[1:].strip() if keeps else text
            cleaned = posixpath.normpath(text).lstrip("/")
            if not text or cleaned == ".":
                continue  # Docker lets "." and "/" stand for nothing
            try:
                pattern = translate(cleaned)
            except re.error as error:
                raise ConfigurationError(
                    f"{name}:{number}: the pattern {line.strip()!r} is not valid",
                    code="build.context",
                ) from error
            self._rules.append(_Rule(pattern, keeps))
        self.prunes = not any(rule.keeps for rule in self._rules)
        """An ignored folder need not be entered: nothing can bring back what is inside."""

    def __call__(self, path: str) -> bool:
        """Say whether *path* (relative, with ``/``) is left out of the context."""
        ignored = False
        parts = path.split("/")
        prefixes = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        for rule in self._rules:
            if rule.keeps == ignored and any(rule.pattern.fullmatch(item) for item in prefixes):
                ignored = not rule.keeps
        return ignored


def ignore_lines(context: Path, dockerfile: Path) -> tuple[str, list[str]]:
    """Return the name and the lines of ``<Dockerfile>.dockerignore``, or else of the context's
    ``.dockerignore``; no lines when there is neither.

    Raises:
        ConfigurationError: ``build.context`` when it is there and cannot be read: building
            without it could put a secret into the image.
    """
    for path in (
        dockerfile.with_name(dockerfile.name + ".dockerignore"),
        context / ".dockerignore",
    ):
        try:
            return path.name, path.read_text(encoding="utf-8-sig").splitlines()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"{path} cannot be read: {error}", code="build.context"
            ) from error
    return ".dockerignore", []


def read_ignore(context: Path, dockerfile: Path) -> Ignore:
    """Read the rules that hold for *context*; none is fine.

    Raises:
        ConfigurationError: ``build.context``.
    """
    name, lines = ignore_lines(context, dockerfile)
    return Ignore(lines, name)


def refuse_signing_key(source: IO[bytes], name: str) -> None:
    """Look at the beginning of *source*, which is at its start and is put back there.

    An image is read by everybody who runs it, and whoever holds the key can sign anything.

    Raises:
        ConfigurationError: ``build.signing-key`` when it holds a private signing key.
    """
    if _SIGNING_KEY.search(source.read(_HEAD)):
        raise ConfigurationError(
            f"{name} in the build context is a private signing key",
            means="It could end up in the image, and whoever can pull that could try its password.",
            remedy="Move it elsewhere, or leave it out in .dockerignore.",
            code="build.signing-key",
        )
    source.seek(0)


def refuse_signing_keys(context: Path, ignored: Ignore) -> None:
    """Look at every plain file of *context* that is not *ignored*, for a builder that reads the
    context itself. Links are not followed: what they lead to is looked at where it is.

    Raises:
        ConfigurationError: ``build.signing-key``; ``build.context`` when something cannot be read.
    """
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(context / folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
            for entry in found:
                path = posixpath.join(folder, entry.name)
                left_out = ignored(path)
                if entry.is_dir(follow_symlinks=False):
                    if not (left_out and ignored.prunes):
                        pending.append(path)
                elif entry.is_file(follow_symlinks=False) and not left_out:
                    with Path(entry.path).open("rb") as source:
                        refuse_signing_key(source, path)
        except OSError as error:
            raise ConfigurationError(
                f"the build context {context} cannot be read: {error}",
                remedy="Correct [service] context, or leave the file out in .dockerignore.",
                code="build.context",
            ) from error


def translate(pattern: str, *, deep: bool = True) -> re.Pattern[str]:
    """Return the regular expression of a pattern: Go's ``filepath.Match``, with *deep* also
    ``**`` for any number of folders.
    """
    result, at = "", 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*":
            if not deep or pattern[at : at + 1] != "*":
                result += "[^/]*"
                continue
            at += 1
            if pattern[at : at + 1] == "/":
                at += 1
                result += "(?:.*/)?"
            else:
                result += ".*"
        elif character == "?":
            result += "[^/]"
        elif character == "\\" and at < len(pattern):
            result += re.escape(pattern[at])
            at += 1
        elif character == "[":
            end = pattern.find("]", at + 1)
            if end < 0:
                msg = "a [ is not closed"
                raise re.error(msg)
            inside = pattern[at:end].replace("\\", "\\\\").replace("[", "\\[")
            result += f"[{inside}]"
            at = end + 1
        else:
            result += re.escape(character)
    return re.compile(result, re.DOTALL)
