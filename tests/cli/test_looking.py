"""Commands that look: what a wrong configuration is to them."""

from __future__ import annotations

import shutil
import sys

import pytest

from sluiceway.errors import ExitCode

STOPPING = """
from sluiceway.errors import ActionFailed
from sluiceway.hookspecs import hookimpl

@hookimpl
def sluiceway_shutdown():
    {0}
"""
FAILING = "raise ActionFailed('the kiln cannot be reached', code='kiln.unreachable')"


@pytest.fixture
def kept(site, tmp_path, monkeypatch):
    """Return a function that installs plugins which keep something running, by name."""

    place = tmp_path / "site-packages"
    monkeypatch.syspath_prepend(str(place))

    def install(plugins):
        for name, does in plugins.items():
            module = name.replace("-", "_")
            info = place / f"{module}-1.0.dist-info"
            info.mkdir(parents=True)
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            (info / "entry_points.txt").write_text(f"[sluiceway]\n{name} = {module}\n")
            (place / f"{module}.py").write_text(STOPPING.format(does))
            monkeypatch.delitem(sys.modules, module, raising=False)
        return site

    yield install
    shutil.rmtree(place)  # what the site keeps running is stopped after this


@pytest.mark.parametrize("command", ["status", "pipeline"])
@pytest.mark.parametrize(
    ("text", "code", "remedy"),
    [
        ('[stages]\ngate = ["smok"]\n', "plugin.unknown", "'gate-smoke'"),
        ('[stages]\ndeploy = "locl"\n', "plugin.unknown", "'deploy-local'"),
        ("[plugins.gate-smok]\n", "plugin.unknown", "'gate-smoke'"),
    ],
)
def test_a_plugin_that_is_not_installed_is_wrong_configuration(site, command, text, code, remedy):
    path = site.root / "sluiceway.toml"
    path.write_text(path.read_text() + text)
    ended, document = site.run(command)
    assert ended == ExitCode.USAGE
    assert document["error"]["code"] == code
    assert remedy in document["error"]["remedy"]


def test_down_stops_what_the_others_keep_when_one_cannot(kept):
    site = kept({"build-kiln": FAILING, "flags-bell": "return ['the bell']"})
    code, document = site.run("down")
    assert code == ExitCode.NEEDS_PERSON  # one was stopped, one was not
    assert document["stopped"] == ["the bell"]
    assert document["error"]["code"] == "kiln.unreachable"
    assert document["changed"] is True
    code, out, err = site.shown("down")
    assert (code, out) == (ExitCode.NEEDS_PERSON, "the bell\n")
    assert "the kiln cannot be reached" in err


def test_down_that_stops_nothing_changed_nothing(kept):
    code, document = kept({"build-kiln": FAILING}).run("down")
    assert code == ExitCode.UNABLE
    assert (document["stopped"], document["changed"]) == ([], False)
