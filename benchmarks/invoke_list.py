"""How much slower is `invoke --list` here than in a project of one task? A ratio, not a time.

CPU seconds are compared, of the least of several interleaved pairs: what else the machine does only
ever adds to them. Usage: invoke_list.py [--pairs 15] [--limit 1.5]; exit 1 when the ratio is above the
limit.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMAND = (sys.executable, "-m", "invoke", "--list")
ONE_TASK = '''
from invoke import task


@task
def build(c):
    """Build."""
'''


def seconds(folder: Path) -> float:
    """Return the CPU time, user and system, of one `invoke --list` in *folder*, in seconds."""
    environ = {
        name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
    }
    before = _children()
    subprocess.run(COMMAND, cwd=folder, env=environ, stdout=subprocess.DEVNULL, check=True)
    return _children() - before


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(pairs: int) -> tuple[float, float]:
    """Return the least seconds of (a bare project, this one)."""
    with tempfile.TemporaryDirectory() as name:
        bare = Path(name)
        (bare / "tasks.py").write_text(ONE_TASK)
        for folder in (bare, ROOT):  # byte code and file cache are filled once, unmeasured
            seconds(folder)
        samples = [(seconds(bare), seconds(ROOT)) for _ in range(pairs)]
    return min(first for first, _ in samples), min(second for _, second in samples)


def main() -> int:
    """Print both and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--limit", type=float, default=0.0, help="fail above this ratio")
    arguments = parser.parse_args()
    bare, ours = measure(arguments.pairs)
    ratio = ours / bare
    print(f"one task   {bare * 1000:7.1f} ms")
    print(f"sluiceway  {ours * 1000:7.1f} ms")
    print(
        f"ratio      {ratio:7.2f}" + (f"  (limit {arguments.limit:g})" if arguments.limit else "")
    )
    return 1 if arguments.limit and ratio > arguments.limit else 0


if __name__ == "__main__":
    sys.exit(main())
