"""From layers to a folder and a command: what is altered or reaches outside is refused."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
import tarfile
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.errors import ActionFailed
from sluiceway.model import Image, Manifest
from sluiceway.testing.memory_registry import MemoryRegistry
from sluiceway_deploy_local import images
from sluiceway_deploy_local.layers import inside, unpack
from sluiceway_deploy_local.program import program

from .deploy_local_kit import digest, entry, layer, push

LIMIT = 1 << 20
COMMAND = {"Entrypoint": ["python3", "server.py"]}


def apply(root, *bodies, limit=LIMIT):
    root.mkdir(exist_ok=True)
    for body in bodies:
        unpack(io.BytesIO(body), "", root, limit)
    return {
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }


def prepared(tmp_path, registry, image, limit=LIMIT):
    folder = tmp_path / "images"
    folder.mkdir(exist_ok=True)
    return images.prepare(image, registry, folder, limit=limit)


def started(unpacked, env=None):
    return program(unpacked, env or {}, health_path="/h", ready_seconds=1, drain_seconds=1)


def test_later_layers_replace_and_remove(tmp_path):
    found = apply(
        tmp_path / "root",
        layer({"a/one": "1", "a/two": "2", "b/three": "3", "c": "file", "e/old": "x"}),
        layer({"a/.wh.one": "", "b/.wh..wh..opq": "", "b/four": "4", "c/now": "folder"}),
        layer({"d": entry("d", tarfile.SYMTYPE, "a"), "d/five": "5", ".wh.e": "", "e/new": "y"}),
    )
    assert found == {"a/two", "b/four", "c/now", "d", "a/five", "e/new"}


def test_a_whiteout_is_about_lower_layers_only(tmp_path):
    found = apply(
        tmp_path / "root", layer({"a": "new", ".wh.a": "", "b/c": "", "b/.wh..wh..opq": ""})
    )
    assert found == {"a", "b/c"}


@pytest.mark.parametrize(
    "files",
    [
        {"../out": "x"},
        {"a/../../out": "x"},
        {"/out": "x"},
        {"a/.wh...": ""},
        {".wh.": ""},
        {"dev": entry("dev/null", tarfile.CHRTYPE)},
        {"pipe": entry("pipe", tarfile.FIFOTYPE)},
        {"hard": entry("hard", tarfile.LNKTYPE, "../../etc/passwd")},
        {"hard": entry("hard", tarfile.LNKTYPE, "missing")},
        {"l": entry("l", tarfile.SYMTYPE, "l"), "l/x": "x"},
    ],
)
def test_what_reaches_outside_is_refused(tmp_path, files):
    with pytest.raises(ActionFailed) as caught:
        apply(tmp_path / "root", layer(files))
    assert caught.value.code == "deploy.layer-refused"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("target", ["/outside", "../outside", "../../../../outside", "/"])
def test_a_link_cannot_carry_a_file_out(tmp_path, target):
    outside = tmp_path / "outside"
    outside.mkdir()
    apply(tmp_path / "root", layer({"l": entry("l", tarfile.SYMTYPE, target), "l/planted": "x"}))
    assert list(outside.iterdir()) == []
    assert [path.name for path in (tmp_path / "root").rglob("planted")] == ["planted"]


def test_a_hard_link_through_a_link_stays_inside(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    with pytest.raises(ActionFailed, match="no file"):
        apply(
            tmp_path / "root",
            layer(
                {
                    "l": entry("l", tarfile.SYMTYPE, str(tmp_path)),
                    "h": entry("h", tarfile.LNKTYPE, "l/secret"),
                }
            ),
        )


@given(st.lists(st.sampled_from(["..", ".", "a", "l", "up", "abs", ""]), max_size=8))
@settings(max_examples=200)
def test_no_path_resolves_outside(tmp_path_factory, parts):
    root = tmp_path_factory.getbasetemp() / "resolving"
    if not root.exists():
        (root / "a").mkdir(parents=True)
        (root / "l").symlink_to("a/../..")
        (root / "up").symlink_to("../../..")
        (root / "abs").symlink_to("/a")
    found = inside(root, "/".join(parts))
    assert os.path.commonpath([root, os.path.normpath(found)]) == str(root)


def test_files_are_read_only_and_setuid_is_dropped(tmp_path):
    info = tarfile.TarInfo("tool")
    info.mode = 0o6755
    apply(tmp_path / "root", layer({"tool": info, "data": "x"}))
    assert stat.S_IMODE((tmp_path / "root" / "tool").stat().st_mode) == 0o555
    assert stat.S_IMODE((tmp_path / "root" / "data").stat().st_mode) == 0o444


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path):
    registry = MemoryRegistry()
    image = push(registry, [layer({"zeros": b"\0" * 300_000})], COMMAND)
    with pytest.raises(ActionFailed, match="more than the 200000 bytes"):
        prepared(tmp_path, registry, image, limit=200_000)
    assert list((tmp_path / "images").iterdir()) == []


@pytest.mark.parametrize("cut", [1, 100, 2000])
def test_a_broken_archive_is_refused(tmp_path, cut):
    import gzip

    body = gzip.compress(layer({"a": os.urandom(5000)}))
    (tmp_path / "root").mkdir()
    with pytest.raises(ActionFailed, match="no proper archive"):
        unpack(io.BytesIO(body[:-cut]), "gzip", tmp_path / "root", LIMIT)


def test_an_image_is_unpacked_once(tmp_path):
    registry = MemoryRegistry()
    image = push(registry, [layer({"app/server.py": "pass"})], COMMAND)
    first = prepared(tmp_path, registry, image)
    assert (first.root / "app" / "server.py").read_text() == "pass"
    registry.blobs.clear()
    assert prepared(tmp_path, registry, image) == first


def test_every_byte_is_checked(tmp_path):
    class Altering(MemoryRegistry):
        """A registry that does not check what it sends, as a stranger's plugin may not."""

        def _check(self, digest, content):
            pass

    for kind in ("layer", "config"):
        registry = Altering()
        image = push(registry, [layer({"a": "good"})], COMMAND)
        names = {
            name: "config" if body.startswith(b"{") else "layer"
            for name, body in registry.blobs.items()
        }
        (name,) = (name for name, what in names.items() if what == kind)
        registry.blobs[name] = registry.blobs[name].replace(b"linux", b"plan9") + b" "
        with pytest.raises(ActionFailed, match="should be sha256") as caught:
            prepared(tmp_path, registry, image)
        assert caught.value.code == "deploy.image-refused"
    plain = MemoryRegistry()
    image = push(plain, [layer({"a": "b"})], COMMAND, diff_ids=[digest(b"other")])
    with pytest.raises(ActionFailed, match="layer 1 unpacked"):
        prepared(tmp_path, plain, image)
    image = push(plain, [layer({"a": "b"})], COMMAND, diff_ids=["a", "b"])
    with pytest.raises(ActionFailed, match="lists 2 layers"):
        prepared(tmp_path, plain, image)
    assert list((tmp_path / "images").iterdir()) == []


