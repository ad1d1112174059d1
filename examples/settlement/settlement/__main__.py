"""``python3 -m settlement``: serve until SIGTERM or SIGINT, then finish what was begun."""

import os
import signal
import sys
import threading

from settlement import VERSION, flags
from settlement.server import Server


def main():
    try:
        host, port = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8080"))
        server = Server((host, port), new_fee_schedule=flags.enabled("NEW_FEE_SCHEDULE"))
    except (ValueError, OSError) as error:
        print(f"settlement cannot start: {error}", file=sys.stderr)
        return 2
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    print(f"settlement {VERSION} serves http://{host}:{server.server_port}", flush=True)
    # The kernel may hand a signal to any thread, and only a main thread that wakes up handles it.
    while not stop.wait(0.1):
        pass
    unfinished = server.stop(seconds=10.0)
    print(f"settlement stopped, {unfinished} requests unfinished", flush=True)
    return 1 if unfinished else 0


if __name__ == "__main__":
    sys.exit(main())
