"""What does it cost to check migrations? CPU time against squawk, on the same files in the same run.

Ours is all of it in one process: reading, parsing, facts, and the decision of the policies (the engine's
own process is counted too; it has compiled the policies before, as in any run that has made one
decision). squawk is one process for all files, with every rule of its own. Both take turns, so that
whatever else the machine does hits both alike; the median of the ratios of each round is shown. Of few rounds
even that is off by a tenth on a shared machine. A second check of the same files, which remembers the first,
takes its turn as well.

squawk reads PostgreSQL alone. With --dialect mysql (or any other that sqlfluff reads) ours is measured a
statement: what one of that dialect costs ours, against what one costs squawk in files of PostgreSQL that are
written for it in the same run. Each first check begins without what a parser remembers of earlier ones.

With --command ours is what somebody runs: `sluiceway migrations.check --json` as a process of its own each
time, with advice, its start and the engine's, the compiling of the policies and the printing in it, first with
--no-cache and then with what the round before has left.

Usage: migrations.py [--dialect postgres] [--corpus DIR ...] [--files 1200] [--rounds 21] [--command] [--check].
Without a corpus, files are written like those of real projects: small, mostly one or two statements. squawk is the one
on PATH, or is installed (squawk-cli, PyPI) into an environment of its own that is removed again. With --check
the exit status is 1 when ours takes more CPU than squawk (3 times as much in another dialect), or a second
check more than 0.15 of it (0.3); of whole commands the second is only shown, since most of it is the start.
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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil

from sluiceway import config
from sluiceway.migrations import checking, judging
from sluiceway.migrations.records import Dialect
from sluiceway.workbench import Workbench

GOAL, AGAIN = 1.0, 0.15
OTHER_GOAL, OTHER_AGAIN = 3.0, 0.3
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


_MYSQL_TYPES = (
    "varchar(255)",
    "int",
    "bigint",
    "tinyint(1)",
    "datetime(6)",
    "json",
    "decimal(10, 2)",
)


def mysql_statement(number: int, chance: random.Random) -> str:
    """Return one statement as migrations of MySQL have them."""
    table, column = f"table_{chance.randrange(200)}", f"column_{number}"
    kind = chance.choices(range(10), weights=(20, 22, 10, 8, 5, 3, 10, 5, 5, 12))[0]
    columns = "".join(
        f"  `column_{number + each}` {chance.choice(_MYSQL_TYPES)} NOT NULL COMMENT 'what {each} is',\n"
        for each in range(chance.randrange(2, 9))
    )
    return (
        (
            f"CREATE TABLE IF NOT EXISTS `new_{number}` (\n  `id` bigint NOT NULL AUTO_INCREMENT,\n{columns}"
            f"  PRIMARY KEY (`id`),\n  KEY `idx_new_{number}` (`column_{number}`)\n"
            ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;"
        ),
        f"ALTER TABLE `{table}` ADD COLUMN `{column}` {chance.choice(_MYSQL_TYPES)} NULL AFTER `id`;",
        f"CREATE INDEX {column}_idx ON {table} ({column});",
        f"ALTER TABLE {table} ADD CONSTRAINT {column}_fk FOREIGN KEY ({column}) REFERENCES o (id);",
        f"ALTER TABLE `{table}` DROP COLUMN `{column}`;",
        f"DROP TABLE IF EXISTS `{table}_old`;",
        f"UPDATE {table} SET {column} = 1 WHERE {column} IS NULL AND id > {number};",
        f"ALTER TABLE `{table}` MODIFY `{column}` {chance.choice(_MYSQL_TYPES)} NOT NULL DEFAULT 0;",
        f"DELETE FROM {table} WHERE {column} IN (SELECT id FROM {table}_old WHERE gone = {number});",
        f"INSERT INTO `{table}` (`id`, `name`, `{column}`) VALUES ({number}, 'name {number}', NOW());",
    )[kind]


_SQLITE_TYPES = ("text", "integer", "real", "blob", "varchar(255)", "datetime", "decimal(10, 2)")


def sqlite_statement(number: int, chance: random.Random) -> str:
    """Return one statement as migrations of SQLite have them."""
    table, column = f"table_{chance.randrange(200)}", f"column_{number}"
    kind = chance.choices(range(9), weights=(25, 25, 15, 5, 4, 3, 10, 5, 8))[0]
    columns = "".join(
        f"    \"column_{number + each}\" {chance.choice(_SQLITE_TYPES)} NOT NULL DEFAULT '',\n"
        for each in range(chance.randrange(1, 7))
    )
    return (
        (
            f'CREATE TABLE "new_{number}" (\n    "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT,\n{columns}'
            f'    "owner" integer REFERENCES "{table}" ("id") ON DELETE CASCADE\n);'
        ),
        f"ALTER TABLE {table} ADD COLUMN {column} {chance.choice(_SQLITE_TYPES)};",
        f"CREATE INDEX {column}_idx ON {table} ({column});",
        f'CREATE UNIQUE INDEX IF NOT EXISTS "{column}_key" ON "{table}" ("{column}", "id");',
        f"ALTER TABLE {table} DROP COLUMN {column};",
        f'DROP TABLE IF EXISTS "{table}_old";',
        f"UPDATE {table} SET {column} = 1 WHERE {column} IS NULL AND id > {number};",
        f"ALTER TABLE {table} RENAME COLUMN {column} TO {column}_new;",
        f"INSERT INTO {table} (id, name, {column}) VALUES ({number}, 'name {number}', CURRENT_TIMESTAMP);",
    )[kind]


_TSQL_TYPES = ("nvarchar(255)", "int", "bigint", "bit", "datetime2", "decimal(10, 2)")


def tsql_statement(number: int, chance: random.Random) -> str:
    """Return one statement as migrations of SQL Server have them, each in a batch of its own."""
    table, column = f"table_{chance.randrange(200)}", f"column_{number}"
    kind = chance.choices(range(9), weights=(25, 25, 12, 10, 4, 3, 10, 6, 5))[0]
    columns = "".join(
        f"    [column_{number + each}] {chance.choice(_TSQL_TYPES)} NOT NULL,\n"
        for each in range(chance.randrange(1, 7))
    )
    return (
        (
            f"CREATE TABLE [dbo].[new_{number}] (\n    [id] bigint IDENTITY(1, 1) NOT NULL,\n{columns}"
            f"    CONSTRAINT [PK_new_{number}] PRIMARY KEY CLUSTERED ([id] ASC)\n);"
        ),
        f"ALTER TABLE [dbo].[{table}] ADD [{column}] {chance.choice(_TSQL_TYPES)} NULL;",
        f"CREATE NONCLUSTERED INDEX [IX_{column}] ON [dbo].[{table}] ([{column}]);",
        (
            f"ALTER TABLE [dbo].[{table}] ADD CONSTRAINT [FK_{column}] FOREIGN KEY ([{column}])"
            " REFERENCES [dbo].[o] ([id]);"
        ),
        f"ALTER TABLE [dbo].[{table}] DROP COLUMN [{column}];",
        f"DROP TABLE IF EXISTS [dbo].[{table}_old];",
        f"UPDATE [dbo].[{table}] SET [{column}] = 1 WHERE [{column}] IS NULL AND [id] > {number};",
        f"INSERT INTO [dbo].[{table}] ([id], [name]) VALUES ({number}, N'name {number}');",
        f"EXEC sp_rename N'dbo.{table}.{column}', N'{column}_new', N'COLUMN';",
    )[kind] + "\nGO"


_ORACLE_TYPES = ("VARCHAR2(255)", "NUMBER", "NUMBER(19)", "DATE", "TIMESTAMP", "CLOB")


def oracle_statement(number: int, chance: random.Random) -> str:
    """Return one statement as migrations of Oracle have them."""
    table, column = f"table_{chance.randrange(200)}", f"column_{number}"
    kind = chance.choices(range(8), weights=(25, 25, 15, 5, 4, 3, 10, 8))[0]
    columns = "".join(
        f"    column_{number + each} {chance.choice(_ORACLE_TYPES)} NOT NULL,\n"
        for each in range(chance.randrange(1, 7))
    )
    return (
        (
            f"CREATE TABLE new_{number} (\n    id NUMBER(19) NOT NULL,\n{columns}"
            f"    CONSTRAINT pk_new_{number} PRIMARY KEY (id)\n);"
        ),
        f"ALTER TABLE {table} ADD ({column} {chance.choice(_ORACLE_TYPES)});",
        f"CREATE INDEX {column}_idx ON {table} ({column});",
        f"ALTER TABLE {table} ADD CONSTRAINT {column}_fk FOREIGN KEY ({column}) REFERENCES o (id);",
        f"ALTER TABLE {table} DROP COLUMN {column};",
        f"DROP TABLE {table}_old;",
        f"UPDATE {table} SET {column} = 1 WHERE {column} IS NULL AND id > {number};",
        f"INSERT INTO {table} (id, name) VALUES ({number}, 'name {number}');",
    )[kind]


_WRITTEN: dict[Dialect, Callable[[int, random.Random], str]] = {
    Dialect.MYSQL: mysql_statement,
    Dialect.MARIADB: mysql_statement,
    Dialect.SQLITE: sqlite_statement,
    Dialect.TSQL: tsql_statement,
    Dialect.ORACLE: oracle_statement,
}
"""What writes a statement of a dialect; files of the others are given as a corpus."""


def write(folder: Path, files: int, made: Callable[[int, random.Random], str] = statement) -> None:
    """Write *files* migrations, the same every time."""
    chance = random.Random(20261126)
    for number in range(files):
        many = chance.choice((1, 1, 1, 1, 2, 2, 3, 6))
        text = "\n\n".join(made(number * 10 + each, chance) for each in range(many))
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
    return of_process([program, "--reporter=json", *paths])


def of_process(command: list[str], environ: Mapping[str, str] | None = None) -> float:
    """Return the CPU seconds of a process, with those of the processes that it has waited for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command,
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environ,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Ours:
    """A process that has made one decision already."""

    what = "in a process that runs"

    def __init__(self, root: Path, dialect: Dialect = Dialect.POSTGRES) -> None:
        self.dialect = dialect
        self.bench = Workbench(config.bare(root, os.environ), os.environ)
        self.bundle = self.bench.bundle()
        # Reading the same policies again for each round would be part of no decision but the first.
        self.bench.bundle = lambda: self.bundle  # type: ignore[method-assign]
        self.cache = root / "cache"

    def check(self, folder: Path, *, advice: bool = False) -> judging.Judged:
        """Check all of *folder*."""
        return checking.check(
            self.bench, [folder], self.dialect, now=datetime.now(UTC), advice=advice
        )

    def again(self, folder: Path) -> judging.Judged:
        """Check all of *folder*, with what is remembered of it."""
        return checking.check(
            self.bench, [folder], self.dialect, now=datetime.now(UTC), cache=self.cache
        )

    def cost(self, folder: Path, *, again: bool = False) -> tuple[float, judging.Judged]:
        """Return the CPU seconds of one check, the engine's process included."""
        if not again:
            _forget()
        engine = psutil.Process(self.bench.engine.worker_pid)  # type: ignore[union-attr]
        before, own = sum(engine.cpu_times()[:2]), time.process_time()
        judged = self.again(folder) if again else self.check(folder)
        return time.process_time() - own + sum(engine.cpu_times()[:2]) - before, judged


