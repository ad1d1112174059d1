"""Clients in a process of their own: ``python -m tests.plugins.deploy_local_load PORT CLIENTS PATH``.

Each line on stdin is a number of further requests to wait for; the answer is one line. At the end of
stdin the clients stop, and the last line is what they saw, as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Self

from tests.plugins.deploy_local_kit import Load

ROOT = Path(__file__).resolve().parent.parent.parent


class LoadApart:
    """Does what ``Load`` does, from another process."""

    def __init__(self, port: int, clients: int = 4, path: str = "/") -> None:
        self._argv = [sys.executable, "-m", __spec__.name, str(port), str(clients), path]
        self.seen: Counter[str] = Counter()
        self.failed: list[str] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answer()
        return self

    def __exit__(self, *_: object) -> None:
        said, _err = self._process.communicate(timeout=60)
        assert self._process.returncode == 0
        found = json.loads(said)
        self.seen, self.failed = Counter(found["seen"]), found["failed"]

    def more(self, count: int) -> None:
        """Wait until *count* further requests have ended."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        self._answer()

    def _answer(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "done\n"


def main() -> None:
    """Be the clients."""
    port, clients, path = sys.argv[1:]
    with Load(int(port), int(clients), path) as load:
        sys.stdout.write("done\n")
        sys.stdout.flush()
        for line in sys.stdin:
            load.more(int(line))
            sys.stdout.write("done\n")
            sys.stdout.flush()
    sys.stdout.write(json.dumps({"seen": load.seen, "failed": load.failed}))


if __name__ == "__main__":
    main()
