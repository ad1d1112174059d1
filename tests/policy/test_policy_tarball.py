"""Bundles in a tar: the same policies as the folder, and nothing that could mean two things."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sluiceway.errors import ConfigurationError
from sluiceway.policy import Archive, bundled_policies, check_pin, load_bundle, tarball
from sluiceway.policy.archive import archive

MODULE = b"package g\n\nx := data.g.a\n"


def packed(files: dict[str, bytes], *more: tarfile.TarInfo, pack: bool = True) -> Archive:
    """Return a tar of *files*, and of members without content."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name, body in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))
        for entry in more:
            tar.addfile(entry)
    content = written.getvalue()
    return Archive(content=gzip.compress(content) if pack else content, origin="b.tar.gz")


def member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


def manifest(**more: Any) -> dict[str, bytes]:
    return {".manifest": json.dumps(more).encode(), "g/g.rego": MODULE}


def refused(source: Archive | Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_bundle([source])
    assert caught.value.code == "policy.archive"
    return caught.value.what


@pytest.mark.parametrize(
    "damage",
    [
        lambda tar: tar[:1024],
        lambda tar: tar[:1200],
        lambda tar: tar[:1100] + b"?" + tar[1101:],
        lambda tar: tar[:1024] + bytes(512) + tar[1024:],
        lambda tar: tar[:1024] + bytes(1024) + tar[1024:],
        lambda tar: tar[:2048] + bytes(512),
    ],
    ids=["cut between", "cut in a header", "damaged", "zeros", "end in the middle", "half an end"],
)
def test_a_damaged_tar_is_not_one_with_fewer_rules(damage: Callable[[bytes], bytes]) -> None:
    two = {"a.rego": b"package a\n", "b.rego": b"package b\n"}
    whole = packed(two, pack=False).content
    assert len(load_bundle([packed(two)]).modules) == 2
    assert "it is damaged or cut off" in refused(Archive(content=damage(whole), origin="b.tar"))


def test_a_tar_is_the_folder_that_it_was_made_of(tmp_path: Path) -> None:
    folder = load_bundle([bundled_policies()])
    file = tmp_path / "policies.tar.gz"
    file.write_bytes(archive(folder))
    read = load_bundle([file])
    assert (read.digest, read.origin) == (folder.digest, str(file))
    assert (read.modules, read.data, read.schemas) == (
        folder.modules,
        folder.data,
        folder.schemas,
    )
    assert archive(read) == file.read_bytes()


@pytest.mark.parametrize("name", ["p.tar", "p.tar.gz", "p.tgz"])
def test_a_tar_that_tar_made_is_the_same(tmp_path: Path, name: str) -> None:
    # As people do it: from inside, so that every name begins with "./", tests and folders included.
    how = "-cf" if name.endswith(".tar") else "-czf"
    subprocess.run(
        ["tar", how, str(tmp_path / name), "-C", str(bundled_policies()), "."], check=True
    )
    assert load_bundle([tmp_path / name]).digest == load_bundle([bundled_policies()]).digest
    assert any("_test.rego" in each for each in load_bundle([tmp_path / name], tests=True).modules)


@pytest.mark.real_tool("opa")
@pytest.mark.parametrize("signed", [False, True])
def test_what_opa_builds_is_read(tmp_path: Path, signed: bool) -> None:  # noqa: FBT001 - a case
    folder = tmp_path / "b"
    (folder / "g").mkdir(parents=True)
    (folder / "g" / "g.rego").write_bytes(MODULE)
    (folder / "g" / "data.json").write_text('{"a": 1}')
    command = ["opa", "build", "-b", "b", "-o", "made.tar.gz"]
    if signed:
        (tmp_path / "key").write_text("secret")
        command += ["--signing-key", "secret", "--signing-alg", "HS256"]
    subprocess.run(command, cwd=tmp_path, check=True)
    read = load_bundle([tmp_path / "made.tar.gz"])
    assert read.modules == {"b/g/g.rego": MODULE.decode()}
    assert read.data == {"g": {"a": 1}}


def test_one_changed_byte_is_another_digest_and_the_pin_says_so() -> None:
    first = load_bundle([packed({"g/g.rego": MODULE})])
    other = load_bundle([packed({"g/g.rego": MODULE + b"# more\n"})])
    assert check_pin(first, first.digest) is first
    with pytest.raises(ConfigurationError) as caught:
        check_pin(other, first.digest)
    assert caught.value.code == "policy.bundle-changed"
    assert other.digest in caught.value.what
    assert "policy.check" in caught.value.remedy


@pytest.mark.parametrize(
    "name",
    [
        "../g.rego",
        "g/../../g.rego",
        "//etc/g.rego",
        "g//g.rego",
        "g/./g.rego",
        "g\\g.rego",
        "g\n.rego",
        "g\udcff.rego",
    ],
)
def test_a_name_that_is_no_place_in_a_bundle_is_refused(name: str) -> None:
    assert "is not the path of a file in a bundle" in refused(packed({name: MODULE}))


@pytest.mark.parametrize(
    "entry",
    [
        member("g/g.rego", tarfile.SYMTYPE, "/etc/passwd"),
        member("g/g.rego", tarfile.LNKTYPE, "g/h.rego"),
        member("g/g.rego", tarfile.CHRTYPE),
        member("g/g.rego", tarfile.BLKTYPE),
        member("g/g.rego", tarfile.FIFOTYPE),
        member("g/g.rego", tarfile.GNUTYPE_SPARSE),
    ],
    ids=["symbolic link", "hard link", "character device", "block device", "pipe", "sparse"],
)
def test_only_plain_files_are_read(entry: tarfile.TarInfo) -> None:
    assert "'g/g.rego'" in refused(packed({"g/h.rego": MODULE}, entry))


def test_a_name_that_stands_there_twice_is_refused() -> None:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name in ("g/g.rego", "/g/g.rego"):
            entry = tarfile.TarInfo(name)
            entry.size = len(MODULE)
            tar.addfile(entry, io.BytesIO(MODULE))
    assert "twice" in refused(Archive(content=written.getvalue(), origin="b.tar"))


def test_what_unpacks_to_far_too_much_is_never_unpacked() -> None:
    assert "unpacks to more than" in refused(packed({"g/g.rego": bytes(16 << 20)}))


def test_more_files_than_policies_have_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tarball, "_MOST_FILES", 3)
    assert len(load_bundle([packed({f"g/{n}.rego": MODULE for n in range(3)})]).modules) == 3
    assert "more than 3 files" in refused(packed({f"g/{n}.rego": MODULE for n in range(4)}))


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: body[: len(body) // 2],
        lambda body: body[:-6] + bytes(6),
        lambda body: b"\x1f\x8b" + body,
        lambda _: b"",
        lambda _: os.urandom(2000),
        lambda _: gzip.compress(b"x" * 600),
    ],
    ids=["cut", "checksum", "header", "empty", "noise", "no tar"],
)
def test_a_damaged_file_is_refused(damage: Callable[[bytes], bytes]) -> None:
    whole = packed({"g/g.rego": MODULE, "h/h.rego": os.urandom(3000)}).content
    with pytest.raises(ConfigurationError) as caught:
        load_bundle([Archive(content=damage(whole), origin="b.tar.gz")])
    assert caught.value.code in {"policy.archive", "policy.empty"}