class Commands(Ours):
    """A process for each check."""

    what = "the whole command"

    def __init__(self, root: Path, dialect: Dialect = Dialect.POSTGRES) -> None:
        super().__init__(root, dialect)
        self.program = str(Path(sys.executable).with_name("sluiceway"))
        # As it is installed: compiled once, at somebody's desk.
        self.environ = {
            name: text for name, text in os.environ.items() if name not in _UNLIKE_A_DESK
        }
        self.environ["XDG_CACHE_HOME"] = str(self.cache)
        self.known: dict[Path, judging.Judged] = {}

    def again(self, folder: Path) -> judging.Judged:
        """Check all of *folder* by the command, so that something is remembered of it."""
        if folder not in self.known:
            self.known[folder] = self.check(folder, advice=True)
        of_process([*self._command(folder)], self.environ)
        return self.known[folder]

    def cost(self, folder: Path, *, again: bool = False) -> tuple[float, judging.Judged]:
        """Return the CPU seconds of one command, and what the same check says in this process."""
        judged = self.known.get(folder) or self.again(folder)
        more = [] if again else ["--no-cache"]
        return of_process([*self._command(folder), *more], self.environ), judged

    def _command(self, folder: Path) -> list[str]:
        dialect = f"--dialect={self.dialect}"
        return [self.program, "migrations.check", f"--path={folder}", dialect, "--json"]


