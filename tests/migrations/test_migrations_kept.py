"""What was found is found again, as long as nothing that it depends on is another."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from sluiceway import config
from sluiceway.migrations import checking, judging, kept
from sluiceway.migrations.judging import Judged
from sluiceway.migrations.kept import Kept
from sluiceway.migrations.reading import gathered
from sluiceway.migrations.records import Dialect, Maybe, Parsed, Problem, Script, SqlParser
from sluiceway.policy import bundled_policies
from sluiceway.workbench import Workbench

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)


class Counting:
    """A grammar that says how often it was asked."""

    def __init__(self, inner: SqlParser) -> None:
        self.inner = inner
        self.name, self.version = inner.name, inner.version
        self.read: list[str] = []

    def parse(self, script: Script, dialect: Dialect) -> list[Parsed]:
        self.read.append(script.name)
        return self.inner.parse(script, dialect)


# Whose code decides what it answers.
Counting.__module__ = "sluiceway_sql_libpg_query.counting"


class Desk:
    """A folder of migrations, and somebody who checks it over and over."""

    def __init__(self, root: Path, bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.cache, self.bench = root / "db", root / "cache" / "migrations", bench
        self.parser = Counting(judging.parser_for(self.bench, Dialect.POSTGRES))
        monkeypatch.setattr(judging, "parser_for", lambda *_: self.parser)
        self.write("1", "CREATE TABLE a (id int);")
        self.write("2", "DROP TABLE b;")

    def write(self, name: str, text: str) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / f"{name}.sql").write_text(text)

    def check(self, now: datetime = NOW, **more: Any) -> Judged:
        self.parser.read.clear()
        return checking.check(
            self.bench, [self.folder], Dialect.POSTGRES, now=now, cache=self.cache, **more
        )

    @property
    def file(self) -> Path:
        (found,) = self.cache.iterdir()
        return found


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    made = Workbench(config.bare(tmp_path_factory.mktemp("project"), os.environ), os.environ)
    yield made
    made.close()


@pytest.fixture
def desk(tmp_path: Path, bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, bench, monkeypatch)


def codes(judged: Judged) -> list[tuple[str, str]]:
    return [(each.code, each.at.file if each.at else "") for each in judged.decision.findings]


def test_what_has_not_changed_is_not_parsed_again_and_judged_the_same(desk: Desk) -> None:
    first = desk.check(advice=True)
    assert (desk.parser.read, first.decision.allow) == (["1.sql", "2.sql"], False)
    again = desk.check(NOW + timedelta(days=1), advice=True)
    assert (desk.parser.read, again.document) == ([], {})
    assert again.decision.at == NOW + timedelta(days=1)
    for part in ("findings", "advice"):
        mine, before = getattr(again.decision, part), getattr(first.decision, part)
        assert mine == before
        assert [each.about for each in mine] == [each.about for each in before]
    assert (again.read.files, again.read.statements) == (2, 2)
    desk.write("3", "TRUNCATE c;")
    more = desk.check(advice=True)
    assert desk.parser.read == ["3.sql"]
    assert codes(more) == [
        ("migration.drop-table", str(desk.folder / "2.sql")),
        ("migration.truncate", str(desk.folder / "3.sql")),
    ]
    desk.write("2", "SELECT 1;")
    (desk.folder / "3.sql").unlink()
    assert desk.check().decision.allow is True
    assert desk.parser.read == ["2.sql"]


def test_whoever_asks_for_more_is_not_answered_with_less(desk: Desk) -> None:
    desk.write("3", "ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES c (d);")
    assert desk.check().decision.advice == ()
    kept_back = desk.check(advice=True)
    assert desk.parser.read == ["1.sql", "2.sql", "3.sql"]
    assert "migration.foreign-key" in {each.code for each in kept_back.decision.advice}
    desk.write("4", "DROP TABLE e;")
    desk.check()
    assert desk.parser.read == ["4.sql"]
    assert set(desk.check(advice=True).decision.advice) > set(kept_back.decision.advice)
    assert desk.parser.read == []


def test_two_grammars_are_remembered_together(desk: Desk) -> None:
    desk.write("3", "ALTER TABLE a ADD CONSTRAINT n NOT NULL b; DROP TABLE ${x;")
    first, again = desk.check(strict=True), desk.check(strict=True)
    assert (bool(first.document), again.document) == (True, {})
    assert again.decision.findings == first.decision.findings
    assert len(codes(again)) > 1
    assert desk.check().document
    assert desk.parser.read == ["1.sql", "2.sql", "3.sql"]


def test_the_bundled_policies_say_the_same_at_every_moment(desk: Desk) -> None:
    # That is why a decision without approvals may be remembered.
    desk.write("4", "ALTER TABLE a ADD b int NOT NULL; CREATE INDEX i ON b (c); TRUNCATE d;")
    desk.write("5", "\\i other.sql\n\\if :x\nDROP TABLE c;\n\\endif\n")
    (desk.folder / "6.sql").write_bytes(b"\xff\xfe\x00\xd8DROP")
    one, other = (
        checking.check(desk.bench, [desk.folder], Dialect.POSTGRES, now=now, advice=True)
        for now in (NOW, NOW + timedelta(days=4000))
    )
    assert one.decision.findings == other.decision.findings
    assert one.decision.advice == other.decision.advice


@pytest.mark.parametrize("part", ["grammar", "rules", "dialect", "advice", "service"])
def test_another_of_what_it_depends_on_is_a_miss(
    desk: Desk, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.check(advice=True)
    dialect, advice = Dialect.POSTGRES, True
    if part == "grammar":
        desk.parser.version += "+1"
    elif part == "rules":
        monkeypatch.setattr(kept, "code_digest", lambda package: f"other {package}")
    elif part == "dialect":
        dialect = Dialect.REDSHIFT
    elif part == "advice":
        advice = False
    else:
        monkeypatch.setattr(desk.bench, "config", replace(desk.bench.config, service="another"))
    desk.parser.read.clear()
    found = checking.check(
        desk.bench, [desk.folder], dialect, now=NOW, cache=desk.cache, advice=advice
    )
    assert found.document
    parsed = part in {"grammar", "rules", "dialect"}
    assert bool(desk.parser.read) is parsed


def test_an_approval_or_policies_of_the_sites_own_are_always_asked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.check()
    assert not desk.check().document
    own = replace(desk.bench.config, policy_path=bundled_policies())
    with monkeypatch.context() as patch:
        patch.setattr(desk.bench, "config", own)
        assert desk.check().document
        assert desk.check().document
    approval = {"code": "migration.truncate/x", "valid": False, "expires": "2026-11-27T00:00:00Z"}
    monkeypatch.setattr(judging, "approvals", lambda *_: [approval])
    assert desk.check().document["waivers"] == [approval]


def parts(path: Path) -> tuple[dict[str, Any], bytes]:
    """Return what stands before the facts, and these."""
    first, rest = path.read_bytes().split(b"\n", 1)
    size = int(first.split()[1])
    return json.loads(rest[:size]), rest[size:]


def rewritten(path: Path, change: str) -> None:
    """Change what stands in the file, with digests that fit."""
    document, facts = parts(path)
    if change == "name":
        document["name"] = "another.json"
    elif change == "allow":
        document["decision"]["allow"] = True
    elif change == "level":
        document["decision"]["texts"][document["decision"]["findings"][0][0]] = "no such"
    elif change == "text":
        document["decision"]["texts"][0] = 1
    elif change == "row":
        document["decision"]["findings"][0][1] = 1000
    elif change == "facts":
        facts = facts.replace(b'"kind"', b'"kin"')
        document["judged"] = ""
        document["facts"] = sha256(facts).hexdigest()
    elif change == "list":
        facts = b"[]"
        document["judged"] = ""
        document["facts"] = sha256(facts).hexdigest()
    elif change == "types":
        document["scope"] = "none"
    head = json.dumps(document).encode()
    path.write_bytes(b"%s %012d\n" % (sha256(head).hexdigest().encode(), len(head)) + head + facts)


@pytest.mark.parametrize(
    "change", ["name", "allow", "level", "text", "row", "facts", "list", "types"]
)
def test_a_foreign_file_is_a_miss(desk: Desk, change: str) -> None:
    desk.check()
    rewritten(desk.file, change)
    judged = desk.check()
    assert judged.document
    assert codes(judged) == [("migration.drop-table", str(desk.folder / "2.sql"))]


@pytest.mark.parametrize("where", [0, 70, 100, 200])
def test_a_damaged_file_is_a_miss(desk: Desk, where: int) -> None:
    desk.check()
    data = bytearray(desk.file.read_bytes())
    data[where] ^= 1
    desk.file.write_bytes(data)
    assert desk.check().decision.allow is False
    assert desk.parser.read == ["1.sql", "2.sql"]
    desk.file.write_bytes(bytes(data[:50]))
    assert desk.check().decision.allow is False
    assert desk.parser.read == ["1.sql", "2.sql"]


@pytest.mark.parametrize("damage", ["changed", "cut", "longer", "another's"])
@pytest.mark.parametrize("asked", ["same", "more", "edited"])
def test_facts_that_are_damaged_are_found_out_again(desk: Desk, damage: str, asked: str) -> None:
    desk.check()
    data = desk.file.read_bytes()
    wrong = {
        "changed": data[:-2] + bytes([data[-2] ^ 1]) + data[-1:],
        "cut": data[:-1],
        "longer": data + b" ",
        "another's": data[: -len(parts(desk.file)[1])] + b"{}",
    }
    desk.file.write_bytes(wrong[damage])
    if asked == "edited":
        desk.write("1", "SELECT 1;")
    judged = desk.check(advice=asked == "more")
    # What was decided stands by itself, before the facts.
    assert bool(judged.document) is (asked != "same")
    assert codes(judged) == [("migration.drop-table", str(desk.folder / "2.sql"))]
    assert desk.parser.read == ([] if asked == "same" else ["1.sql", "2.sql"])
    desk.write("3", "TRUNCATE c;")
    assert len(codes(desk.check())) == 2
    assert desk.parser.read == (["1.sql", "2.sql", "3.sql"] if asked == "same" else ["3.sql"])


def test_a_decision_alone_is_not_written_without_its_facts(desk: Desk) -> None:
    first = desk.check()
    before = desk.file.read_bytes()
    _, facts = parts(desk.file)
    one = Kept(path=desk.file, whole="w")
    one.keep(first.decision, "key")
    one.save()
    assert desk.file.read_bytes() == before
    names = [str(Path.cwd()), str(desk.folder)], "postgres", "auto", False
    again = Kept.open(desk.cache, *names)
    assert again.all_facts() == [fact for each in json.loads(facts).values() for fact in each[0]]
    again.keep(first.decision, "key")
    again.save()
    assert parts(desk.file)[1] == facts
    assert parts(desk.file)[0]["judged"] == "key"


def test_what_others_could_have_written_is_a_miss_and_it_is_written_for_its_owner_only(
    desk: Desk,
) -> None:
    desk.check()
    assert (desk.cache.stat().st_mode & 0o777, desk.file.stat().st_mode & 0o777) == (0o700, 0o600)
    desk.file.chmod(0o620)
    assert desk.check().document
    desk.cache.chmod(0o770)
    before = desk.file.read_bytes()
    desk.write("1", "SELECT 1;")
    assert desk.check().document
    assert desk.file.read_bytes() == before
    desk.cache.chmod(0o700)
    link = desk.file
    target = link.rename(desk.folder.parent / "elsewhere.json")
    link.symlink_to(target)
    desk.check()
    assert desk.parser.read == ["1.sql", "2.sql"]


def test_no_more_than_so_many_are_kept(tmp_path: Path) -> None:
    for number in range(70):
        one = Kept.open(tmp_path, number)
        one.hold("whole", {}, {})
        one.save()
        os.utime(one.path, (number, number))
    assert len(list(tmp_path.iterdir())) == 64
    assert Kept.open(tmp_path, 69).whole == "whole"
    assert Kept.open(tmp_path, 0).whole == ""


def test_every_byte_and_name_is_part_of_the_digest(tmp_path: Path) -> None:
    folder = tmp_path / "db"
    folder.mkdir()
    seen = set()
    for name, data in (("1.sql", b"ab"), ("1.sql", b"a"), ("2.sql", b"a"), ("2.txt", b"a")):
        for old in folder.iterdir():
            old.unlink()
        (folder / name).write_bytes(data)
        seen.add(gathered([folder]).digest)
    seen.add(gathered([folder / "2.txt"]).digest)
    assert len(seen) == 5


def test_every_field_of_a_script_is_part_of_its_key() -> None:
    script = Script(path="a", name="b", layout="plain", text="SELECT 1", digest="sha256:1")
    changes: list[dict[str, Any]] = [
        {"path": "b"},
        {"name": "a"},
        {"layout": "goose"},
        {"text": "SELECT 2"},
        {"text": "SELECT \ud800"},
        {"digest": "sha256:2"},
        {"spans": ()},
        {"spans": ((0, 8),)},
        {"in_transaction": Maybe.NO},
        {"problems": (Problem(line=1, what="w"),)},
        {"conditional": ((0, 8),)},
        {"before": ("SELECT 2",)},
        # Nothing flows from one field into the next.
        {"path": "at1:b", "name": ""},
        {"path": "ab", "name": ""},
        {"path": "", "name": "ab"},
    ]
    assert {name for change in changes for name in change} == {each.name for each in fields(Script)}
    keys = {kept.script_key(replace(script, **change), "more") for change in changes}
    keys |= {kept.script_key(script, more) for more in ("more", "less")}
    assert len(keys) == len(changes) + 2
    assert kept.script_key(replace(script), "more") == kept.script_key(script, "more")


def test_only_at_a_desk_and_only_where_there_is_a_home() -> None:
    assert kept.at_the_desk({})
    assert kept.at_the_desk({"CI": "false"})
    assert not kept.at_the_desk({"CI": "true"})
    assert kept.folder_of({"XDG_CACHE_HOME": "/c"}) == Path("/c/sluiceway/migrations")
    assert kept.folder_of({"XDG_CACHE_HOME": "c", "HOME": "/h"}) == Path(
        "/h/.cache/sluiceway/migrations"
    )
    assert kept.folder_of({}) is None
    assert kept.code_digest("sluiceway.migrations") != kept.code_digest("sluiceway.policy") != ""
    assert kept.code_digest("no_such_package") == ""
