"""``sluiceway ...``: the same namespace as ``invoke ...``, from any folder."""

from __future__ import annotations

from invoke.program import Program

from sluiceway import __version__
from sluiceway.cli import namespace

__all__ = ["main"]


def main() -> None:
    """Run the console script."""
    Program(name="Sluiceway", binary="sluiceway", namespace=namespace(), version=__version__).run()


if __name__ == "__main__":
    main()
