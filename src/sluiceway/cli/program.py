"""``sluiceway ...``: the same namespace as ``invoke ...``, from any folder."""

from __future__ import annotations

import gc

__all__ = ["main"]


def main() -> None:
    """Run the console script."""
    # What is imported stays until the end. Looking through it for garbage again and again, while more
    # of it comes, takes a tenth of a start.
    gc.disable()
    from sluiceway import __version__
    from sluiceway.cli.lean import what_invoke_needs

    with what_invoke_needs():
        from invoke.program import Program

    from sluiceway.cli import namespace

    program = Program(
        name="Sluiceway", binary="sluiceway", namespace=namespace(), version=__version__
    )
    gc.freeze()
    gc.enable()
    program.run()


if __name__ == "__main__":
    main()
