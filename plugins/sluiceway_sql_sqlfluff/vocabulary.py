"""Every word that has a meaning: to a grammar of sqlfluff, or to what reads its statements here.

Any other word can only be a name, and which one it is changes neither whether a statement holds nor what
it does. :mod:`.shapes` builds on that. The words of all dialects are in ``vocabulary.txt``, because asking
sqlfluff for them takes a hundred times as long as reading a file::

    python -m sluiceway_sql_sqlfluff.vocabulary

writes it anew. The first line is the version of sqlfluff whose words they are.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

__all__ = ["FILE", "collected", "load"]

FILE = Path(__file__).with_name("vocabulary.txt")
_WORD = re.compile(r"[A-Za-z0-9_]+")
_PART = re.compile(r"(?:[A-Z][a-z0-9]*)+(?:Segment|Grammar)")
"""What sqlfluff calls a part of its grammar."""
_CUTTING = frozenset({"lexicon.py", "recipes.py", "shapes.py", "vocabulary.py"})
"""They do not read what a statement does."""


def load(version: str) -> frozenset[str]:
    """Return the words in capitals; none when the file is not of this *version* of sqlfluff."""
    try:
        first, *words = FILE.read_text(encoding="ascii").split("\n")
    except OSError:
        return frozenset()
    return frozenset(words) if first == version else frozenset()


def collected() -> set[str]:
    """Return the words as the installed sqlfluff and the modules beside this one have them.

    More than those that count, which does no harm: every word of every text in the sources of the
    dialects and of this plugin, and the sets of keywords.
    """
    import sqlfluff.dialects
    from sqlfluff.core.dialects import load_raw_dialect

    from sluiceway.migrations.records import Dialect

    sources = sorted(Path(sqlfluff.dialects.__file__).parent.glob("dialect_*.py"))
    wanted = {f"dialect_{name}" for name in _families()}
    found: set[str] = set()
    for source in [path for path in sources if path.stem.removesuffix("_keywords") in wanted]:
        found |= _words_of(source)
    for source in Path(__file__).parent.glob("*.py"):
        if source.name not in _CUTTING:
            found |= _words_of(source)
    for dialect in Dialect:
        raw = load_raw_dialect(dialect.value)
        for name in raw._sets:  # noqa: SLF001 - there is no list of them
            for word in raw._sets[name]:  # noqa: SLF001 - or of what is in one
                found.update(_WORD.findall(str(word).upper()))
    return found


def _families() -> set[str]:
    """Return the dialects, and those that they are made from."""
    from sqlfluff.core.dialects import load_raw_dialect

    from sluiceway.migrations.records import Dialect

    found: set[str] = set()
    for dialect in Dialect:
        name: str | None = dialect.value
        while name is not None and name not in found:
            found.add(name)
            name = load_raw_dialect(name).inherits_from
    return found


def _words_of(source: Path) -> set[str]:
    tree = ast.parse(source.read_text(encoding="utf-8"))
    told = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return {
        word
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in told
        if not _PART.fullmatch(node.value)
        for word in _WORD.findall(node.value.upper())
    }


def main() -> None:
    """Write the file."""
    from importlib.metadata import version

    words = "\n".join([version("sqlfluff"), *sorted(collected())])
    FILE.write_text(words, encoding="ascii")


if __name__ == "__main__":
    main()
