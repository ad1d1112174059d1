"""Files, folders and bytes: what is read, what is refused, and that nothing gets lost."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest

from sluiceway.errors import UsageError
from sluiceway.migrations.reading import from_texts, read, read_all, since
from sluiceway.migrations.records import Dialect, Maybe
from sluiceway.migrations.statements import spans
from sluiceway.migrations.walking import file_bytes

PG = Dialect.POSTGRES


def test_a_plain_folder_is_read_in_natural_order(tmp_path):
    for name in ("10_c.sql", "9_b.sql", "001_a.sql"):
        (tmp_path / name).write_text(f"SELECT '{name}';\n")
    reading = read(tmp_path, PG)
    assert [script.name for script in reading.scripts] == ["001_a.sql", "9_b.sql", "10_c.sql"]
    first = reading.scripts[0]
    assert first.text == "SELECT '001_a.sql';\n"
    assert first.spans is None
    assert first.digest == "sha256:" + sha256(b"SELECT '001_a.sql';\n").hexdigest()
    assert reading.layout == first.layout == "plain"


def test_what_is_not_there_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="no migration at"):
        read(tmp_path / "none", PG)
    with pytest.raises(UsageError, match="no migration in"):
        read(tmp_path, PG)


@pytest.mark.parametrize(
    ("data", "text", "problem"),
    [
        (b"\xef\xbb\xbfDROP;", " DROP;", ""),
        ("\ufeffDROP;\n".encode("utf-16-le"), " DROP;\n", ""),
        ("\ufeffDROP;\n".encode("utf-16-be"), " DROP;\n", ""),
        (b"a;\n-- caf\xe9\nDROP;", "a;\n-- caf\ufffd\nDROP;", "not UTF-8: byte 9"),
        (b"a;\0DROP;", "a; DROP;", "NUL"),
        (b"\xff\xfea", " \ufffd", "not UTF-16"),
        (b"-- \xed\xa0\x80", "-- \ufffd\ufffd\ufffd", "not UTF-8"),
        (b"", "", ""),
    ],
)
def test_encodings(data, text, problem):
    (script,) = from_texts([("a.sql", data)], PG).scripts
    assert script.text == text
    assert [problem in p.what for p in script.problems] == ([True] if problem else [])


def test_a_file_that_is_named_is_judged_whatever_it_is_called(tmp_path):
    for name in ("1_a.up.sql", "1_a.down.sql", "notes"):
        (tmp_path / name).write_text("DROP TABLE x;")
        reading = read(tmp_path / name, PG)
        assert [script.path for script in reading.scripts] == [(tmp_path / name).as_posix()]
    assert [script.name for script in read(tmp_path, PG).scripts] == ["1_a.up.sql"]
    code = tmp_path / "0001_x.py"
    code.write_text("def upgrade():\n")
    assert read(code, PG).scripts[0].problems


def test_several_names_are_one_set_and_each_file_is_read_once(tmp_path):
    folder = tmp_path / "a b" / "migrações"
    folder.mkdir(parents=True)
    for name in ("1_a.up.sql", "1_a.down.sql", "2_b.up.sql"):
        (folder / name).write_text("SELECT 1;")
    up, down, more = sorted(folder.iterdir(), key=lambda path: (path.name[0], "down" in path.name))
    reading = read_all([down, up, up], PG)
    assert [script.name for script in reading.scripts] == ["1_a.up.sql"]
    assert {entry.why for entry in reading.skipped} == {
        "named twice",
        "a backward half in a folder of .up.sql",
    }
    both = read_all([folder, up], PG)
    assert [script.name for script in both.scripts] == ["1_a.up.sql", "2_b.up.sql"]
    first = read_all([up, folder], PG)
    assert sorted(script.name for script in first.scripts) == ["1_a.up.sql", "2_b.up.sql"]
    whole = read_all([up, more, down, folder], PG)
    assert [script.name for script in whole.scripts] == ["1_a.up.sql", "2_b.up.sql"]
    assert whole.layout == read_all([up, more, down], PG).layout
    assert [script.name for script in read_all([down], PG).scripts] == ["1_a.down.sql"]
    assert [s.name for s in read_all([more, up], PG).scripts] == ["1_a.up.sql", "2_b.up.sql"]
    with pytest.raises(UsageError, match="no migration in"):
        read_all([], PG)


def test_links_and_devices(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "1.sql").write_text("SELECT 1;")
    (tmp_path / "sub" / "loop").symlink_to(tmp_path)
    (tmp_path / "2.sql").symlink_to(tmp_path / "sub" / "1.sql")
    reading = read(tmp_path, PG)
    assert sorted(script.path for script in reading.scripts) == ["2.sql", "sub/1.sql"]
    assert [(entry.path, entry.why) for entry in reading.skipped] == [
        ("sub/loop", "a link to a folder that is read already")
    ]
    (tmp_path / "3.sql").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"no migration at .*3\.sql"):
        read(tmp_path, PG)
    (tmp_path / "3.sql").unlink()
    os.mkfifo(tmp_path / "4.sql")
    with pytest.raises(UsageError, match=r"4\.sql is no file"):
        read(tmp_path, PG)
    with pytest.raises(UsageError, match=r"4\.sql is no file"):
        read(tmp_path / "4.sql", PG)


@pytest.mark.parametrize("size", [0, 10, 5000, 3 << 20])
@pytest.mark.parametrize("end", [0, 10, 4096, 4097, 5000, 9000, 3 << 20, 5 << 20])
def test_a_file_that_changes_while_it_is_read_is_read_to_its_end(tmp_path, monkeypatch, size, end):
    path = tmp_path / "1.sql"
    path.write_bytes(b"x" * size)
    fstat = os.fstat

    def meanwhile(descriptor):
        found = fstat(descriptor)
        path.write_bytes(b"y" * end)
        return found

    monkeypatch.setattr(os, "fstat", meanwhile)
    assert file_bytes(path) == b"y" * end


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="this system has no such file")
def test_a_file_whose_size_nobody_knows_is_read_to_its_end():
    found = file_bytes("/proc/self/smaps")
    assert len(found) > 1 << 13
    assert found.endswith(b"\n")


def test_folders_that_a_system_cannot_tell_apart_are_all_read(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.sql").write_text(f"SELECT {name};")
    (tmp_path / "c").symlink_to(tmp_path / "a")
    monkeypatch.setattr("sluiceway.migrations.walking._identity", lambda _: (0, 0))
    found = read(tmp_path, PG)
    assert {script.text for script in found.scripts} == {"SELECT a;", "SELECT b;"}
    assert len(found.scripts) == 2
    assert [each.why for each in found.skipped] == ["a link to a folder that is read already"]


def test_folders_of_programs_are_not_looked_into(tmp_path):
    for folder in (".git", "node_modules"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.sql").write_text("DROP TABLE x;")
    (tmp_path / "1.sql").write_text("SELECT 1;")
    reading = read(tmp_path, PG)
    assert [script.path for script in reading.scripts] == ["1.sql"]
    assert {entry.path for entry in reading.skipped} == {".git", "node_modules"}


def test_a_file_that_is_too_large_is_a_problem_or_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("sluiceway.migrations.reading._LARGEST", 10)
    (tmp_path / "1_a.up.sql").write_text("DROP TABLE x;")
    (script,) = read(tmp_path, PG).scripts
    assert script.text == ""
    assert (script.name, script.layout) == ("1_a.up.sql", "golang-migrate")
    assert "too large to be judged" in script.problems[0].what
    monkeypatch.setattr("sluiceway.migrations.walking._ENDLESS", 10)
    with pytest.raises(UsageError, match="larger than"):
        read(tmp_path, PG)


def test_a_single_file_is_run_as_the_settings_beside_it_say(tmp_path):
    step = tmp_path / "2024_a"
    step.mkdir()
    (step / "up.sql").write_text("CREATE INDEX CONCURRENTLY i ON x (a);")
    assert read(step / "up.sql", PG).scripts[0].in_transaction is Maybe.YES
    (step / "metadata.toml").write_text("run_in_transaction = false\n")
    (script,) = read(step / "up.sql", PG).scripts
    assert script.in_transaction is Maybe.NO
    assert script.name == "2024_a/up.sql"
    (tmp_path / "V1__a.sql").write_text("VACUUM x;")
    (tmp_path / "V1__a.sql.conf").write_text("executeInTransaction=false")
    assert read(tmp_path / "V1__a.sql", PG).scripts[0].in_transaction is Maybe.NO


def test_what_cannot_be_read_is_a_usage_error():
    with pytest.raises(UsageError, match="cannot be read"):
        read(Path("/proc/self/mem"), PG)  # a file whose first byte nobody can have


def test_a_file_given_twice_is_a_usage_error():
    with pytest.raises(UsageError, match="given twice"):
        from_texts([("a.sql", b""), ("a.sql", b"DROP")], PG)


def test_empty_files_and_comments_hold_no_statement():
    reading = from_texts([("1.sql", b""), ("2.sql", b"-- nothing\n/* at all */\n")], PG)
    assert [spans(script.text, PG) for script in reading.scripts] == [[], []]
    assert not any(script.problems for script in reading.scripts)


def test_what_is_new_since_what_runs():
    reading = from_texts([(f"{n}.sql", str(n).encode()) for n in range(1, 6)], PG)
    digests = {script.name: script.digest for script in reading.scripts}
    applied = {name: digests[name] for name in ("1.sql", "2.sql", "4.sql")}
    news = since(reading, applied)
    assert [script.name for script in news.new] == ["3.sql", "5.sql"]
    assert [script.name for script in news.late] == ["3.sql"]
    assert not news.changed
    assert not news.gone
    other = since(reading, {"1.sql": "sha256:other", "0.sql": "sha256:gone"})
    assert [script.name for script in other.changed] == ["1.sql"]
    assert other.gone == ("0.sql",)
    assert [script.name for script in since(reading, {}).new] == [f"{n}.sql" for n in range(1, 6)]
    assert not since(reading, {}).late


def test_repeatable_migrations_are_new_again_when_they_were_edited():
    reading = from_texts([("R__a.sql", b"a"), ("V1__b.sql", b"b"), ("R__c.sql", b"c")], PG)
    digests = {script.name: script.digest for script in reading.scripts}
    news = since(reading, {**digests, "R__a.sql": "sha256:older"})
    assert [script.name for script in news.new] == ["R__a.sql"]
    assert not news.changed
    assert not news.late
