"""Where the worker's process begins.

Python compiles the file that it is told to run each time; it keeps what is imported. So this one is
short.
"""

import sys

if __name__ == "__main__":
    # Last, so that nothing beside it can stand in for a module of Python's own.
    sys.path.append(__file__.rpartition("/")[0])
    import worker  # type: ignore[import-not-found]  # no package to an isolated Python

    sys.exit(worker.main(sys.argv[1:]))
