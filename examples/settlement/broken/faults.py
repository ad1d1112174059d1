"""A build that is broken only under load, for rehearsing a rollback.

It stands for a pool of connections that is too small: with up to ABOVE settlements in a second all
is well, so health checks, smoke tests and the billing parity pass. Above that, every fifth
settlement fails. Copy it over ``settlement/faults.py`` to make the broken build.
"""

import os
import threading
import time
from collections import deque

ABOVE = int(os.environ.get("FAULTS_ABOVE_PER_SECOND", "3"))
EVERY = 5


class Fault(Exception):  # noqa: N818 - a fault of the story, not of the caller
    """The service cannot answer this request (HTTP 500)."""


_lock = threading.Lock()
_recent = deque()
_under_load = 0


def before_settling():
    """Raise :class:`Fault` for 20 % of the settlements beyond ABOVE in the last second."""
    global _under_load  # noqa: PLW0603 - one counter for one process
    now = time.monotonic()
    with _lock:
        _recent.append(now)
        while now - _recent[0] > 1.0:
            _recent.popleft()
        if len(_recent) <= ABOVE:
            return
        _under_load += 1
        if _under_load % EVERY == 0:
            raise Fault("no connection to the ledger is free")
