"""``.dockerignore``: what the build context does not hold.

Source: Docker's "Build context", ".dockerignore files", and moby's ``patternmatcher``: the last
pattern that matches a path or one of its parents decides.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

from sluiceway_build_layers.faults import wrong

__all__ = ["Ignore", "read_ignore", "translate"]


@dataclass(frozen=True, slots=True)
class _Rule:
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
                raise wrong(
                    f"{name}:{number}", f"the pattern {line.strip()!r} is not valid"
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


def read_ignore(context: Path, dockerfile: Path) -> Ignore:
    """Read ``<Dockerfile>.dockerignore`` or else the context's ``.dockerignore``; none is fine."""
    for path in (
        dockerfile.with_name(dockerfile.name + ".dockerignore"),
        context / ".dockerignore",
    ):
        try:
            return Ignore(path.read_text(encoding="utf-8-sig").splitlines(), path.name)
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            # Building without it could put a secret into the image.
            raise wrong(path.name, f"it cannot be read: {error}") from error
    return Ignore([])


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