def test_an_index_is_resolved_for_this_machine(tmp_path, monkeypatch):
    registry = MemoryRegistry()
    good = push(registry, [layer({"a": "this"})], COMMAND)
    other = push(registry, [layer({"a": "that"})], COMMAND)
    media_type = "application/vnd.oci.image.index.v1+json"

    def described(image, architecture):
        manifest = registry.manifest(image.digest)
        assert manifest is not None
        return {
            "mediaType": manifest.media_type,
            "digest": image.digest,
            "size": len(manifest.body),
            "platform": {"os": "linux", "architecture": architecture},
        }

    entries = [described(other, "s390x"), described(good, "amd64")]
    body = json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": entries}).encode()
    registry.put_manifest("v1", Manifest(body=body, media_type=media_type, digest=digest(body)))
    image = Image(repository=registry.repository, digest=digest(body), media_type=media_type)
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(ActionFailed, match="no manifest for linux/riscv64"):
        prepared(tmp_path, registry, image)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    unpacked = prepared(tmp_path, registry, image)
    assert (unpacked.root / "a").read_text() == "this"
    assert unpacked.digest == image.digest, "what was promoted is what is named"


def test_an_image_that_the_registry_lacks_is_named(tmp_path):
    image = Image(repository="r/x", digest=digest(b"none"), media_type="")
    with pytest.raises(ActionFailed, match="has no manifest") as caught:
        prepared(tmp_path, MemoryRegistry(), image)
    assert caught.value.code == "deploy.no-image"


