"""``sluiceway ...``: the same namespace as ``invoke ...``, from any folder."""

from __future__ import annotations

from sluiceway.cli.collecting import begun

__all__ = ["main"]


def main() -> None:
    """Run the console script."""
    with begun():
        from sluiceway import __version__
        from sluiceway.cli.lean import what_invoke_needs

        with what_invoke_needs():
            from invoke.program import Program

        from sluiceway.cli import namespace

        program = Program(
            name="Sluiceway", binary="sluiceway", namespace=namespace(), version=__version__
        )
    program.run()


if __name__ == "__main__":
    main()
