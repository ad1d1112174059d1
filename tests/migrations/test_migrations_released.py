"""The migrations of a release: collected, attested, read back, compared."""

import json
from dataclasses import replace

import pytest

from sluiceway.config import Migrations
from sluiceway.errors import UsageError
from sluiceway.migrations import released as releases
from sluiceway.migrations.records import Dialect
from sluiceway.migrations.released import Migration, Released, difference, from_predicate, predicate
from sluiceway.migrations.uses import Uses
from sluiceway.model import digest_of

FIRST, SECOND = "CREATE TABLE a (id int);\n", "ALTER TABLE a ADD b int;\n"


def migration(name, body=b"SELECT 1;\n"):
    return Migration(name=name, path=name, digest=digest_of(body), body=body)


def release(*migrations, layout="plain", uses=None):
    return Released(
        version="1.0.0",
        dialect=Dialect.POSTGRES,
        layout=layout,
        migrations=tuple(
            each if isinstance(each, Migration) else migration(each) for each in migrations
        ),
        uses=uses,
    )


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_a.sql").write_text(FIRST)
    (folder / "0002_b.sql").write_text(SECOND)
    (folder / "uses.toml").write_text('[reads]\na = ["id"]\n')
    return folder


def settings(folder, uses="uses.toml"):
    return Migrations(
        folder=folder,
        dialect=Dialect.POSTGRES,
        layout="auto",
        uses=folder / uses if uses else None,
    )


def test_a_release_carries_the_files_themselves(folder):
    found = releases.collected(settings(folder), "1.2.0")
    assert [each.name for each in found.migrations] == ["0001_a.sql", "0002_b.sql"]
    assert found.migrations[0].body == FIRST.encode()
    assert found.uses == Uses(reads={"a": frozenset({"id"})})
    document = json.loads(json.dumps(predicate(found)))
    assert document["migrations"][0] == {
        "name": "0001_a.sql",
        "path": "0001_a.sql",
        "digest": digest_of(FIRST.encode()),
        "text": FIRST,
    }
    assert from_predicate(document) == found
    (_, second) = releases.scripts(from_predicate(document))
    assert second.text == SECOND


def test_what_is_not_text_is_carried_too(folder):
    (folder / "0003_c.sql").write_bytes("SELECT 'ä';\n".encode("latin-1"))
    found = releases.collected(settings(folder, ""), "")
    assert found.uses is None
    document = predicate(found)
    assert "base64" in document["migrations"][2]
    assert from_predicate(document) == found


def test_too_much_is_refused_by_name_and_size(folder, monkeypatch):
    monkeypatch.setattr(releases, "_LARGEST", 40)
    with pytest.raises(UsageError, match=r"0001_a\.sql alone has") as caught:
        releases.collected(settings(folder), "")
    assert caught.value.code == "migrations.size"


def test_two_of_one_name_go_by_their_paths(folder):
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "0003_c.sql").write_text(FIRST)
    names = [each.name for each in releases.collected(settings(folder), "").migrations]
    assert names[-2:] == ["one/0003_c.sql", "two/0003_c.sql"]


def test_two_of_one_name_are_refused():
    one = releases.Migration(name="c.sql", path="one/c.sql", digest="", body=b"")
    with pytest.raises(UsageError) as caught:
        releases._check_names([one, replace(one, path="two/c.sql")])
    assert caught.value.code == "migrations.doubled"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"dialect": "klingon"}, "klingon"),
        ({"layout": 3}, "3"),
        ({"version": None}, "None"),
        ({"migrations": None}, "NoneType"),
        ({"migrations": [{"name": "a"}]}, "base64"),
        ({"migrations": [{"name": "a", "path": "a", "digest": "sha256:0", "text": "x"}]}, "digest"),
        (
            {"migrations": [{"name": "a", "path": "a", "digest": "d", "base64": "?"}]},
            "not understood",
        ),
        ({"uses": {"reading": {}}}, "reading"),
        ({"uses": []}, "not understood"),
    ],
)
def test_a_statement_of_another_form_is_not_believed(change, word):
    with pytest.raises(ValueError, match=word):
        from_predicate(predicate(release("a")) | change)


def test_a_statement_without_a_key_is_not_believed():
    for key in predicate(release("a")):
        document = predicate(release("a"))
        del document[key]
        with pytest.raises(ValueError, match="not understood"):
            from_predicate(document)


def test_two_files_of_one_name_in_a_statement_are_not_believed():
    other = replace(migration("a"), path="b")
    with pytest.raises(ValueError, match="both the migration"):
        from_predicate(predicate(release("a", other)))


def test_nothing_is_held_so_all_is_new():
    found = difference(release("1", "2"), None)
    assert (found.new, found.changed, found.missing, found.out_of_order) == (("1", "2"), (), (), ())


def test_new_are_those_that_the_held_one_does_not_have():
    found = difference(release("1", "2", "3"), release("1", "2"))
    assert (found.new, found.changed, found.missing, found.out_of_order) == (("3",), (), (), ())


def test_edited_gone_and_late_ones_are_named():
    edited = migration("2", b"other")
    found = difference(release("1", "1b", edited, "4"), release("1", "2", "3"))
    assert found.new == ("1b", "4")
    assert found.changed == ("2",)
    assert found.missing == ("3",)
    assert found.out_of_order == ("1b",)


def test_flyways_repeatable_ones_are_new_when_they_change():
    edited = migration("R__views.sql", b"other")
    found = difference(
        release("V1__a.sql", edited, "V2__b.sql", layout="flyway"),
        release("V1__a.sql", "R__views.sql", layout="flyway"),
    )
    assert found.new == ("R__views.sql", "V2__b.sql")
    assert (found.changed, found.out_of_order) == ((), ())
    plain = difference(release(edited), release("R__views.sql"))
    assert plain.changed == ("R__views.sql",)
