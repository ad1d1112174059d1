"""A key pair for tests that need one and do not ask which: deriving its key takes scrypt's time."""

from __future__ import annotations

import functools
from pathlib import Path
from tempfile import TemporaryDirectory

from sluiceway_sign_key.keys import generate_key_pair

__all__ = ["put_key_pair"]


def put_key_pair(folder: Path, password: str) -> tuple[Path, Path]:
    """Put ``cosign.key`` and ``cosign.pub`` into *folder*: in one process always the same pair.

    Whoever needs another one, a stranger's, calls :func:`generate_key_pair`.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    private, public = folder / "cosign.key", folder / "cosign.pub"
    for path, body, mode in zip((private, public), _pair(password), (0o600, 0o644), strict=True):
        path.touch(mode=mode, exist_ok=False)
        path.write_bytes(body)
    return private, public


@functools.cache
def _pair(password: str) -> tuple[bytes, bytes]:
    with TemporaryDirectory() as folder:
        private, public = generate_key_pair(Path(folder), password)
        return private.read_bytes(), public.read_bytes()
