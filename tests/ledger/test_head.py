"""What the ledger has had it must still have: an older copy, a lost -wal, and a process that was killed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import closing

import pytest

from sluiceway.errors import ActionFailed
from sluiceway.ledger import Ledger


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(tmp_path)
    for number in range(1, 4):
        append(made, number)
    return made


def append(ledger, number):
    return ledger.append("run", key=f"k{number}", run=f"r{number}", service="shop")


def head(tmp_path):
    """Return number and hash of the entry that the head is of."""
    said = json.loads((tmp_path / "ledger.head").read_bytes())
    return said["seq"], said["hash"]


def refused(code, attempt):
    with pytest.raises(ActionFailed) as caught:
        attempt()
    assert caught.value.code == code
    assert caught.value.means
    assert caught.value.remedy
    return caught.value


def decisive(ledger):
    """Everything from which something follows: reading, writing, and taking a lease."""
    return (
        ledger.entries,
        lambda: ledger.entries(kinds=("approval",), limit=1),
        lambda: append(ledger, 99),
        lambda: ledger.acquire("shop/production", run="r", holder="h", seconds=60),
    )


def older(tmp_path, ledger):
    """Put a copy of the file with three entries in the place of one with five."""
    shutil.copy(tmp_path / "ledger.db", tmp_path / "older.db")
    append(ledger, 4)
    fifth = append(ledger, 5)
    shutil.copy(tmp_path / "ledger.db", tmp_path / "newest.db")
    (tmp_path / "older.db").replace(tmp_path / "ledger.db")
    return fifth


def program(text, *arguments):
    """Start Python on *text*, which has ``ledger`` of the folder that is its first argument."""
    begin = "import sys\nfrom pathlib import Path\nfrom sluiceway.ledger import Ledger\n"
    begin += "ledger = Ledger(Path(sys.argv[1]))\n"
    return subprocess.Popen(
        [sys.executable, "-c", begin + textwrap.dedent(text), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_the_head_is_that_of_the_newest_entry(ledger, tmp_path):
    newest = append(ledger, 4)
    assert head(tmp_path) == (newest.seq, newest.hash) == (4, newest.hash)
    assert append(ledger, 2).seq == 2, "a step that is repeated changes nothing"
    assert head(tmp_path) == (4, newest.hash)
    assert list(tmp_path.glob(".ledger*")) == []


def test_an_older_copy_decides_nothing_and_gets_no_second_history(ledger, tmp_path):
    held = ledger.acquire("shop/canary", run="r1", holder="h1", seconds=60)
    fifth = older(tmp_path, ledger)
    before = (tmp_path / "ledger.db").read_bytes()
    for opened in (ledger, Ledger(tmp_path)):
        for attempt in decisive(opened):
            error = refused("ledger.behind", attempt)
            assert f"{tmp_path / 'ledger.db'} ends with entry 3, and has had number 5" in error.what
            assert "withdrawn" in error.means
            assert "ledger.head" in error.remedy
    assert (tmp_path / "ledger.db").read_bytes() == before
    assert head(tmp_path) == (5, fifth.hash)
    number, problems = Ledger(tmp_path).verify()
    assert number == 3
    assert len(problems) == 1
    assert "has had number 5" in problems[0]
    assert ledger.renew(held, 60), (
        "a run that acts already may keep others away until it has undone"
    )
    ledger.release(held)
    (tmp_path / "newest.db").replace(tmp_path / "ledger.db")
    assert ledger.verify() == (5, ())
    assert append(ledger, 6).seq == 6


def test_a_loss_is_accepted_by_moving_the_head_away(ledger, tmp_path):
    older(tmp_path, ledger)
    (tmp_path / "ledger.head").rename(tmp_path / "lost.head")
    assert len(ledger.entries()) == 3
    assert not (tmp_path / "ledger.head").exists(), "whoever only reads writes nothing"
    fourth = append(ledger, 40)
    assert head(tmp_path) == (4, fourth.hash)
    assert ledger.verify() == (4, ())


def test_an_older_copy_that_went_on_by_itself_is_another_history(ledger, tmp_path):
    older(tmp_path, ledger)
    kept = tmp_path / "ledger.head"
    kept.rename(tmp_path / "kept.head")  # as a Sluiceway that knew of no head went on
    for number in range(40, 45):
        append(ledger, number)
    (tmp_path / "kept.head").replace(kept)
    for attempt in decisive(ledger):
        error = refused("ledger.behind", attempt)
        assert "entry 5 of the ledger" in error.what
        assert "is not the one that it had" in error.what
    assert "entry 5 of the ledger" in ledger.verify()[1][0]
    assert head(tmp_path)[0] == 5


def test_an_empty_ledger_in_place_of_one_is_behind(ledger, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    Ledger(other)
    (other / "ledger.db").replace(tmp_path / "ledger.db")
    for attempt in decisive(Ledger(tmp_path)):
        refused("ledger.behind", attempt)


def test_a_head_of_before_is_no_reason_to_refuse(ledger, tmp_path):
    kept = (tmp_path / "ledger.head").read_bytes()
    fourth = append(ledger, 4)
    (tmp_path / "ledger.head").write_bytes(kept)
    assert len(ledger.entries()) == 4
    assert head(tmp_path)[0] == 3
    ledger.acquire("shop/production", run="r", holder="h", seconds=60)
    assert head(tmp_path) == (4, fourth.hash)


@pytest.mark.parametrize("how", ["entry", "lease"])
def test_a_folder_without_a_head_goes_on_and_gets_one(ledger, tmp_path, how):
    (tmp_path / "ledger.head").unlink()
    again = Ledger(tmp_path)
    assert len(again.entries()) == 3
    assert again.verify() == (3, ())
    assert not (tmp_path / "ledger.head").exists()
    if how == "entry":
        append(again, 4)
    else:
        again.acquire("shop/production", run="r", holder="h", seconds=60)
    newest = again.entries()[-1]
    assert head(tmp_path) == (newest.seq, newest.hash)


def test_a_new_history_is_not_held_to_the_head_of_the_one_before(ledger, tmp_path):
    (tmp_path / "ledger.db").unlink()
    (tmp_path / "ledger.key").unlink()
    assert Ledger(tmp_path).entries() == ()
    first = append(Ledger(tmp_path), 1)
    assert head(tmp_path) == (1, first.hash)
    assert Ledger(tmp_path).verify() == (1, ())


def changed(**values):
    def change(path):
        path.write_text(json.dumps(json.loads(path.read_bytes()) | values))

    return change


def folder(path):
    path.unlink()
    path.mkdir()


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "half": lambda path: path.write_bytes(path.read_bytes()[:60]),
    "bytes": lambda path: path.write_bytes(b"\xff\x00" * 40),
    "another document": lambda path: path.write_text('["ledger"]'),
    "no document": lambda path: path.write_text("3"),
    "deep": lambda path: path.write_text("[" * 100_000),
    "number": changed(seq=2),
    "number as text": changed(seq="3"),
    "hash": changed(hash="sha256:" + "0" * 64),
    "moment": changed(at="2026-01-01T00:00:00Z"),
    "signature": changed(signature="AAAA"),
    "no signature": changed(signature=None),
    "folder": folder,
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_head_that_was_written_over_is_no_witness_and_is_left_as_it_is(ledger, tmp_path, name):
    path = tmp_path / "ledger.head"
    DAMAGE[name](path)
    before = path.is_file() and path.read_bytes()
    for attempt in decisive(ledger):
        error = refused("ledger.head", attempt)
        assert str(path) in error.what
        assert "backup" in error.remedy
    assert (path.is_file() and path.read_bytes()) == before
    number, problems = ledger.verify()
    assert (number, len(problems)) == (3, 1)
    assert str(path) in problems[0]
    path.rename(tmp_path / "bad.head")
    fourth = append(ledger, 4)
    assert head(tmp_path) == (4, fourth.hash)


def test_the_head_of_another_ledger_is_no_witness(ledger, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    append(Ledger(other), 1)
    shutil.copy(other / "ledger.head", tmp_path / "ledger.head")
    for attempt in decisive(ledger):
        refused("ledger.head", attempt)


def test_an_entry_whose_head_cannot_be_written_is_there_and_nothing_follows_it(ledger, tmp_path):
    in_the_way = tmp_path / ".ledger.head"
    (in_the_way / "x").mkdir(parents=True)
    error = refused("ledger.head", lambda: append(ledger, 4))
    assert "up to number 4" in error.means
    for attempt in decisive(ledger)[2:]:
        refused("ledger.head", attempt)
    assert [entry.key for entry in ledger.entries()] == ["k1", "k2", "k3", "k4"]
    shutil.rmtree(in_the_way)
    fourth = append(ledger, 4)
    assert fourth.seq == 4
    assert head(tmp_path) == (4, fourth.hash)


def test_what_was_killed_between_the_entry_and_its_head_is_caught_up_with(ledger, tmp_path):
    with program(
        """
        import os, signal
        from sluiceway.ledger import store
        store.keep = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        ledger.append("approval-withdrawn", key="k4", run="r4", service="shop")
        """,
        tmp_path,
    ) as process:
        assert process.wait(timeout=60) == -signal.SIGKILL
    assert head(tmp_path)[0] == 3, "the head is never ahead of what is on the disk"
    assert [entry.kind for entry in ledger.entries()][3:] == ["approval-withdrawn"]
    assert ledger.verify() == (4, ())
    fifth = append(ledger, 5)
    assert head(tmp_path) == (5, fifth.hash)


def test_killed_anywhere_a_ledger_is_never_behind_its_head(tmp_path):
    """Not one of the instants at which a writer can be killed makes the rest refuse."""
    chance = random.Random(7)
    written = 0
    for attempt in range(8):
        with program(
            """
            for number in range(1000):
                ledger.append("run", key=f"{sys.argv[2]}-{number}", run="r", service="shop")
                print(number, flush=True)
            """,
            tmp_path,
            attempt,
        ) as process:
            assert process.stdout is not None
            for number in range(3):
                assert process.stdout.readline() == f"{number}\n"
            time.sleep(chance.uniform(0, 0.01))
            process.kill()
        assert process.returncode == -signal.SIGKILL
        ledger = Ledger(tmp_path)
        number, problems = ledger.verify()
        assert problems == ()
        assert number >= written + 3
        assert number - 1 <= head(tmp_path)[0] <= number
        newest = append(ledger, f"after-{attempt}")
        assert head(tmp_path) == (newest.seq, newest.hash)
        written = newest.seq


def test_a_wal_that_was_lost_is_missed(ledger, tmp_path):
    """It is beside the file as long as somebody has that open, and after they were killed."""
    with program(
        """
        import sqlite3
        held = sqlite3.connect(sys.argv[1] + "/ledger.db")
        held.execute("SELECT * FROM entries").fetchall()
        ledger.append("approval-withdrawn", key="k4", run="r4", service="shop")
        print("written", flush=True)
        sys.stdin.read()
        """,
        tmp_path,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.kill()
    wal = tmp_path / "ledger.db-wal"
    assert wal.stat().st_size > 0
    whole = tmp_path / "whole"
    whole.mkdir()
    for name in ("ledger.db", "ledger.db-wal", "ledger.head", "ledger.key"):
        shutil.copy(tmp_path / name, whole / name)
    wal.unlink()
    (tmp_path / "ledger.db-shm").unlink()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (3,), "it knows of no other"
    for attempt in decisive(Ledger(tmp_path)):
        assert "ledger.db-wal was lost" in refused("ledger.behind", attempt).means
    assert [entry.kind for entry in Ledger(whole).entries()][3:] == ["approval-withdrawn"]
    assert Ledger(whole).verify() == (4, ())


def test_writers_at_once_leave_the_newest_head_and_readers_are_not_misled(tmp_path):
    append(Ledger(tmp_path), 0)
    text = """
    for number in range(40):
        ledger.append("run", key=f"{sys.argv[2]}-{number}", run="r", service="shop")
    """
    seen, ledger = 0, Ledger(tmp_path)
    with program(text, tmp_path, "a") as one, program(text, tmp_path, "b") as other:
        while one.poll() is None or other.poll() is None:
            number = len(ledger.entries())
            assert number >= seen
            seen = number
            assert ledger.verify()[1] == ()
    assert (one.returncode, other.returncode) == (0, 0)
    newest = ledger.entries()[-1]
    assert head(tmp_path) == (newest.seq, newest.hash) == (81, newest.hash)


@pytest.mark.skipif(
    os.geteuid() == 0 and shutil.which("setpriv") is None,
    reason="root writes to any folder, unless setpriv (util-linux) takes that away",
)
def test_a_folder_that_may_not_be_written_is_read(ledger, tmp_path):
    (tmp_path / "ledger.head").unlink()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as database:
        # SQLite reads such a file while somebody who may write has it open.
        database.execute("SELECT * FROM entries").fetchall()
        files = [each for each in tmp_path.iterdir() if each.is_file()]
        for each in (*files, tmp_path):
            each.chmod(0o555)
        try:
            code = "from pathlib import Path; from sluiceway.ledger import Ledger; import sys\n"
            code += "found = Ledger(Path(sys.argv[1]))\n"
            code += "assert len(found.entries()) == 3 and found.verify() == (3, ())\n"
            code += "open(sys.argv[1] + '/x', 'w')"
            command = [sys.executable, "-B", "-c", code, str(tmp_path)]
            if os.geteuid() == 0:
                command = ["setpriv", "--inh-caps=-all", "--bounding-set=-dac_override", *command]
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
        finally:
            tmp_path.chmod(0o755)
    assert "PermissionError" in ended.stderr, ended.stderr
    assert "/x" in ended.stderr.splitlines()[-1], ended.stderr


def test_an_entry_is_on_the_disk_before_its_head_is_written(ledger, tmp_path):
    """Whoever writes a head asks another process what it finds: the entry is committed by then."""
    with program(
        """
        import sqlite3
        from sluiceway.ledger import store
        keep = store.keep
        def asked(folder, key, head):
            beside = sqlite3.connect(folder / "ledger.db")
            ((found,),) = beside.execute("SELECT hash FROM entries WHERE seq = ?", (head.seq,))
            print(found == head.hash, flush=True)
            keep(folder, key, head)
        store.keep = asked
        for number in range(5):
            ledger.append("run", key=f"b{number}", run="r", service="shop")
        """,
        tmp_path,
    ) as process:
        said, _ = process.communicate(timeout=60)
    assert said.split() == ["True"] * 5


def test_every_commit_is_synced(ledger):
    """A head is durable at once, so its entry has to be (https://sqlite.org/pragma.html)."""
    with ledger._writing() as connection:
        found = [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous")
        ]
    assert found == ["wal", 2]
