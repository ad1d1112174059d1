"""``python -m sluiceway_sign_key ADDRESS``: print the public half of a key that is kept elsewhere."""

from __future__ import annotations

import os
import sys

from sluiceway.errors import SluicewayError
from sluiceway_sign_key.kept import is_kept, open_kept

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Print the PEM that others trust; return the exit code."""
    if len(arguments) != 1 or not is_kept(arguments[0]):
        print("usage: python -m sluiceway_sign_key hsm:2?label=TOKEN", file=sys.stderr)  # noqa: T201
        return 2
    try:
        key = open_kept(arguments[0], os.environ)
    except SluicewayError as error:
        print(f"{error.what}\n{error.remedy}", file=sys.stderr)  # noqa: T201
        return int(error.exit_code)
    sys.stdout.write(key.public.pem.decode())
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
