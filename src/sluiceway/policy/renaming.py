"""Names of Rego v0 that are words of v1: a function ``contains``, variables ``in`` and ``input``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sluiceway.policy.tokens import Token, tokens

__all__ = ["renamed"]

_KEYWORDS = ("contains", "every", "if", "in")
_DOCUMENTS = ("data", "input")
_OPEN = {"{": "}", "[": "]", "(": ")"}


def renamed(source: str) -> str:
    """Return *source* with a ``_`` behind every name that v1 would take for something else.

    A keyword is a name only where the module gives it a value or defines it, and does not import
    it. ``input`` is one in a body that gives it a value: v0 lets it hide the document there.
    """
    pieces = [each for each in tokens(source) if not each.blank]
    texts = [each.text for each in pieces]
    places: set[int] = set()
    for word in _KEYWORDS:
        if word in texts and not _imported(word, texts):
            places.update(_named(word, source, pieces))
    for body in _bodies(texts):
        for word in _DOCUMENTS:
            places.update(_hidden(word, texts, body))
    made: list[str] = []
    position = 0
    for index in sorted(places):
        made += [source[position : pieces[index].end], _more(texts[index], texts)]
        position = pieces[index].end
    return "".join([*made, source[position:]])


def _more(word: str, texts: Sequence[str]) -> str:
    """Return what makes a name of *word* that the module does not have."""
    more = "_"
    while word + more in texts:
        more += "_"
    return more


def _imported(word: str, texts: Sequence[str]) -> bool:
    brought = {"rego.v1", "future.keywords", f"future.keywords.{word}"}
    if word == "in":
        brought.add("future.keywords.every")
    for index, text in enumerate(texts):
        end = index + 2
        while text == "import" and texts[end : end + 1] == ["."]:
            end += 2
        if text == "import" and "".join(texts[index + 1 : end]) in brought:
            return True
    return False


def _named(word: str, source: str, pieces: Sequence[Token]) -> Iterator[int]:
    """Yield where *word* is a name, when the module makes it one."""
    depth = 0
    function = variable = False
    calls: list[int] = []
    others: list[int] = []
    for index, piece in enumerate(pieces):
        depth += (piece.text in _OPEN) - (piece.text in _OPEN.values())
        before = pieces[index - 1].text if index else ""
        if piece.text != word or before == ".":
            continue
        following = pieces[index + 1] if index + 1 < len(pieces) else piece
        if following.text == "(" and following.start == piece.end:
            calls.append(index)
            first = not source[source.rfind("\n", 0, piece.start) + 1 : piece.start].strip()
            function = function or (depth == 0 and first)
        else:
            others.append(index)
            variable = variable or following.text == ":=" or before == "some"
    yield from calls if function else ()
    yield from others if variable else ()


def _bodies(texts: Sequence[str]) -> Iterator[range]:
    """Yield the pieces of each body of a rule, brackets included."""
    depth = begin = 0
    for index, text in enumerate(texts):
        if text in _OPEN:
            begin = begin if depth else index
            depth += 1
        elif text in _OPEN.values():
            depth = max(depth - 1, 0)
            if not depth and texts[begin] == "{":
                yield range(begin, index + 1)


def _hidden(word: str, texts: Sequence[str], body: range) -> Iterator[int]:
    """Yield where *word* is a variable in *body*, when the body itself gives it a value."""
    depth = 0
    given = False
    places: list[int] = []
    for index in body:
        depth += (texts[index] in _OPEN) - (texts[index] in _OPEN.values())
        if texts[index] == word and texts[index - 1] not in {".", "with"}:
            places.append(index)
            given = given or (depth == 1 and texts[index + 1] == ":=")
    yield from places if given else ()
