"""Dockerfiles as BuildKit's parser reads them, in the shape that conftest gives them."""

from __future__ import annotations

import json
import re
from typing import Any

from sluiceway.record import Changing, field

__all__ = ["parse"]

_SPACE = re.compile("[\t\v\f\r ]+")
_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*")
_DIRECTIVES = frozenset({"check", "escape", "syntax"})
_HEREDOC = re.compile(r"(\d*)<<(-?)\s*([^<]+)")
_WORD = re.compile(r"""(?:"[^"]*"|'[^']*'|[^\s"'])+""")
_LISTS = frozenset({"add", "copy", "volume"})
_COMMANDS = frozenset({"cmd", "entrypoint", "run", "shell"})
_WORDS = frozenset({"expose", "from"})
_PAIRS = frozenset({"env", "label"})
_TEXTS = frozenset({"maintainer", "stopsignal", "user", "workdir"})
_OTHERS = frozenset({"arg", "healthcheck", "onbuild"})
_KNOWN = _LISTS | _COMMANDS | _WORDS | _PAIRS | _TEXTS | _OTHERS
_WITH_HEREDOCS = frozenset({"add", "copy", "run"})


class _Instruction(Changing):
    word: str
    flags: list[str] | None
    values: list[str] | None
    is_json: bool = False
    inner: _Instruction | None = None
    comments: list[str] = field(default_factory=list)


def parse(text: str) -> Any:
    """Return a list of one list: every instruction with its stage, comments before it.

    Raises:
        ValueError: For what BuildKit does not take either.
    """
    commands: list[dict[str, Any]] = []
    stages = 0
    for instruction in _Reader(text.removeprefix("\ufeff")).instructions():
        stages += instruction.word.lower() == "from"
        stage = float(max(stages - 1, 0))
        commands += [_command("comment", stage, values=[each]) for each in instruction.comments]
        inner = instruction.inner or instruction
        commands.append(
            _command(
                instruction.word.lower(),
                stage,
                sub=instruction.inner.word if instruction.inner else "",
                is_json=inner.is_json,
                flags=instruction.flags,
                values=inner.values,
            )
        )
    return [commands]


def _command(
    word: str,
    stage: float,
    *,
    sub: str = "",
    is_json: bool = False,
    flags: list[str] | None = None,
    values: list[str] | None = None,
) -> dict[str, Any]:
    return {
        "Cmd": word,
        "SubCmd": sub,
        "JSON": is_json,
        "Flags": flags,
        "Value": values,
        "Stage": stage,
    }


class _Reader:
    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        if self._lines and not self._lines[-1]:
            self._lines.pop()
        self._next = 0
        self._escape = "\\"
        self._directives: set[str] | None = set()

    def instructions(self) -> list[_Instruction]:
        found: list[_Instruction] = []
        comments: list[str] = []
        while self._next < len(self._lines):
            line = self._take()
            stripped = line.lstrip()
            if stripped.startswith("#"):
                comment = line[1:].strip()
                if self._is_directive(stripped):
                    continue
                if comment:
                    comments.append(comment)
                else:
                    comments = []
                continue
            self._directives = None
            whole, ended = self._continued(stripped)
            while not ended and self._next < len(self._lines):
                more = self._take()
                if more.lstrip().startswith("#") or not more.strip():
                    continue
                part, ended = self._continued(more)
                whole += part
            if not whole:
                continue
            instruction = _instruction(whole, self._escape)
            instruction.comments, comments = comments, []
            self._skip_heredocs(instruction, whole)
            found.append(instruction)
        if not found:
            msg = "file with no instructions"
            raise ValueError(msg)
        return found

    def _take(self) -> str:
        self._next += 1
        return self._lines[self._next - 1].rstrip("\r\n")

    def _is_directive(self, line: str) -> bool:
        if self._directives is None:
            return False
        match = _DIRECTIVE.fullmatch(line)
        if not match or match[1].lower() not in _DIRECTIVES:
            self._directives = None
            return False
        name = match[1].lower()
        if name in self._directives:
            msg = f"only one {name} parser directive can be used"
            raise ValueError(msg)
        self._directives.add(name)
        if name == "escape":
            if match[2] not in {"\\", "`"}:
                msg = f"invalid escape token '{match[2]}' does not match ` or \\"
                raise ValueError(msg)
            self._escape = match[2]
        return True

    def _continued(self, line: str) -> tuple[str, bool]:
        """Return the line without the mark that the next one belongs to it, and whether it ends."""
        bare = line.rstrip(" \t")
        if bare.endswith(self._escape) and not bare.endswith(self._escape * 2):
            return bare[:-1], False
        return line, True

    def _skip_heredocs(self, instruction: _Instruction, line: str) -> None:
        carrier = instruction.inner or instruction
        if carrier.word.lower() not in _WITH_HEREDOCS or carrier.is_json or "<<" not in line:
            return
        for word in _WORD.findall(line):
            match = _HEREDOC.fullmatch(word)
            if not match:
                continue
            name = re.sub("[\"']", "", match[3])
            while self._next < len(self._lines):
                body = self._take()
                if (body.lstrip("\t") if match[2] else body) == name:
                    break
            else:
                msg = "unterminated heredoc"
                raise ValueError(msg)


