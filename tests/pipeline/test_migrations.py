"""A database in the life of its releases: refused, excused, contracted, and the way back."""

import json

import pytest

from sluiceway.errors import ExitCode
from sluiceway.migrations.released import MIGRATIONS

pytestmark = pytest.mark.slow

CREATE = "CREATE TABLE payments (id bigint PRIMARY KEY, amount numeric NOT NULL, legacy text);\n"
DROP = "ALTER TABLE payments DROP COLUMN legacy;\n"
READS = '[reads]\npayments = ["id", "amount", "legacy"]\n'
DONE = '[reads]\npayments = ["id", "amount"]\n'


def declare(shop):
    path = shop.root / "sluiceway.toml"
    path.write_text(path.read_text() + '\n[migrations]\nfolder = "db"\n')
    (shop.root / "db").mkdir()


def write(shop, version, uses, **migrations):
    """Make the source that of *version*, with what it migrates further."""
    (shop.root / "service" / "RELEASE").write_text(f"{version}\n")
    (shop.root / "db" / "uses.toml").write_text(uses)
    for name, text in migrations.items():
        (shop.root / "db" / f"{name}.sql").write_text(text)


def judged(document, level="deny"):
    """Return the codes of the gate ``migration`` that deny (or warn), each once."""
    decision = document["migrations"]["decision"]
    assert decision["gate"] == "migration"
    found = [
        each["code"]
        for each in decision["findings"]
        if each["level"] == level and not each["waived"]
    ]
    return sorted(set(found))


def promoted(shop, target="dev", code=ExitCode.DONE):
    who = {"dev": "ci", "staging": "dana"}[target]
    ended, document, err = shop.run(who, "promote", f"--to={target}")
    assert ended == code, (document, err)
    return document


def test_a_column_leaves_when_its_last_reader_has_left(shop):
    declare(shop)
    write(shop, "2.0.0", READS, m0001=CREATE)
    first = shop.ship("dev")
    bench = shop.bench()
    (attested,) = [
        item
        for item in bench.plugins.one(
            "sluiceway_attestations", image=bench.image(first), registry=bench.registry
        )
        if item.predicate_type == MIGRATIONS
    ]
    assert attested.verified
    assert attested.predicate["migrations"][0]["text"] == CREATE

    # It still reads what it drops, and so does the release that it would replace.
    write(shop, "2.1.0", READS, m0002=DROP)
    digest = shop.release()
    before = shop.state()
    refused = promoted(shop, code=ExitCode.REFUSED)
    assert judged(refused) == ["migration.contract", "migration.drop-column"]
    assert refused["decision"]["allow"] is True
    assert refused["changed"] is False
    assert refused["migrations"]["new"] == ["m0002.sql"]
    assert shop.state() == before
    (fact,) = refused["migrations"]["facts"]
    assert {each["release"] for each in fact["last_reader"]["serving"]} == {"2.0.0", "2.1.0"}

    # Two people's word lets it through; it is judged all the same.
    for about in (f"migration.drop-column/{fact['statement_hash']}", "migration.contract"):
        code, document, err = shop.run(
            "ravi", "waive", about, "--environment=dev", f"--digest={digest}", "--reason=Empty."
        )
        assert code == 0, (document, err)
    waived = promoted(shop)
    assert judged(waived) == []
    assert (
        len([each for each in waived["migrations"]["decision"]["findings"] if each["waived"]]) >= 2
    )

    # There is no way back over it: refused before anything moves.
    before = shop.state()
    code, document, _ = shop.run("dana", "rollback", "--env=dev")
    assert code == ExitCode.REFUSED
    (finding,) = [each for each in document["decision"]["findings"] if each["level"] == "deny"]
    assert finding["code"] == "rollback.contract"
    assert "payments.legacy was dropped by m0002.sql" in finding["message"]
    assert "Roll forward" in finding["solution"]
    assert shop.state() == before


