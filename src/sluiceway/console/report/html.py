"""HTML that cannot be injected into: text becomes markup in one function, and is escaped there."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

from sluiceway.console.text import clean

__all__ = ["Html", "code", "joined", "listing", "table", "tag", "words"]

_EMPTY = frozenset({"br", "meta"})


class Html(str):
    """Text that is markup already. Only this room makes it, of what :func:`words` has escaped."""

    __slots__ = ()


def words(value: Any) -> Html:
    """Return *value* as text of a page: secrets taken out, and nothing of it markup."""
    if isinstance(value, Html):
        return value
    return Html(html.escape("" if value is None else clean(value), quote=True))


def joined(parts: Iterable[Any]) -> Html:
    """Return *parts* one after the other."""
    return Html("".join(words(part) for part in parts))


def tag(name: str, /, *children: Any, **attributes: Any) -> Html:
    """Return one element; ``class_`` is ``class`` and ``aria_label`` is ``aria-label``.

    An attribute that is ``None`` or ``False`` is left out, one that is ``True`` has no value.
    """
    shown = "".join(
        f" {_named(key)}" if value is True else f' {_named(key)}="{words(value)}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _EMPTY:
        return Html(f"<{name}{shown}>")
    return Html(f"<{name}{shown}>{joined(children)}</{name}>")


def _named(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def code(value: Any) -> Html:
    """Return a name that is copied rather than read: a digest, a run, a command."""
    return tag("code", value) if value not in {"", None} else Html("")


def table(
    caption: str,
    titles: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    numbers: Sequence[int] = (),
    heads: bool = False,
    prose: bool = False,
) -> Html:
    """Return a table that scrolls by itself where it is too wide; empty without rows.

    Args:
        caption: What it is of.
        titles: One for each column.
        rows: The cells, text or markup.
        numbers: Indices of columns that are set to the right.
        heads: The first cell of each row names the row.
        prose: It is for reading, not for comparing: on a narrow screen the cells of a row stand
            one below the other, and a long word is broken rather than pushing the next cell out.
    """
    body = [
        tag(
            "tr",
            *(
                tag(
                    "th" if heads and not index else "td",
                    cell,
                    class_="number" if index in numbers else None,
                    scope="row" if heads and not index else None,
                )
                for index, cell in enumerate(row)
            ),
        )
        for row in rows
    ]
    if not body:
        return Html("")
    head = (
        tag("th", title, scope="col", class_="number" if index in numbers else None)
        for index, title in enumerate(titles)
    )
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption),
            tag("thead", tag("tr", *head)),
            tag("tbody", *body),
        ),
        class_="scroll prose" if prose else "scroll",
        role="region",
        tabindex="0",
        aria_label=caption,
    )


def listing(pairs: Iterable[tuple[str, Any]]) -> Html:
    """Return labels and values; those without a value are left out."""
    shown = [(label, words(value)) for label, value in pairs]
    items = [tag("div", tag("dt", label), tag("dd", value)) for label, value in shown if str(value)]
    return tag("dl", *items) if items else Html("")