def _instruction(line: str, escape: str) -> _Instruction:
    word, _, rest = _cut(line.strip())
    flags: list[str] | None = None
    if rest is not None:
        flags, rest = _flags(rest, escape)
    rest = (rest or "").strip()
    name = word.lower()
    if name not in _KNOWN:
        msg = f"unknown instruction: {word}"
        raise ValueError(msg)
    made = _Instruction(word, flags, None)
    if name == "onbuild":
        made.inner = _instruction(rest, escape) if rest else None
    elif name == "healthcheck":
        kind, _, command = _cut(rest)
        made.values, made.is_json = _command_values((command or "").strip())
        made.values = [kind, *(made.values or [])] if kind else None
    elif name in _COMMANDS:
        made.values, made.is_json = _command_values(rest)
    elif name in _LISTS:
        made.values, made.is_json = _json_list(rest)
        if not made.is_json:
            made.values = _SPACE.split(rest) if rest else None
    elif name in _WORDS:
        made.values = _SPACE.split(rest) if rest else None
    elif name in _PAIRS:
        made.values = _pairs(rest, word.upper(), escape)
    elif name == "arg":
        made.values = _words(rest, escape) or None
    else:
        made.values = [rest] if rest else None
    if not rest and name not in {"cmd", "entrypoint"}:
        msg = f"{word.upper()} requires at least one argument"
        raise ValueError(msg)
    return made


def _cut(line: str) -> tuple[str, str, str | None]:
    parts = _SPACE.split(line, maxsplit=1)
    return parts[0], "", parts[1] if len(parts) > 1 else None


def _command_values(rest: str) -> tuple[list[str] | None, bool]:
    values, is_json = _json_list(rest)
    if is_json:
        return values, True
    return ([rest] if rest else None), False


def _json_list(rest: str) -> tuple[list[str] | None, bool]:
    if not rest.lstrip().startswith("["):
        return None, False
    try:
        values = json.loads(rest)
    except ValueError:
        return None, False
    if not all(isinstance(value, str) for value in values):
        msg = "when using JSON array syntax, arrays must be comprised of strings only"
        raise ValueError(msg)
    return values or None, True


def _pairs(rest: str, word: str, escape: str) -> list[str] | None:
    words = _words(rest, escape)
    if not words:
        return None
    if "=" not in words[0]:
        parts = _SPACE.split(rest, maxsplit=1)
        if len(parts) < 2:  # noqa: PLR2004 - a name and a value
            msg = f"{word} must have two arguments"
            raise ValueError(msg)
        return [*parts, ""]
    made: list[str] = []
    for each in words:
        name, sign, value = each.partition("=")
        if not sign:
            msg = f"can't find = in {each!r}. Must be of the form: name=value"
            raise ValueError(msg)
        made += [name, value, sign]
    return made


def _words(rest: str, escape: str) -> list[str]:
    """Return words parted by spaces; quotes hold them together and stay."""
    words: list[str] = []
    word: str | None = None
    quote = ""
    characters = iter(rest)
    for character in characters:
        if not quote and character.isspace():
            if word is not None:
                words.append(word)
            word = None
            continue
        word = word or ""
        if character == escape and quote != "'":
            following = next(characters, None)
            if following is None:
                break
            word += character + following
            continue
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        word += character
    return words if word is None else [*words, word]


def _flags(line: str, escape: str) -> tuple[list[str], str]:
    """Return the words that begin with ``--``, without their quotes, and what follows."""
    flags: list[str] = []
    index = 0
    while True:
        while index < len(line) and line[index].isspace():
            index += 1
        if line[index : index + 2] != "--":
            return flags, line[index:]
        word, quote = "", ""
        while index < len(line) and (quote or not line[index].isspace()):
            character = line[index]
            if quote and character == quote:
                quote = ""
            elif not quote and character in "'\"":
                quote = character
            elif character == escape:
                index += 1
                word += line[index : index + 1]
            else:
                word += character
            index += 1
        if word == "--":
            return flags, line[index:]
        flags.append(word)
