"""What text an expression of SQL gives, as far as that can be read from it.

Constants, ``||``, ``format`` and the like are put together; what is only known while running
becomes a mark. A text that could be one of several (``CASE``, a variable that two branches set)
gives them all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from sluiceway.record import Changing, field
from sluiceway_sql_libpg_query import library
from sluiceway_sql_libpg_query.library import Failure
from sluiceway_sql_libpg_query.nodes import Node, constant_null, sole, strings

__all__ = ["NAME", "UNKNOWN", "Environment", "Text", "fold", "fold_text", "targets"]

UNKNOWN = "\ufdd0"
"""Stands in a text for something unknown. A noncharacter: no SQL holds it."""
NAME = "\ufdd1"
"""Stands for something unknown that is quoted as one name or one literal: ``%I``, ``quote_ident``."""

Text = list[str]
"""The texts that an expression may give."""

_MOST = 16
"""How many of them are followed; beyond it the whole is unknown."""
_LONGEST = 200_000


class Environment(Changing):
    """What is known of the variables of a body."""

    values: dict[str, Text] = field(default_factory=dict)
    """By name, lower case; the fields of a record as ``record.field``."""

    def copy(self) -> Environment:
        """Return one that can be changed by itself."""
        return Environment(dict(self.values))

    def add(self, name: str, texts: Text) -> None:
        """Let a variable hold one of these beside what it may hold already."""
        mine = self.values.get(name, texts)
        self.values[name] = texts if mine == texts else _some([*mine, *texts])

    def join(self, *others: Environment) -> None:
        """Take over what other branches may have left, beside what is known here."""
        for other in others:
            for name, texts in other.values.items():
                mine = self.values.get(name)
                if mine is None:
                    self.values[name] = texts
                elif mine != texts:
                    self.values[name] = _some([*mine, *texts])


_EMPTY: Mapping[str, Text] = {}
_PLACEHOLDER = re.compile(r"%(?:(\d+)\$)?-?(\d+|\*(?:\d+\$)?)?([sIL%])")
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")


def _some(texts: Sequence[str]) -> Text:
    different = list(dict.fromkeys(texts))
    if len(different) > _MOST or any(len(text) > _LONGEST for text in different):
        return [UNKNOWN]
    return different


def _product(parts: Sequence[Text], separator: str = "") -> Text:
    found = [""]
    for number, part in enumerate(parts):
        joint = separator if number else ""
        found = _some([left + joint + right for left in found for right in part])
    return found


def fold_text(expression: str, environment: Environment) -> Text:
    """Return what the text of an expression gives; see :func:`fold`."""
    node = targets(expression)
    if not node:
        return [UNKNOWN]
    return fold(next(iter(node.values())), environment)


def targets(query: str) -> dict[str, Node]:
    """Return the columns of a SELECT by name (a bare expression is taken for its only one)."""
    tree: bytes | Failure = Failure("")
    for text in ("SELECT " + query, query):
        tree = library.parse(text.encode("utf-8", "replace"))
        if not isinstance(tree, Failure):
            break
    if isinstance(tree, Failure):
        return {}
    try:
        statements = json.loads(tree).get("stmts", ())
    except RecursionError:
        return {}
    if len(statements) != 1:
        return {}
    select: Node = statements[0]["stmt"].get("SelectStmt", {})
    while "larg" in select:
        # UNION: the names are the first one's; the values could be any.
        return {name: {} for name in _names(select)}
    return _columns(select)


def _names(select: Node) -> list[str]:
    while "larg" in select:
        select = select["larg"]
    return list(_columns(select))


def _columns(select: Node) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for number, item in enumerate(select.get("targetList", ())):
        target: Node = item.get("ResTarget", {})
        value: Node = target.get("val", {})
        name = str(target.get("name", ""))
        if not name:
            kind, content = sole(value)
            words = strings(content.get("fields", content.get("funcname", ())))
            name = words[-1] if kind in {"ColumnRef", "FuncCall"} and words else f"?{number}"
        found[name] = value
    return found


def fold(node: Node, environment: Environment) -> Text:  # noqa: PLR0911 - one for each kind of node
    """Return the texts that an expression may give; ``[UNKNOWN]`` when nothing is known of it."""
    kind, content = sole(node)
    if kind == "A_Const":
        return [_constant(content)]
    if kind in {"TypeCast", "CollateClause"}:
        return fold(content.get("arg", {}), environment)
    if kind == "A_Expr":
        operator = strings(content.get("name", ()))
        if operator and operator[-1] == "||" and content.get("kind") == "AEXPR_OP":
            sides = (content.get("lexpr", {}), content.get("rexpr", {}))
            return _product([fold(side, environment) for side in sides])
        return [UNKNOWN]
    if kind == "ColumnRef":
        name = ".".join(strings(content.get("fields", ()))).lower()
        return environment.values.get(name, [UNKNOWN])
    if kind == "ParamRef":
        return environment.values.get(f"${content.get('number', 0)}", [UNKNOWN])
    if kind == "FuncCall":
        return _call(content, environment)
    if kind in {"CoalesceExpr", "MinMaxExpr"}:
        return _any(content.get("args", ()), environment)
    if kind == "CaseExpr":
        results = [item.get("CaseWhen", {}).get("result", {}) for item in content.get("args", ())]
        return _any([*results, content.get("defresult", {})], environment)
    if kind == "SubLink":
        select: Node = content.get("subselect", {}).get("SelectStmt", {})
        columns = _columns(select)
        return fold(next(iter(columns.values())), environment) if columns else [UNKNOWN]
    return [UNKNOWN]


def _any(nodes: Sequence[Node], environment: Environment) -> Text:
    return _some([text for node in nodes if node for text in fold(node, environment)]) or [UNKNOWN]


def _constant(content: Node) -> str:
    if content.get("isnull"):
        return ""
    if "sval" in content:
        return str(content["sval"].get("sval", ""))
    if "ival" in content:
        return str(content["ival"].get("ival", 0))
    if "fval" in content:
        return str(content["fval"].get("fval", ""))
    if "boolval" in content:
        return "true" if content["boolval"].get("boolval") else "false"
    return UNKNOWN


def _call(content: Node, environment: Environment) -> Text:  # noqa: PLR0911 - one for each function
    words = strings(content.get("funcname", ()))
    name = words[-1] if words else ""
    arguments: Sequence[Node] = content.get("args", ())
    if content.get("func_variadic"):
        return [UNKNOWN]
    texts = [fold(argument, environment) for argument in arguments]
    if name == "format" and texts:
        return _some([text for template in texts[0] for text in _format(template, texts[1:])])
    if name == "concat":
        return _product(texts)
    if name == "concat_ws" and texts and not any(map(constant_null, arguments)):
        found = [text for separator in texts[0] for text in _product(texts[1:], separator)]
        return _some(found)
    if name == "quote_ident" and len(texts) == 1:
        return [_quoted(text) for text in texts[0]]
    if name in {"quote_literal", "quote_nullable"} and len(texts) == 1:
        return [_literal(text) for text in texts[0]]
    if name == "string_agg" and len(texts) > 1:
        return _some([*texts[0], *_product([texts[0], texts[1], texts[0]])])
    if name in {"max", "min", "array_agg", "any_value"} and texts:
        return texts[0]
    if name in {"lower", "upper"} and len(texts) == 1:
        return [text.lower() if name == "lower" else text.upper() for text in texts[0]]
    if name in {"btrim", "ltrim", "rtrim", "trim"} and len(texts) == 1:
        return [text.strip(" ") for text in texts[0]]
    if name == "replace" and len(texts) == 3:  # noqa: PLR2004 - its arguments
        sources, old, new = texts
        if len(old) == 1 and old[0] and UNKNOWN not in old[0] and NAME not in old[0]:
            return _some([text.replace(old[0], by) for text in sources for by in new])
    return [UNKNOWN]


def _quoted(text: str) -> str:
    if UNKNOWN in text or NAME in text:
        return NAME
    return text if _PLAIN.fullmatch(text) else '"' + text.replace('"', '""') + '"'


def _literal(text: str) -> str:
    if UNKNOWN in text or NAME in text:
        return f"'{NAME}'"
    return "'" + text.replace("'", "''") + "'"


def _format(template: str, arguments: Sequence[Text]) -> Text:
    found = [""]
    position = 0
    following = 0
    for match in _PLACEHOLDER.finditer(template):
        before = template[position : match.start()]
        position = match.end()
        if (match.group(2) or "").startswith("*"):
            return [UNKNOWN]  # its width is another argument
        what = match.group(3)
        if what == "%":
            found = [text + before + "%" for text in found]
            continue
        if match.group(1):
            following = int(match.group(1))
        else:
            following += 1
        given = arguments[following - 1] if 0 < following <= len(arguments) else [UNKNOWN]
        if what == "I":
            given = [_quoted(text) for text in given]
        elif what == "L":
            given = [_literal(text) for text in given]
        found = _some([text + before + value for text in found for value in given])
        if found == [UNKNOWN]:
            return found
    return [text + template[position:] for text in found]
