"""The parser that the plugin gives: scripts to statements, whichever of sqlfluff's engines runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from sluiceway.migrations.records import Dialect, Parsed, Script
from sluiceway_sql_sqlfluff.dynamic import Variables
from sluiceway_sql_sqlfluff.outline import Engine
from sluiceway_sql_sqlfluff.shapes import Shapes

__all__ = ["Parser", "parser"]

READER = "8"
"""Counts up with every change of what is read out of a statement: a cache is then out of date."""


@dataclass(slots=True)
class Parser:
    """A :class:`~sluiceway.migrations.records.SqlParser` over one engine of sqlfluff."""

    engine: Engine
    version: str
    thorough: bool = False
    """Give sqlfluff also the statements of which every token is understood without it."""
    shapes: Shapes = field(default_factory=Shapes)
    name: str = field(default="sqlfluff", init=False)

    def parse(self, script: Script, dialect: Dialect) -> list[Parsed]:
        """Return the statements of *script* in order, each parsed for itself. Never raises."""
        spans = script.spans
        if spans is None:
            from sluiceway.migrations.statements import spans as split

            spans = tuple(split(script.text, dialect))
        found: list[Parsed] = []
        variables: Variables = {}
        for start, end in spans:
            text = script.text[start:end]
            try:
                parts = self.shapes.read(
                    text, dialect, self.engine, variables, thorough=self.thorough
                )
            except Exception as error:  # noqa: BLE001 - a statement that breaks the reader is not read
                problem = f"a bug in Sluiceway, please report it: {type(error).__name__}"
                if isinstance(error, RecursionError):
                    problem = "its brackets are nested too deep"
                found.append(Parsed(span=(start, end), actions=(), problem=problem))
                continue
            found.extend(
                Parsed(
                    span=(start + part.start, start + part.end),
                    actions=part.actions,
                    problem=part.problem,
                )
                for part in parts
            )
        return found


@lru_cache(maxsize=1)
def parser() -> Parser:
    """Return the parser of this installation: on the Rust core when that is there."""
    from importlib.metadata import version

    from sluiceway_sql_sqlfluff import rust

    engine: Engine | None = rust.load()
    if engine is None:
        from sluiceway_sql_sqlfluff.api import ApiEngine

        engine = ApiEngine()
        core = ""
    else:
        core = f" {version('sqlfluffrs')}"
    words = version("sqlfluff")
    return Parser(engine, f"{engine.name}{core} {words}, reader {READER}", shapes=Shapes(words))
