"""Does an answer contain what was expected? Pure."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["mismatch"]

_SHOWN = 80


def mismatch(expected: Any, actual: Any, path: str = "$") -> str:
    """Return where *actual* first fails to contain *expected*, or ``""`` when it does.

    Objects may have members that are not expected; lists must have the same length; ``1`` and
    ``1.0`` are the same number, but never the same as ``true``.
    """
    if isinstance(expected, dict) and isinstance(actual, dict):
        return next(
            (found for key in expected if (found := _member(expected, actual, key, path))), ""
        )
    if isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            return f"{path} has {len(actual)} items, not {len(expected)}"
        pairs = enumerate(zip(expected, actual, strict=True))
        return next(
            (found for index, pair in pairs if (found := mismatch(*pair, f"{path}[{index}]"))), ""
        )
    same = (_is_number(expected) and _is_number(actual)) or type(expected) is type(actual)
    return "" if same and expected == actual else _told(path, expected, actual)


def _member(expected: dict[str, Any], actual: dict[str, Any], key: str, path: str) -> str:
    if key not in actual:
        return f"{path}.{key} is missing"
    return mismatch(expected[key], actual[key], f"{path}.{key}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _told(path: str, expected: Any, actual: Any) -> str:
    return f"{path} is {_short(actual)}, not {_short(expected)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