def test_old_images_go_and_running_ones_stay(tmp_path):
    registry = MemoryRegistry()
    made = []
    for number in range(8):
        image = push(registry, [layer({"n": str(number)})], COMMAND)
        unpacked = prepared(tmp_path, registry, image)
        os.utime(unpacked.root.parent, (number, number))
        made.append(image.digest)
    for name, age in ((".unpacking-old", 90_000), (".unpacking-new", 60)):
        (tmp_path / "images" / name).mkdir()
        os.utime(tmp_path / "images" / name, (time.time() - age,) * 2)
    images.prune(tmp_path / "images", {made[0]})
    (staging,) = (tmp_path / "images").glob(".unpacking-*")
    assert staging.name == ".unpacking-new"
    staging.rmdir()
    left = {f"sha256:{path.name}" for path in (tmp_path / "images").iterdir()}
    assert left == {made[0], *made[3:]}


def test_a_command_is_found_in_the_image_then_on_the_machine(tmp_path):
    registry = MemoryRegistry()
    tool = tarfile.TarInfo("opt/bin/tool")
    tool.mode = 0o755
    files: dict[str, str | bytes | tarfile.TarInfo] = {
        "app/server.py": "",
        "opt/bin/tool": tool,
        "etc/shop.ini": "",
    }

    def command(*argv, **config):
        config = {
            "WorkingDir": "/app",
            "Env": ["PATH=/opt/bin:/usr/bin", "A=/etc/shop.ini"],
            **config,
        }
        image = push(registry, [layer(files)], {"Entrypoint": list(argv), **config})
        return started(prepared(tmp_path, registry, image))

    found = command("tool", "/etc/shop.ini", "--plain", "/not/there")
    root = found.cwd.removesuffix("/app")
    assert found.argv == (f"{root}/opt/bin/tool", f"{root}/etc/shop.ini", "--plain", "/not/there")
    assert found.env == {"A": f"{root}/etc/shop.ini"}
    assert found.environment({"PATH": "/bin"}, 80, "x")["PATH"] == f"{root}/opt/bin:/bin"
    for tool_name in ("/opt/bin/tool", "../opt/bin/tool"):
        found = command(tool_name)
        assert found.argv == (f"{found.cwd.removesuffix('/app')}/opt/bin/tool",)
    for python in ("python3", "python", "/usr/local/bin/python3"):
        assert command(python, "-m", "shop").argv == (sys.executable, "-m", "shop")
    assert command("sleep", "1").argv[0].endswith("/sleep")
    for argv in (["no-such-program"], ["./missing"], []):
        with pytest.raises(ActionFailed, match="cannot be started") as caught:
            command(*argv)
        assert caught.value.code == "deploy.no-entrypoint"
    with pytest.raises(ActionFailed, match="WorkingDir"):
        command("tool", WorkingDir="/nowhere")


def test_the_environments_variables_win_over_the_images(tmp_path):
    registry = MemoryRegistry()
    image = push(registry, [layer({"a": ""})], {**COMMAND, "Env": ["LEVEL=debug", "KEPT=1"]})
    unpacked = prepared(tmp_path, registry, image)
    first, second = started(unpacked, {"LEVEL": "info"}), started(unpacked, {"LEVEL": "warn"})
    assert first.env == {"LEVEL": "info", "KEPT": "1"}
    assert first.same(started(unpacked, {"LEVEL": "info"}))
    assert not first.same(second)
    assert type(first).from_json(json.loads(json.dumps(first.to_json()))) == first
