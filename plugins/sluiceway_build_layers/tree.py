"""Files by path: the build context, and what a stage has so far. Both are the same thing.

Nothing is read here but names and kinds; a file's content stays where it is until a layer is
written from it.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path

from sluiceway.record import Record
from sluiceway_build_layers.faults import wrong

__all__ = ["Kind", "Node", "Tree", "scan"]

_MOST_LINKS = 40


class Kind(Enum):
    """What is at a path."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "symbolic link"
    SPECIAL = "special file"


class Node(Record):
    """One entry of a tree."""

    kind: Kind
    mode: int
    """0644 or 0755, unless ``--chmod`` says otherwise."""
    content: Path | None = None
    """Where a file's bytes are on this machine."""
    target: str = ""
    """Where a link points, as written."""
    user: int = 0
    group: int = 0


class Tree:
    """Nodes by path, relative with ``/``; the root is ``""`` and always a folder.

    Args:
        name: For messages: ``the build context`` or ``stage build``.
    """

    def __init__(self, name: str, nodes: dict[str, Node] | None = None) -> None:
        self.name = name
        self._nodes = {} if nodes is None else dict(nodes)

    def copy(self, name: str) -> Tree:
        """Return a tree of its own with the same nodes."""
        return Tree(name, self._nodes)

    def get(self, path: str) -> Node | None:
        """Return the node at *path*, not following a link there."""
        return _ROOT if not path else self._nodes.get(path)

    def put(self, path: str, node: Node) -> None:
        """Put *node* at *path*; its parent must be a folder of this tree."""
        self._nodes[path] = node

    def paths(self) -> tuple[str, ...]:
        """Return every path but the root, parents before what is in them."""
        return tuple(sorted(self._nodes, key=lambda path: path.split("/")))

    def below(self, folder: str) -> Iterator[tuple[str, Node]]:
        """Yield what is in *folder*, at any depth, by path relative to it, parents first."""
        prefix = f"{folder}/" if folder else ""
        for path in self.paths():
            if path.startswith(prefix):
                yield path[len(prefix) :], self._nodes[path]

    def resolve(self, path: str, where: str) -> str:
        """Return where *path* is after following every link in it, also the last.

        Raises:
            ConfigurationError: When a link leads out of this tree or in a circle.
        """
        pending, done, links = path.split("/"), "", 0
        while pending:
            part = pending.pop(0)
            if part in {"", "."}:
                continue
            if part == "..":
                if not done:
                    raise self._escapes(path, where)
                done = posixpath.dirname(done)
                continue
            candidate = f"{done}/{part}" if done else part
            node = self.get(candidate)
            if node is None or node.kind is not Kind.LINK:
                done = candidate
                continue
            links += 1
            if links > _MOST_LINKS:
                raise wrong(where, f"{path!r} goes round in a circle of symbolic links")
            if node.target.startswith("/"):
                raise self._escapes(path, where)
            pending[:0] = node.target.split("/")
        return done

    def _escapes(self, path: str, where: str) -> Exception:
        return wrong(
            where,
            f"{path!r} leads out of {self.name} through a symbolic link",
            "Copy what it points to into the build context.",
            code="build.link-escapes",
        )


def scan(context: Path, ignored: Callable[[str], bool], *, prune: bool) -> Tree:
    """List the build context.

    Args:
        context: Its folder.
        ignored: Says whether a relative path is left out.
        prune: Whether an ignored folder may be skipped whole.

    Raises:
        ConfigurationError: ``build.context`` when the folder or something in it cannot be listed.
    """
    nodes: dict[str, Node] = {}
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            entries = sorted(os.scandir(context / folder), key=lambda entry: entry.name)
        except OSError as error:
            raise wrong(
                str(context / folder),
                f"the build context cannot be read: {error.strerror}",
                "Correct [service] context, or leave the folder out in .dockerignore.",
                code="build.context",
            ) from error
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            left_out = ignored(path)
            node = None if left_out else _node(Path(entry.path))
            if node is not None:
                nodes[path] = node
            if entry.is_dir(follow_symlinks=False) and not (left_out and prune):
                pending.append(path)
    # A folder that is ignored itself may hold what an exception brought back.
    for path in tuple(nodes):
        parent = posixpath.dirname(path)
        while parent and parent not in nodes:
            nodes[parent] = Node(kind=Kind.FOLDER, mode=0o755)
            parent = posixpath.dirname(parent)
    return Tree("the build context", nodes)


_ROOT = Node(kind=Kind.FOLDER, mode=0o755)


def _node(path: Path) -> Node:
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return Node(kind=Kind.LINK, mode=0o777, target=str(path.readlink()))
    if stat.S_ISDIR(status.st_mode):
        return Node(kind=Kind.FOLDER, mode=0o755)
    if stat.S_ISREG(status.st_mode):
        # Only "may it be executed" enters the image: the rest depends on a machine's umask.
        mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
        return Node(kind=Kind.FILE, mode=mode, content=path)
    return Node(kind=Kind.SPECIAL, mode=0)
