"""Writing terms and expressions of OPA's syntax tree as Rego again.

Only what stands in bodies; a node that is not known raises ``ValueError``, so that nobody
evaluates something else than what was written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["body", "expression", "term"]

_INFIX = {
    "assign": ":=",
    "eq": "=",
    "equal": "==",
    "neq": "!=",
    "lt": "<",
    "lte": "<=",
    "gt": ">",
    "gte": ">=",
    "plus": "+",
    "minus": "-",
    "mul": "*",
    "div": "/",
    "rem": "%",
    "and": "&",
    "or": "|",
}
_BRACKETS = {
    "arraycomprehension": ("[", "]"),
    "setcomprehension": ("{", "}"),
    "objectcomprehension": ("{", "}"),
}


def body(expressions: Sequence[Mapping[str, Any]]) -> str:
    """Return several expressions, one behind the other."""
    return "; ".join(expression(each) for each in expressions)


def expression(node: Mapping[str, Any]) -> str:
    """Return one expression of a body."""
    terms = node["terms"]
    if isinstance(terms, list):
        text = _call(terms, outermost=True)
    elif "symbols" in terms:
        text = "some " + ", ".join(_symbol(symbol) for symbol in terms["symbols"])
    elif "domain" in terms:
        names = [term(terms[key]) for key in ("key", "value") if terms.get(key)]
        text = f"every {', '.join(names)} in {term(terms['domain'])} {{ {body(terms['body'])} }}"
    else:
        text = term(terms)
    if node.get("negated"):
        text = f"not {text}"
    for modifier in node.get("with") or []:
        text += f" with {term(modifier['target'])} as {term(modifier['value'])}"
    return text


def _symbol(symbol: Mapping[str, Any]) -> str:
    if symbol["type"] == "call":
        return _call(symbol["value"], outermost=True)
    return term(symbol)


def term(node: Mapping[str, Any]) -> str:  # noqa: PLR0911 - one return for each kind of term
    """Return one term."""
    kind, value = node["type"], node.get("value")
    match kind:
        case "var":
            return "_" if str(value).startswith("$") else str(value)
        case "string" | "number" | "boolean":
            return json.dumps(value, ensure_ascii=False)
        case "null":
            return "null"
        case "ref":
            return _reference(value or [])
        case "array":
            return "[" + ", ".join(term(item) for item in value or []) + "]"
        case "set":
            return "{" + ", ".join(term(item) for item in value) + "}" if value else "set()"
        case "object":
            return "{" + ", ".join(f"{term(k)}: {term(v)}" for k, v in value or []) + "}"
        case "call":
            return _call(value or [])
    if kind in _BRACKETS and isinstance(value, Mapping):
        opening, closing = _BRACKETS[kind]
        made = term(value["term"]) if "term" in value else ""
        if "key" in value:
            made = f"{term(value['key'])}: {term(value['value'])}"
        return f"{opening}{made} | {body(value['body'])}{closing}"
    msg = f"{kind} cannot be written as Rego here"
    raise ValueError(msg)


def _reference(parts: Sequence[Mapping[str, Any]]) -> str:
    text = term(parts[0])
    for part in parts[1:]:
        name = part.get("value")
        if part["type"] == "string" and str(name).isidentifier():
            text += f".{name}"
        else:
            text += f"[{term(part)}]"
    return text


def _call(terms: Sequence[Mapping[str, Any]], *, outermost: bool = False) -> str:
    name = term(terms[0])
    arguments = [term(each) for each in terms[1:]]
    if name == "internal.member_2":
        text = f"{arguments[0]} in {arguments[1]}"
    elif name == "internal.member_3":
        text = f"{arguments[0]}, {arguments[1]} in {arguments[2]}"
    elif name in _INFIX and len(arguments) == 2:  # noqa: PLR2004 - two sides
        text = f"{arguments[0]} {_INFIX[name]} {arguments[1]}"
    else:
        return f"{name}({', '.join(arguments)})"
    return text if outermost else f"({text})"
