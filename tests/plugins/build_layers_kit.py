"""What the tests of the embedded builder share: a context, a build, the image read back."""

from __future__ import annotations

import io
import json
import tarfile
import textwrap

import pytest

import sluiceway_build_layers as plugin
from sluiceway.errors import ConfigurationError
from sluiceway.model import BuildRequest, Project
from sluiceway.oci import Layout

EPOCH = 1_700_000_000


@pytest.fixture
def context(tmp_path):
    folder = tmp_path / "context"
    folder.mkdir()
    return folder


@pytest.fixture
def project(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    return Project(service="app", root=tmp_path, state=state, environ={})


@pytest.fixture
def build(project, context, tmp_path):
    """Return a function that builds a Dockerfile's text and returns the image, read back."""

    def run(text, settings=None, name="layout", epoch=EPOCH, **more):
        dockerfile = context / "Dockerfile"
        dockerfile.write_text(textwrap.dedent(text))
        layout = tmp_path / name
        layout.mkdir()
        request = BuildRequest(
            context=context,
            dockerfile=dockerfile,
            repository="127.0.0.1:5555/app",
            epoch=epoch,
            layout=layout,
            **{"version": "1.2.3", "revision": "abc", "source": "", **more},
        )
        try:
            built = plugin.sluiceway_build(project, request, settings or {})
        finally:
            if not any(layout.iterdir()):
                layout.rmdir()
        return Read(built)

    return run


class Read:
    """An image read back from its layout."""

    def __init__(self, built):
        self.built = built
        self.layout = Layout.open(built.layout)
        self.manifest = self.layout.image()
        document = json.loads(self.manifest.body)
        self.document = document
        self.configuration = json.loads(
            self.layout.blob(document["config"]["digest"], limit=1 << 20)
        )
        self.config = self.configuration["config"]
        self.layers = []
        for layer in document["layers"]:
            body = self.layout.blob(layer["digest"], limit=1 << 24)
            with tarfile.open(fileobj=io.BytesIO(body)) as archive:
                self.layers.append({member.name: member for member in archive})
        self.entries = {name: item for layer in self.layers for name, item in layer.items()}

    def text(self, path):
        for layer in reversed(self.document["layers"]):
            body = self.layout.blob(layer["digest"], limit=1 << 24)
            with tarfile.open(fileobj=io.BytesIO(body)) as archive:
                if path in archive.getnames():
                    source = archive.extractfile(path)
                    assert source is not None
                    return source.read().decode()
        return None


def put(context, **files):
    for name, text in files.items():
        path = context / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def refusal(build, text, kind=ConfigurationError, **more):
    with pytest.raises(kind) as caught:
        build(text, **more)
    return caught.value
