"""What sqlfluff says of a text: whether it holds, and where its statements stand."""

from __future__ import annotations

from typing import Protocol

from sluiceway.migrations.records import Dialect
from sluiceway.record import Changing, field

__all__ = ["MAX_DEPTH", "MAX_ITERATIONS", "MAX_NODES", "Block", "Engine", "Outline"]

MAX_DEPTH = 600
MAX_NODES = 100_000
"""sqlfluff's own limits. Without them its Rust core overflows its stack at a thousand brackets."""

MAX_ITERATIONS = 3_000_000
"""Steps of the Rust core in one statement, which ends then: three to five seconds."""


class Block(Changing):
    """A statement, and the statements that it holds."""

    start: int
    end: int
    children: list[Block] = field(default_factory=list)


class Outline(Changing):
    """A text as one of sqlfluff's engines reads it."""

    blocks: list[Block]
    problem: str = ""
    """Why it could not be parsed. Then there are no blocks."""


class Engine(Protocol):
    """One way to have sqlfluff parse a text."""

    name: str

    def outline(self, text: str, dialect: Dialect) -> Outline:
        """Parse *text*. Never raises for a text."""
        ...
