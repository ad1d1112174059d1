"""Which library is trusted: one release, one wheel and one file per platform, each by hash.

The wheels are those of ``opa-golib-python-bindings`` (Apache-2.0), which compiles Open Policy
Agent as a C library. Hashes were computed from the files themselves, and each library's also
stands in its wheel's RECORD.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path

from sluiceway.record import Record

__all__ = ["OPA_VERSION", "Pin", "PINS", "REQUIREMENT", "default_library", "pin_here"]

DISTRIBUTION = "opa-golib-python-bindings"
VERSION = "0.4.4"
OPA_VERSION = "1.20.2"
REQUIREMENT = f"{DISTRIBUTION}=={VERSION}"
MEMBER = "opa_bindings/libopabridge.so"
"""The library's place inside the wheel, on every platform."""


class Pin(Record):
    """What may be installed and loaded on one platform."""

    wheel: str
    """SHA-256 of the wheel, hexadecimal."""
    library: str
    """SHA-256 of the library inside it, hexadecimal."""


PINS: dict[tuple[str, str], Pin] = {
    ("linux", "x86_64"): Pin(
        wheel="d411c901e14b8c7c3023e23e4a944f4cf429c1d31baf80e959e57d11efbfd24a",
        library="8da2cf16edeae1c07e617b9572d2d1c61bad2ead8b620c79fc093be493b0f582",
    ),
    ("linux", "aarch64"): Pin(
        wheel="2becc213edd9bec00e366162889effd29becf0bf0adacfa9c2b43f4b9368f5f2",
        library="625726f68c558892dd0bfbaeca08c69d13959364c20a193d2545be5737d3d145",
    ),
    ("darwin", "arm64"): Pin(
        wheel="23b3aa2a1a6134b7312f878ac7522562c2429a42d94e7cb800d2cf109a737b3f",
        library="0a5bf598c6f607d9b7a45ff85c3bb11f3edd8f6e434c931aad836fa493a76762",
    ),
}
"""``(sys.platform, machine)`` to its pin. There is no wheel for Windows or musl."""


def pin_here() -> Pin | None:
    """Return the pin of this machine, or ``None`` when no library is published for it."""
    if sys.platform == "linux" and platform.libc_ver()[0] != "glibc":
        return None
    return PINS.get((sys.platform, platform.machine()))


def default_library() -> Path:
    """Return where :func:`sluiceway_policy_embedded.install.install` leaves the library."""
    return Path(sys.prefix) / "share" / "sluiceway" / "opa" / VERSION / Path(MEMBER).name