def test_what_is_new_since_an_environment_is_judged_at_the_desk_as_it_would_be_there(shop):
    declare(shop)
    write(shop, "2.0.0", READS, m0001=CREATE, m0002="TRUNCATE payments;")

    def since(name="dev"):
        code, told, err = shop.run("dana", "migrations.check", f"--since={name}")
        assert "since" in told, (told, err)
        codes = {each["code"] for each in told["findings"] if each["level"] == "deny"}
        return code, codes, told

    # Nothing runs there: everything is new, and what one makes the next may empty.
    code, codes, told = since()
    assert (code, codes, told["files"]) == (0, set(), 2)
    assert (told["since"]["digest"], told["since"]["new"]) == ("", ["m0001.sql", "m0002.sql"])
    digest = shop.ship("dev")
    code, codes, told = since()
    assert (code, codes, told["files"], told["since"]["new"]) == (0, set(), 0, [])
    assert (told["since"]["digest"], told["since"]["release"]) == (digest, "2.0.0")

    # The same findings as the promotion's own gate, about what still reads it as well.
    write(shop, "2.1.0", READS, m0003=DROP)
    code, codes, told = since()
    assert (code, codes) == (3, {"migration.contract", "migration.drop-column"})
    assert told["since"]["new"] == ["m0003.sql"]
    assert {each["file"] for each in told["findings"] if each["file"]} == {"db/m0003.sql"}
    write(shop, "2.1.0", DONE, m0003="SELECT 1;", m0002="TRUNCATE payments; -- edited")
    code, codes, told = since()
    assert (code, codes) == (3, {"migration.changed"})
    assert told["since"]["changed"] == ["m0002.sql"]
    (shop.root / "db" / "m0002.sql").unlink()
    assert since()[:2] == (3, {"migration.missing"})
    write(shop, "2.1.0", DONE, m0002="TRUNCATE payments;", m0000="SELECT 1;")
    code, codes, told = since()
    assert (code, codes) == (0, set())
    assert told["since"]["out_of_order"] == ["m0000.sql"]
    code, told, _ = shop.run("dana", "migrations.check", "--since=dve")
    assert (code, told["error"]["code"]) == (2, "environment.unknown")
    code, told, _ = shop.run("dana", "migrations.check", "db", "--since=dev")
    assert (code, told["error"]["code"]) == (2, "migrations.since")


def test_two_releases_later_nobody_has_to_be_asked(shop):
    declare(shop)
    write(shop, "2.0.0", READS, m0001=CREATE)
    shop.ship("dev")
    write(shop, "2.1.0", DONE)
    stopped = shop.ship("dev")
    write(shop, "2.2.0", DONE, m0002=DROP)
    shop.release()
    code, status, _ = shop.run("ci", "migrations.status")
    assert code == 0
    (dev,) = [row for row in status["environments"] if row["environment"] == "dev"]
    assert (dev["release"], dev["migrations"], dev["new"]) == ("2.1.0", 1, ["m0002.sql"])
    assert dev["waiting"] == []
    contracted = promoted(shop)
    assert judged(contracted) == []
    assert judged(contracted, "warn") == ["migration.contracted"]
    (proof,) = contracted["migrations"]["decision"]["findings"]
    assert "since 2.0.0 left dev on 2" in proof["message"]

    # One release back is open, two are not.
    code, document, err = shop.run("dana", "rollback", "--env=dev", f"--to-digest={stopped}")
    assert code == 0, (document, err)
    code, document, _ = shop.run("dana", "rollback", "--env=dev")
    assert code == ExitCode.REFUSED
    assert [each["code"] for each in document["decision"]["findings"]] == ["rollback.contract"]


def test_what_nobody_attested_goes_nowhere(shop):
    shop.ship("dev")
    declare(shop)
    write(shop, "2.0.0", DONE, m0001=CREATE)
    refused = promoted(shop, "staging", ExitCode.REFUSED)
    assert judged(refused) == ["migration.unknown"]
    code, told, _ = shop.run("dana", "migrations.check", "--since=dev")
    assert (code, [each["code"] for each in told["findings"]]) == (3, ["migration.baseline"])
    # The next release says what it has; what dev holds says nothing about what has run there.
    shop.release()
    assert judged(promoted(shop, code=ExitCode.REFUSED)) == ["migration.baseline"]
    code, document, err = shop.run(
        "ravi", "waive", "migration.baseline", "--environment=dev", "--reason=Looked at the list."
    )
    assert code == 0, (document, err)
    assert promoted(shop)["migrations"]["new"] == ["m0001.sql"]
    # The same image with other migrations would be two things under one name.
    write(shop, "2.0.0", DONE, m0001=CREATE, m0002=DROP)
    code, document, _ = shop.run("ci", "release")
    assert (code, document["error"]["code"]) == (ExitCode.UNABLE, "migrations.contradiction")


@pytest.mark.real_tool("postgres")
def test_what_no_rule_sees_is_tried_where_the_service_chose_to(shop):
    declare(shop)
    path = shop.root / "sluiceway.toml"
    chosen = '[stages]\ngate = ["smoke", "schema"]\n'
    text = path.read_text()
    assert "[stages]" not in text
    path.write_text(text + chosen)
    write(shop, "2.0.0", READS, m0001=CREATE)
    shop.ship("dev")
    (shop.root / "statements").mkdir()
    sql = "INSERT INTO payments (id, amount, legacy) VALUES (1, 2, 'a long text')"
    (shop.root / "statements" / "2.0.0.jsonl").write_text(json.dumps({"sql": sql}) + "\n")
    write(shop, "2.1.0", READS, m0002="ALTER TABLE payments ALTER legacy TYPE varchar(3);\n")
    shop.release()
    refused = promoted(shop, code=ExitCode.REFUSED)
    denied = [each["code"] for each in refused["decision"]["findings"] if each["level"] == "deny"]
    assert denied == ["gate.evidence"]
    (said,) = [each for each in refused["decision"]["findings"] if each["level"] == "deny"]
    assert "22001" in said["message"]
