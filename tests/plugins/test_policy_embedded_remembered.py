"""What a machine remembers of policies spares work, and never a refusal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sluiceway.policy import Bundle, EngineError
from sluiceway_policy_embedded.engine import EmbeddedEngine
from sluiceway_policy_embedded.pins import default_library, pin_here
from sluiceway_policy_embedded.remembered import Remembered, default_folder

DIGEST = "sha256:" + "a" * 64
Make = Callable[[Path | None], EmbeddedEngine]
MODULES = {
    "g.rego": "package g\n\nx := data.near.x + input.a\n",
    "near.rego": "package near\n\nx := 1\n",
    "far.rego": "package far\n\nx := 2\n",
}


@pytest.fixture
def make() -> Iterator[Make]:
    pin = pin_here()
    if pin is None:
        pytest.skip("no OPA library is published for this machine")
    trusted = pin.library
    with ExitStack() as stack:

        def made(folder: Path | None) -> EmbeddedEngine:
            remembered = Remembered(folder) if folder is not None else None
            engine = EmbeddedEngine(default_library(), trusted, remembered=remembered)
            stack.callback(engine.close)
            return engine

        yield made


def bundle(**more: str) -> Bundle:
    modules = MODULES | {f"{name}.rego": source for name, source in more.items()}
    return Bundle(modules=modules, data={}, digest="", origin="test")


def test_what_is_remembered_is_compiled_only_as_far_as_it_is_reached(
    tmp_path: Path, make: Make
) -> None:
    folder = tmp_path / "kept"
    given = bundle()
    first, second, third = make(folder), make(folder), make(None)
    for engine in (first, second, third):
        assert engine.evaluate(given, "g.x", {"a": 1}) == 2
        assert engine.evaluate(given, "far.x", {}) == 2
        assert engine.evaluate(given, "nothing.x", {}) is None
        assert engine.evaluate(given, "g.x", {"a": 2}) == 3
    assert len(list(folder.iterdir())) == 1
    held = [engine._worker.held for engine in (first, second, third) if engine._worker]
    assert [sum(" " not in key for key in keys) for keys in held] == [1, 0, 1]


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("package broken\n\nx :=\n", "policy.syntax"),
        ("package broken\n\nx := y\n", "policy.syntax"),
        ("package broken\n\nx := http.send({})\n", "policy.forbidden"),
        ("package broken\n\nx if true with count as http.send\n", "policy.forbidden"),
        ("package broken\n\nx := no.such(1)\n", "policy.forbidden"),
    ],
)
def test_what_no_gate_reaches_is_refused_all_the_same(
    tmp_path: Path, make: Make, source: str, code: str
) -> None:
    given = bundle(broken=source)
    for _ in range(2):
        engine = make(tmp_path / "kept")
        assert engine.evaluate(bundle(), "g.x", {"a": 1}) == 2
        with pytest.raises(EngineError) as caught:
            engine.evaluate(given, "g.x", {"a": 1})
        assert caught.value.code == code


def test_what_somebody_wrote_there_lets_nothing_through(tmp_path: Path, make: Make) -> None:
    """Even who could write the right name there gains nothing for what a decision depends on."""
    folder = tmp_path / "kept"
    Remembered(folder).add(DIGEST)
    engine = make(folder)
    everything = type("Everything", (Remembered,), {"__contains__": lambda *_: True})
    engine._remembered = everything(folder)
    for given in (
        bundle(near="package near\n\nx := time.now_ns()\n"),
        bundle(near="package near\n\nx := y\n"),
    ):
        with pytest.raises(EngineError):
            engine.evaluate(given, "g.x", {"a": 1})


def test_a_folder_or_file_that_others_can_write_says_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    remembered = Remembered(folder)
    assert DIGEST not in remembered
    remembered.add(DIGEST)
    assert DIGEST in remembered
    assert folder.stat().st_mode & 0o777 == 0o700
    (kept,) = folder.iterdir()
    kept.chmod(0o620)
    assert DIGEST not in remembered
    kept.chmod(0o600)
    folder.chmod(0o770)
    assert DIGEST not in remembered
    remembered.add("sha256:" + "b" * 64)
    assert len(list(folder.iterdir())) == 1
    folder.chmod(0o700)
    kept.rename(tmp_path / "elsewhere")
    kept.symlink_to(tmp_path / "elsewhere")
    assert DIGEST not in remembered


def test_nothing_is_remembered_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    remembered = Remembered(tmp_path / "file" / "kept")
    remembered.add(DIGEST)
    assert DIGEST not in remembered


def test_only_the_newest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluiceway_policy_embedded.remembered._MOST", 3)
    remembered = Remembered(tmp_path)
    tmp_path.chmod(0o700)
    digests = [f"sha256:{number:064}" for number in range(5)]
    for digest in digests:
        remembered.add(digest)
    assert digests[-1] in remembered
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({"XDG_CACHE_HOME": "/c", "HOME": "/h"}, "/c/sluiceway/compiled"),
        ({"XDG_CACHE_HOME": "c", "HOME": "/h"}, "/h/.cache/sluiceway/compiled"),
        ({"HOME": "/h"}, "/h/.cache/sluiceway/compiled"),
        ({"HOME": "h"}, ""),
        ({}, ""),
    ],
)
def test_it_is_where_caches_are(environ: dict[str, str], wanted: str) -> None:
    assert str(default_folder(environ) or "") == wanted
