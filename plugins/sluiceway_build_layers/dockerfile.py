"""Reading a Dockerfile: instructions with their lines, flags and words.

Source: Docker's "Dockerfile reference" and BuildKit's ``frontend/dockerfile/parser``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from sluiceway.errors import ConfigurationError
from sluiceway.record import Record, field
from sluiceway_build_layers.faults import needs_engine, wrong

__all__ = ["Instruction", "exec_form", "parse", "read"]

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(\S.*?)\s*$")
_FLAG = re.compile(r"--([a-z][a-z-]*)(?:=(\S*))?(?:\s+|$)")
_HEREDOC = re.compile(r"(?:^|\s)\d*<<-?\s*['\"]?[A-Za-z_]")
_CONTINUED = re.compile(r"\\[ \t]*$")
_KNOWN = frozenset(
    [
        "ADD",
        "ARG",
        "CMD",
        "COPY",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "FROM",
        "HEALTHCHECK",
        "LABEL",
        "MAINTAINER",
        "ONBUILD",
        "RUN",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
        "WORKDIR",
    ]
)
_FLAGGED = frozenset({"ADD", "COPY", "FROM", "HEALTHCHECK", "RUN"})
_LARGEST = 1024 * 1024


class Instruction(Record):
    """One instruction as written."""

    name: str
    """In capitals: ``COPY``."""
    rest: str
    """What follows the name and the flags, continuation lines joined."""
    where: str
    """``Dockerfile:12``: file and first line, for messages."""
    original: str
    """The whole instruction on one line, for the image's history."""
    flags: tuple[tuple[str, str | None], ...] = field(default=())
    """``--name=value`` in order; a flag without ``=`` has ``None``."""


def read(path: Path) -> tuple[Instruction, ...]:
    """Read and parse the Dockerfile at *path*.

    Raises:
        ConfigurationError: ``build.no-dockerfile`` or ``build.dockerfile``.
        PluginError: ``build.needs-engine``.
    """
    try:
        with path.open("rb") as source:
            body = source.read(_LARGEST + 1)
        text = body.decode()
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}",
            remedy='Say where the Dockerfile is: [service] dockerfile = "..."',
            code="build.no-dockerfile",
        ) from error
    except UnicodeDecodeError as error:
        raise wrong(path.name, "it is not UTF-8 text") from error
    if len(body) > _LARGEST:
        raise wrong(path.name, f"it has more than {_LARGEST} bytes")
    return parse(text, path.name)


def parse(text: str, name: str = "Dockerfile") -> tuple[Instruction, ...]:
    """Parse a Dockerfile's text; *name* is used in messages."""
    lines = text.removeprefix("\ufeff").splitlines()
    return tuple(_instructions(lines, _directives(lines, name), name))


def exec_form(rest: str) -> tuple[str, ...] | None:
    """Return the words of a JSON array (``["/bin/app", "serve"]``), or ``None`` for other text."""
    if not rest.startswith("["):
        return None
    try:
        words = json.loads(rest)
    except ValueError:
        return None  # as Docker does: what is not a proper array is shell text
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return None
    return tuple(words)


def _directives(lines: list[str], name: str) -> int:
    """Check the parser directives and return how many lines they take."""
    seen: set[str] = set()
    for number, line in enumerate(lines):
        match = _DIRECTIVE.fullmatch(line.strip())
        if match is None:
            return number
        key, value = match[1].lower(), match[2]
        where = f"{name}:{number + 1}"
        if key not in {"escape", "syntax", "check"}:
            return number  # an ordinary comment that happens to look like one
        if key in seen:
            raise wrong(where, f"the directive {key!r} is given twice")
        seen.add(key)
        if key == "escape" and value != "\\":
            raise wrong(where, f"the escape character is {value!r}", "Only \\ is supported.")
        if key == "syntax" and not re.match(r"(docker\.io/)?docker/dockerfile(:1|$)", value):
            raise needs_engine(where, f"the Dockerfile frontend {value!r}")
    return len(lines)


def _instructions(lines: list[str], first: int, name: str) -> Iterator[Instruction]:
    pending: list[str] = []
    start = 0
    for number in range(first, len(lines)):
        line = lines[number]
        if not line.strip() or line.lstrip().startswith("#"):
            continue  # Docker drops both, also in the middle of an instruction
        if not pending:
            start = number
        match = _CONTINUED.search(line)
        if match is not None:
            pending.append(line[: match.start()])
            continue
        pending.append(line)
        yield _instruction("".join(pending), f"{name}:{start + 1}")
        pending = []
    if pending:
        yield _instruction("".join(pending), f"{name}:{start + 1}")


def _instruction(text: str, where: str) -> Instruction:
    word, _, rest = text.strip().partition(" ")
    if "\t" in word:
        word, _, rest = text.strip().partition("\t")
    word, rest = word.upper(), rest.strip()
    if word not in _KNOWN:
        raise wrong(where, f"{word!r} is no instruction of a Dockerfile")
    if word in {"RUN", "COPY", "ADD"} and _HEREDOC.search(rest):
        if word == "RUN":
            raise needs_engine(where, "RUN")
        raise needs_engine(
            where, f"{word} with a here-document (<<)", "Put the text into a file and COPY it."
        )
    if not rest:
        raise wrong(where, f"{word} is empty")
    flags: list[tuple[str, str | None]] = []
    original = " ".join(f"{word} {rest}".split())
    while word in _FLAGGED and (match := _FLAG.match(rest)) is not None:
        flags.append((match[1], match[2]))
        rest = rest[match.end() :]
    return Instruction(name=word, rest=rest, where=where, original=original, flags=tuple(flags))