_UNLIKE_A_DESK = frozenset({"CI", "PYTHONDONTWRITEBYTECODE"})


def _forget() -> None:
    """Begin as a process that has read nothing."""
    from sluiceway_sql_sqlfluff.parser import parser

    parser().shapes.forget()


def main() -> int:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--dialect", type=Dialect, default=Dialect.POSTGRES)
    options.add_argument("--corpus", action="append", type=Path, default=[])
    options.add_argument("--files", type=int, default=1200)
    options.add_argument("--rounds", type=int, default=21)
    options.add_argument("--command", action="store_true")
    options.add_argument("--check", action="store_true")
    given = options.parse_args()
    if not given.corpus and given.dialect not in {Dialect.POSTGRES, *_WRITTEN}:
        options.error(f"no files of {given.dialect} can be written here: name some, --corpus DIR")
    missed = False
    with tempfile.TemporaryDirectory() as folder, squawk() as program:
        made = Path(folder) / "migrations"
        made.mkdir()
        write(made, given.files)
        ours = (Commands if given.command else Ours)(Path(folder), given.dialect)
        single = Path(folder) / "single"
        single.mkdir()
        (single / "1.sql").write_text("ALTER TABLE users ADD COLUMN plan text;\n" * 4)
        ours.check(single)
        other = None
        goal, later = GOAL, AGAIN
        if given.dialect is not Dialect.POSTGRES:
            other, made = made, Path(folder) / str(given.dialect)
            made.mkdir()
            writer = _WRITTEN.get(given.dialect)
            if writer is not None:
                write(made, given.files, writer)
            goal, later = OTHER_GOAL, OTHER_AGAIN
        for corpus in given.corpus or [made]:
            first, second = compared(ours, program, corpus, given.rounds, other)
            missed |= first > goal or (second > later and not given.command)
        ones = [ours.cost(single)[0] for _ in range(5 if given.command else 20)]
        print(f"one small file, {ours.what}: {statistics.mean(ones) * 1000:.1f} ms of CPU")
        ours.bench.close()
    return 1 if missed and given.check else 0