def test_a_tar_that_is_cut_off_inside_a_file_is_refused() -> None:
    whole = packed({"g/a.rego": MODULE, "g/g.rego": MODULE * 100}, pack=False).content
    refused(Archive(content=whole[:1700], origin="b.tar"))


@pytest.mark.parametrize("name", sorted(["policy.wasm", "plan.json", "patch.json", "g/data.yaml"]))
def test_what_opa_would_read_and_we_do_not_is_refused(name: str) -> None:
    assert name in refused(packed({"g/g.rego": MODULE, name: b"{}"}))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"rego_version": 0}, "Rego v0"),
        ({"file_rego_versions": {"g/*.rego": 0}}, "Rego v0"),
        ({"wasm": [{"entrypoint": "g/x"}]}, "compiled"),
        ({"roots": "g"}, "roots"),
        ({"roots": ["h"]}, "g/g.rego is in package g, outside of its roots"),
        ({"roots": ["gg"]}, "outside of its roots"),
        ({"roots": []}, "outside of its roots"),
    ],
)
def test_a_manifest_that_says_otherwise_is_refused(said: dict[str, Any], words: str) -> None:
    assert words in refused(packed(manifest(**said)))


@pytest.mark.parametrize("roots", [None, [""], ["/"], ["g"], ["g", "h/i"], ["/g/"]])
def test_roots_that_hold_everything_change_nothing(roots: list[str] | None) -> None:
    said = {} if roots is None else {"roots": roots}
    plain = load_bundle([packed({"g/g.rego": MODULE})])
    assert load_bundle([packed(manifest(revision="7", **said))]).digest == plain.digest


@pytest.mark.parametrize(("roots", "right"), [(["g", "h/i"], True), (["g", "h/j"], False)])
def test_data_stands_below_the_roots_too(roots: list[str], right: bool) -> None:  # noqa: FBT001 - a case
    files = manifest(roots=roots) | {"h/data.json": b'{"i": {"k": 1}}'}
    if right:
        assert load_bundle([packed(files)]).data == {"h": {"i": {"k": 1}}}
    else:
        assert "data.h.i is outside of its roots" in refused(packed(files))
