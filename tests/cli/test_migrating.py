"""`invoke migrations.check`: exit codes, JSON to the letter, approvals that name one statement."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def migrations(site):
    folder = site.root / "db"
    folder.mkdir()
    (folder / "1.sql").write_text("CREATE TABLE users (id bigint PRIMARY KEY);\n")
    (folder / "2.sql").write_text("-- for good\nTRUNCATE sessions;\nTRUNCATE a, b;\n")
    return folder


def test_what_is_blocked_ends_with_three_and_says_where(site, migrations):
    code, told = site.run("migrations.check", "db", "--dialect=postgresql")
    assert code == 3
    assert (told["files"], told["statements"], told["dialect"]) == (2, 3, "postgres")
    assert told["decision"]["allow"] is False
    first = told["findings"][0]
    assert {key: first[key] for key in ("code", "level", "file", "line", "table", "column")} == {
        "code": "migration.truncate",
        "level": "deny",
        "file": "db/2.sql",
        "line": 2,
        "table": "sessions",
        "column": "",
    }
    assert first["statement_hash"].startswith("sha256:")
    assert f"migration.truncate/{first['statement_hash']}" in first["solution"]
    assert told["findings"][1]["table"] == "a"
    assert f"{told['findings'][1]['statement_hash']}/a" in told["findings"][1]["solution"]
    assert {each["code"] for each in told["advice"]} == {"migration.lock-timeout"}
    assert site.run("migrations.check", "db/1.sql")[0] == 0
    assert site.run("migrations.check", "db", "--no-advice")[1]["advice"] == []
    code, out, _ = site.shown("migrations.check", "db/2.sql", "db/1.sql", "--format=github")
    assert (code, out.splitlines()[0][:35]) == (3, "::error file=db/2.sql,line=2,title=")
    code, out, _ = site.shown("migrations.check", "db", "--format=sarif")
    assert (code, json.loads(out)["version"]) == (3, "2.1.0")


def test_an_approval_excuses_one_statement_until_that_is_another(site, migrations):
    config = site.root / "sluiceway.toml"
    config.write_text(
        config.read_text().replace("[policy]", "[identity]\nrehearsal = true\n\n[policy]")
        + '\n[stages]\nidentity = "os-user"\n'
    )
    site.monkeypatch.setenv("SLUICEWAY_ACTOR", "tom")
    _, told = site.run("migrations.check", "db")
    digits = told["findings"][0]["statement_hash"].removeprefix("sha256:")[:12]
    code, signed = site.run("waive", f"migration.truncate/{digits}", "--reason=It is a cache.")
    assert (code, signed["waiver"]["code"][-64:-52]) == (0, digits)
    code, told = site.run("migrations.check", "db")
    waived = [each["table"] for each in told["findings"] if each["waived"]]
    assert (code, waived, told["unused_approvals"]) == (3, ["sessions"], [])
    assert "approved: migration.truncate" in site.shown("migrations.check", "db")[1]
    (migrations / "2.sql").write_text("TRUNCATE sessions CASCADE;\n")
    code, told = site.run("migrations.check", "db")
    assert (code, told["unused_approvals"]) == (3, [signed["waiver"]["code"]])
    assert told["findings"][0]["waived"] is None


def test_outside_of_a_project_nobody_is_told_to_approve(site, migrations):
    inside = site.run("migrations.check", "db")[1]
    assert "invoke waive" in inside["findings"][0]["solution"]
    (site.root / "sluiceway.toml").unlink()
    outside = site.run("migrations.check", "db")[1]
    assert outside["findings"][0]["code"] == inside["findings"][0]["code"]
    assert "invoke waive" not in json.dumps(outside)


def test_outside_of_a_project_nothing_is_written(site, migrations):
    (site.root / "sluiceway.toml").unlink()
    before = sorted(site.root.rglob("*"))
    assert site.run("migrations.check", "db")[0] == 3
    assert sorted(site.root.rglob("*")) == before


def test_a_second_check_says_the_same_and_looks_into_no_cache_where_that_may_be_anybodys(
    site, migrations, tmp_path_factory
):
    home = tmp_path_factory.mktemp("cache")
    site.monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    site.monkeypatch.delenv("CI", raising=False)
    folder = home / "sluiceway" / "migrations"
    site.run("migrations.check", "db", "--no-cache")
    site.monkeypatch.setenv("CI", "true")
    site.run("migrations.check", "db")
    assert not folder.exists()
    site.monkeypatch.delenv("CI")
    first, again = (site.run("migrations.check", "db") for _ in range(2))
    assert len(list(folder.iterdir())) == 1
    for _, told in (first, again):
        told["decision"].pop("at")
    assert first == again
    assert first[0] == 3


def test_strict_lets_two_grammars_read(site, migrations):
    code, told = site.run("migrations.check", "db", "--strict", "--no-advice")
    assert (code, {each["code"] for each in told["findings"]}) == (3, {"migration.truncate"})
    code, told = site.run("migrations.check", "db", "--strict", "--dialect=mysql")
    assert (code, told["error"]["code"]) == (5, "migrations.one-parser")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["dc"], "migrations.not-found", "Did you mean db?"),
        (["db", "--dialect=mysq"], "migrations.dialect", "--dialect=mysql"),
        (["db", "--format=sarf"], "migrations.format", "--format=sarif"),
        (["empty"], "migrations.none", "migrations"),
        ([], "migrations.none", "Name one"),
        ([""], "migrations.none", "variable"),
        (["--since=dev"], "migrations.none-declared", "[migrations]"),
    ],
)
def test_a_wrong_call_ends_with_two_and_the_right_word(site, migrations, arguments, code, says):
    (site.root / "empty").mkdir()
    status, told = site.run("migrations.check", *arguments)
    assert (status, told["error"]["code"]) == (2, code)
    assert says in told["error"]["remedy"]


def test_without_an_engine_nothing_is_judged(site, migrations):
    config = site.root / "sluiceway.toml"
    config.write_text(config.read_text() + '\n[plugins.policy-embedded]\nlibrary = "none.so"\n')
    config.write_text(config.read_text() + '\n[stages]\npolicy = "embedded"\n')
    code, told = site.run("migrations.check", "db")
    assert code == 5
    assert [each["code"] for each in told["findings"]] == ["policy.engine-missing"]
    assert "invoke policy.engine --install" in told["findings"][0]["solution"]


def test_an_engine_that_cannot_be_asked_refuses_in_the_same_words_again(
    site, migrations, tmp_path_factory
):
    site.monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    site.monkeypatch.delenv("CI", raising=False)
    config = site.root / "sluiceway.toml"
    good = config.read_text()
    config.write_text('[service]\nname = "settlement"\n')
    site.run("migrations.check", "db")  # what it reads and decides is remembered
    server = '\n[stages]\npolicy = "server"\n[plugins.policy-server]\nurl = "http://127.0.0.1:1"\n'
    config.write_text(good.partition("[policy]")[0] + server)
    for _ in range(2):
        code, told = site.run("migrations.check", "db")
        assert code == 5
        assert [each["code"] for each in told["findings"]] == ["policy.server-unreachable"]
        assert told["decision"]["allow"] is False
