"""What a machine remembers of policies spares work, and never a refusal."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import sluiceway_policy_embedded
from sluiceway.model import Project
from sluiceway.policy import Bundle, EngineError
from sluiceway_policy_embedded import client
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


class Asked(Remembered):
    """Says what was answered to whoever asked."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.answers: list[bool] = []

    def __contains__(self, digest: str) -> bool:
        self.answers.append(super().__contains__(digest))
        return self.answers[-1]


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library of the test's own, that counts as old enough to be remembered."""
    monkeypatch.setattr(client, "_RACY_NS", 0)
    path = tmp_path / "libopabridge.so"
    shutil.copy2(default_library(), path)
    return path


def started(library: Path, known: Remembered) -> str:
    """Start a worker and end it; return the code with which that failed."""
    pin = pin_here()
    assert pin is not None
    engine = EmbeddedEngine(library, pin.library, known=known)
    try:
        engine.compile(bundle())
    except EngineError as error:
        return error.code
    finally:
        engine.close()
    return ""


@pytest.mark.usefixtures("make")
def test_a_library_is_hashed_once_and_again_when_its_file_has_changed(
    tmp_path: Path, copied: Path
) -> None:
    known = Asked(tmp_path / "kept")
    assert [started(copied, known) for _ in range(3)] == ["", "", ""]
    assert known.answers == [False, True, True]
    before = copied.stat()
    with copied.open("r+b") as file:  # of the same size, and as old as it was
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))
    os.utime(copied, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert copied.stat().st_mtime_ns == before.st_mtime_ns
    assert copied.stat().st_size == before.st_size
    assert started(copied, known) == "policy.engine-untrusted"
    assert started(copied, known) == "policy.engine-untrusted"
    assert known.answers[3:] == [False, False]
    assert len(list((tmp_path / "kept").iterdir())) == 1


@pytest.mark.usefixtures("make")
def test_a_library_is_known_for_the_hash_that_it_had_and_no_other(
    tmp_path: Path, copied: Path
) -> None:
    known = Asked(tmp_path / "kept")
    assert started(copied, known) == ""
    engine = EmbeddedEngine(copied, "0" * 64, known=known)
    with pytest.raises(EngineError) as caught:
        engine.compile(bundle())
    assert caught.value.code == "policy.engine-untrusted"
    assert known.answers == [False, False]


@pytest.mark.usefixtures("make")
def test_a_library_that_may_change_within_the_same_moment_is_hashed_each_time(
    tmp_path: Path, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_RACY_NS", 3600 * 10**9)
    known = Asked(tmp_path / "kept")
    assert [started(copied, known) for _ in range(2)] == ["", ""]
    assert known.answers == []
    assert not (tmp_path / "kept").exists()


def test_a_file_without_a_time_of_its_last_change_is_never_settled() -> None:
    assert client._settled(modified=1, changed=2)
    assert not client._settled(modified=2, changed=2)


@pytest.mark.usefixtures("make")
def test_only_the_library_beside_this_program_is_remembered(tmp_path: Path, copied: Path) -> None:
    """Whoever has the cache could otherwise vouch for a file of his own."""
    environ = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    project = Project(service="s", root=tmp_path, state=tmp_path, environ=environ)
    for settings, kept in (({"library": str(copied)}, 0), ({}, 1)):
        engine = sluiceway_policy_embedded.sluiceway_policy_engine(
            project=project, settings=settings
        )
        assert isinstance(engine, EmbeddedEngine)
        engine.compile(bundle())
        engine.close()
        assert len(list(tmp_path.glob("cache/sluiceway/compiled/*"))) == kept


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
