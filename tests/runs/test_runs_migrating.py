"""Who still reads what a promotion takes away, and whether a rollback finds what it needs."""

import re
from types import SimpleNamespace

import pytest

from sluiceway.migrations.records import Action, Column, Dialect, Kind, Parsed
from sluiceway.migrations.released import MIGRATIONS, Migration, Released, predicate
from sluiceway.migrations.uses import uses_from
from sluiceway.model import Attestation, Image, Manifest, digest_of
from sluiceway.runs import migrating
from sluiceway.runs.migration_standing import standing
from sluiceway.workbench import Workbench

CREATE = "create payments"
KEEP = "0001_create.sql", CREATE
DROP = "0002_drop.sql", "drop payments legacy"
BACK = "0003_back.sql", "add payments legacy"
READS = {"reads": {"payments": ["id", "legacy"]}}
DONE = {"reads": {"payments": ["id"]}}
KINDS = {"create": Kind.CREATE_TABLE, "drop": Kind.DROP_COLUMN, "add": Kind.ADD_COLUMN}


class Parser:
    """A grammar of three words: what, which table, which column."""

    name, version = "words", "1"

    def parse(self, script, dialect):
        what, table, column = [*script.text.split(), ""][:3]
        definition = Column(name=column, type="text") if what == "add" else None
        action = Action(kind=KINDS[what], name=(table,), column=column, definition=definition)
        return [Parsed(span=(0, len(script.text)), actions=(action,))]


class Plugins:
    """Attestations by digest, one grammar, and a registry that holds every digest it is asked for."""

    def __init__(self):
        self.attestations = {}
        self.tags = {}

    def one(self, hook, **records):
        if hook == "sluiceway_attestations":
            return self.attestations.get(records["image"].digest, ())
        assert hook == "sluiceway_registry"
        return SimpleNamespace(repository="r/shop", manifest=self.manifest, resolve=self.resolve)

    def maybe(self, hook, **records):
        assert hook == "sluiceway_sql_parser"
        return Parser()

    def manifest(self, digest):
        return Manifest(digest=digest, media_type="m", body=b"{}")

    def resolve(self, tag):
        return self.manifest(self.tags[tag]) if tag in self.tags else None


class Shop:
    """A service, its ledger, and releases that are named by a letter."""

    def __init__(self, root):
        (root / "sluiceway.toml").write_text('[service]\nname = "shop"\n[migrations]\n')
        self.bench = Workbench.open(root, {})
        self.plugins = Plugins()
        self.bench.__dict__["plugins"] = self.plugins
        self.runs = 0

    def release(self, letter, *files, uses=None):
        released = Released(
            version=f"1.{letter}",
            dialect=Dialect.POSTGRES,
            layout="plain",
            migrations=tuple(
                Migration(name=name, path=name, digest=digest_of(text.encode()), body=text.encode())
                for name, text in files
            ),
            uses=uses_from(uses, "uses") if uses is not None else None,
        )
        digest = self.digest(letter)
        self.plugins.attestations[digest] = (
            Attestation(
                predicate_type=MIGRATIONS,
                predicate=predicate(released),
                subject=digest,
                digest=digest,
                verified=True,
            ),
        )
        return self.image(letter)

    def digest(self, letter):
        return "sha256:" + letter * 64

    def image(self, letter):
        return Image(repository="r/shop", digest=self.digest(letter), media_type="m")

    def append(self, kind, letter, environment, **body):
        self.runs += 1
        self.bench.ledger.append(
            kind,
            key=f"{self.runs}:{kind}",
            run=f"r{self.runs}",
            service="shop",
            environment=environment,
            digest=self.digest(letter),
            actor="tom",
            body=body,
        )

    def deploy(self, letter, environment="production"):
        self.plugins.tags[environment] = self.digest(letter)
        self.append("deployed", letter, environment)

    def note(self, letter, *names, environment="production", known=True):
        """Note that the migrations *names* of a release may have run, as a promotion does."""
        found = migrating.known_of(self.bench, environment, self.digest(letter)).released
        facts, _ = migrating.facts_of(self.bench, found, names)
        self.append("migrations", letter, environment, new=list(names), facts=facts, known=known)

    def readers(self, letter, *names, target="production", holds=""):
        release = migrating.known_of(self.bench, target, self.digest(letter))
        facts, _ = migrating.facts_of(self.bench, release.released, names)
        (fact,) = migrating.read_by(self.bench, facts, release, target, holds)
        return fact["last_reader"]

    def since(self, letter, current, target="production"):
        return migrating.since(self.bench, self.image(letter), target, self.digest(current))


@pytest.fixture
def shop(tmp_path):
    shop = Shop(tmp_path)
    shop.release("a", KEEP, uses=READS)
    shop.release("b", KEEP, uses=DONE)
    shop.release("c", KEEP, DROP, uses=DONE)
    shop.release("d", KEEP, DROP, BACK, uses=DONE)
    return shop


# --- forward --------------------------------------------------------------------------------------


def test_the_release_that_is_replaced_still_serves(shop):
    shop.deploy("a")
    found = shop.readers("c", "0002_drop.sql", holds=shop.digest("a"))
    assert (found["known"], [each["release"] for each in found["serving"]]) == (True, ["1.a"])


def test_it_is_free_once_the_last_reader_has_left_in_an_earlier_release(shop):
    shop.deploy("a")
    shop.deploy("b")
    found = shop.readers("c", "0002_drop.sql", holds=shop.digest("b"))
    assert (found["known"], found["serving"]) == (True, [])
    assert (found["release"], found["environment"]) == ("1.a", "production")
    assert re.fullmatch(r"20\d\d-.*Z", found["left_at"])


