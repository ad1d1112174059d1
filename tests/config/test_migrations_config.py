"""``[migrations]`` of sluiceway.toml."""

import pytest

from sluiceway.config import load
from sluiceway.errors import ConfigurationError
from sluiceway.migrations.records import Dialect


def loaded(tmp_path, text):
    path = tmp_path / "sluiceway.toml"
    path.write_text(f'[service]\nname = "shop"\n{text}')
    return load(path, {})


def test_without_the_table_there_is_no_database(tmp_path):
    assert loaded(tmp_path, "").migrations is None


def test_the_defaults(tmp_path):
    config = loaded(tmp_path, "[migrations]\n")
    assert config.migrations.folder == tmp_path / "migrations"
    assert config.migrations.dialect is Dialect.POSTGRES
    assert config.migrations.layout == "auto"
    assert config.migrations.uses is None


def test_a_declaration_in_the_folder_is_found_by_itself(tmp_path):
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "uses.toml").write_text("")
    assert loaded(tmp_path, "[migrations]\n").migrations.uses == tmp_path / "migrations/uses.toml"


def test_every_key(tmp_path):
    text = '[migrations]\nfolder = "db"\ndialect = "mysql"\nlayout = "flyway"\nuses = "uses.toml"\n'
    config = loaded(tmp_path, text)
    assert config.migrations.folder == tmp_path / "db"
    assert config.migrations.dialect is Dialect.MYSQL
    assert config.migrations.layout == "flyway"
    assert config.migrations.uses == tmp_path / "uses.toml"
    assert config.origin("migrations.layout") == "sluiceway.toml"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('floder = "db"', ["floder", "folder"]),
        ("folder = 3", ["folder", "text"]),
        ('dialect = "postgresql"', ["postgresql", "'postgres'"]),
    ],
)
def test_a_slip_is_named(tmp_path, line, words):
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, f"[migrations]\n{line}\n")
    for word in words:
        assert word in caught.value.what + caught.value.remedy


def test_it_has_to_be_a_table(tmp_path):
    path = tmp_path / "sluiceway.toml"
    path.write_text('migrations = "db"\n[service]\nname = "shop"\n')
    with pytest.raises(ConfigurationError, match="must be a table"):
        load(path, {})
