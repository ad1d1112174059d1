"""sqlfluff's Python API, for where its Rust core is absent."""

from __future__ import annotations

from typing import Any

from sluiceway.migrations.records import Dialect
from sluiceway.record import Changing, field
from sluiceway_sql_sqlfluff.outline import MAX_DEPTH, MAX_NODES, Block, Outline

__all__ = ["ApiEngine"]


class ApiEngine(Changing):
    """``sqlfluff.core``: a lexer and a parser a dialect."""

    name: str = "sqlfluff (Python)"
    pure: bool = False
    """Not through the Rust core even where that is installed."""
    _tools: dict[Dialect, tuple[Any, Any]] = field(default_factory=dict)

    def outline(self, text: str, dialect: Dialect) -> Outline:  # noqa: PLR0911 - one a failure
        """Parse *text*. Never raises for a text."""
        from sqlfluff.core.errors import SQLBaseError

        try:
            lexer, parser = self._of(dialect)
            segments, errors = lexer.lex(text)
            if errors:
                return Outline([], f"sqlfluff cannot read it: {errors[0].desc()}")
            if not any(segment.is_code for segment in segments):
                return Outline([])
            tree = parser.parse(segments)
        except SQLBaseError as error:
            return Outline([], f"sqlfluff: {error.desc()[:200]}")
        except (RecursionError, RuntimeError, AssertionError, ValueError) as error:
            return Outline([], f"sqlfluff: {str(error)[:200] or type(error).__name__}")
        if tree is None:
            return Outline([])
        for unparsable in tree.recursive_crawl("unparsable"):
            at = unparsable.pos_marker.templated_slice.start
            return Outline([], f"sqlfluff cannot parse it from {text[at : at + 40]!r} on")
        return Outline(_blocks(tree))

    def _of(self, dialect: Dialect) -> tuple[Any, Any]:
        if dialect not in self._tools:
            from sqlfluff.core import FluffConfig
            from sqlfluff.core.parser import Lexer, Parser
            from sqlfluff.core.parser.lexer import PyLexer
            from sqlfluff.core.parser.parser import Parser as PyParser

            overrides: dict[str, Any] = {
                "dialect": dialect.value,
                "max_parse_depth": MAX_DEPTH,
                "max_parse_nodes": MAX_NODES,
            }
            config = FluffConfig(overrides=overrides)
            lexer = PyLexer if self.pure else Lexer
            parser = PyParser if self.pure else Parser
            self._tools[dialect] = (lexer(config=config), parser(config=config))
        return self._tools[dialect]


def _blocks(segment: Any) -> list[Block]:
    found = []
    for statement in segment.recursive_crawl("statement", recurse_into=False):
        span = statement.pos_marker.templated_slice
        children: list[Block] = []
        for child in statement.segments:
            if child.is_type("statement") or "statement" in child.descendant_type_set:
                children.extend(_blocks(child))
        found.append(Block(span.start, span.stop, children))
    return found
