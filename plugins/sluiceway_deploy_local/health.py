"""One health check: GET on an instance's own port, past the proxy."""

from __future__ import annotations

import asyncio
import re
import time

__all__ = ["probe"]

_HOST = "127.0.0.1"
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])[ \r]")
_BODY_BYTES = 64 * 1024


async def probe(port: int, path: str, seconds: float) -> tuple[bool, str]:
    """Ask once; return whether the answer was 2xx, and a few words on what came.

    Args:
        port: The instance's port on loopback.
        path: Begins with ``/``.
        seconds: For the whole of it.
    """
    begun = time.monotonic()
    try:
        async with asyncio.timeout(seconds):
            status = await _ask(port, path)
    except TimeoutError:
        return False, f"no answer within {seconds:g} s"
    except OSError as error:
        return False, f"no connection: {error.strerror or type(error).__name__}"
    except (ValueError, asyncio.IncompleteReadError):
        return False, "no HTTP answer"
    elapsed = (time.monotonic() - begun) * 1000
    return 200 <= status < 300, f"{status} in {elapsed:.0f} ms"  # noqa: PLR2004 - 2xx


async def _ask(port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection(_HOST, port)
    try:
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {_HOST}:{port}\r\nUser-Agent: sluiceway-health\r\n"
            "Accept: */*\r\nConnection: close\r\n\r\n".encode()
        )
        line = await reader.readline()
        match = _STATUS.match(line)
        if match is None:
            msg = "not a status line"
            raise ValueError(msg)
        await reader.read(_BODY_BYTES)  # so that the instance does not log a broken pipe
        return int(match[1])
    finally:
        writer.close()
