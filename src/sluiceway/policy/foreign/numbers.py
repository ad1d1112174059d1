"""Numbers and texts as Go writes them: policies for conftest compare and print them so.

conftest reads JSON and YAML into 64-bit floating point numbers and hands them to OPA as
``strconv.FormatFloat(x, 'g', -1, 64)``, so that ``replicas: 1234567`` is ``1.234567e+06`` in a
message. Here a ``float`` is such a number and an ``int`` (of TOML, which has integers) is exact.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

__all__ = ["Literal", "go_json", "number_text", "policy_text", "quoted"]

_LARGEST_PLAIN = 21
"""The exponent from which encoding/json writes a float with an exponent."""
_SMALLEST_PLAIN = -6
_GENERAL = (-4, 6)
"""The same for the format ``g`` with the shortest text."""
_ESCAPED = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}
_ESCAPE = re.compile("[<>&\u2028\u2029]")
_HALF = re.compile("[\ud800-\udfff]")
"""Half a character, which JSON can spell and no text can hold."""


class Literal(float):
    """A number of a result, with the text that OPA wrote it in."""

    text: str

    def __new__(cls, text: str) -> Literal:  # noqa: PYI034 - float's own way
        """Keep *text* beside its value."""
        made = super().__new__(cls, text)
        made.text = text
        return made


def number_text(value: float, low: int = _GENERAL[0], high: int = _GENERAL[1]) -> str:
    """Return Go's shortest text of *value*: with an exponent below *low* and from *high* on."""
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text = "".join(str(digit) for digit in digits)
    point = len(text) + int(exponent)
    power = point - 1
    if low <= power < high:
        if point <= 0:
            text = "0." + "0" * -point + text
        elif point >= len(text):
            text += "0" * (point - len(text))
        else:
            text = f"{text[:point]}.{text[point:]}"
    else:
        mantissa = text[0] + (f".{text[1:]}" if len(text) > 1 else "")
        text = f"{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"
    return ("-" if sign else "") + text


def policy_text(value: Any) -> str:
    """Return *value* as the JSON that a policy's input is read from."""
    return _written(value, number_text)


def go_json(value: Any, *, ordered: bool = False) -> str:
    """Return *value* as ``encoding/json`` writes it: no spaces, HTML escaped.

    Keys are sorted as those of a map, or *ordered* as they stand like those of a struct.
    """
    return _written(value, _json_number, ordered=ordered)


def quoted(text: str) -> str:
    """Return *text* as a JSON string of ``encoding/json``: half a character is ``\ufffd``."""
    text = _HALF.sub("\ufffd", text)
    return _ESCAPE.sub(lambda found: _ESCAPED[found[0]], json.dumps(text, ensure_ascii=False))


def _json_number(value: float) -> str:
    return number_text(value, _SMALLEST_PLAIN, _LARGEST_PLAIN).replace("e-0", "e-")


def _written(value: Any, number: Callable[[float], str], *, ordered: bool = False) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Literal):
        return value.text
    if isinstance(value, float):
        return number(value)
    if isinstance(value, dict):
        keys = list(value) if ordered else sorted(value)
        inner = (f"{quoted(key)}:{_written(value[key], number, ordered=ordered)}" for key in keys)
        return "{" + ",".join(inner) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_written(each, number, ordered=ordered) for each in value) + "]"
    return json.dumps(value)
