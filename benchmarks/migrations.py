"""What does it cost to check migrations? CPU time against squawk, on the same files in the same run.

Ours is all of it in one process: reading, parsing, facts, and the decision of the policies (the engine's
own process is counted too; it has compiled the policies before, as in any run that has made one
decision). squawk is one process for all files, with every rule of its own. Both take turns, so that
whatever else the machine does hits both alike; the median of the ratios of each round is shown. A second
check of the same files, which remembers the first, takes its turn as well.

Usage: migrations.py [--corpus DIR ...] [--files 1200] [--rounds 5] [--check]. Without a corpus, files are
written like those of real projects: small, mostly one or two statements. squawk is the one on PATH, or is
installed (squawk-cli, PyPI) into an environment of its own that is removed again. With --check the exit
status is 1 when ours takes more CPU than squawk, or a second check more than 0.15 of it.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil

from sluiceway import config
from sluiceway.migrations import checking, judging
from sluiceway.migrations.records import Dialect
from sluiceway.workbench import Workbench

GOAL, AGAIN = 1.0, 0.15
SQUAWK = "squawk-cli==2.70.0"
_TYPES = ("text", "integer", "bigint", "boolean", "timestamptz", "jsonb", "numeric(10, 2)")


def statement(number: int, chance: random.Random) -> str:
    """Return one statement as migrations have them; most are harmless."""
    table, column = f"table_{chance.randrange(200)}", f"column_{number}"
    kind = chance.choices(range(9), weights=(30, 22, 12, 10, 5, 3, 8, 5, 5))[0]
    return (
        (
            f"CREATE TABLE new_{number} (\n    id bigserial PRIMARY KEY,\n    name text NOT NULL,\n"
            f"    owner bigint REFERENCES {table} (id),\n    made_at timestamptz DEFAULT now()\n);"
        ),
        f"ALTER TABLE {table} ADD COLUMN {column} {chance.choice(_TYPES)};",
        f"CREATE INDEX {column}_idx ON {table} ({column});",
        f"ALTER TABLE {table} ADD CONSTRAINT {column}_fk FOREIGN KEY ({column}) REFERENCES o (id);",
        f"ALTER TABLE {table} DROP COLUMN {column};",
        f"DROP TABLE IF EXISTS {table}_old;",
        f"UPDATE {table} SET {column} = 1 WHERE {column} IS NULL AND id > {number};",
        f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT 0;",
        (
            f"CREATE OR REPLACE FUNCTION f_{number}() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n"
            f"    NEW.{column} := now();\n    RETURN NEW;\nEND;\n$$;"
        ),
    )[kind]


def write(folder: Path, files: int) -> None:
    """Write *files* migrations, the same every time."""
    chance = random.Random(20261126)
    for number in range(files):
        many = chance.choice((1, 1, 1, 1, 2, 2, 3, 6))
        text = "\n\n".join(statement(number * 10 + each, chance) for each in range(many))
        (folder / f"{number:05}_change.sql").write_text(f"-- change {number}\n{text}\n")


@contextmanager
def squawk() -> Iterator[str]:
    """Yield the program's path."""
    found = shutil.which("squawk")
    if found:
        yield found
        return
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        pip = [f"{folder}/bin/python", "-m", "pip", "install", "-q", SQUAWK]
        subprocess.run(pip, check=True)
        yield f"{folder}/bin/squawk"


def of_squawk(program: str, paths: list[str]) -> float:
    """Return the CPU seconds of one run over *paths*."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [program, "--reporter=json", *paths],
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Ours:
    """A process that has made one decision already."""

    def __init__(self, root: Path) -> None:
        self.bench = Workbench(config.bare(root, os.environ), os.environ)
        self.bundle = self.bench.bundle()
        # Reading the same policies again for each round would be part of no decision but the first.
        self.bench.bundle = lambda: self.bundle  # type: ignore[method-assign]
        self.cache = root / "cache"

    def check(self, folder: Path, *, advice: bool = False) -> judging.Judged:
        """Check all of *folder*."""
        return checking.check(
            self.bench, [folder], Dialect.POSTGRES, now=datetime.now(UTC), advice=advice
        )

    def again(self, folder: Path) -> judging.Judged:
        """Check all of *folder*, with what is remembered of it."""
        return checking.check(
            self.bench, [folder], Dialect.POSTGRES, now=datetime.now(UTC), cache=self.cache
        )

    def cost(self, folder: Path, *, again: bool = False) -> tuple[float, judging.Judged]:
        """Return the CPU seconds of one check, the engine's process included."""
        engine = psutil.Process(self.bench.engine.worker_pid)  # type: ignore[union-attr]
        before, own = sum(engine.cpu_times()[:2]), time.process_time()
        judged = self.again(folder) if again else self.check(folder)
        return time.process_time() - own + sum(engine.cpu_times()[:2]) - before, judged


def main() -> int:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--corpus", action="append", type=Path, default=[])
    options.add_argument("--files", type=int, default=1200)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--check", action="store_true")
    given = options.parse_args()
    missed = False
    with tempfile.TemporaryDirectory() as folder, squawk() as program:
        made = Path(folder) / "migrations"
        made.mkdir()
        write(made, given.files)
        ours = Ours(Path(folder))
        single = Path(folder) / "single"
        single.mkdir()
        (single / "1.sql").write_text("ALTER TABLE users ADD COLUMN plan text;\n" * 4)
        ours.check(single)
        for corpus in given.corpus or [made]:
            first, second = compared(ours, program, corpus, given.rounds)
            missed |= first > GOAL or second > AGAIN
        ones = [ours.cost(single)[0] for _ in range(20)]
        print(
            f"one small file, in a process that runs: {statistics.mean(ones) * 1000:.1f} ms of CPU"
        )
        ours.bench.close()
    return 1 if missed and given.check else 0


def compared(ours: Ours, program: str, corpus: Path, rounds: int) -> tuple[float, float]:
    """Print what one corpus costs both, and return the median ratios of a first and a second check."""
    paths = [str(path) for path in sorted(corpus.rglob("*.sql"))]
    theirs, mine, second = [], [], []
    ours.again(corpus)
    for _ in range(rounds):
        theirs.append(of_squawk(program, paths))
        cost, judged = ours.cost(corpus)
        mine.append(cost)
        second.append(ours.cost(corpus, again=True)[0])
    ratios, again = (
        [one / other for one, other in zip(each, theirs, strict=True)] for each in (mine, second)
    )
    ratio, later = statistics.median(ratios), statistics.median(again)
    denied = sum(each.level == "deny" for each in judged.decision.findings)
    print(
        f"{corpus.name}: {len(paths)} files ({judged.read.files} judged), "
        f"{judged.read.statements} statements, {denied} blocked: "
        f"squawk {statistics.median(theirs):.2f} s, ours {statistics.median(mine):.2f} s of CPU, "
        f"{ratio:.2f} times ({min(ratios):.2f} to {max(ratios):.2f}); "
        f"again {statistics.median(second):.3f} s, {later:.2f} times"
    )
    return ratio, later


if __name__ == "__main__":
    sys.exit(main())
