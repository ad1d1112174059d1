"""Installing the engine's library: only the pinned file, whole, from wherever it comes."""

from __future__ import annotations

import hashlib
import os
import sys
import zipfile
from pathlib import Path

import pytest

from sluiceway.errors import ActionFailed
from sluiceway_policy_embedded import install as installing
from sluiceway_policy_embedded.install import install, sha256_of
from sluiceway_policy_embedded.pins import MEMBER, PINS, Pin, default_library, pin_here

LIBRARY = b"\x7fELF not really"


def make_wheel(folder: Path, library: bytes = LIBRARY) -> Path:
    """Write a wheel of the pinned name and version, which declares too new a Python as the real does."""
    wheel = folder / "opa_golib_python_bindings-0.4.4-py3-none-any.whl"
    info = "opa_golib_python_bindings-0.4.4.dist-info"
    metadata = "Metadata-Version: 2.1\nName: opa-golib-python-bindings\nVersion: 0.4.4\n"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(MEMBER, library)
        archive.writestr(f"{info}/METADATA", metadata + "Requires-Python: >=3.99\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel that is pinned for the test, and the only package that pip can find."""
    index = tmp_path / "index"
    index.mkdir()
    wheel = make_wheel(index)
    pin = Pin(wheel=sha256_of(wheel), library=hashlib.sha256(LIBRARY).hexdigest())
    monkeypatch.setattr(installing, "pin_here", lambda: pin)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(index))
    return wheel


def refused(code: str, target: Path, wheel: Path | None = None) -> ActionFailed:
    with pytest.raises(ActionFailed) as caught:
        install(wheel, target)
    assert caught.value.code == code
    assert caught.value.remedy
    assert not target.exists()
    assert list(target.parent.glob(".new-*")) == []
    return caught.value


def test_it_is_unpacked_from_the_pinned_wheel(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "share" / "lib.so"
    assert install(wheel, target) == target
    assert target.read_bytes() == LIBRARY
    assert target.stat().st_mode & 0o777 == 0o644


def test_pip_downloads_it_by_hash_though_the_wheel_wants_another_python(
    wheel: Path, tmp_path: Path
) -> None:
    target = tmp_path / "lib.so"
    install(None, target)
    assert target.read_bytes() == LIBRARY


def test_an_environment_without_pip_uses_another(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    pip = programs / "pip3"
    pip.write_text(f'#!/bin/sh\nexec {sys.executable} -m pip "$@"\n')
    pip.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/bin:/usr/bin")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    target = tmp_path / "lib.so"
    install(None, target)
    assert target.read_bytes() == LIBRARY


def test_without_any_downloader_the_message_says_how(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    error = refused("policy.engine-missing", tmp_path / "lib.so")
    assert "neither pip nor uv" in error.what
    assert "pip download" in error.remedy


def test_an_index_with_another_file_is_refused(wheel: Path, tmp_path: Path) -> None:
    make_wheel(wheel.parent, b"another")
    error = refused("policy.engine-missing", tmp_path / "lib.so")
    assert "hash" in error.what.lower()


def test_a_wheel_with_another_hash_is_refused(wheel: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    refused("policy.engine-untrusted", tmp_path / "lib.so", make_wheel(other, b"another"))


def test_a_library_with_another_hash_is_refused(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = Pin(wheel=sha256_of(wheel), library="0" * 64)
    monkeypatch.setattr(installing, "pin_here", lambda: pin)
    refused("policy.engine-untrusted", tmp_path / "lib.so", wheel)


def test_a_file_that_is_no_wheel(wheel: Path, tmp_path: Path) -> None:
    refused("policy.engine-missing", tmp_path / "lib.so", tmp_path / "gone.whl")


def test_what_is_there_and_right_is_left_alone(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "lib.so"
    install(wheel, target)
    before = target.stat()
    wheel.unlink()
    install(None, target)
    assert target.stat().st_mtime_ns == before.st_mtime_ns
    assert target.stat().st_ino == before.st_ino


def test_what_is_there_and_wrong_is_replaced(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "lib.so"
    target.write_bytes(b"half")
    install(wheel, target)
    assert target.read_bytes() == LIBRARY


def test_a_place_that_cannot_be_written(wheel: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ActionFailed) as caught:
        install(wheel, blocked / "lib.so")
    assert "cannot write" in caught.value.what


def test_a_machine_without_a_library_is_told_which_have_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installing, "pin_here", lambda: None)
    error = refused("policy.engine-missing", tmp_path / "lib.so")
    assert "glibc" in error.means


def test_musl_and_other_machines_have_no_pin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    monkeypatch.setattr("sys.platform", "linux")
    assert pin_here() is None
    monkeypatch.setattr("sys.platform", "win32")
    assert pin_here() is None


def test_every_pin_is_two_hashes() -> None:
    for pin in PINS.values():
        assert len(bytes.fromhex(pin.wheel)) == len(bytes.fromhex(pin.library)) == 32


def test_the_installed_library_is_the_pinned_one() -> None:
    pin = pin_here()
    if pin is None:
        pytest.skip("no OPA library is published for this machine")
    assert sha256_of(default_library()) == pin.library
