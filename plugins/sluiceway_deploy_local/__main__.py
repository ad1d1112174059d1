"""``python -m sluiceway_deploy_local FOLDER SETTINGS``: starts the supervisor and returns.

It returns 0 when the supervisor can be asked (or another one holds the folder), and the
supervisor's own code when it cannot start. Nobody is left who would have to wait for it, but its guard.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from sluiceway.errors import SluicewayError
from sluiceway_deploy_local import guard, state
from sluiceway_deploy_local.paths import Folder
from sluiceway_deploy_local.settings import Settings
from sluiceway_deploy_local.supervisor import main


def _launch() -> int:
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(readable)

        def started() -> None:
            os.write(writable, b"+")
            os.close(writable)

        return guard.watch(_serve, started, _left)
    os.close(writable)
    if os.read(readable, 1):
        return 0
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _left() -> bool:
    """Say whether a supervisor that was killed left anything that is to be routed or ended."""
    try:
        document = state.load(Folder(Path(sys.argv[1])).state)
    except SluicewayError:
        return True  # which the next one says, and touches nothing
    return bool(document.get("routes") or document.get("pending"))


def _serve(started: Callable[[], None]) -> int:
    try:
        return main(Path(sys.argv[1]), Settings.from_json(json.loads(sys.argv[2])), started)
    except SluicewayError as error:
        # This is a program of its own, whose standard output is the supervisor's log.
        sys.stdout.write(json.dumps(error.diagnostics()) + "\n")
        return error.exit_code


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(_launch())
