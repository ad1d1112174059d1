"""COPY: from one tree into another, as a layer.

Source: Docker's "Dockerfile reference", "COPY", for where things land.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import replace

from sluiceway.config.build_context import translate
from sluiceway.record import Record
from sluiceway_build_layers.faults import needs_engine, wrong
from sluiceway_build_layers.tree import Kind, Node, Tree

__all__ = ["Ownership", "copy", "make_folder", "ownership"]

_WILD = re.compile(r"[*?\[]")


class Ownership(Record):
    """What ``--chown`` and ``--chmod`` ask for."""

    user: int = 0
    group: int = 0
    mode: int | None = None

    def of(self, node: Node) -> Node:
        """Return *node* as it is to be in the image."""
        mode = node.mode if self.mode is None or node.kind is Kind.LINK else self.mode
        return replace(node, user=self.user, group=self.group, mode=mode)


def copy(
    source: Tree,
    stage: Tree,
    patterns: Sequence[str],
    destination: str,
    ownership: Ownership,
    where: str,
) -> dict[str, Node]:
    """Copy into *stage* and return what the layer holds, by path.

    Args:
        source: The build context or another stage.
        stage: What is changed.
        patterns: Sources, relative to the root of *source*, with Go's wildcards.
        destination: Absolute path in the image; with a ``/`` at its end it is a folder.
        ownership: For everything copied. Folders made on the way belong to root.
        where: For messages.

    Raises:
        ConfigurationError: ``build.dockerfile``, ``build.copy-missing``, ``build.link-escapes``,
            ``build.special-file``, ``build.file-name``.
    """
    found = [path for pattern in patterns for path in _matching(source, pattern, where)]
    into_folder = destination.endswith("/")
    target = posixpath.normpath(destination).strip("/")
    several = len(found) > 1
    if several and not into_folder:
        raise wrong(
            where,
            f"{len(found)} sources are copied to {destination!r}, which is no folder",
            f"Write {destination + '/'!r}.",
        )
    layer: dict[str, Node] = {}
    for path in found:
        actual = source.resolve(path, where)
        node = source.get(actual)
        if node is None:
            raise _missing(path, source, where)
        if node.kind is Kind.FOLDER:
            _enter(stage, layer, target, where)
            for inner, item in source.below(actual):
                if item.kind is Kind.LINK:
                    source.resolve(_join(actual, inner), where)  # refuses what leads out of it
                _place(stage, layer, _join(target, inner), ownership.of(item), where)
            continue
        there = stage.get(target)
        inside = into_folder or (there is not None and there.kind is Kind.FOLDER)
        name = _join(target, posixpath.basename(path)) if inside else target
        _enter(stage, layer, posixpath.dirname(name), where)
        _place(stage, layer, name, ownership.of(node), where)
    return layer


def make_folder(stage: Tree, path: str, where: str) -> dict[str, Node]:
    """Make *path* (absolute) and its parents; return what was not there yet."""
    layer: dict[str, Node] = {}
    _enter(stage, layer, path.strip("/"), where)
    return layer


def _matching(source: Tree, pattern: str, where: str) -> list[str]:
    cleaned = posixpath.normpath("/" + pattern).strip("/")
    if ".." in pattern.split("/"):
        raise wrong(
            where,
            f"{pattern!r} leads out of {source.name}",
            "Copy only from inside it: paths begin at its root.",
        )
    if not _WILD.search(cleaned):
        if source.get(source.resolve(cleaned, where)) is None:
            raise _missing(pattern, source, where)
        return [cleaned]
    try:
        expression = translate(cleaned, deep=False)
    except re.error as error:
        raise wrong(where, f"the pattern {pattern!r} is not valid: {error}") from error
    found = [path for path in source.paths() if expression.fullmatch(path)]
    if not found:
        raise _missing(pattern, source, where)
    return found


def _enter(stage: Tree, layer: dict[str, Node], folder: str, where: str) -> None:
    """Make *folder* and its parents in the image where they are not there yet."""
    done = ""
    for part in folder.split("/") if folder else ():
        done = _join(done, part)
        there = stage.get(done)
        if there is None:
            node = Node(kind=Kind.FOLDER, mode=0o755)
            _check_name(done, where)
            stage.put(done, node)
            layer[done] = node
        elif there.kind is not Kind.FOLDER:
            raise wrong(
                where,
                f"/{done} is a {there.kind.value} in the image, so nothing can be put into it",
                "Copy to the folder's own path.",
            )


def _place(stage: Tree, layer: dict[str, Node], path: str, node: Node, where: str) -> None:
    _check_name(path, where)
    there = stage.get(path)
    if there is not None and (there.kind is Kind.FOLDER) != (node.kind is Kind.FOLDER):
        raise wrong(
            where, f"/{path} is a {there.kind.value} already; a {node.kind.value} cannot replace it"
        )
    if node.kind is Kind.SPECIAL:
        raise wrong(
            where,
            f"/{path} would be a socket, pipe or device",
            "Leave it out in .dockerignore.",
            code="build.special-file",
        )
    if node.kind is Kind.LINK:
        _check_link(path, node.target, where)
    stage.put(path, node)
    layer[path] = node


def _check_link(path: str, target: str, where: str) -> None:
    # Whoever unpacks the image must not be led out of its root, nor the image into the machine.
    lexical = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    if target.startswith("/") or lexical == ".." or lexical.startswith("../"):
        raise wrong(
            where,
            f"/{path} would be a symbolic link to {target!r}, out of what is copied",
            "Make it a relative link to something that is copied as well.",
            code="build.link-escapes",
        )


def _check_name(path: str, where: str) -> None:
    name = posixpath.basename(path)
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise wrong(
            where, f"the name {path!r} is not UTF-8", "Rename it.", code="build.file-name"
        ) from error
    if name.startswith(".wh."):
        raise wrong(
            where,
            f"/{path} begins with .wh., which means a deletion in a layer",
            "Rename it.",
            code="build.file-name",
        )


def _missing(pattern: str, source: Tree, where: str) -> Exception:
    return wrong(
        where,
        f"{pattern!r} is not in {source.name}",
        "Correct the path; paths begin at the root of the build context, and .dockerignore takes "
        "files out of it.",
        code="build.copy-missing",
    )


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def ownership(chown: str | None, chmod: str | None, where: str) -> Ownership:
    """Read the values of ``--chown`` and ``--chmod``; only numbers can be understood here."""
    user, group, mode = 0, 0, None
    if chown:
        names = {"root": "0", "": "0"}
        first, colon, second = chown.partition(":")
        first, second = names.get(first, first), names.get(second, second) if colon else ""
        second = second or first
        if not (first.isascii() and first.isdigit() and second.isascii() and second.isdigit()):
            raise needs_engine(
                where, f"--chown={chown} by name", "Write the numbers, as in --chown=1000:1000."
            )
        user, group = int(first), int(second)
    if chmod:
        if not re.fullmatch(r"0?[0-7]{3,4}", chmod):
            raise wrong(where, f"--chmod={chmod} is not an octal mode", "Write it like 0755.")
        mode = int(chmod, 8)
    return Ownership(user=user, group=group, mode=mode)