def test_what_serves_further_along_the_path_counts_and_what_is_behind_does_not(shop):
    shop.deploy("a", "production")
    shop.deploy("b", "staging")
    assert shop.readers("c", "0002_drop.sql", target="staging", holds=shop.digest("b"))["serving"]
    shop.deploy("b", "production")
    shop.deploy("a", "dev")
    found = shop.readers("c", "0002_drop.sql", target="staging", holds=shop.digest("b"))
    assert found["serving"] == []


def test_a_canary_shares_productions_database(shop):
    shop.deploy("b", "production")
    shop.deploy("a", "canary")
    found = shop.readers("c", "0002_drop.sql", holds=shop.digest("b"))
    assert [each["environment"] for each in found["serving"]] == ["canary"]


def test_the_promoted_release_itself_counts(shop):
    shop.release("e", KEEP, DROP, uses=READS)
    shop.deploy("b")
    found = shop.readers("e", "0002_drop.sql", holds=shop.digest("b"))
    assert [each["release"] for each in found["serving"]] == ["1.e"]


@pytest.mark.parametrize("uses", [None, "unattested"])
def test_whoever_does_not_say_proves_nothing(shop, uses):
    shop.release("e", KEEP)
    if uses:
        del shop.plugins.attestations[shop.digest("e")]
    shop.deploy("e")
    found = shop.readers("c", "0002_drop.sql", holds=shop.digest("e"))
    assert found["known"] is False
    assert "production serves" in found["problem"]


def test_where_nobody_served_nothing_is_proven(shop):
    assert shop.readers("c", "0002_drop.sql")["known"] is False


def test_a_tag_that_was_moved_by_somebody_else_counts_beside_the_ledger(shop):
    shop.deploy("a")
    shop.plugins.tags["production"] = shop.digest("b")
    assert shop.readers("c", "0002_drop.sql", holds=shop.digest("b"))["serving"]


# --- back -----------------------------------------------------------------------------------------


def test_a_column_that_is_gone_is_named(shop):
    shop.note("c", "0002_drop.sql")
    found = shop.since("a", "c")
    assert (found["known"], found["since"]) == (True, ["0002_drop.sql"])
    (gone,) = found["broken"]
    assert (gone["what"], gone["how"], gone["migration"]) == (
        "payments.legacy",
        "dropped",
        "0002_drop.sql",
    )
    assert shop.since("b", "c")["broken"] == []


def test_what_the_ledger_here_has_not_seen_is_read_from_the_digest_that_serves(shop):
    assert [each["what"] for each in shop.since("a", "c")["broken"]] == ["payments.legacy"]


def test_what_came_back_is_there(shop):
    shop.note("c", "0002_drop.sql")
    shop.note("d", "0003_back.sql")
    assert shop.since("a", "d")["broken"] == []


def test_a_canary_that_was_taken_back_has_migrated_all_the_same(shop):
    shop.note("c", "0002_drop.sql", environment="canary")
    assert shop.since("a", "b")["broken"] != []
    shop.note("c", "0002_drop.sql", environment="staging")
    assert shop.since("a", "b", target="staging")["broken"] != []


def test_another_database_is_another_matter(shop):
    shop.note("c", "0002_drop.sql", environment="staging")
    assert shop.since("a", "b")["broken"] == []


def test_what_is_not_known_is_said_and_no_more(shop):
    shop.note("c", "0002_drop.sql")
    shop.release("e", KEEP)
    silent = shop.since("e", "c")
    assert (silent["known"], silent["broken"]) == (False, [])
    assert "does not declare" in silent["problem"]
    unattested = shop.since("f", "c")
    assert (unattested["known"], unattested["broken"]) == (False, [])
    shop.note("b", known=False)
    assert "is not known" in shop.since("b", "c")["problem"]


def test_a_release_that_declares_nothing_is_no_doubt_where_nothing_went(shop):
    shop.release("e", KEEP)
    assert shop.since("e", "b")["known"] is True


def test_a_digest_that_serves_and_attests_nothing_is_a_doubt(shop):
    assert "which serves" in shop.since("b", "f")["problem"]


def test_sql_that_nobody_here_can_read_does_not_close_the_way_back(shop, monkeypatch):
    monkeypatch.setattr(shop.plugins, "maybe", lambda *_, **__: None)
    found = shop.since("a", "c")
    assert (found["known"], found["broken"]) == (False, [])
    assert "no plugin here reads" in found["problem"]


def test_a_canary_and_a_service_without_a_database_are_not_asked(shop, tmp_path):
    assert shop.since("a", "c", target="canary") is None
    (tmp_path / "sluiceway.toml").write_text('[service]\nname = "shop"\n')
    shop.bench = Workbench.open(tmp_path, {})
    assert shop.since("a", "c") is None


# --- standing -------------------------------------------------------------------------------------


def test_how_each_environment_stands(shop):
    shop.plugins.tags["build"] = shop.digest("c")
    shop.deploy("a", "production")
    shop.deploy("b", "dev")
    rows = {row["environment"]: row for row in standing(shop.bench)}
    assert (rows["dev"]["migrations"], rows["dev"]["last"], rows["dev"]["new"]) == (
        1,
        "0001_create.sql",
        ["0002_drop.sql"],
    )
    (waiting,) = rows["dev"]["waiting"]
    assert waiting["what"] == "payments.legacy"
    assert [each["release"] for each in waiting["readers"]] == ["1.a"]
    assert (rows["staging"]["digest"], rows["staging"]["migrations"]) == ("", None)
    assert rows["staging"]["new"] == ["0001_create.sql"]
