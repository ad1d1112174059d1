"""Records to JSON and canonical JSON, so that a hash of a record means something."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = ["canonical", "digest_of", "parse_time", "rfc3339", "to_json"]


def rfc3339(moment: datetime) -> str:
    """Return *moment* (aware) as RFC 3339 in UTC with milliseconds kept only when there are any."""
    if moment.tzinfo is None:
        msg = "a moment without a time zone is ambiguous"
        raise ValueError(msg)
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z").replace(".000Z", "Z")


def parse_time(text: str) -> datetime:
    """Parse an RFC 3339 moment; one without a zone is refused with ``ValueError``."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        msg = f"{text!r} has no time zone"
        raise ValueError(msg)
    return moment.astimezone(UTC)


def to_json(value: Any) -> Any:
    """Return *value* as plain JSON data: records become objects, moments RFC 3339, enums values.

    A field whose ``repr`` is off is left out, and so is one whose metadata says so as ``json``:
    ``never``, or ``when set`` for one that is ``None`` or an empty text.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    return _form(kind)(value)  # type: ignore[arg-type] # mypy takes a class's hash for its values'


_PLAIN = frozenset({str, int, float, bool, type(None)})


@lru_cache(maxsize=1024)
def _form(kind: type) -> Callable[[Any], Any]:  # noqa: PLR0911 - one return for each kind of value
    """Return what makes JSON data of a value of the class *kind*. It is found out once a class."""
    if dataclasses.is_dataclass(kind):
        return _record(kind)
    if issubclass(kind, Enum):
        return _word
    if issubclass(kind, datetime):
        return rfc3339
    if issubclass(kind, Path):
        return str
    if issubclass(kind, Mapping):
        return _object
    if issubclass(kind, str | int | float):
        return _itself
    if issubclass(kind, set | frozenset):
        return _sorted
    if issubclass(kind, Sequence) and not issubclass(kind, bytes):
        return _list
    msg = f"{kind.__name__} has no JSON form"
    raise TypeError(msg)


def _record(kind: type) -> Callable[[Any], dict[str, Any]]:
    shown = [each for each in dataclasses.fields(kind) if each.repr]
    whens = [(each.name, each.metadata.get("json")) for each in shown]
    names = [(name, when == "when set") for name, when in whens if when != "never"]

    def write(value: Any) -> dict[str, Any]:
        made = {}
        for name, when_set in names:
            item = getattr(value, name)
            if when_set and item in (None, ""):
                continue
            made[name] = item if type(item) in _PLAIN else to_json(item)
        return made

    return write


def _word(value: Enum) -> Any:
    return value.value


def _itself(value: Any) -> Any:
    return value


def _object(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        str(key): item if type(item) in _PLAIN else to_json(item) for key, item in value.items()
    }


def _list(value: Sequence[Any]) -> list[Any]:
    return [to_json(each) for each in value]


def _sorted(value: set[Any] | frozenset[Any]) -> list[Any]:
    return [to_json(each) for each in sorted(value)]


_written = json.JSONEncoder(
    default=to_json, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode  # made once: json.dumps makes an encoder each time


def canonical(value: Any) -> bytes:
    """Return the canonical JSON bytes of *value*: sorted keys, no spaces, no NaN, UTF-8.

    The encoder walks plain JSON data by itself and asks :func:`to_json` only about the rest, which
    is ten times quicker for the inputs of gates. Keys have to be texts.
    """
    return _written(value).encode()


def digest_of(value: Any) -> str:
    """Return ``sha256:<hex>`` of the canonical JSON of *value* (or of *value* itself if bytes)."""
    body = value if isinstance(value, bytes) else canonical(value)
    return "sha256:" + hashlib.sha256(body).hexdigest()
