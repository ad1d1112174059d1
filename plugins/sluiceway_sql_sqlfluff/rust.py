"""sqlfluff's Rust core, driven directly: fifty milliseconds sooner and four times as fast.

Its classes are private to sqlfluff: :func:`load` tries them once, on a statement whose answer is
known, and says ``None`` when they are not there or have changed. Then :mod:`.api` does the same work.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sluiceway.migrations.records import Dialect
from sluiceway.record import Changing, field
from sluiceway_sql_sqlfluff.outline import MAX_DEPTH, MAX_ITERATIONS, MAX_NODES, Block, Outline

__all__ = ["RustEngine", "load"]


class RustEngine(Changing):
    """The lexers and parsers of the dialects that were asked for."""

    core: Any
    name: str = "sqlfluff (Rust)"
    _tools: dict[Dialect, tuple[Any, Any]] = field(default_factory=dict)

    def outline(self, text: str, dialect: Dialect) -> Outline:
        """Parse *text*. Never raises for a text."""
        try:
            return self._outline(text, dialect)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - a panic of Rust is no Exception
            return Outline([], f"sqlfluff: {str(error)[:200] or type(error).__name__}")

    def _outline(self, text: str, dialect: Dialect) -> Outline:
        lexer, parser = self._of(dialect)
        tokens, errors = lexer._lex(text)  # noqa: SLF001 - the class has no other method
        if errors:
            return Outline([], f"sqlfluff cannot read it: {errors[0].desc}")
        first, last = 0, len(tokens)
        while first < last and not tokens[first].is_code:
            first += 1
        while last > first and not tokens[last - 1].is_code:
            last -= 1
        if first == last:
            return Outline([])
        code = tokens[first:last]
        match = parser.parse_match_result_from_tokens(code)
        matched = match.matched_slice[1]
        if matched < len(code):
            # What the grammar could not match is left outside of any node.
            return Outline([], _unexpected(text, code[matched:]))
        root = match.apply_as_tree(code, [], []).root
        if "unparsable" in root.descendant_type_set():
            found = root.recursive_crawl(["unparsable"])
            at = found[0].pos_marker.templated_slice.start if found else 0
            return Outline([], f"sqlfluff cannot parse it from {text[at : at + 40]!r} on")
        return Outline(_blocks(root))

    def _of(self, dialect: Dialect) -> tuple[Any, Any]:
        if dialect not in self._tools:
            core = self.core
            self._tools[dialect] = (
                core.RsLexer(dialect=dialect.value),
                core.RsParser(
                    dialect.value,
                    max_parser_iterations=MAX_ITERATIONS,
                    parser_warn_threshold=MAX_ITERATIONS,
                    max_parse_depth=MAX_DEPTH,
                    max_parse_nodes=MAX_NODES,
                ),
            )
        return self._tools[dialect]


def _unexpected(text: str, left: list[Any]) -> str:
    for token in left:
        if token.is_code:
            at = token.pos_marker.templated_slice.start
            return f"sqlfluff cannot parse it from {text[at : at + 40]!r} on"
    return "sqlfluff cannot parse it"


def _blocks(handle: Any) -> list[Block]:
    found = []
    for statement in handle.recursive_crawl(["statement"], recurse_into=False):
        span = statement.pos_marker.templated_slice
        children: list[Block] = []
        for child in statement.children:
            children.extend(_below(child))
        found.append(Block(span.start, _end(statement), children))
    return found


def _below(handle: Any) -> list[Block]:
    if "statement" not in handle.descendant_type_set() and handle.type != "statement":
        return []
    return _blocks(handle)


def _end(handle: Any) -> int:
    stop: int = handle.pos_marker.templated_slice.stop
    return stop


@lru_cache(maxsize=1)
def load() -> RustEngine | None:
    """Return the Rust core, or ``None`` when it is absent or not as it is known here."""
    try:
        import sqlfluffrs

        engine = RustEngine(sqlfluffrs)
        good = engine._outline("DROP TABLE a; SELECT 1", Dialect.ANSI)  # noqa: SLF001 - ours
        bad = engine._outline("DROP TABLE a; nonsense here", Dialect.ANSI)  # noqa: SLF001 - ours
        deep = engine.outline("SELECT " + "(" * 1000 + "1" + ")" * 1000, Dialect.ANSI)
    except Exception:  # noqa: BLE001 - private classes: whatever they do, there is another way
        return None
    spans = [(block.start, block.end) for block in good.blocks]
    if spans != [(0, 12), (14, 22)] or good.problem or not bad.problem or not deep.problem:
        return None
    return engine
