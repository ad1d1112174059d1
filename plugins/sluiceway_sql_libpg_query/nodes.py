"""Small readings of libpg_query's JSON nodes: names, types, defaults, constraints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from sluiceway.migrations.records import Column, Name

__all__ = [
    "Node",
    "arguments",
    "arguments_of",
    "behind_dots",
    "body_of",
    "called_by_defaults",
    "calls",
    "check_not_null",
    "column",
    "constant_null",
    "decoded",
    "functions_in",
    "made",
    "name_of",
    "option",
    "parameters_of",
    "relation",
    "sole",
    "strings",
    "switched",
    "takes_one",
    "type_name",
    "volatile",
]

Node = Mapping[str, Any]

_WORD = rb'"(?:[^"\\]|\\.)*"'
_WORDS = rb'\[((?:\{"String":\{"sval":%b\}\},?)+)\]' % _WORD
_CALL = re.compile(rb'"FuncCall":\{"funcname":' + _WORDS)
_MADE = re.compile(rb'"funcname":' + _WORDS)
_INDIRECT = b'"indirection":['
_STRING = re.compile(rb'\{"String":\{"sval":(%b)\}\}' % _WORD)
_FIELD = re.compile(
    rb'"ColumnRef":\{"fields":\[(?:\{"String":\{"sval":%b\}\},)+\{"String":\{"sval":(%b)\}\}\]'
    % (_WORD, _WORD)
)
_SERIAL = frozenset({"serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"})
_VOLATILE = frozenset(
    {
        "clock_timestamp", "currval", "gen_random_bytes", "gen_random_uuid", "gen_salt", "lastval",
        "nextval", "random", "random_normal", "setval", "timeofday",
        "txid_current", "pg_current_xact_id", "uuid_generate_v1", "uuid_generate_v1mc",
        "uuid_generate_v4", "uuidv4", "uuidv7",
    }
)  # fmt: skip
"""Functions that the server calls volatile and that stand in defaults."""
_STABLE = frozenset(
    {
        "abs", "array", "btrim", "char_length", "coalesce", "concat", "concat_ws", "current_database",
        "current_schema", "current_setting", "date", "date_part", "date_trunc", "decode", "digest",
        "encode", "extract", "floor", "format", "hashtext", "json_build_array", "json_build_object",
        "jsonb_build_array", "jsonb_build_object", "length", "lower", "ltrim", "make_date",
        "make_interval", "make_timestamp", "make_timestamptz", "md5", "now", "power", "repeat",
        "replace", "round", "rtrim", "session_user", "sha256", "statement_timestamp", "substr",
        "substring", "timezone", "to_char", "to_date", "to_json", "to_jsonb", "to_timestamp",
        "to_tsvector", "transaction_timestamp", "trim", "trunc", "upper", "uuid_nil",
    }
)  # fmt: skip
"""Functions that are known not to be; one that stands in neither list may be volatile."""
_TYPE = re.compile(
    rb"""(?ix)
    (?:
      double\s+precision | (?:character|char|nchar|national\s+char(?:acter)?|bit)\s+varying
      | national\s+char(?:acter)?
      | (?:"(?:[^"]|"")+"|[\w$]+) (?:\s*\.\s* (?:"(?:[^"]|"")+"|[\w$]+))*
    )
    (?:\s*\([^()]*\))?
    (?:\s+with(?:out)?\s+time\s+zone)?
    (?:\s*\[\s*\d*\s*\])*
    """
)
_SPACE = re.compile(r"\s+")
_DECODER = msgspec.json.Decoder()


def decoded(tree: bytes) -> Any:
    """Return a part of a tree as the library writes it, without spaces."""
    if tree[:1] == b'"' and b"\\" not in tree:
        return tree[1:-1].decode("utf-8", "surrogatepass")
    return _DECODER.decode(tree)


def sole(node: Node) -> tuple[str, Node]:
    """Return kind and content of a node that is wrapped: ``{"ColumnDef": {...}}``."""
    for kind, content in node.items():
        return kind, content
    return "", {}


def strings(items: Iterable[Node]) -> Name:
    """Return the words of a list of ``String`` nodes."""
    return tuple([str(item["String"].get("sval", "")) for item in items if "String" in item])


def relation(node: Node) -> Name:
    """Return the name of a ``RangeVar``, unwrapped."""
    parts = (node.get("catalogname"), node.get("schemaname"), node.get("relname"))
    return tuple([str(part) for part in parts if part])


def name_of(node: Node) -> Name:  # noqa: PLR0911 - one for each kind of node
    """Return the name of an object as ``DROP``, ``COMMENT`` or ``ALTER`` give it."""
    kind, content = sole(node)
    if kind == "List":
        items = content.get("items", ())
        if items and "TypeName" in items[0]:
            return name_of(items[0])
        return strings(items)
    if kind == "String":
        return (str(content.get("sval", "")),)
    if kind == "TypeName":
        return strings(content.get("names", ()))
    if kind == "ObjectWithArgs":
        return strings(content.get("objname", ()))
    if kind == "RangeVar":
        return relation(content)
    return ()


def option(options: Iterable[Node], name: str) -> Node | None:
    """Return the ``DefElem`` of that name, unwrapped; ``None`` when it does not stand there."""
    for item in options:
        element: Node = item.get("DefElem", {})
        if element.get("defname") == name:
            return element
    return None


def switched(options: Iterable[Node], name: str) -> bool:
    """Say whether an option is given and not turned off (``(ANALYZE off)``)."""
    element = option(options, name)
    if element is None:
        return False
    argument = element.get("arg")
    if argument is None:
        return True
    kind, content = sole(argument)
    if kind == "Boolean":
        return bool(content.get("boolval"))
    if kind == "Integer":
        return bool(content.get("ival"))
    return str(content.get("sval", "")).lower() not in {"false", "off", "0", "no", "f"}


def type_name(node: Node, source: bytes) -> str:
    """Return a type as the statement writes it, lower case but for quotes, with single spaces."""
    names = strings(node.get("names", ()))
    location = node.get("location", 0)
    found = _TYPE.match(source, location) if isinstance(location, int) and location >= 0 else None
    if found is None:
        return ".".join(names)
    written = _SPACE.sub(" ", found.group().decode("utf-8", "replace"))
    if '"' not in written:
        return written.lower()
    return "".join(
        part if number % 2 else part.lower()
        for number, part in enumerate(re.split(r'("[^"]*")', written))
    )


def constant_null(node: Node | None) -> bool:
    """Say whether an expression is NULL, with casts or without, or absent.

    So is what may come to nothing else: a CASE without ELSE, NULLIF of a constant and itself.
    """
    if node is None:
        return True
    kind, content = sole(node)
    while kind in {"TypeCast", "CollateClause"}:
        kind, content = sole(content.get("arg", {}))
    if kind == "CaseExpr":
        return constant_null(content.get("defresult"))
    if kind == "CoalesceExpr":
        return all(constant_null(each) for each in content.get("args", ()))
    if kind == "A_Expr" and content.get("kind") == "AEXPR_NULLIF":
        given = [_placeless(content.get(side, {})) for side in ("lexpr", "rexpr")]
        return constant_null(content.get("lexpr")) or given[0] == given[1]
    return kind == "A_Const" and bool(content.get("isnull"))


def _placeless(node: Any) -> Any:
    """Return a tree without where its words stand."""
    if isinstance(node, dict):
        return {key: _placeless(each) for key, each in node.items() if key != "location"}
    return [_placeless(each) for each in node] if isinstance(node, list) else node


def functions_in(node: Any) -> Iterable[Name]:
    """Return the names of the functions that are called in a node."""
    todo = [node]
    while todo:
        current = todo.pop()
        if isinstance(current, list):
            todo.extend(current)
        elif isinstance(current, dict):
            call = current.get("FuncCall")
            if call is not None:
                yield strings(call.get("funcname", ()))
            if "NextValueExpr" in current:  # pragma: no cover - the grammar makes a call of it
                yield ("nextval",)
            todo.extend(current.values())


def calls(tree: bytes) -> list[Name]:
    """Return the names of the functions that a tree calls, each once, from its bytes."""
    return [_called(words) for words in dict.fromkeys(_CALL.findall(tree))]


def made(tree: bytes) -> Name:
    """Return the name of the function that a ``CreateFunctionStmt`` makes, from its bytes."""
    found = _MADE.search(tree)
    return _called(found[1]) if found is not None else ()


def behind_dots(tree: bytes) -> set[str]:
    """Return the last words of names with dots, which may be a column's or a function's of a row.

    Both ``a.f`` and ``(a).f``; what stands behind brackets may be nested in more of them, so that
    then any word will do.
    """
    words = (_STRING if _INDIRECT in tree else _FIELD).findall(tree)
    return {str(decoded(word)) for word in words}


@lru_cache(maxsize=512)
def _called(words: bytes) -> Name:
    """Return the name of a function as a tree has it: few are called, and those often."""
    return strings(decoded(b"[" + words + b"]"))


def volatile(node: Any) -> bool:
    """Say whether an expression may differ from row to row; an unknown function may."""
    return any(
        name[-1] in _VOLATILE or name[-1] not in _STABLE for name in functions_in(node) if name
    )


def check_not_null(node: Node) -> str:
    """Return the column of which an expression says, alone or by AND, that it is not NULL.

    Also the forms that mean the same: ``NOT (c IS NULL)``, ``c IS DISTINCT FROM NULL``.
    """
    kind, content = sole(node)
    if kind == "NullTest" and content.get("nulltesttype") == "IS_NOT_NULL":
        return _column_ref(content.get("arg", {}))
    if kind == "A_Expr" and content.get("kind") == "AEXPR_DISTINCT":
        return _column_ref(content.get("lexpr", {})) if constant_null(content["rexpr"]) else ""
    if kind == "BoolExpr":
        arguments: Sequence[Node] = content.get("args", ())
        if content.get("boolop") == "AND_EXPR":
            for argument in arguments:
                found = check_not_null(argument)
                if found:
                    return found
        elif content.get("boolop") == "NOT_EXPR" and arguments:
            kind, content = sole(arguments[0])
            if kind == "NullTest" and content.get("nulltesttype") == "IS_NULL":
                return _column_ref(content.get("arg", {}))
    return ""


def _column_ref(node: Node) -> str:
    kind, content = sole(node)
    if kind != "ColumnRef":
        return ""
    words = strings(content.get("fields", ()))
    return words[-1] if words else ""


def column(node: Node, source: bytes) -> Column:
    """Return a ``ColumnDef``, unwrapped, as a record."""
    constraints = node.get("constraints")
    kind = node.get("typeName")
    names = strings(kind.get("names", ())) if kind else ()
    serial = len(names) == 1 and names[0] in _SERIAL
    written = type_name(kind, source) if kind else ""
    name = str(node.get("colname", ""))
    if not constraints:
        return Column(
            name=name, type=written, not_null=serial, default=serial, default_volatile=serial
        )
    not_null = default = serial
    changing = serial
    generated = primary = unique = check = False
    references: Name = ()
    for item in constraints:
        constraint = item.get("Constraint", {})
        what = constraint.get("contype")
        if what == "CONSTR_NOTNULL":
            not_null = True
        elif what == "CONSTR_DEFAULT":
            expression = constraint.get("raw_expr")
            if not constant_null(expression):
                default = True
                changing = changing or volatile(expression)
        elif what == "CONSTR_PRIMARY":
            primary = not_null = True
        elif what == "CONSTR_UNIQUE":
            unique = True
        elif what == "CONSTR_IDENTITY":
            default = changing = not_null = True
        elif what == "CONSTR_GENERATED":
            generated = default = True
        elif what == "CONSTR_FOREIGN":
            references = relation(constraint.get("pktable", {}))
        elif what == "CONSTR_CHECK":
            check = True
            if check_not_null(constraint.get("raw_expr", {})) == name and constraint.get(
                "is_enforced", False
            ):
                # To an INSERT it is the same as NOT NULL.
                not_null = True
    return Column(
        name=name,
        type=written,
        not_null=not_null,
        default=default,
        default_volatile=changing,
        generated=generated,
        primary_key=primary,
        unique=unique,
        references=references,
        check=check,
    )


def arguments(items: Sequence[Node]) -> list[str]:
    """Return the types of a list of arguments."""
    return [".".join(strings(item.get("TypeName", {}).get("names", ()))) for item in items]


def _inputs(node: Node) -> list[Node]:
    """Return the parameters of a function that a call gives: no OUT, and no column of its result."""
    parameters: list[Node] = [
        item.get("FunctionParameter", {}) for item in node.get("parameters", ())
    ]
    return [each for each in parameters if each.get("mode") not in _RESULTS]


_RESULTS = frozenset({"FUNC_PARAM_OUT", "FUNC_PARAM_TABLE"})


def arguments_of(node: Node) -> tuple[str, ...]:
    """Return what tells a function from others of its name: ``(`` and the types of its input."""
    return ("(", *arguments([{"TypeName": each.get("argType", {})} for each in _inputs(node)]))


def parameters_of(node: Node) -> list[str]:
    """Return the names of a function's inputs, empty for those without one."""
    return [str(each.get("name", "")) for each in _inputs(node)]


def called_by_defaults(node: Node) -> list[Name]:
    """Return the functions that the defaults of a function's parameters call."""
    return [name for each in _inputs(node) for name in functions_in(each.get("defexpr"))]


def takes_one(node: Node) -> bool:
    """Say whether a function can be called with one argument, its defaults being what they are."""
    inputs = _inputs(node)
    return bool(inputs) and sum("defexpr" not in each for each in inputs) <= 1


def body_of(node: Node) -> tuple[str, str]:
    """Return language (lower case) and text of a DO or a CREATE FUNCTION."""
    options: Any = node.get("options", node.get("args", ()))
    language = option(options, "language")
    text = option(options, "as")
    word = name_of(language["arg"])[-1].lower() if language and "arg" in language else ""
    if text is None or "arg" not in text:
        return word, ""
    words = name_of(text["arg"])
    return word, words[0] if words else ""
