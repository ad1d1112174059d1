"""Files, folders and bytes: what is read, what is refused, and that nothing gets lost."""

from __future__ import annotations

from hashlib import sha256

import pytest

from sluiceway.errors import UsageError
from sluiceway.migrations.reading import from_texts, read
from sluiceway.migrations.records import Dialect

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
