"""Commands that look: what a wrong configuration is to them."""

from __future__ import annotations

import pytest

from sluiceway.errors import ExitCode


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
