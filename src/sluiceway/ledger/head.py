"""The newest entry's number and hash, kept beside the ledger's file: what it has had, it must still have.

An older copy of ``ledger.db``, or one that lost its ``-wal``, is whole in itself: its hashes, links and
signatures are right, and the number of entries that it remembers is as old as the rest. ``ledger.head``
is written after an entry is on the disk and never before, so that only the file can be ahead of it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from sluiceway.errors import ActionFailed
from sluiceway.ledger.signing import LedgerKey
from sluiceway.model import canonical, to_json
from sluiceway.record import Record

__all__ = ["Head", "keep", "kept", "unlike"]

_NAME = "ledger.head"


class Head(Record):
    """The newest entry that was known to be on the disk."""

    seq: int
    hash: str
    at: str
    """When it was written, RFC 3339: for whoever looks for the file that has it."""


def kept(folder: Path, key: LedgerKey) -> Head | None:
    """Return the head of the ledger of *folder*; ``None`` where there is none (yet).

    Raises:
        ActionFailed: It cannot be read, or *key* did not sign it (code ``ledger.head``).
    """
    path = folder / _NAME
    try:
        said = json.loads(path.read_bytes())
        head = Head(seq=said["seq"], hash=said["hash"], at=said["at"])
        signed = key.verify(_text(head), said["signature"])
        problem = "" if signed else "this ledger's key did not sign it"
    except FileNotFoundError:
        return None
    except OSError as error:
        problem = str(error.strerror)
    except (ValueError, TypeError, KeyError, RecursionError):
        problem = "it is not what was written"
    if problem:
        raise ActionFailed(
            f"{path} cannot be relied on: {problem}",
            means="Whether the ledger beside it is the newest copy is not known, so nothing is decided "
            "from it and nothing written into it.",
            remedy="Restore ledger.head from a backup; an older one will do. If ledger.db is surely the "
            "newest copy, move ledger.head away: the next entry makes it anew.",
            code="ledger.head",
        )
    return head


def keep(folder: Path, key: LedgerKey, head: Head) -> None:
    """Keep *head* in place of what was kept, durably.

    The caller holds the ledger's write lock: so nobody else writes, and no older one comes last.

    Raises:
        ActionFailed: It cannot be written (code ``ledger.head``).
    """
    path, draft = folder / _NAME, folder / f".{_NAME}"
    body = canonical({**to_json(head), "signature": key.sign(_text(head))})
    try:
        draft.unlink(missing_ok=True)
        with draft.open("xb") as file:
            file.write(body + b"\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)  # the rename itself must survive, not only the bytes
        finally:
            os.close(opened)
    except OSError as error:
        raise ActionFailed(
            f"{path} cannot be written: {error.strerror}",
            means=f"The ledger has its entries, up to number {head.seq}. Nothing more is written into "
            "it while an older copy could take its place without a word.",
            remedy=f"See that whoever runs this may write to {folder} and that its disk is not full.",
            code="ledger.head",
        ) from error


def unlike(folder: Path, head: Head, last: int) -> ActionFailed:
    """Return the error of a ledger that ends with entry *last* and has not what *head* has seen."""
    path = folder / "ledger.db"
    if last < head.seq:
        what = (
            f"the ledger {path} ends with entry {last}, and has had number {head.seq}, of {head.at}"
        )
        cause = "It is an older copy, or its ledger.db-wal was lost."
    else:
        what = f"entry {head.seq} of the ledger {path} is not the one that it had, of {head.at}"
        cause = "It is an older copy that went on by itself, or the copy of another ledger."
    return ActionFailed(
        f"{what} (by ledger.head beside it)",
        means=f"{cause} What was approved, withdrawn, decided or promoted since is not in it, so nothing "
        "is decided from it and nothing written into it.",
        remedy="Put the newest ledger.db back, with its ledger.db-wal if there is one. If it is lost "
        "for good, accept that by moving ledger.head away: waivers that were withdrawn since then, and "
        "approvals of what was rolled back, then count again (`invoke waivers`, `invoke approvals`).",
        code="ledger.behind",
    )


def _text(head: Head) -> str:
    """Return what is signed; no hash of an entry looks like it."""
    return canonical(head).decode()