def compared(
    ours: Ours, program: str, corpus: Path, rounds: int, other: Path | None = None
) -> tuple[float, float]:
    """Print what one corpus costs both, and return the median ratios of a first and a second check.

    With *other* that is what squawk reads, and a statement there is compared with one of *corpus*.
    """
    paths = [str(path) for path in sorted((other or corpus).rglob("*.sql"))]
    theirs, mine, second = [], [], []
    ours.again(corpus)
    for _ in range(rounds):
        theirs.append(of_squawk(program, paths))
        cost, judged = ours.cost(corpus)
        mine.append(cost)
        second.append(ours.cost(corpus, again=True)[0])
    read, scale = judged.read, 1.0
    if other is not None:
        now = datetime.now(UTC)
        scale = checking.check(ours.bench, [other], Dialect.POSTGRES, now=now).read.statements
        scale /= read.statements
    ratios, again = (
        [one * scale / other for one, other in zip(each, theirs, strict=True)]
        for each in (mine, second)
    )
    ratio, later = statistics.median(ratios), statistics.median(again)
    denied = sum(each.level == "deny" for each in judged.decision.findings)
    print(
        f"{corpus.name}: {read.files} files judged, {read.statements} statements, {denied} blocked: "
        f"squawk {statistics.median(theirs):.2f} s (of {len(paths)} files), "
        f"ours {statistics.median(mine):.2f} s of CPU "
        f"({statistics.median(mine) / read.statements * 1e6:.0f} us a statement), "
        f"{ratio:.2f} times{' a statement' if other else ''} ({min(ratios):.2f} to {max(ratios):.2f}); "
        f"again {statistics.median(second):.3f} s, {later:.2f} times"
    )
    return ratio, later


if __name__ == "__main__":
    sys.exit(main())
