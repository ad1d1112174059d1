"""XML as ``goxml2json`` turns it into JSON: ``-attribute``, ``#content``, and texts."""

from __future__ import annotations

import unicodedata
from typing import Any

__all__ = ["parse"]


class _Node:
    def __init__(self, label: str = "") -> None:
        self.label = label
        self.data = ""
        self.children: dict[str, list[_Node]] = {}

    def add(self, label: str, child: _Node) -> None:
        self.children.setdefault(label, []).append(child)

    def value(self) -> Any:
        if not self.children:
            return self.data
        made: dict[str, Any] = {"#content": self.data} if self.data else {}
        for label, nodes in self.children.items():
            made[label] = nodes[0].value() if len(nodes) == 1 else [each.value() for each in nodes]
        return made


def parse(text: str) -> Any:
    """Return the document as JSON data in which every value is a text.

    Raises:
        ValueError: When it is not well-formed, or declares entities (which can grow without end).
    """
    from xml.parsers import expat

    parser = expat.ParserCreate()
    parser.buffer_text = True
    # A default that the document type declares would appear in every element, as large as it is.
    parser.specified_attributes = True
    root = _Node()
    path = [root]

    def start(name: str, attributes: dict[str, str]) -> None:
        node = _Node(_local(name))
        for key, value in attributes.items():
            child = _Node()
            child.data = value
            node.add(f"-{_local(key)}", child)
        path.append(node)

    def end(_name: str) -> None:
        node = path.pop()
        path[-1].add(node.label, node)

    def words(data: str) -> None:
        path[-1].data = _trimmed(data)  # the last run of text wins

    def declared(*_: Any) -> None:
        msg = "it declares an entity"
        raise ValueError(msg)

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = words
    # Each of these ends a run of text.
    parser.CommentHandler = lambda _text: None
    parser.StartCdataSectionHandler = lambda: None
    parser.EndCdataSectionHandler = lambda: None
    parser.EntityDeclHandler = declared
    try:
        parser.Parse(text, True)  # noqa: FBT003 - expat's own way to say that this is all
    except expat.ExpatError as error:
        raise ValueError(str(error)) from error
    return root.value()


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _trimmed(text: str) -> str:
    kept = [index for index, character in enumerate(text) if _graphic(character)]
    return text[kept[0] : kept[-1] + 1] if kept else ""


def _graphic(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LMNPS"
