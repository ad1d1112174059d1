"""YAML as conftest reads it: YAML 1.1 of go-yaml 2, through JSON (``sigs.k8s.io/yaml``)."""

from __future__ import annotations

import base64
import re
from typing import Any

from sluiceway.policy.foreign.numbers import number_text

__all__ = ["parse", "parse_exact"]

_LARGEST = 2_000_000
"""Values of one document, aliases written out: a few lines can mean more than memory holds."""
_STR = "tag:yaml.org,2002:str"
_PLAIN = "?"
_WORDS: dict[str, Any] = {
    **dict.fromkeys("y Y yes Yes YES true True TRUE on On ON".split(), True),  # noqa: SIM905
    **dict.fromkeys("n N no No NO false False FALSE off Off OFF".split(), False),  # noqa: SIM905
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
}
_NO_JSON = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_NEWER = re.compile(r"(?:%.*\n)*%YAML[ \t]+(?![ \t]|1\.1(?!\d))")
_DATE = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}([Tt]\d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?(Z|[-+]\d{2}:\d{2})"
    r"| \d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?)?"
)


def parse(text: str) -> Any:
    """Return the document, or a list of them when lines of ``---`` part several.

    Raises:
        ValueError: When it is not YAML, or has no meaning in JSON.
    """
    parts = _parts(text)
    if _NEWER.match(text):
        msg = "it says that it is not YAML 1.1, and would mean something else"
        raise ValueError(msg)
    if len(parts) > 1:
        return [_document(part) for part in parts]
    return _document(text)


def parse_exact(text: str) -> Any:
    """Return the first document with its whole numbers as ``int``: data keeps them exact.

    Raises:
        ValueError: As for :func:`parse`.
    """
    return _document(text, exact=True)


def _parts(text: str) -> list[str]:
    """Return the text of each document: conftest looks for lines that are ``---`` alone."""
    end = "\r\n" if "\r\n" in text else "\n"
    parts = text.split(f"{end}---{end}")
    if text.startswith("%"):
        if len(parts) <= 2:  # noqa: PLR2004 - the directive and its document
            return [text]
        return [f"{parts[0]}{end}---{end}{parts[1]}", *parts[2:]]
    return parts


def _document(text: str, *, exact: bool = False) -> Any:
    import yaml

    base: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)

    class Loader(base):  # type: ignore[misc] # one of two classes
        """Leaves plain scalars to :func:`_scalar`."""

        def resolve(self, kind: type, value: Any, implicit: Any) -> Any:
            """Return a tag of our own for what has neither a tag nor quotes."""
            if kind is yaml.ScalarNode:
                return _PLAIN if implicit[0] else _STR
            return super().resolve(kind, value, implicit)

    loader: Any = None
    try:
        loader = Loader(text)
        node = loader.get_node() if loader.check_node() else None
        return None if node is None else _Built(exact=exact).value(node)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    finally:
        if loader is not None:
            loader.dispose()


class _Built:
    def __init__(self, *, exact: bool) -> None:
        self._exact = exact
        self._count = 0
        self._open: set[int] = set()

    def value(self, node: Any) -> Any:
        """Return *node* as JSON data, whose numbers are all ``float`` unless they are kept."""
        self._counted()
        if isinstance(node.value, str):
            return _scalar(node) if self._exact else _as_json(_scalar(node))
        if id(node) in self._open:
            msg = "an anchor contains itself"
            raise ValueError(msg)
        self._open.add(id(node))
        try:
            if node.id == "sequence":
                return [self.value(each) for each in node.value]
            return self._mapping(node)
        finally:
            self._open.discard(id(node))

    def _counted(self) -> None:
        self._count += 1
        if self._count > _LARGEST:
            msg = f"it has more than {_LARGEST} values"
            raise ValueError(msg)

    def _mapping(self, node: Any) -> dict[str, Any]:
        self._counted()  # what is merged is no value, and can double with every line as well
        made: dict[str, Any] = {}
        for key, value in node.value:
            if key.value == "<<" and key.tag in {_PLAIN, "tag:yaml.org,2002:merge"}:
                # Where it stands decides which of two values wins, as in go-yaml 2.
                for merged in reversed(value.value if value.id == "sequence" else [value]):
                    if merged.id != "mapping":
                        msg = "map merge requires map or sequence of maps as the value"
                        raise ValueError(msg)
                    made.update(self._mapping(merged))
                continue
            made[_key(key)] = self.value(value)
        return made


def _key(node: Any) -> str:
    value = _scalar(node) if isinstance(node.value, str) else None
    if value is None:
        msg = f"a key of line {node.start_mark.line + 1} is null or no single value"
        raise ValueError(msg)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number_text(value)
    return str(value)


def _scalar(node: Any) -> Any:
    """Return text, bool, ``None``, int or float."""
    text: str = node.value
    if node.tag in {_STR, "!"}:
        return text
    if node.tag == "tag:yaml.org,2002:binary":
        return base64.b64decode(text).decode(errors="replace")
    if node.tag != _PLAIN and not node.tag.startswith("tag:yaml.org,2002:"):
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _NO_JSON.fullmatch(text):
        msg = f"{text} is no JSON number (line {node.start_mark.line + 1})"
        raise ValueError(msg)
    if not text[:1] or text[0] not in "+-.0123456789" or _DATE.fullmatch(text):
        return text
    return _number(text)


def _number(text: str) -> Any:
    plain = text.replace("_", "") if text[0] != "." else text
    integer = _INTEGER.fullmatch(plain)
    if integer:
        digits = integer[2]
        if digits[:1] == "0" and digits[1:2] not in {"", "x", "X", "b", "B", "o", "O"}:
            digits = f"0o{digits[1:]}"
        value = int(digits, 0) * (-1 if integer[1] == "-" else 1)
        if -(1 << 63) <= value < 1 << 64:
            return value
    if _FLOAT.fullmatch(plain):
        number = float(plain)
        if abs(number) == float("inf"):
            msg = f"{text} is too large"
            raise ValueError(msg)
        return number
    return text


def _as_json(value: Any) -> Any:
    """JSON knows one kind of number, and conftest reads it as a float."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
