"""``python -m sluiceway_registry_folder``: the server process. Started by the plugin."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from types import FrameType

from sluiceway.oci.layout import replacing
from sluiceway_registry_folder.server import FolderServer
from sluiceway_registry_folder.storage import Store
from sluiceway_registry_folder.uploads import sweep


def main() -> int:
    """Serve on an inherited socket until SIGTERM, or until nobody has asked for long enough."""
    parser = argparse.ArgumentParser(prog="sluiceway_registry_folder", description=__doc__)
    parser.add_argument("--listener", type=int, required=True, help="file descriptor")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--record", type=Path, required=True, help="where to say who serves")
    parser.add_argument("--idle-exit-seconds", type=float, required=True)
    given = parser.parse_args()
    stop = threading.Event()

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_to_stop)
    listener = socket.socket(fileno=given.listener)
    store = Store.open(given.folder)
    swept = sweep(store)
    record = _record(listener)
    with replacing(given.record) as sink:
        sink.write(record)
    _say(f"serving {given.folder} at {_address(listener)}; {swept} stale files deleted")
    try:
        outcome = FolderServer(store, listener).run(stop, given.idle_exit_seconds)
    finally:
        # Who starts a successor has the turn until that one has written its own record.
        with contextlib.suppress(FileNotFoundError), store.turn():
            if given.record.read_bytes() == record:  # not a successor's
                given.record.unlink()
    _say(f"ended: {outcome}")
    return 0


def _record(listener: socket.socket) -> bytes:
    import psutil

    return json.dumps(
        {
            "pid": os.getpid(),
            "started": psutil.Process().create_time(),
            "address": _address(listener),
        }
    ).encode()


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"{host}:{port}"


def _say(text: str) -> None:
    sys.stderr.write(f"sluiceway registry: {text}\n")


if __name__ == "__main__":
    sys.exit(main())
