"""What may never get into an image: ways out of the context, keys, our own state."""

from __future__ import annotations

import os

import pytest

import sluiceway_build_layers as plugin
from sluiceway.errors import ActionFailed
from sluiceway.model import BuildRequest, Project
from sluiceway_build_layers.layer import write_layer
from sluiceway_build_layers.tree import Kind, Node
from sluiceway_sign_key.keys import generate_key_pair

from .build_layers_kit import Read, build, context, project, put, refusal

__all__ = ["build", "context", "project"]  # fixtures


def test_links_are_kept_when_they_stay_inside(build, context):
    put(context, f__a="a", f__g__b="b")
    (context / "f" / "g" / "link").symlink_to("../a")
    (context / "f" / "dangling").symlink_to("nothing")
    (context / "top").symlink_to("f/a")
    image = build("FROM scratch\nCOPY f /f\nCOPY top /top\n")
    assert image.entries["f/g/link"].linkname == "../a"
    assert image.entries["f/dangling"].linkname == "nothing"
    # A source that is itself a link is followed, as docker does.
    assert image.entries["top"].isreg()


@pytest.mark.parametrize(
    ("target", "source"),
    [
        ("/etc/passwd", "f"),
        ("../../outside", "f"),
        ("../../../../../../etc", "f"),
        ("../../outside", "f/link"),
        ("/etc/passwd", "f/link"),
        ("up/../../outside", "f"),
        ("link", "f/link"),
    ],
)
def test_links_that_lead_out_are_refused(build, context, tmp_path, target, source):
    put(context, f__a="a")
    (tmp_path / "outside").write_text("not for the image")
    (context / "f" / "up").symlink_to(".")
    (context / "f" / "link").symlink_to(target)
    error = refusal(build, f"FROM scratch\nCOPY {source} /deep/down/below/\n")
    assert error.code in {"build.link-escapes", "build.dockerfile"}
    assert error.what.startswith("Dockerfile:")


def test_a_link_inside_the_context_may_still_not_leave_the_image(build, context):
    put(context, a="a")
    (context / "f" / "g").mkdir(parents=True)
    (context / "f" / "g" / "link").symlink_to("../../a")
    error = refusal(build, "FROM scratch\nCOPY f/g /g\n")
    assert error.code == "build.link-escapes"


def test_nothing_is_written_through_a_link_in_the_image(build, context):
    put(context, f__a="a")
    (context / "f" / "link").symlink_to("a")
    error = refusal(build, "FROM scratch\nCOPY f /f\nCOPY f/a /f/link/x\n")
    assert "symbolic link" in error.what


def test_special_files_are_refused(build, context):
    (context / "f").mkdir()
    os.mkfifo(context / "f" / "pipe")
    error = refusal(build, "FROM scratch\nCOPY f /\n")
    assert error.code == "build.special-file"
    assert "/pipe" in error.what


def test_names_that_mean_deletion_are_refused(build, context):
    put(context, **{".wh.a": ""})
    assert refusal(build, "FROM scratch\nCOPY . /\n").code == "build.file-name"


@pytest.mark.parametrize("before", [0, 1000])
def test_a_private_signing_key_stops_the_build(build, context, before):
    key, _ = generate_key_pair(context / "keys", "password")
    key.write_bytes(b"# kept by us\n" * before + key.read_bytes())
    error = refusal(build, "FROM scratch\nCOPY . /\n")
    assert error.code == "build.signing-key"
    put(context, **{".dockerignore": "keys/cosign.key\n"})
    assert "keys/cosign.pub" in build("FROM scratch\nCOPY . /\n", name="second").entries


def test_our_own_state_is_never_part_of_the_context(build, context, project, tmp_path):
    state = context / ".sluiceway"
    state.mkdir()
    put(context, a="a", **{".sluiceway__secret": "s"})
    own = Project(service="app", root=context, state=state, environ={})
    layout = context / ".sluiceway" / "layout"
    layout.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    request = BuildRequest(
        context=context,
        dockerfile=context / "Dockerfile",
        repository="127.0.0.1:5555/app",
        version="",
        revision="",
        source="",
        epoch=0,
        layout=layout,
    )
    assert set(Read(plugin.sluiceway_build(own, request, {})).entries) == {"a", "Dockerfile"}


def test_a_file_that_vanished_is_named(context):
    node = Node(kind=Kind.FILE, mode=0o644, content=context / "missing")
    with pytest.raises(ActionFailed) as caught:
        write_layer(context / "out.tar", {"missing": node}, 0)
    assert caught.value.code == "build.context-changed"


def test_a_file_swapped_for_a_link_is_not_followed(context, tmp_path):
    (tmp_path / "secret").write_text("s")
    (context / "file").symlink_to(tmp_path / "secret")
    node = Node(kind=Kind.FILE, mode=0o644, content=context / "file")
    with pytest.raises(ActionFailed) as caught:
        write_layer(tmp_path / "out.tar", {"file": node}, 0)
    assert caught.value.code == "build.context-changed"
