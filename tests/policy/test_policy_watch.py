"""Saves are noticed once each, whole, and not before they happened."""

from __future__ import annotations

import threading
from pathlib import Path

from sluiceway.policy.watch import saved, snapshot


def test_only_policies_and_data_are_looked_at(tmp_path: Path) -> None:
    for name in ("a.rego", "data.json", "notes.md", ".hidden.rego"):
        (tmp_path / name).write_text("x")
    assert [Path(name).name for name in sorted(snapshot([tmp_path]))] == ["a.rego", "data.json"]
    assert list(snapshot([tmp_path / "a.rego"])) == [str(tmp_path / "a.rego")]


def test_a_save_a_new_file_and_one_taken_away_are_told(tmp_path: Path) -> None:
    file, other = tmp_path / "a.rego", tmp_path / "b.rego"
    file.write_text("one")
    told = saved([tmp_path], snapshot([tmp_path]), seconds=0.01)
    file.write_text("other text")
    assert next(told) == (str(file),)
    other.write_text("new")
    assert next(told) == (str(other),)
    other.unlink()
    assert next(told) == (str(other),)


def test_what_was_saved_before_the_first_look_is_not_lost(tmp_path: Path) -> None:
    file = tmp_path / "a.rego"
    file.write_text("one")
    before = snapshot([tmp_path])
    file.write_text("while the tests ran")
    assert next(saved([tmp_path], before, seconds=0.01)) == (str(file),)


def test_nothing_is_told_while_nothing_is_saved(tmp_path: Path) -> None:
    file = tmp_path / "a.rego"
    file.write_text("one")
    told = saved([tmp_path], snapshot([tmp_path]), seconds=0.01)
    seen: list[tuple[str, ...]] = []
    thread = threading.Thread(target=lambda: seen.append(next(told)), daemon=True)
    thread.start()
    thread.join(0.2)
    assert seen == []
    file.write_text("now it is")
    thread.join(10)
    assert seen == [(str(file),)]
