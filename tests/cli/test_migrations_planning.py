"""`invoke migrations.plan` and `migrations.status` as a person calls them."""

import pytest

from sluiceway.errors import ExitCode

FIRST = "CREATE TABLE payments (id int PRIMARY KEY, amount numeric(16,4) NOT NULL);\n"
RENAME = ("migrations.plan", "rename-column", "payments.amount", "total")


@pytest.fixture
def folder(site):
    folder = site.root / "migrations"
    folder.mkdir()
    (folder / "0007_payments.sql").write_text(FIRST)
    return folder


def test_the_type_is_read_from_the_migrations(site, folder):
    code, document = site.run(*RENAME)
    assert code == ExitCode.DONE
    (draft,) = document["plan"]["steps"][0]["drafts"]
    assert "ADD COLUMN total numeric(16,4);" in " ".join(draft["sql"].split())
    assert document["written"] == []


def test_a_person_is_shown_a_page(site, folder):
    code, out, _ = site.shown(*RENAME)
    assert code == ExitCode.DONE
    assert out.startswith("# rename-column: payments (amount, total)\n")
    assert "## 4. Contract: drop amount" in out


def test_each_release_is_written_for_itself_and_nothing_is_written_over(site, folder):
    code, document = site.run(*RENAME, "--write=planned")
    assert code == ExitCode.DONE
    written = sorted(
        path.relative_to(site.root / "planned").as_posix()
        for path in (site.root / "planned").rglob("*")
        if path.is_file()
    )
    assert written == [
        "1/0008_add_payments_total.sql",
        "3/0009_let_payments_amount_be_empty.sql",
        "4/0010_check_payments_total.sql",
        "4/0011_require_payments_total.sql",
        "4/0012_drop_payments_amount.sql",
        "plan.md",
    ]
    assert len(document["written"]) == len(written)
    code, document = site.run(*RENAME, "--write=planned")
    assert (code, document["error"]["code"]) == (ExitCode.USAGE, "migrations.plan")
    assert "is there already" in document["error"]["what"]


def test_one_release_is_written_into_the_folder_when_its_time_has_come(site, folder):
    code, document = site.run(*RENAME, "--write=migrations", "--step=3")
    assert (code, document["written"]) == (
        ExitCode.DONE,
        ["migrations/0008_let_payments_amount_be_empty.sql"],
    )
    assert "DROP NOT NULL" in (folder / "0008_let_payments_amount_be_empty.sql").read_text()


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ((), "which change"),
        (("rename-column", "payments.nothing", "total"), "type of payments.nothing"),
        (("rename-columns", "payments.amount", "total"), "no change"),
        (("split", "payments.amount", "a", "b", "--fill=a"), "NEW=EXPRESSION"),
        (("drop-table", "payments", "--step=1"), "--write"),
        (("drop-table", "payments", "--step=9", "--write=x"), "2 releases"),
        (("drop-table", "payments", "--folder=nowhere"), "nowhere"),
    ],
)
def test_a_slip_is_wrong_usage(site, folder, words, what):
    code, document = site.run("migrations.plan", *words)
    assert code == ExitCode.USAGE
    assert what in document["error"]["what"]


def test_another_servers_sql_is_not_guessed_at(site, folder):
    path = site.root / "sluiceway.toml"
    path.write_text(path.read_text() + '[migrations]\ndialect = "mysql"\n')
    code, document = site.run(*RENAME)
    assert code == ExitCode.USAGE
    assert "PostgreSQL's" in document["error"]["what"]


def test_the_standing_of_a_service_without_a_database(site):
    code, document = site.run("migrations.status")
    assert (code, document["error"]["code"]) == (ExitCode.USAGE, "migrations.undeclared")


@pytest.mark.parametrize("words", [("drop", "column"), ("drop-colum", "payments.amount")])
def test_a_change_that_there_is_not_is_named(site, folder, words):
    code, document = site.run("migrations.plan", *words)
    assert code == ExitCode.USAGE
    assert repr(words[0]) in document["error"]["what"]
    assert "drop-column" in document["error"]["means"]
